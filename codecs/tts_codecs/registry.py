"""Registry of codecs: classes by kind of checkpoint, and loading of codecs by name.

A checkpoint is a folder (tts_codecs.checkpoint) whose config names one of the kinds below. Some
kinds are complete codecs (Vocos). Others are parts: the spectral autoencoder needs a vocoder to
produce a waveform, and a vocoder by itself becomes a codec of mels. `load` combines the parts.
"""

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

import torch
from torch import nn

from tts_codecs.bandwidth import split_bandwidth
from tts_codecs.base import Codec
from tts_codecs.checkpoint import (
    CONFIG,
    fingerprint,
    load_weights,
    read_config,
    weights_bytes,
)
from tts_codecs.construction import building
from tts_codecs.download import file_sha256
from tts_codecs.errors import CheckpointError, TTSError, UsageError, nearest
from tts_codecs.fetched import BUILT, CODECS, FEATURES
from tts_codecs.nn.signal_stack import ensure_signal_stack
from tts_codecs.renamed import current_arguments
from tts_codecs.sources import UNDECLARED

_PACKAGE = Path(__file__).resolve().parent

Build = Callable[..., nn.Module]


def _lazy(place: str) -> Build:
    """A builder for the class or function at "module:name", which is imported at the first call."""
    module, _, name = place.partition(":")

    def build(**arguments: object) -> nn.Module:
        made: nn.Module = getattr(import_module(module), name)(**arguments)
        return made

    return build


#: builders by kind of checkpoint; they take the arguments in its config
KINDS: dict[str, Build] = {
    "spectral": _lazy("tts_codecs.spectral:SpectralAutoencoder"),
    "latent": _lazy("tts_codecs.latent:LatentAutoencoder"),
    "source_filter_vocoder": _lazy("tts_codecs.vocoder.source_filter:SourceFilterVocoder"),
    "neural": _lazy("tts_codecs.neural:build_codec"),
    "vocos": _lazy("tts_codecs.vocos:build_vocos"),
}


def checkpoint_folders() -> list[Path]:
    """Existing folders of shipped checkpoints: only that in `TTS_HOME` if it is set, else those in
    the checkout, in the installed package `tts` and in this package."""
    override = os.environ.get("TTS_HOME")
    homes = (
        [Path(override)] if override else [_PACKAGE.parents[1], _PACKAGE.parent / "tts", _PACKAGE]
    )
    return [home / "checkpoints" for home in homes if (home / "checkpoints").is_dir()]


def names() -> list[str]:
    """Sorted names of the shipped checkpoints of codecs and vocoders."""
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
    """The folder of a checkpoint, given its path or the name of a shipped one.

    Raises:
        UsageError: no such checkpoint; the nearest name is suggested.
    """
    path = Path(name)
    try:
        for folder in (Path(), *checkpoint_folders()):
            if (folder / path / CONFIG).is_file():
                return folder / path
    except (OSError, ValueError) as error:  # not a valid file name, for example too long
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"unknown codec {str(name)[:80]!r}: {reason}") from error
    if str(name) and path.is_dir():
        inside = path / "export"  # of a training run
        hint = f"; did you mean {str(inside)!r}?" if (inside / CONFIG).is_file() else ""
        raise UsageError(f"{str(name)!r} is a folder without {CONFIG}, not a checkpoint{hint}")
    known = [*names(), *BUILT, *CODECS]
    plain, at, kbits = str(name).rpartition("@")
    if at and plain in known:
        raise UsageError(f"{str(name)!r}: {kbits!r} is no bandwidth in kbit/s, as in {plain}@1.0")
    raise UsageError(f"unknown codec {str(name)!r}{nearest(str(name), known)}")


def load_module(
    folder: str | Path,
    kinds: Mapping[str, Build] = KINDS,
    device: str | torch.device = "cpu",
    kind: str | None = None,
) -> nn.Module:
    """Build the network of a checkpoint and load its verified weights.

    Args:
        folder: of the checkpoint.
        kinds: builders by kind.
        device: device of the weights.
        kind: the kind that the checkpoint has to have, or None for any of `kinds`.

    Returns:
        the module in evaluation mode, without gradients.

    Raises:
        CheckpointError: the checkpoint is missing, damaged, or of an unknown kind.
    """
    config = read_config(folder, kind)
    build = kinds.get(config["kind"])
    if build is None:
        raise CheckpointError(f"{folder} holds an unknown kind of model, {config['kind']!r}")
    # Bound on the number of parameters: a stored value takes at least one byte. The margin is for
    # parts that are built but replaced.
    most = weights_bytes(folder) + 1_000_000
    try:
        with building(most):
            module = build(**current_arguments(config["kind"], config["arguments"]))
    # Constructors may raise any exception for wrong arguments, such as ZeroDivisionError.
    except Exception as error:
        known = isinstance(error, (TTSError, ValueError))
        detail = str(error) if known else f"{type(error).__name__}: {error}"
        detail = " ".join(detail.split())[:300]
        raise CheckpointError(f"{folder} has wrong arguments in its config: {detail}") from error
    load_weights(folder, module)
    return module.to(device).eval().requires_grad_(False)


