"""Training tasks of the speaker probe and the phone probe, which are losses of generators."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tts.data.batch import Batch, frame_mask, tokens_of
from tts.data.corpus import Corpus, speakers_of
from tts.data.segments import SegmentSampler
from tts.losses.phone import PhoneProbe
from tts.losses.speaker import SpeakerProbe
from tts.train.task import Logs
from tts_codecs.checkpoint import save_checkpoint

#: weight of the phone modifiers, such as stress, beside the phones
_MODIFIER_WEIGHT = 0.3


class ProbeTask:
    """Training of the speaker probe to predict speaker embeddings from segments of features.

    Most segments are in warped voices (tts.data.vtlp), since a corpus has few speakers.

    Args:
        model: arguments of SpeakerProbe.
        max_frames: length of a segment at most.
        held_out: speakers that are left out.

    Raises:
        DataError: the corpus has no durations. UsageError: held_out names an unknown speaker.
    """

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
        excluded = speakers_of(corpus, held_out)
        included = [at for at, item in enumerate(corpus.items) if item.speaker not in excluded]
        mean = np.mean([corpus.speaker(index) for index in included], axis=0)
        self.probe.centre.copy_(torch.from_numpy(mean))
        self.modules: dict[str, nn.Module] = {"probe": self.probe}
        self.groups = {"probe": ["probe"]}

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draw segments with the embeddings of their speakers."""
        return self.sampler.draw(rng, self.batch_size)

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Yield 1 - cosine of the predicted and the true embedding."""
        similarity = self.probe.similarity(batch["features"], frame_mask(batch), batch["speaker"])
        loss = 1 - similarity.mean()
        yield "probe", loss, {"similarity": 1 - loss.detach()}

    def export(self, folder: Path, step: int) -> None:
        """Write the weights of the probe."""
        save_checkpoint(folder, self.probe, "probe", self.arguments, step=step)

    def sample(self, writer: Any, step: int) -> None:
        """Log nothing."""


class PhoneProbeTask:
    """Training of the phone probe to classify the phone of each frame, also in warped voices.

    Args:
        model: arguments of PhoneProbe.
        max_frames: length of a segment at most.
        held_out: speakers that are left out.

    Raises:
        DataError: the corpus has no durations. UsageError: held_out names an unknown speaker.
    """

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
        """Draw segments with their phones and durations."""
        return self.sampler.draw(rng, self.batch_size)

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Yield the cross entropy of the phones and modifiers of each frame."""
        errors = self.probe.both_errors(
            batch["features"], frame_mask(batch), tokens_of(batch), batch["durations"]
        )
        phones, modifiers = (each.mean() for each in errors)
        logs = {"phones": phones.detach(), "modifiers": modifiers.detach()}
        yield "phone_probe", phones + _MODIFIER_WEIGHT * modifiers, logs

    def export(self, folder: Path, step: int) -> None:
        """Write the weights of the probe."""
        save_checkpoint(folder, self.probe, "phone_probe", self.arguments, step=step)

    def sample(self, writer: Any, step: int) -> None:
        """Log nothing."""
