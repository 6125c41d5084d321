"""Training task of the network that tells speakers apart in the loss of a generator."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tts.data.batch import Batch
from tts.data.corpus import Corpus, speakers_of
from tts.data.vtlp import VTLP_FACTORS, vtlp_features
from tts.errors import DataError
from tts.losses.identity import AngularMargin, SpeakerIdentity
from tts.train.task import Logs
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.envelope import envelope_part


class IdentityTask:
    """Who speaks in stretches of recordings, all speakers alike.

    A speaker whose frequencies are scaled (tts.data.vtlp) counts as another one, so five times as
    many are to be told apart. Needs features alone: neither texts nor durations.

    Args:
        frames: least and most of a stretch; tilted: share of stretches whose spectrum is bent at
            random, as microphones do.
        margin_steps: until the margin has grown to its size.
        held_out: speakers that are left out.

    Raises:
        DataError: fewer than two speakers are left. UsageError: held_out names nobody.
    """

    def __init__(
        self,
        corpus: Corpus,
        model: dict[str, Any] | None = None,
        batch_size: int = 64,
        frames: tuple[int, int] = (120, 240),
        tilted: float = 0.3,
        margin_steps: int = 600,
        held_out: tuple[str, ...] = (),
    ):
        self.corpus, self.batch_size, self.frames = corpus, batch_size, frames
        self.tilted, self.margin_steps = tilted, margin_steps
        left_out = speakers_of(corpus, held_out)
        by_speaker: dict[str, list[int]] = {}
        for at, item in enumerate(corpus.items):
            if item.speaker not in left_out:
                by_speaker.setdefault(item.speaker, []).append(at)
        if len(by_speaker) < 2:
            raise DataError("telling speakers apart takes at least two of them")
        self.recordings = [by_speaker[name] for name in sorted(by_speaker)]
        self.arguments = dict(model or {})
        self.identity = SpeakerIdentity(**self.arguments)
        classes = len(self.recordings) * (1 + len(VTLP_FACTORS))
        self.margin = AngularMargin(self.identity.size, classes)
        self.modules: dict[str, nn.Module] = {"identity": self.identity, "margin": self.margin}
        self.groups = {"identity": ["identity", "margin"]}

    def batch(self, rng: np.random.Generator) -> Batch:
        """features [B, T, bands] and who [B]; short recordings are repeated to the length."""
        count = int(rng.integers(self.frames[0], self.frames[1] + 1))
        rows, who = [], []
        for speaker in rng.integers(len(self.recordings), size=self.batch_size):
            warp = int(rng.integers(1 + len(VTLP_FACTORS)))
            rows.append(self._stretch(int(rng.choice(self.recordings[speaker])), count, warp, rng))
            who.append(int(speaker) * (1 + len(VTLP_FACTORS)) + warp)
        return {"features": torch.from_numpy(np.stack(rows)), "who": torch.tensor(who)}

    def _stretch(self, index: int, count: int, warp: int, rng: np.random.Generator) -> np.ndarray:
        total = self.corpus.frames(index)
        length = min(total, count)
        start = int(rng.integers(total - length + 1))
        features = self.corpus.features(index, start, length)
        if warp:
            features = vtlp_features(features, VTLP_FACTORS[warp - 1])
        features = features.copy()
        if rng.random() < self.tilted:
            bands = envelope_part(features)
            bands += np.cumsum(rng.normal(0, 0.05, bands.shape[1])).astype(features.dtype)
        return np.resize(features, (count, features.shape[1]))

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Cross entropy of the speakers."""
        features = batch["features"].float()
        vectors = self.identity(features, torch.ones_like(features[..., :1]))
        share = min(1.0, step / max(1, self.margin_steps))
        loss, right = self.margin(vectors, batch["who"], share)
        yield "identity", loss, {"speakers": loss.detach(), "right": right}

    def export(self, folder: Path, step: int) -> None:
        """Averaged weights."""
        save_checkpoint(folder, self.identity, "identity", self.arguments, step=step)

    def sample(self, writer: Any, step: int) -> None:
        """Nothing to hear."""
