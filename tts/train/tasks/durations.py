"""Training task of the duration model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from tts.data.batch import Batch, prompt_of, tokens_of
from tts.data.corpus import Corpus
from tts.data.segments import SegmentSampler
from tts.prosody.durations import DurationModel
from tts.train.task import Logs
from tts_codecs.checkpoint import save_checkpoint


class DurationTask:
    """Training of the duration model on segments, of which many are whole utterances.

    Args:
        model: arguments of DurationModel.
        max_frames: length of a segment at most.
        held_out: speakers that are left out.

    Raises:
        DataError: the corpus has no durations. UsageError: held_out names an unknown speaker.
    """

    def __init__(
        self,
        corpus: Corpus,
        model: dict[str, Any] | None = None,
        batch_size: int = 16,
        max_frames: int = 500,
        held_out: tuple[str, ...] = (),
    ):
        self.sampler = SegmentSampler(corpus, max_frames, prompt=(100, 250), held_out=held_out)
        self.batch_size = batch_size
        self.arguments = dict(model or {})
        self.model = DurationModel(**self.arguments)
        self.modules: dict[str, nn.Module] = {"durations": self.model}
        self.groups = {"durations": ["durations"]}

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draw segments with voice prompts."""
        return self.sampler.draw(rng, self.batch_size)

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Yield the loss of DurationModel."""
        loss = self.model.loss(tokens_of(batch), prompt_of(batch), batch["durations"])
        yield "durations", loss, {"durations": loss.detach()}

    def export(self, folder: Path, step: int) -> None:
        """Write the weights of the duration model."""
        save_checkpoint(folder, self.model, "durations", self.arguments, step=step)

    def sample(self, writer: Any, step: int) -> None:
        """Log nothing."""
