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
from tts.train.degradation import degrade
from tts.train.task import Logs
from tts.voice.enhancer import HOP, SAMPLE_RATE, SpeechEnhancer
from tts_codecs.checkpoint import save_checkpoint

#: share of the recordings that are taken as clean even if none reaches `clean_db`
_CLEAN_SHARE = 0.05


class EnhancerTask:
    """Training of the speech enhancer on clean recordings and simulated poor copies of them.

    Args:
        model: arguments of SpeechEnhancer.
        seconds: length of a crop.
        clean_db: dynamic range from which a recording counts as clean: decibels between the
            loudest and the quietest tenth of its frames. At least the twentieth of the recordings
            with the largest range is used.
        held_out: speakers that are left out.

    Raises:
        DataError: no recordings are left, or the sample rate is not that of the enhancer.
        UsageError: held_out names a speaker that the corpus does not have.
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
        excluded = speakers_of(corpus, held_out)
        included = [at for at, item in enumerate(corpus.items) if item.speaker not in excluded]
        if not included:
            raise DataError(f"{corpus.folder}: there are no recordings to learn from")
        ranges = [dynamic_range_db(corpus.samples(index)) for index in included]
        # A corpus may have no clean recordings; then the best ones have to do.
        best = np.sort(ranges)[-math.ceil(_CLEAN_SHARE * len(included))]
        limit = min(clean_db, best)
        self.clean = [
            at for at, decibels in zip(included, ranges, strict=True) if decibels >= limit
        ]
        self.arguments = dict(model or {})
        self.enhancer = SpeechEnhancer(**self.arguments)
        self.modules: dict[str, nn.Module] = {"enhancer": self.enhancer}
        self.groups = {"enhancer": ["enhancer"]}

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draw a batch: "recorded", degraded waveforms, and "clean", their targets, [B, N] each."""
        pairs = [degrade(self._crop(rng), self._crop, rng) for _ in range(self.batch_size)]
        degraded, clean = (np.stack(side).astype(np.float32) for side in zip(*pairs, strict=True))
        return {"recorded": torch.from_numpy(degraded), "clean": torch.from_numpy(clean)}

    def _crop(self, rng: np.random.Generator) -> np.ndarray:
        """Random samples [N] of a clean recording; short ones are repeated."""
        samples = self.corpus.samples(int(rng.choice(self.clean)))
        start = int(rng.integers(max(0, len(samples) - self.count) + 1))
        return np.resize(samples[start : start + self.count], self.count)

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Yield the mean distance of the bands in decibels."""
        loss = self.enhancer.loss(batch["recorded"], batch["clean"])
        yield "enhancer", loss, {"distance": loss.detach()}

    def export(self, folder: Path, step: int) -> None:
        """Write the weights of the enhancer."""
        save_checkpoint(folder, self.enhancer, "enhancer", self.arguments, step=step)

    def sample(self, writer: Any, step: int) -> None:
        """Log nothing."""


def dynamic_range_db(samples: np.ndarray) -> float:
    """Decibels between the loudest and the quietest tenth of the frames of samples [N]; 0 for fewer
    than ten frames."""
    frames = samples[: len(samples) // HOP * HOP].reshape(-1, HOP)
    if len(frames) < 10:
        return 0.0
    levels = 10 * np.log10(np.square(frames, dtype=np.float64).mean(1) + 1e-10)
    low, high = np.quantile(levels, [0.1, 0.9])
    return float(high - low)
