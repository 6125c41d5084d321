"""Residual MLP modulated by a condition: the small network of heads that draw one vector."""

import torch.nn.functional as F
from torch import Tensor, nn


class AdaLNBlock(nn.Module):
    """Residual block whose norm is shifted, scaled and gated by the condition, closed at first
    (adaLN-zero, Peebles & Xie 2023)."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(width, 3 * width)
        self.up = nn.Linear(width, width)
        self.down = nn.Linear(width, width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        """x and cond [..., width] to [..., width]."""
        shift, scale, gate = self.modulation(cond).chunk(3, -1)
        y = self.norm(x) * (1 + scale) + shift
        return x + gate * self.down(F.silu(self.up(y)))


class AdaLNMLP(nn.Module):
    """The denoising MLP of Li et al. 2024, "Autoregressive Image Generation without Vector
    Quantization" (MAR), which SLED and FELLE use for speech.

    Args:
        in_dim, cond_dim, out_dim: of content, condition and output.
        width, blocks: sizes.
    """

    def __init__(self, in_dim: int, cond_dim: int, out_dim: int, width: int, blocks: int):
        super().__init__()
        self.entry = nn.Linear(in_dim, width)
        self.cond = nn.Linear(cond_dim, width)
        self.blocks = nn.ModuleList(AdaLNBlock(width) for _ in range(blocks))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, out_dim)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        """Content [..., in_dim] and condition [..., cond_dim] to [..., out_dim]."""
        cond = F.silu(self.cond(cond))
        x = self.entry(x)
        for block in self.blocks:
            x = block(x, cond)
        shift, scale = self.modulation(cond).chunk(2, -1)
        return self.out(self.norm(x) * (1 + scale) + shift)
