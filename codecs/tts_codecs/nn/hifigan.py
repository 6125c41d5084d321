"""Layers of codecs that are built like the generator of HiFi-GAN (Kong et al. 2020).

The layout is [B, C, T]. The layers are run by `tts_codecs.nn.streamed`. With its causal
convolutions they take a stream; with convolutions that see both sides, which have no state, they
take a recording as a whole.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tts_codecs.nn.streamed import Residual, begin, run

#: makes a convolution of some channels, kernel size and dilation, which keeps the length
MakeConv = Callable[[int, int, int], nn.Module]
#: makes an activation for some channels
MakeActivation = Callable[[int], nn.Module]


class CentredConv(nn.Module):
    """Convolution that sees both sides: [B, C_in, n * stride] to [B, C_out, n]. The first and the
    last value are repeated beyond the ends. A kernel with a stride is two strides long."""

    def __init__(self, in_dim: int, out_dim: int, kernel: int, stride: int = 1, dilation: int = 1):
        super().__init__()
        padding = (kernel - stride + 1) // 2 if stride > 1 else (kernel - 1) * dilation // 2
        self.conv = nn.Conv1d(
            in_dim, out_dim, kernel, stride, padding, dilation, padding_mode="replicate"
        )

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C_in, n * stride] to [B, C_out, n]."""
        y: Tensor = self.conv(x)
        return y


class ResidualBranches(nn.Module):
    """Mean of parallel stacks of residual units, one stack per kernel size: the multi-receptive
    field fusion of HiFi-GAN.

    Args:
        dim: number of channels.
        kernels: kernel size of each stack.
        dilations: dilation of the first convolution of each unit of a stack; the second has none.
        conv: makes the convolutions.
        activation: makes the activation before each convolution.
    """

    def __init__(
        self,
        dim: int,
        kernels: Sequence[int],
        dilations: Sequence[int],
        conv: MakeConv,
        activation: MakeActivation,
    ):
        super().__init__()

        def unit(kernel: int, dilation: int) -> Residual:
            wide, plain = conv(dim, kernel, dilation), conv(dim, kernel, 1)
            return Residual([activation(dim), wide, activation(dim), plain])

        self.branches = nn.ModuleList(
            nn.ModuleList(unit(kernel, dilation) for dilation in dilations) for kernel in kernels
        )

    def initial(self, batch: int, like: Tensor) -> list[Any]:
        """States before the first value."""
        return [begin(branch, batch, like) for branch in self._stacks()]

    def forward(self, x: Tensor, states: list[Any]) -> tuple[Tensor, list[Any]]:
        """x [B, C, T] and states to an output of the same shape and the new states."""
        total, new = torch.zeros_like(x), []
        for branch, state in zip(self._stacks(), states, strict=True):
            y, state = run(branch, x, state)
            total = total + y
            new.append(state)
        return total / len(new), new

    def _stacks(self) -> list[nn.ModuleList]:
        return [each for each in self.branches if isinstance(each, nn.ModuleList)]
