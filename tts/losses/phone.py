"""Phone probe: reads the phones off source-filter features.

Training aid only: it makes how clearly generated features are articulated a loss, as the CTC loss
of DMOSpeech (Li et al. 2024) does with a recognizer; durations being known, frames need no CTC.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.text.pauses import COMMA, PERIOD
from tts.text.symbols import N_MODS, N_SYMBOLS, SIL
from tts.text.tokens import TokenBatch, token_index
from tts_codecs.nn.convnext import ConvNeXt


class PhoneProbe(nn.Module):
    """Features [B, T, C] to scores of the phone of each frame.

    As a loss it sees few frames around: with more it would guess a phone that is not articulated.
    As a recognizer, which reads recordings, it is to guess, so it has wide kernels, and reads the
    modifier of each phone (stress and length) as well.

    Args:
        channels: C; dim, blocks, kernel: sizes; dropout: in training.
        modifiers: whether it reads modifiers.
    """

    def __init__(
        self,
        channels: int = 82,
        dim: int = 128,
        blocks: int = 4,
        kernel: int = 3,
        dropout: float = 0.1,
        modifiers: bool = False,
    ):
        super().__init__()
        self.entry = nn.Linear(channels, dim)
        self.blocks = nn.ModuleList(
            ConvNeXt(dim, 2 * dim, kernel, dropout=dropout) for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, N_SYMBOLS)
        self.modifiers = nn.Linear(dim, N_MODS) if modifiers else None

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """features [B, T, C], mask [B, T, 1] to logits [B, T, N_SYMBOLS]."""
        return self.head(self.hidden(features, mask))

    def hidden(self, features: Tensor, mask: Tensor) -> Tensor:
        """What the scores are made of, [B, T, dim]."""
        x = self.entry(features)
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x)

    def errors(
        self, features: Tensor, mask: Tensor, tokens: TokenBatch, durations: Tensor
    ) -> Tensor:
        """Cross entropy of the phones that are to be heard, mean over the frames of a row, [B].

        Args:
            features: [B, T, C]; mask: [B, T, 1] float.
            tokens: [B, S] phones; durations: [B, S] frames of each.
        """
        return self.both_errors(features, mask, tokens, durations)[0]

    def both_errors(
        self, features: Tensor, mask: Tensor, tokens: TokenBatch, durations: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`errors`, and the cross entropy of the modifiers, [B] each; 0 where it reads none."""
        owner = token_index(durations, features.shape[1])
        labels = tokens.ids.gather(1, owner)
        # Which pause it is only its length tells.
        labels = torch.where((labels == COMMA) | (labels == PERIOD), SIL, labels)
        hidden = self.hidden(features, mask)
        # A last latent may reach past the phones, and there is no phone to be heard.
        index = torch.arange(features.shape[1], device=features.device)
        counted = mask[..., 0] * (index < durations.sum(1, keepdim=True))
        spoken = counted * (labels != SIL)

        def mean(head: nn.Module, labels: Tensor, weight: Tensor) -> Tensor:
            logits = head(hidden).transpose(1, 2)
            error = F.cross_entropy(logits, labels, reduction="none") * weight
            return error.sum(1) / weight.sum(1).clamp_min(1)

        phones = mean(self.head, labels, counted)
        if self.modifiers is None:
            return phones, torch.zeros_like(phones)
        return phones, mean(self.modifiers, tokens.mods.gather(1, owner), spoken)
