"""Published codecs that are downloaded on request, after their licence is accepted.

`tts models fetch mimi` downloads the pinned file, verifies it and saves it in the user's cache.
Then `load("mimi")` loads that codec. Nothing else is downloaded. PyTorch is not imported here.
"""

import os
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tts_codecs import sources
from tts_codecs.download import HubFile, Published, WebFile
from tts_codecs.errors import CheckpointError, UsageError

Progress = Callable[[int], object]

#: name of the codec of source-filter features, which only needs a vocoder
FEATURES = "features"
#: name of the codec of binned log-mels, which also only needs a vocoder
DMEL = "dmel"
#: names of codecs without weights of their own
BUILT = (DMEL, FEATURES)


@dataclass(frozen=True)
class PublishedCodec(Published):
    """A codec with published weights.

    Attributes:
        name: under which it is fetched and loaded.
        file: the pinned file, safetensors or pickled tensors.
    """

    name: str
    file: HubFile | WebFile

    @property
    def files(self) -> tuple[HubFile | WebFile, ...]:
        """All files."""
        return (self.file,)

    @property
    def folder(self) -> Path:
        """Folder of the fetched weights. Its name depends on their checksum."""
        return cache_folder() / f"{self.name}-{self.file.sha256[:8]}"

    @property
    def weights(self) -> Path:
        """The fetched file, always safetensors."""
        return self.folder / "model.safetensors"

    @property
    def fetched(self) -> bool:
        """Whether the weights were fetched."""
        return self.weights.is_file()

    def fetch(self, accept_licence: bool = False, progress: Progress | None = None) -> Path:
        """Download the weights unless they are there, and return their folder.

        Args:
            accept_licence: whether the user accepts the licence of the weights.
            progress: called with the number of downloaded bytes.

        Raises:
            UsageError: the licence was not accepted; the message names it.
            CheckpointError: the download fails, the file is not the pinned one, or the disk is
                full.
        """
        if not accept_licence:
            raise UsageError(f"{self.name} is under {self.licences}: say that you accept this")
        if self.fetched:
            return self.folder
        path = self.file.fetch(self.folder, progress)
        if path != self.weights:
            _convert(path, self.weights)
            path.unlink(missing_ok=True)
        return self.folder


def _convert(path: Path, target: Path) -> None:
    """Convert verified pickled tensors, or those of an archive of NeMo, to safetensors, atomically.
    Of an archive only what codes is kept: it contains the discriminators of the training too."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    part = ""
    try:
        if path.suffix == sources.ARCHIVE:
            from tts_codecs.nemo_archive import read_archive

            parts = ("audio_encoder.", "audio_decoder.", "vector_quantizer.")
            state = {k: v for k, v in read_archive(path)[1].items() if k.startswith(parts)}
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        tensors = {name: value.clone().contiguous() for name, value in state.items()}
        handle, part = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(handle)
        save_file(tensors, part, metadata={"format": "pt"})
        os.chmod(part, 0o644)
        os.replace(part, target)
    except (OSError, EOFError, RuntimeError, AttributeError, pickle.UnpicklingError,
            SafetensorError) as error:  # fmt: skip
        raise CheckpointError(f"cannot convert {path}: {str(error).splitlines()[0]}") from error
    finally:
        if part:
            Path(part).unlink(missing_ok=True)


def cache_folder() -> Path:
    """Folder of fetched codecs, by the XDG convention."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(base) if os.path.isabs(base) else Path(os.path.expanduser("~")) / ".cache"
    return home / "tts" / "codecs"


#: Published codecs by name. DAC of 16 kHz, SNAC of 32 and 44 kHz, EnCodec of 48 kHz, NanoCodec of
#: other bitrates and Vocos of EnCodec are not among them: no checksum is pinned here, or no network
#: here runs them.
CODECS = {
    each.name: each
    for each in (
        PublishedCodec(
            "encodec_24khz",
            WebFile(
                sources.ENCODEC_URL, sources.ENCODEC_SHA256, 93_171_529, sources.ENCODEC_LICENCE
            ),
        ),
        PublishedCodec(
            "mimi",
            HubFile(
                "kyutai/mimi",
                "89091b3e466eb6a9d11e537bf26b144f194978f7",
                "model.safetensors",
                "bac7e85083dcded655d24eaadde7e6eea34c0da1b35fa2d284e641bd2b942a5e",
                384_649_828,
                sources.MIMI_LICENCE,
            ),
        ),
        PublishedCodec(
            "dac_24khz",
            HubFile(
                "descript/dac_24khz",
                "6ba020b5ba7d9d8076fb90db7e67f27e31980f6e",
                "model.safetensors",
                "7452e3fc6972991da871ae1a1c9d3e8e219aa247cc0f757018867d6a7fe59aaf",
                298_652_268,
                sources.DAC_LICENCE,
            ),
        ),
        PublishedCodec(
            "dac_44khz",
            HubFile(
                "descript/dac_44khz",
                "c1bc521685adf9cfe247bc39a5ca58917eda1ac4",
                "model.safetensors",
                "6128ebff483a41422b0164d079a3773b0d8d82e64c4293d775994cbf8baf913a",
                306_507_276,
                sources.DAC_LICENCE,
            ),
        ),
        PublishedCodec(
            "snac_24khz",
            HubFile(
                "hubertsiuzdak/snac_24khz",
                "d73ad176a12188fcf4f360ba3bf2c2fbbe8f58ec",
                "pytorch_model.bin",
                "4b8164cc6606bfa627f1a784734c1e539891518f1191ed9194fe1e3b9b4bff40",
                79_488_254,
                sources.SNAC_LICENCE,
            ),
        ),
        PublishedCodec(
            "nanocodec_22khz",
            HubFile(
                "nvidia/nemo-nano-codec-22khz-1.89kbps-21.5fps",
                "3c482a402a3c4cf33690a2c0f0a7d41afea6bd6a",
                "nemo-nano-codec-22khz-1.89kbps-21.5fps.nemo",
                "28c2518de3e3d5a2c7d9bca40a7ebc0644eb76c60b890970365325bdd8e9f099",
                425_021_440,
                sources.NANOCODEC_LICENCE,
            ),
        ),
    )
}
