"""Phone probe: reads the phones off source-filter features.

Training aid only: it makes how clearly generated features are articulated a loss, as the CTC loss
of DMOSpeech (Li et al. 2024) does with a recognizer; durations being known, frames need no CTC.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.text.pauses import COMMA, PERIOD
from tts.text.symbols import N_SYMBOLS, SIL
from tts.text.tokens import TokenBatch, token_index
from tts_codecs.nn.convnext import ConvNeXt


class PhoneProbe(nn.Module):
    """Features [B, T, C] to scores of the phone of each frame.

    It sees few frames around: with more it would guess a phone that is not articulated.
    """

    def __init__(
        self,
        channels: int = 82,
        dim: int = 128,
        blocks: int = 4,
        kernel: int = 3,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.entry = nn.Linear(channels, dim)
        self.blocks = nn.ModuleList(
            ConvNeXt(dim, 2 * dim, kernel, dropout=dropout) for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, N_SYMBOLS)

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
        labels = tokens.ids.gather(1, token_index(durations, features.shape[1]))
        # Which pause it is only its length tells.
        labels = torch.where((labels == COMMA) | (labels == PERIOD), SIL, labels)
        logits = self(features, mask).transpose(1, 2)
        # A last latent may reach past the phones, and there is no phone to be heard.
        index = torch.arange(features.shape[1], device=features.device)
        counted = mask[..., 0] * (index < durations.sum(1, keepdim=True))
        error = F.cross_entropy(logits, labels, reduction="none") * counted
        return error.sum(1) / counted.sum(1).clamp_min(1)
