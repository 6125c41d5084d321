"""Placement of tokens on frames for generators without durations.

Such a generator lays its tokens out in time before it knows when they are spoken
(tts.text.lengths). These functions compare where tokens lie with when they are spoken.
"""

import torch
from torch import Tensor

from tts.text.lengths import spread_by_length
from tts.text.tokens import TokenBatch, token_index


def usual_lengths(tokens: TokenBatch, laid: Tensor, frames: Tensor, count: int) -> Tensor:
    """Return for each frame the usual length of its token over its length as laid, [B, count].

    Args:
        laid: [B, S] frames that each token was given.
        frames: [B] frames of the sentences, which tokens of their usual lengths would share.
        count: frames of the result; those past the end of a sentence are 0.
    """
    owner = token_index(laid, count)
    share = spread_by_length(tokens, frames) / laid.clamp_min(1)
    index = torch.arange(count, device=laid.device)
    inside = index < laid.sum(1, keepdim=True)
    return share.gather(1, owner) * inside


def said_at(laid: Tensor, durations: Tensor, count: int, patch: int) -> Tensor:
    """Return whether a token that is spoken in one latent was laid in another, [B, U, U] bool.

    Args:
        laid: [B, S] frames of each token as they were laid, dim 2 of the result.
        durations: [B, S] frames of each token as they are spoken, dim 1 of the result.
        count: frames of a sentence, a multiple of `patch`.
        patch: frames of a latent.
    """

    def owners(lengths: Tensor) -> Tensor:
        owner = token_index(lengths, count)
        index = torch.arange(count, device=lengths.device)
        # Past the end there is no token.
        return owner.masked_fill(index >= lengths.sum(1, keepdim=True), -1)

    spoken, lying = owners(durations), owners(laid)
    same = (spoken.unsqueeze(2) == lying.unsqueeze(1)) & (spoken >= 0).unsqueeze(2)
    units = count // patch
    return same.view(len(same), units, patch, units, patch).any(4).any(2)
