"""Batches of phone tokens, and the expansion of their values to frames by durations."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class TokenBatch:
    """Padded tokens of several utterances.

    Attributes:
        ids, mods: [B, S] int64, symbols and modifiers (tts.text.symbols).
        lengths: [B] tokens of each utterance.
    """

    ids: Tensor
    mods: Tensor
    lengths: Tensor

    @property
    def mask(self) -> Tensor:
        """[B, S, 1] float, 1 for tokens and 0 for padding."""
        index = torch.arange(self.ids.shape[1], device=self.ids.device)
        return (index < self.lengths.unsqueeze(1)).unsqueeze(-1).float()

    def to(self, device: torch.device | str) -> "TokenBatch":
        """Return a copy with its tensors on `device`."""
        return TokenBatch(self.ids.to(device), self.mods.to(device), self.lengths.to(device))


def collate_tokens(rows: list[tuple[list[int], list[int]]]) -> TokenBatch:
    """Pad the (ids, mods) of utterances to one batch."""
    lengths = torch.tensor([len(ids) for ids, _ in rows])
    ids = torch.zeros(len(rows), int(lengths.max()), dtype=torch.int64)
    mods = torch.zeros_like(ids)
    for row, (a, b) in enumerate(rows):
        ids[row, : len(a)] = torch.tensor(a)
        mods[row, : len(b)] = torch.tensor(b)
    return TokenBatch(ids, mods, lengths)


def token_index(durations: Tensor, frames: int) -> Tensor:
    """Return the token that each frame belongs to, [B, frames] int64.

    Args:
        durations: [B, S] frames of each token.
        frames: frames of the result. Those past the end belong to the last token.
    """
    ends = durations.cumsum(1)
    index = torch.arange(frames, device=durations.device)
    found = torch.searchsorted(ends, index.expand(len(ends), -1).contiguous(), right=True)
    return found.clamp(max=durations.shape[1] - 1)


def one_frame_each(tokens: TokenBatch) -> Tensor:
    """Return durations [B, S] of one frame for each token and none for padding."""
    return tokens.mask[..., 0].long()


def expand(values: Tensor, durations: Tensor, frames: int) -> Tensor:
    """Repeat the values [B, S, D] of tokens by their durations [B, S] to [B, frames, D]."""
    index = token_index(durations, frames)
    return values.gather(1, index.unsqueeze(-1).expand(-1, -1, values.shape[-1]))
