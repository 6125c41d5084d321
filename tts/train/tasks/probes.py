"""Training tasks of the probes that judge generated features in the loss of a generator."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tts.data.batch import Batch
from tts.data.corpus import Corpus, speakers_of
from tts.data.segments import SegmentSampler
from tts.losses.phone import PhoneProbe
from tts.losses.speaker import SpeakerProbe
from tts.train.task import Logs
from tts.train.tasks.generator import tokens_of
from tts_codecs.checkpoint import save_checkpoint


def _mask(batch: Batch) -> Tensor:
    index = torch.arange(batch["features"].shape[1], device=batch["features"].device)
    return (index < batch["frames"].unsqueeze(1)).unsqueeze(-1).float()


class ProbeTask:
    """Speaker probe on segments of all (also warped) voices but those `held_out`."""

    def __init__(
        self,
        corpus: Corpus,
        model: dict[str, Any] | None = None,
        batch_size: int = 32,
        max_frames: int = 180,
        held_out: tuple[str, ...] = (),
    ):
        self.sampler = SegmentSampler(
            corpus, max_frames, prompt=(50, 75), vtlp=0.8, held_out=held_out
        )
        self.batch_size = batch_size
        self.arguments = dict(model or {})
        self.probe = SpeakerProbe(**self.arguments)
        left_out = speakers_of(corpus, held_out)
        kept = [at for at, item in enumerate(corpus.items) if item.speaker not in left_out]
        centre = np.mean([corpus.speaker(at) for at in kept], axis=0)
        self.probe.centre.copy_(torch.from_numpy(centre))
        self.modules: dict[str, nn.Module] = {"probe": self.probe}
        self.groups = {"probe": ["probe"]}

    def batch(self, rng: np.random.Generator) -> Batch:
        """Segments with the embedding of their speaker."""
        return self.sampler.draw(rng, self.batch_size)

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """One minus the cosine."""
        similarity = self.probe.similarity(batch["features"], _mask(batch), batch["speaker"])
        loss = 1 - similarity.mean()
        yield "probe", loss, {"similarity": 1 - loss.detach()}

    def export(self, folder: Path, step: int) -> None:
        """Averaged weights."""
        save_checkpoint(folder, self.probe, "probe", self.arguments, step=step)

    def sample(self, writer: Any, step: int) -> None:
        """Nothing to hear."""


class PhoneProbeTask:
    """Phone probe on segments of all (also warped) voices but those `held_out`."""

    def __init__(
        self,
        corpus: Corpus,
        model: dict[str, Any] | None = None,
        batch_size: int = 32,
        max_frames: int = 180,
        held_out: tuple[str, ...] = (),
    ):
        self.sampler = SegmentSampler(corpus, max_frames, prompt=(1, 2), held_out=held_out)
        self.batch_size = batch_size
        self.arguments = dict(model or {})
        self.probe = PhoneProbe(**self.arguments)
        self.modules: dict[str, nn.Module] = {"phone_probe": self.probe}
        self.groups = {"phone_probe": ["phone_probe"]}

    def batch(self, rng: np.random.Generator) -> Batch:
        """Segments with their phones."""
        return self.sampler.draw(rng, self.batch_size)

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Cross entropy of the phones by frame."""
        errors = self.probe.both_errors(
            batch["features"], _mask(batch), tokens_of(batch), batch["durations"]
        )
        phones, modifiers = (each.mean() for each in errors)
        logs = {"phones": phones.detach(), "modifiers": modifiers.detach()}
        yield "phone_probe", phones + 0.3 * modifiers, logs

    def export(self, folder: Path, step: int) -> None:
        """Averaged weights."""
        save_checkpoint(folder, self.probe, "phone_probe", self.arguments, step=step)

    def sample(self, writer: Any, step: int) -> None:
        """Nothing to hear."""
