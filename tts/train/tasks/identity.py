"""Training task of the speaker classifier whose embeddings serve as a loss of generators."""

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

#: classes of a speaker: the recorded voice and its warped copies
_CLASSES = 1 + len(VTLP_FACTORS)


class IdentityTask:
    """Training of a speaker classifier on crops; all speakers are drawn equally often.

    A speaker with another vocal tract length (tts.data.vtlp) counts as another speaker, which gives
    five times as many classes. The task needs features, but neither texts nor durations.

    Args:
        model: arguments of SpeakerIdentity.
        frames: smallest and largest length of a crop; a batch has one length.
        tilted: probability with which the spectrum of a crop is colored at random, as by a
            microphone.
        margin_steps: steps over which the angular margin grows from zero.
        held_out: speakers that are left out.

    Raises:
        DataError: fewer than two speakers are left.
        UsageError: held_out names a speaker that the corpus does not have.
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
        excluded = speakers_of(corpus, held_out)
        by_speaker: dict[str, list[int]] = {}
        for index, item in enumerate(corpus.items):
            if item.speaker not in excluded:
                by_speaker.setdefault(item.speaker, []).append(index)
        if len(by_speaker) < 2:
            raise DataError("telling speakers apart takes at least two of them")
        self.recordings = [by_speaker[name] for name in sorted(by_speaker)]
        self.arguments = dict(model or {})
        self.identity = SpeakerIdentity(**self.arguments)
        self.margin = AngularMargin(self.identity.size, len(self.recordings) * _CLASSES)
        self.modules: dict[str, nn.Module] = {"identity": self.identity, "margin": self.margin}
        self.groups = {"identity": ["identity", "margin"]}

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draw a batch.

        Returns:
            "features" [B, T, C], in which short recordings are repeated, and "labels" [B].
        """
        count = int(rng.integers(self.frames[0], self.frames[1] + 1))
        rows, labels = [], []
        for speaker in rng.integers(len(self.recordings), size=self.batch_size):
            warp = int(rng.integers(_CLASSES))
            rows.append(self._crop(int(rng.choice(self.recordings[speaker])), count, warp, rng))
            labels.append(int(speaker) * _CLASSES + warp)
        return {"features": torch.from_numpy(np.stack(rows)), "labels": torch.tensor(labels)}

    def _crop(self, index: int, count: int, warp: int, rng: np.random.Generator) -> np.ndarray:
        """A random crop [count, C] of an utterance; `warp` is 0 or the number of a VTLP factor."""
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
        """Yield the cross entropy of the speakers with an angular margin, and log the accuracy."""
        features = batch["features"].float()
        embeddings = self.identity(features, torch.ones_like(features[..., :1]))
        share = min(1.0, step / max(1, self.margin_steps))
        loss, accuracy = self.margin(embeddings, batch["labels"], share)
        yield "identity", loss, {"speakers": loss.detach(), "right": accuracy}

    def export(self, folder: Path, step: int) -> None:
        """Write the weights of the classifier, without the class vectors of the margin."""
        save_checkpoint(folder, self.identity, "identity", self.arguments, step=step)

    def sample(self, writer: Any, step: int) -> None:
        """Log nothing."""
