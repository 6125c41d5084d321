"""Training task of the aligner."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tts.align.aligner import Aligner, TokenBatch, collate_tokens, with_optional_pauses
from tts.data.cache import Cache
from tts.errors import DataError
from tts.train.loop import Batch
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.mel import MelConfig, log_mel


def alignment_batch(cache: Cache, indices: list[int], mel_config: MelConfig) -> Batch:
    """Whole utterances as the aligner reads them.

    Returns:
        ids, mods [B, S], lengths [B], optional [B, S], speaker [B, 256], mel [B, T, 80],
        frames [B].
    """
    rows, flags, mels, speakers = [], [], [], []
    for index in indices:
        item = cache.items[index]
        ids, mods, optional = with_optional_pauses(item.phones, item.mods, item.words)
        rows.append((ids, mods))
        flags.append(optional)
        mels.append(log_mel(torch.from_numpy(cache.audio(index))[None], mel_config)[0])
        speakers.append(torch.from_numpy(cache.speaker(index)))
    tokens = collate_tokens(rows)
    optional_mask = torch.zeros(tokens.ids.shape, dtype=torch.bool)
    for row, flag in enumerate(flags):
        optional_mask[row, : len(flag)] = torch.tensor(flag)
    return {
        "ids": tokens.ids,
        "mods": tokens.mods,
        "lengths": tokens.lengths,
        "optional": optional_mask,
        "speaker": torch.stack(speakers),
        "mel": nn.utils.rnn.pad_sequence(mels, batch_first=True),
        "frames": torch.tensor([len(m) for m in mels]),
    }


class AlignerTask:
    """Whole utterances in batches of similar length."""

    def __init__(
        self, cache: Cache, model: dict[str, Any] | None = None, batch_size: int = 8, pool: int = 6
    ):
        self.cache, self.batch_size = cache, batch_size
        self.arguments = dict(model or {})
        self.aligner = Aligner(**self.arguments)
        self.modules: dict[str, nn.Module] = {"aligner": self.aligner}
        self.groups = {"aligner": ["aligner"]}
        self.mel = MelConfig()
        self.usable = np.array(
            [i for i, item in enumerate(cache.items) if 4 < len(item.phones) < cache.frames(i)]
        )
        if not len(self.usable):
            raise DataError(f"{cache.folder} has no utterance with more frames than phones")
        self.pool = max(1, min(pool, len(self.usable) // batch_size))

    def batch(self, rng: np.random.Generator) -> Batch:
        """One bucket of neighbours in length, so that little is padding."""
        count = min(self.batch_size * self.pool, len(self.usable))
        chosen = rng.choice(self.usable, count, replace=False)
        drawn = sorted(chosen.tolist(), key=self.cache.frames)
        at = int(rng.integers(0, self.pool)) * self.batch_size
        return alignment_batch(self.cache, drawn[at : at + self.batch_size], self.mel)

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, dict[str, float]]]:
        """Squared error along the best path."""
        tokens = TokenBatch(batch["ids"], batch["mods"], batch["lengths"])
        loss, durations = self.aligner.loss(
            tokens, batch["speaker"], batch["mel"], batch["frames"], batch["optional"]
        )
        pauses = durations[batch["optional"]].sum() / durations.sum()
        yield "aligner", loss, {"mse": loss.item(), "pause_share": pauses.item()}

    def export(self, folder: Path, step: int) -> None:
        """Averaged weights."""
        save_checkpoint(folder, self.aligner, "aligner", self.arguments, step=step)

    def sample(self, writer: Any, step: int) -> None:
        """Nothing to hear."""


@torch.no_grad()
def align_corpus(cache: Cache, aligner: Aligner, batch_size: int = 16) -> dict[str, list[int]]:
    """Durations in frames of every utterance, keyed by item id.

    Tokens are those of `with_optional_pauses`; utterances with more phones than frames are left
    out.
    """
    mel = MelConfig()
    usable = [i for i, item in enumerate(cache.items) if 4 < len(item.phones) < cache.frames(i)]
    usable.sort(key=cache.frames)
    found: dict[str, list[int]] = {}
    for at in range(0, len(usable), batch_size):
        indices = usable[at : at + batch_size]
        batch = alignment_batch(cache, indices, mel)
        tokens = TokenBatch(batch["ids"], batch["mods"], batch["lengths"])
        durations, _, _ = aligner.align(
            tokens, batch["speaker"], batch["mel"], batch["frames"], batch["optional"]
        )
        for row, index in enumerate(indices):
            count = int(tokens.lengths[row])
            found[cache.items[index].id] = durations[row, :count].tolist()
    return found
