"""The registry of codecs: kinds of checkpoints to classes, and names to whole codecs.

A checkpoint is a folder (tts_codecs.checkpoint) whose config names one of the kinds below. Some
are whole codecs (Vocos), others a part that needs a vocoder to make a waveform (the spectral codec,
or the vocoder by itself, whose frames are then mel frames); `load` puts the parts together.
"""

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from torch import nn

from tts_codecs.bandwidth import split_bandwidth
from tts_codecs.base import Codec
from tts_codecs.checkpoint import (
    CONFIG,
    fingerprint,
    load_weights,
    read_config,
    sha256,
    weights_bytes,
)
from tts_codecs.construction import building
from tts_codecs.errors import CheckpointError, TTSError, UsageError, nearest
from tts_codecs.fetched import BUILT, CODECS, FEATURES
from tts_codecs.renamed import current_arguments

_PACKAGE = Path(__file__).resolve().parent

Build = Callable[..., nn.Module]


def _lazy(place: str) -> Build:
    """The class or function at "module:name", imported at its first call."""
    module, _, name = place.partition(":")

    def build(**arguments: object) -> nn.Module:
        made: nn.Module = getattr(import_module(module), name)(**arguments)
        return made

    return build


#: kinds of checkpoints to what builds them from the arguments in their config
KINDS: dict[str, Build] = {
    "spectral": _lazy("tts_codecs.spectral:SpectralAutoencoder"),
    "latent": _lazy("tts_codecs.latent:LatentAutoencoder"),
    "source_filter_vocoder": _lazy("tts_codecs.vocoder.source_filter:SourceFilterVocoder"),
    "neural": _lazy("tts_codecs.neural:build_codec"),
    "vocos": _lazy("tts_codecs.vocos:build_vocos"),
}


def checkpoint_folders() -> list[Path]:
    """Folders that may hold shipped checkpoints: that of `TTS_HOME` alone where it is set, else the
    checkout, the installed package `tts` and this package."""
    override = os.environ.get("TTS_HOME")
    homes = (
        [Path(override)] if override else [_PACKAGE.parents[1], _PACKAGE.parent / "tts", _PACKAGE]
    )
    return [home / "checkpoints" for home in homes if (home / "checkpoints").is_dir()]


def names() -> list[str]:
    """Shipped checkpoints of codecs, by name."""
    found = set()
    for folder in checkpoint_folders():
        for config in folder.glob(f"*/{CONFIG}"):
            try:
                known = read_config(config.parent)["kind"] in KINDS
            except CheckpointError:
                known = False
            if known:
                found.add(config.parent.name)
    return sorted(found)


def find(name: str | Path) -> Path:
    """The folder of a checkpoint, given by path or by the name of a shipped one.

    Raises:
        UsageError: there is none, naming the nearest.
    """
    path = Path(name)
    try:
        for folder in (Path(), *checkpoint_folders()):
            if (folder / path / CONFIG).is_file():
                return folder / path
    except (OSError, ValueError) as error:  # such as one that is longer than names of files are
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"unknown codec {str(name)[:80]!r}: {reason}") from error
    known = [*names(), *BUILT, *CODECS]
    raise UsageError(f"unknown codec {str(name)!r}{nearest(str(name), known)}")


def load_module(
    folder: str | Path,
    kinds: Mapping[str, Build] = KINDS,
    device: str = "cpu",
    kind: str | None = None,
) -> nn.Module:
    """Build the architecture a checkpoint names and fill it with its verified weights.

    Args:
        kinds: architectures to choose from; kind: the one it has to be.

    Returns:
        the module in evaluation mode, without gradients.

    Raises:
        CheckpointError: missing, damaged, or of an unknown kind.
    """
    config = read_config(folder, kind)
    build = kinds.get(config["kind"])
    if build is None:
        raise CheckpointError(f"{folder} holds an unknown kind of model, {config['kind']!r}")
    # A value of weights takes a byte at least, and a part may be built to be replaced.
    most = weights_bytes(folder) + 1_000_000
    try:
        with building(most):
            module = build(**current_arguments(config["kind"], config["arguments"]))
    # What wrong arguments raise in constructors has no bounds: heads of 0 divide by zero.
    except Exception as error:
        known = isinstance(error, (TTSError, ValueError))
        detail = str(error) if known else f"{type(error).__name__}: {error}"
        detail = " ".join(detail.split())[:300]
        raise CheckpointError(f"{folder} has wrong arguments in its config: {detail}") from error
    load_weights(folder, module)
    return module.to(device).eval().requires_grad_(False)


