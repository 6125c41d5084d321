"""Training tasks of the generators and of the duration model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from tts.align.aligner import TokenBatch
from tts.align.durations import DurationModel
from tts.data.cache import Cache
from tts.generators.conditioning import VoicePrompt
from tts.generators.flow import FlowGenerator
from tts.train.loop import Batch
from tts.train.segments import SegmentSampler
from tts_codecs.checkpoint import save_checkpoint


def tokens_of(batch: Batch) -> TokenBatch:
    """The token part of a batch."""
    return TokenBatch(batch["ids"], batch["mods"], batch["lengths"])


def prompt_of(batch: Batch) -> VoicePrompt:
    """The voice part of a batch."""
    return VoicePrompt(batch["speaker"], batch["prompt_features"], batch["prompt_frames"])


class FlowTask:
    """Flow matching on segments."""

    def __init__(
        self,
        cache: Cache,
        model: dict[str, Any] | None = None,
        batch_size: int = 12,
        max_frames: int = 160,
    ):
        self.sampler = SegmentSampler(cache, max_frames)
        self.batch_size = batch_size
        self.arguments = dict(model or {})
        self.generator = FlowGenerator(**self.arguments)
        self.modules: dict[str, nn.Module] = {"generator": self.generator}
        self.groups = {"generator": ["generator"]}

    def batch(self, rng: np.random.Generator) -> Batch:
        """Segments with prompts."""
        return self.sampler.draw(rng, self.batch_size)

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, dict[str, float]]]:
        """Regression of the mean plus flow matching."""
        parts = self.generator.loss(
            tokens_of(batch),
            batch["durations"],
            prompt_of(batch),
            batch["features"],
            batch["frames"],
        )
        logs = {name: value.item() for name, value in parts.items()}
        yield "generator", 2 * parts["mean"] + parts["flow"], logs

    def export(self, folder: Path, step: int) -> None:
        """Averaged weights."""
        save_checkpoint(folder, self.generator, "flow", self.arguments, step=step)

    def sample(self, writer: Any, step: int) -> None:
        """Nothing yet to hear without a vocoder; `tts eval` judges."""


class DurationTask:
    """Duration model on segments up to whole utterances."""

    def __init__(
        self, cache: Cache, model: dict[str, Any] | None = None, batch_size: int = 16,
        max_frames: int = 500,
    ):  # fmt: skip
        self.sampler = SegmentSampler(cache, max_frames, prompt=(100, 250))
        self.batch_size = batch_size
        self.arguments = dict(model or {})
        self.model = DurationModel(**self.arguments)
        self.modules: dict[str, nn.Module] = {"durations": self.model}
        self.groups = {"durations": ["durations"]}

    def batch(self, rng: np.random.Generator) -> Batch:
        """Segments with prompts."""
        return self.sampler.draw(rng, self.batch_size)

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, dict[str, float]]]:
        """Cross entropy over frames."""
        loss = self.model.loss(tokens_of(batch), prompt_of(batch), batch["durations"])
        yield "durations", loss, {"durations": loss.item()}

    def export(self, folder: Path, step: int) -> None:
        """Averaged weights."""
        save_checkpoint(folder, self.model, "durations", self.arguments, step=step)

    def sample(self, writer: Any, step: int) -> None:
        """Nothing to hear."""
