"""Text that is laid without durations: how long it usually is, and where it is said."""

import torch
from torch import Tensor

from tts.text.lengths import spread_by_length
from tts.text.tokens import TokenBatch, token_index


def usual_lengths(tokens: TokenBatch, laid: Tensor, frames: Tensor, count: int) -> Tensor:
    """For how many frames what is laid at each frame is usually said, [B, count].

    Args:
        laid: [B, S] frames that each token is given; frames: [B] of the sentences, which the
            tokens would share out by their usual lengths (tts.text.lengths).
    """
    owner = token_index(laid, count)
    share = spread_by_length(tokens, frames) / laid.clamp_min(1)
    index = torch.arange(count, device=laid.device)
    inside = index < laid.sum(1, keepdim=True)
    return share.gather(1, owner) * inside


def said_at(laid: Tensor, durations: Tensor, count: int, patch: int) -> Tensor:
    """[B, U, U] bool: whether a phone that is said in a latent (dim 1) is laid in another (dim 2).

    Args:
        laid, durations: [B, S] frames of each token, as it is laid and as it is said.
        count: frames, a multiple of the `patch` of a latent.
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