def load(
    name: str | Path = "spectral",
    device: str = "cpu",
    vocoder: str | Path = "vocoder_24k",
    bandwidth: float | None = None,
) -> Codec:
    """A codec by name, ready for `encode` and `decode`.

    Args:
        name: a checkpoint, by the name of a shipped one ("spectral", "vocoder") or by its folder;
            "features" for copy synthesis from source-filter features; "dmel" for binned log-mels;
            a published one that was fetched ("mimi", see tts_codecs.fetched); or a file of
            published weights: EnCodec (24 or 48 kHz), Vocos over it, Mimi, DAC, SNAC. "NAME@KBITS"
            is one at a bandwidth.
        device: where the weights go; "auto" takes a GPU if there is one.
        vocoder: checkpoint that turns features into a waveform, for codecs of features.
        bandwidth: kbit/s, one of those of a codec that has several: EnCodec (6 by default), or one
            with residual codebooks (all of them by default).

    Raises:
        UsageError: unknown, or not a codec; naming the nearest; a bandwidth where there is one
            only, or two given.
        CheckpointError: damaged weights, or a published codec that is not fetched yet.
        CodecError: a bandwidth the codec does not have; those it has are listed.
    """
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    plain, named = split_bandwidth(name)
    if named is not None and bandwidth is not None:
        raise UsageError(f"{str(name)!r} names its bandwidth: {bandwidth!r} kbit/s is another")
    bandwidth = named if bandwidth is None else bandwidth
    published = published_file(plain)
    if published is None:
        codec = _load(plain, device, vocoder)
    else:
        from tts_codecs.published import load_file

        codec = load_file(published, bandwidth)
    if bandwidth is not None and published is None:
        from tts_codecs.layered import use_bandwidth

        use_bandwidth(codec, bandwidth, plain)
    return codec.to(device).eval()


def check_name(name: str | Path) -> None:
    """Errors of `load` that need no weights: an unknown name, one of a checkpoint that is no codec,
    a published codec that is not fetched."""
    plain, _ = split_bandwidth(name)
    if published_file(plain) is None and not _is_built(plain):
        _codec_folder(plain)


def _is_built(name: str | Path) -> bool:
    """Whether a codec is made of a vocoder alone, by its name."""
    return str(name) in BUILT and not (Path(name) / CONFIG).is_file()


def _codec_folder(name: str | Path) -> Path:
    """The folder of a codec's checkpoint; UsageError where there is none, or of another kind."""
    folder = find(name)
    if read_config(folder)["kind"] not in KINDS:
        raise UsageError(f"{str(name)!r} is neither a codec nor a vocoder")
    return folder


def file_of(name: str | Path) -> bool:
    """Whether a name stands for a file. One that is called as a codec is, without folder or suffix,
    hides no codec: it is given as "./NAME"."""
    try:
        if not Path(name).is_file():
            return False
    except (OSError, ValueError):  # no name of a file
        return False
    return str(name) not in {*BUILT, *CODECS, *names()}


def published_file(name: str | Path) -> Path | None:
    """The file of published weights that a name or path stands for; None for other codecs.

    Raises:
        CheckpointError: it is the name of one that is not fetched yet.
    """
    if file_of(name):
        return Path(name)
    if str(name) not in CODECS or (Path(name) / CONFIG).is_file() or str(name) in names():
        return None
    published = CODECS[str(name)]
    published.check_fetched()
    return published.weights


def weights_of(name: str | Path) -> str:
    """Checksum of the weights that define the codes of a codec, the same at every bandwidth; ""
    where there are none. Errors as `load`."""
    name, _ = split_bandwidth(name)
    published = published_file(name)
    if published is not None:
        return sha256(published)
    return "" if _is_built(name) else fingerprint(find(name))


def _load(name: str | Path, device: str, vocoder: str | Path) -> Codec:
    """A codec that is no file of published weights."""
    from tts_codecs.dmel import DMelCodec
    from tts_codecs.mel_codec import FeatureCodec, MelCodec
    from tts_codecs.spectral import SpectralAutoencoder, SpectralCodec
    from tts_codecs.vocoder.source_filter import SourceFilterVocoder

    def load_vocoder() -> SourceFilterVocoder:
        try:
            made = load_module(find(vocoder), KINDS, device)
        except CheckpointError:
            if read_config(find(vocoder))["kind"] in KINDS:
                raise
            made = None
        if not isinstance(made, SourceFilterVocoder):
            raise UsageError(f"{str(vocoder)!r} is not a vocoder")
        return made

    if _is_built(name):
        return FeatureCodec(load_vocoder()) if str(name) == FEATURES else DMelCodec(load_vocoder())
    module = load_module(_codec_folder(name), KINDS, device)
    if isinstance(module, Codec):
        return module
    if isinstance(module, SourceFilterVocoder):
        return MelCodec(module)
    if isinstance(module, SpectralAutoencoder):
        return SpectralCodec(module, load_vocoder())
    raise UsageError(f"{str(name)!r} is neither a codec nor a vocoder")