def load(
    name: str | Path = "spectral",
    device: str | torch.device = "cpu",
    vocoder: str | Path = "vocoder_24k",
    bandwidth: float | None = None,
) -> Codec:
    """Load a codec by name, ready for `encode` and `decode`.

    Args:
        name: one of
            - the name of a shipped checkpoint ("spectral", "vocoder"), or a checkpoint folder;
            - "features" for copy synthesis from source-filter features, "dmel" for binned log-mels;
            - the name of a published codec that was fetched ("mimi", see tts_codecs.fetched);
            - a file of published weights: EnCodec (24 or 48 kHz), Vocos of EnCodec codes, Mimi,
              DAC, SNAC or NanoCodec.
            "NAME@KBITS" also chooses the bandwidth.
        device: device of the weights; "auto" is a GPU if available.
        vocoder: name or folder of the vocoder's checkpoint, for codecs that need one ("spectral",
            "rvq", "features", "dmel").
        bandwidth: kbit/s, for codecs with several bandwidths: EnCodec (6 by default), and codecs
            with residual codebooks (all codebooks by default).

    Raises:
        UsageError: an unknown name, with the nearest known one, or not a codec; a bandwidth for a
            codec with only one, or two different bandwidths; a device that does not exist here.
        CheckpointError: damaged weights, or a published codec that was not fetched yet.
        CodecError: the codec does not have this bandwidth; those it has are listed.
    """
    ensure_signal_stack()
    place = _device(device)
    plain, named = split_bandwidth(name)
    if named is not None and bandwidth is not None and bandwidth != named:
        raise UsageError(f"{str(name)!r} names its bandwidth: {bandwidth!r} kbit/s is another")
    bandwidth = named if bandwidth is None else bandwidth
    published = published_file(plain)
    if published is None:
        codec = _load(plain, place, vocoder)
    else:
        from tts_codecs.published import load_file

        codec = load_file(published, bandwidth)
    if bandwidth is not None and published is None:
        from tts_codecs.layered import use_bandwidth

        use_bandwidth(codec, bandwidth, plain)
    return codec.to(place).eval()


def _device(name: str | torch.device) -> torch.device:
    """The device of a name, "auto" included; UsageError if it does not exist here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    # PyTorch raises all of these, depending on how it was built.
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise UsageError(f"device {str(name)!r} cannot be used: {reason}") from error
    return device


def check_name(name: str | Path) -> None:
    """Raise the errors of `load` that can be found without reading weights: an unknown name, a
    checkpoint that is not a codec, a published codec that was not fetched."""
    plain, _ = split_bandwidth(name)
    if published_file(plain) is None and not _is_built(plain):
        _codec_folder(plain)


def _is_built(name: str | Path) -> bool:
    """Whether a name is that of a codec without weights other than the vocoder's ("features",
    "dmel")."""
    return str(name) in BUILT and not (Path(name) / CONFIG).is_file()


def _codec_folder(name: str | Path) -> Path:
    """The folder of a codec's checkpoint; UsageError if it does not exist or is no codec."""
    folder = find(name)
    if read_config(folder)["kind"] not in KINDS:
        raise UsageError(f"{str(name)!r} is neither a codec nor a vocoder")
    return folder


def file_of(name: str | Path) -> bool:
    """Whether a name is that of a file. The name of a codec always means the codec; a file of the
    same name has to be written as "./NAME"."""
    try:
        if not Path(name).is_file():
            return False
    except (OSError, ValueError):  # not a valid file name
        return False
    return str(name) not in {*BUILT, *CODECS, *names()}


def published_file(name: str | Path) -> Path | None:
    """The file of published weights of a codec, given its name or path; None for other codecs.

    Raises:
        CheckpointError: the published codec was not fetched yet.
    """
    if file_of(name):
        return Path(name)
    if str(name) not in CODECS or (Path(name) / CONFIG).is_file() or str(name) in names():
        return None
    published = CODECS[str(name)]
    published.check_fetched()
    return published.weights


def weights_of(name: str | Path) -> str:
    """Checksum of the weights that determine a codec's codes, the same for all bandwidths; "" for
    codecs without weights of their own. Errors as `load`."""
    name, _ = split_bandwidth(name)
    published = published_file(name)
    if published is not None:
        return file_sha256(published)
    return "" if _is_built(name) else fingerprint(find(name))


def _licence(*folders: Path) -> str:
    """Licence of the code and of the weights in checkpoints, as the key `licence` of each config
    declares it."""
    declared = [read_config(folder).get("licence") for folder in folders]
    if not all(isinstance(each, str) for each in declared):
        return UNDECLARED
    return f"code MIT; weights {'; vocoder '.join(dict.fromkeys(map(str, declared)))}"


def _load(name: str | Path, device: torch.device, vocoder: str | Path) -> Codec:
    """Load a codec that is not a file of published weights."""
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
        built = FeatureCodec if str(name) == FEATURES else DMelCodec
        return built(load_vocoder(), licence=_licence(find(vocoder)))
    folder = _codec_folder(name)
    module = load_module(folder, KINDS, device)
    if isinstance(module, Codec):
        return module
    if isinstance(module, SourceFilterVocoder):
        return MelCodec(module, _licence(folder))
    if isinstance(module, SpectralAutoencoder):
        return SpectralCodec(module, load_vocoder(), _licence(folder, find(vocoder)))
    raise UsageError(f"{str(name)!r} is neither a codec nor a vocoder")
