"""Models whose weights others published: fetched when asked, after their licence was shown.

`tts models fetch NAME` downloads the pinned files, checks them, and keeps them as checkpoints of
this project in the user's cache, so that from then on they load as all others do.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError

from tts.bundle import cache_folder
from tts.errors import CheckpointError, ConfigError, UsageError
from tts.published.f5 import conversion
from tts.published.f5.network import F5Config
from tts.resources import nearest
from tts_codecs import vocos
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.download import HubFile, Published

Progress = Callable[[int], object]


@dataclass(frozen=True)
class PublishedF5(Published):
    """A model of the layout of F5-TTS v1 with Vocos as its vocoder.

    Attributes:
        name: by which it is fetched.
        weights, vocabulary, vocoder: the pinned files.
        sizes, vocoder_sizes: of the networks in them.
    """

    name: str
    weights: HubFile = conversion.WEIGHTS
    vocabulary: HubFile = conversion.VOCABULARY
    vocoder: HubFile = vocos.WEIGHTS
    sizes: F5Config = F5Config()
    vocoder_sizes: vocos.VocosConfig = vocos.VocosConfig()

    @property
    def files(self) -> tuple[HubFile, ...]:
        """All files, the small ones first."""
        return self.vocabulary, self.vocoder, self.weights

    @property
    def folder(self) -> Path:
        """Where its checkpoints are once fetched; another revision has another folder."""
        return cache_folder() / f"{self.name}-{self.weights.revision[:8]}"

    @property
    def fetched(self) -> bool:
        """Whether they are there."""
        return self.folder.is_dir()

    def fetch(self, accept_licence: bool = False, progress: Progress | None = None) -> Path:
        """The folder of its checkpoints, downloaded and converted unless it is there.

        Args:
            progress: called with the number of bytes that came.

        Raises:
            UsageError: the licences were not accepted; they are named.
            CheckpointError: the download fails, a file is not the pinned one, or no room.
        """
        if not accept_licence:
            raise UsageError(f"{self.name} is under {self.licences}: say that you accept this")
        if self.fetched:
            return self.folder
        # Files that came whole stay there if a later one fails, and are not downloaded again.
        sources = self.folder.with_name(f".{self.folder.name}.files")
        vocabulary, vocoder, weights = (file.fetch(sources, progress) for file in self.files)
        try:
            made = Path(tempfile.mkdtemp(dir=self.folder.parent, prefix=".converting-"))
            try:
                self._convert(vocabulary, vocoder, weights, made)
                if not self.fetched:  # another process may have been faster
                    os.replace(made, self.folder)
            finally:
                shutil.rmtree(made, ignore_errors=True)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"cannot write {self.folder}: {error}") from error
        shutil.rmtree(sources, ignore_errors=True)
        return self.folder

    def _convert(self, vocabulary: Path, vocoder: Path, weights: Path, folder: Path) -> None:
        """The published files as checkpoints of this project, in single precision as they are."""
        generator = conversion.load_published(
            weights, vocabulary, self.weights.sha256, self.vocabulary.sha256, self.sizes
        )
        tokens = sorted(generator.tokens.index, key=generator.tokens.index.__getitem__)
        sizes = asdict(self.sizes)
        del sizes["vocabulary"]
        save_checkpoint(
            folder / "f5",
            generator,
            "f5",
            {"vocabulary": tokens, **sizes},
            half=False,
            source=self.weights.url,
            licence=self.weights.licence,
        )
        codec = vocos.load_published(vocoder, self.vocoder.sha256, self.vocoder_sizes)
        save_checkpoint(
            folder / "vocos",
            codec,
            "vocos",
            asdict(self.vocoder_sizes),
            half=False,
            source=self.vocoder.url,
            licence=self.vocoder.licence,
        )


PUBLISHED = {"f5-base": PublishedF5("f5-base")}


def published_model(name: str) -> PublishedF5:
    """A model that can be fetched; ConfigError for an unknown one, naming the nearest."""
    if name not in PUBLISHED:
        raise ConfigError(f"no published model {name!r}{nearest(name, PUBLISHED)}")
    return PUBLISHED[name]
