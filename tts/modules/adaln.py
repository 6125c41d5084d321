"""MLP with adaptive layer normalization, the network of heads that sample single vectors."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.nn.inference import linear


class AdaLNBlock(nn.Module):
    """Residual block with shift, scale and gate from a condition (adaLN-Zero, Peebles & Xie 2023).

    The gate is 0 at first, so that the block is the identity.
    """

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(width, 3 * width)
        self.up = nn.Linear(width, width)
        self.down = nn.Linear(width, width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        """Apply the block to x [..., width] with the condition cond [..., width]."""
        return self.modulated(x, self.modulation(cond))

    def modulated(self, x: Tensor, modulation: Tensor) -> Tensor:
        """Apply the block with a computed modulation [..., 3 * width]."""
        shift, scale, gate = modulation.chunk(3, -1)
        y = self.norm(x) * (1 + scale) + shift
        return x + gate * linear(self.down, F.silu(linear(self.up, y)))


class AdaLNMLP(nn.Module):
    """The denoising MLP of MAR (Li et al. 2024, "Autoregressive Image Generation without Vector
    Quantization"), which SLED and FELLE use for speech.

    Args:
        in_dim, cond_dim, out_dim: sizes of input, condition and output.
        width, blocks: size of the hidden layers, and number of blocks.
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
        """Compute the output [..., out_dim] for x [..., in_dim] and cond [..., cond_dim]."""
        cond = F.silu(self.cond(cond))
        x = self.entry(x)
        for block in self.blocks:
            x = block(x, cond)
        shift, scale = self.modulation(cond).chunk(2, -1)
        return self.out(self.norm(x) * (1 + scale) + shift)

    def prepare(
        self, fixed: Tensor, cond: Tensor, times: Tensor
    ) -> Callable[[Tensor, int], Tensor]:
        """Prepare `forward` for the steps of a sampler, which share parts of input and condition.

        Args:
            fixed: [B, 1, n], the last n channels of the input at all steps.
            cond: [B, 1, cond_dim], the condition of all steps.
            times: [S, cond_dim] time embeddings, which are added to it.

        Returns:
            a function of the other channels of the input, [B, 1, in_dim - n], and the number of the
            step.
        """
        variable = self.entry.in_features - fixed.shape[-1]
        weight = self.entry.weight[:, :variable]
        base = F.linear(fixed, self.entry.weight[:, variable:], self.entry.bias)
        hidden = F.linear(times, self.cond.weight)[:, None, None] + self.cond(cond)
        cond = F.silu(hidden)  # [S, B, 1, width]
        modulations = [block.modulation(cond) for block in self.blocks]  # type: ignore[operator, union-attr]
        shift, scale = self.modulation(cond).chunk(2, -1)
        scale = 1 + scale

        def step(x: Tensor, at: int) -> Tensor:
            x = base + F.linear(x, weight)
            for block, modulation in zip(self.blocks, modulations, strict=True):
                x = block.modulated(x, modulation[at])  # type: ignore[operator, union-attr]
            return self.out(self.norm(x) * scale[at] + shift[at])

        return step
