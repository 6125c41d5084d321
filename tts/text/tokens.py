"""Batches of phone tokens, and their expansion to frames by durations."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class TokenBatch:
    """Padded tokens: ids, mods [B, S] int64, lengths [B]."""

    ids: Tensor
    mods: Tensor
    lengths: Tensor

    @property
    def mask(self) -> Tensor:
        """[B, S, 1] float, 1 where valid."""
        index = torch.arange(self.ids.shape[1], device=self.ids.device)
        return (index < self.lengths.unsqueeze(1)).unsqueeze(-1).float()

    def to(self, device: torch.device | str) -> "TokenBatch":
        """A copy with its tensors on `device`."""
        return TokenBatch(self.ids.to(device), self.mods.to(device), self.lengths.to(device))


def collate_tokens(rows: list[tuple[list[int], list[int]]]) -> TokenBatch:
    """Pad (ids, mods) rows to one batch."""
    lengths = torch.tensor([len(ids) for ids, _ in rows])
    ids = torch.zeros(len(rows), int(lengths.max()), dtype=torch.int64)
    mods = torch.zeros_like(ids)
    for row, (a, b) in enumerate(rows):
        ids[row, : len(a)] = torch.tensor(a)
        mods[row, : len(b)] = torch.tensor(b)
    return TokenBatch(ids, mods, lengths)


def token_index(durations: Tensor, frames: int) -> Tensor:
    """Which token each frame belongs to: [B, S] durations to [B, frames] int64.

    Frames past the end belong to the last token.
    """
    ends = durations.cumsum(1)
    index = torch.arange(frames, device=durations.device)
    found = torch.searchsorted(ends, index.expand(len(ends), -1).contiguous(), right=True)
    return found.clamp(max=durations.shape[1] - 1)


def one_frame_each(tokens: TokenBatch) -> Tensor:
    """Durations [B, S] of one frame for each token and none for the padding of the batch."""
    return tokens.mask[..., 0].long()


def expand(values: Tensor, durations: Tensor, frames: int) -> Tensor:
    """Repeat token values [B, S, D] by durations [B, S] to [B, frames, D]."""
    index = token_index(durations, frames)
    return values.gather(1, index.unsqueeze(-1).expand(-1, -1, values.shape[-1]))
