"""SoundStorm (Borsos et al. 2023): codes level by level, with nearly all steps on the first."""

from __future__ import annotations

import torch
from torch import Tensor

from tts.generators.base import Losses
from tts.generators.conditioning import Condition
from tts.generators.protocols import MaskedHead, Network
from tts.generators.schedules import masked_fractions
from tts.generators.strategies.masked import Masked


class SoundStorm(Masked):
    """Strategy: masked generation in the order of a residual quantizer.

    It differs from MaskGCT's levels (`Masked(order="levels")`) in training, where the level is
    drawn uniformly and a row keeps all codes before a random boundary as its acoustic prompt, and
    in sampling, where every level but the first takes one step (published: 16, 1, 1, ...).

    Args:
        schedule: of the masked fraction of the level at hand.
        rescale: of guided logits, as for Masked.
    """

    def __init__(self, schedule: str = "cosine", rescale: float = 0.0):
        super().__init__("levels", schedule, rescale)

    def losses(self, net: Network[MaskedHead], latents: Tensor, condition: Condition) -> Losses:
        """Cross entropy of the masked codes of one level, after the acoustic prompt."""
        batch, length, num_codebooks = latents.shape
        device = latents.device
        level = torch.randint(num_codebooks, (batch, 1, 1), device=device)
        boundary = torch.rand(batch, 1, 1, device=device) * condition.mask.sum(1, keepdim=True)
        behind = torch.arange(length, device=device)[:, None] >= boundary.floor()
        position = torch.randint(999, (batch,), device=device)
        share = masked_fractions(self.schedule, device)[position + 1]
        # A row is never without a masked code: the one at the boundary is.
        dice = torch.rand(batch, length, 1, device=device) < share[:, None, None].clamp_min(0.02)
        dice |= torch.arange(length, device=device)[:, None] == boundary.floor()
        codebook = torch.arange(num_codebooks, device=device)
        here = codebook == level
        masked = behind & ((here & dice) | (codebook > level))
        return self.masked_losses(net, latents, condition, masked, here.expand_as(masked))

    def shares(self, steps: int, levels: int) -> list[int]:
        """How many steps each level takes: one each, and all others for the first level."""
        return [max(1, steps - levels + 1)] + [1] * (levels - 1)
