"""Training task of the speech enhancer (tts.voice.enhancer)."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tts.data.batch import Batch
from tts.data.corpus import Corpus, speakers_of
from tts.errors import DataError
from tts.train.recordings import recorded
from tts.train.task import Logs
from tts.voice.enhancer import HOP, SAMPLE_RATE, SpeechEnhancer
from tts_codecs.checkpoint import save_checkpoint

#: share of the recordings of a corpus that count as clean, whatever they are
_AT_LEAST = 0.05


class EnhancerTask:
    """Clean recordings of the corpus, and what a poor microphone makes of them.

    Args:
        seconds: of a stretch; clean_db: how far the quietest tenth of a recording has to lie below
            its loudest, for it to be clean; at least the cleanest twentieth is taken for it.
        held_out: speakers that are left out.

    Raises:
        DataError: no recordings are left, or another rate. UsageError: held_out names nobody.
    """

    def __init__(
        self,
        corpus: Corpus,
        model: dict[str, Any] | None = None,
        batch_size: int = 12,
        seconds: float = 2.5,
        clean_db: float = 50.0,
        held_out: tuple[str, ...] = (),
    ):
        if corpus.sample_rate != SAMPLE_RATE:
            raise DataError(f"{corpus.folder} is of {corpus.sample_rate} Hz and not {SAMPLE_RATE}")
        self.corpus, self.batch_size = corpus, batch_size
        self.count = int(seconds * SAMPLE_RATE)
        left_out = speakers_of(corpus, held_out)
        mine = [at for at, item in enumerate(corpus.items) if item.speaker not in left_out]
        ranges = [_range_db(corpus.samples(at)) for at in mine]
        if not mine:
            raise DataError(f"{corpus.folder}: there are no recordings to learn from")
        # Of a corpus without clean recordings the cleanest have to do.
        least = np.sort(ranges)[-math.ceil(_AT_LEAST * len(mine))]
        limit = min(clean_db, least)
        self.clean = [at for at, found in zip(mine, ranges, strict=True) if found >= limit]
        self.arguments = dict(model or {})
        self.enhancer = SpeechEnhancer(**self.arguments)
        self.modules: dict[str, nn.Module] = {"enhancer": self.enhancer}
        self.groups = {"enhancer": ["enhancer"]}

    def batch(self, rng: np.random.Generator) -> Batch:
        """recorded and clean, [B, N] each."""
        pairs = [recorded(self._stretch(rng), self._stretch, rng) for _ in range(self.batch_size)]
        made, clean = (np.stack(side).astype(np.float32) for side in zip(*pairs, strict=True))
        return {"recorded": torch.from_numpy(made), "clean": torch.from_numpy(clean)}

    def _stretch(self, rng: np.random.Generator) -> np.ndarray:
        """Samples [N] of a clean recording; short ones are repeated."""
        samples = self.corpus.samples(int(rng.choice(self.clean)))
        start = int(rng.integers(max(0, len(samples) - self.count) + 1))
        return np.resize(samples[start : start + self.count], self.count)

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Distance of the bands in dB."""
        loss = self.enhancer.loss(batch["recorded"], batch["clean"])
        yield "enhancer", loss, {"distance": loss.detach()}

    def export(self, folder: Path, step: int) -> None:
        """Averaged weights."""
        save_checkpoint(folder, self.enhancer, "enhancer", self.arguments, step=step)

    def sample(self, writer: Any, step: int) -> None:
        """Nothing to hear."""


def _range_db(samples: np.ndarray) -> float:
    """Decibels between the loudest and the quietest tenth of the frames."""
    frames = samples[: len(samples) // HOP * HOP].reshape(-1, HOP)
    if len(frames) < 10:
        return 0.0
    levels = 10 * np.log10(np.square(frames, dtype=np.float64).mean(1) + 1e-10)
    low, high = np.quantile(levels, [0.1, 0.9])
    return float(high - low)
