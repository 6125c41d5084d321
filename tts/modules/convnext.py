"""Non-causal ConvNeXt blocks over phones or frames, with masking."""

import torch
from torch import Tensor, nn

from tts_codecs.inference import linear


class ConvNeXt(nn.Module):
    """ConvNeXt block (Liu et al. 2022); an optional condition vector shifts and scales the norm."""

    def __init__(self, dim: int, hidden: int, kernel: int = 7, cond: int = 0, dropout: float = 0.0):
        super().__init__()
        self.depthwise = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.norm = nn.LayerNorm(dim)
        self.up = nn.Linear(dim, hidden)
        self.down = nn.Linear(hidden, dim)
        self.scale = nn.Parameter(torch.full((dim,), 0.2))
        self.cond = nn.Linear(cond, 2 * dim) if cond else None
        self.dropout = nn.Dropout(dropout)
        if self.cond is not None:
            nn.init.zeros_(self.cond.weight)
            nn.init.zeros_(self.cond.bias)

    def forward(self, x: Tensor, mask: Tensor, cond: Tensor | None = None) -> Tensor:
        """x [B, T, dim], mask [B, T, 1] (1 valid), cond [B, C] to [B, T, dim]."""
        y = self.norm(self.depthwise((x * mask).transpose(1, 2)).transpose(1, 2))
        if self.cond is not None and cond is not None:
            gain, shift = self.cond(cond).unsqueeze(1).chunk(2, -1)
            y = y * (1 + gain) + shift
        y = linear(self.down, self.dropout(linear(self.up, y, gelu="none")))
        return x + self.scale * y
