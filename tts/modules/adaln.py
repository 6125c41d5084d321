"""Residual MLP modulated by a condition: the small network of heads that draw one vector."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.nn.inference import linear


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
        return self.modulated(x, self.modulation(cond))

    def modulated(self, x: Tensor, modulation: Tensor) -> Tensor:
        """`forward` with the modulation [..., 3 * width] of the condition."""
        shift, scale, gate = modulation.chunk(3, -1)
        y = self.norm(x) * (1 + scale) + shift
        return x + gate * linear(self.down, F.silu(linear(self.up, y)))


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

    def prepare(
        self, fixed: Tensor, conds: Tensor, moments: Tensor
    ) -> Callable[[Tensor, int], Tensor]:
        """`forward` for the steps of a sampler, which share part of content and condition.

        Args:
            fixed: [B, 1, n], the last n of in_dim that all steps have.
            conds: [B, 1, cond_dim] of all steps; moments: [S, cond_dim] that each adds to it.

        Returns:
            A function of the rest of the content, [B, 1, in_dim - n], and the number of the step.
        """
        own = self.entry.in_features - fixed.shape[-1]
        into = self.entry.weight[:, :own]
        base = F.linear(fixed, self.entry.weight[:, own:], self.entry.bias)
        both = F.linear(moments, self.cond.weight)[:, None, None] + self.cond(conds)
        cond = F.silu(both)  # [S, B, 1, width]
        shaped = [block.modulation(cond) for block in self.blocks]  # type: ignore[operator, union-attr]
        shift, scale = self.modulation(cond).chunk(2, -1)
        scale = 1 + scale

        def step(x: Tensor, at: int) -> Tensor:
            x = base + F.linear(x, into)
            for block, modulation in zip(self.blocks, shaped, strict=True):
                x = block.modulated(x, modulation[at])  # type: ignore[operator, union-attr]
            return self.out(self.norm(x) * scale[at] + shift[at])

        return step
