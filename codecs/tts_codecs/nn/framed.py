"""Convolutions whose time comes before channels, [B, T, C], for inference of published codecs.

A convolution is then a sum of matrix products of shifted views, a transposed one too, with nothing
copied in between. Each padding is that of EnCodec: the start of a sequence is reflected, and where
the last inputs do not fill a stride their end is. A layer's `forward(x, state, last)` gives what
can be told so far; it is its offline pass as well, with `last`.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: inputs [B, n, C] that later outputs see, and whether there were outputs before
ConvState = tuple[Tensor, bool]

_LOG2_E = math.log2(math.e)


def reflected(x: Tensor, left: int, right: int = 0) -> Tensor:
    """Reflect values to both sides of ``x [B, n, C]``, n >= 1. Where n is not larger than the
    padding the sequence counts as continued by zeros."""
    if not left and not right:
        return x
    missing = max(0, max(left, right) + 1 - x.shape[1])
    padded = F.pad(x.transpose(1, 2), (0, missing))
    padded = F.pad(padded, (left, right), mode="reflect")
    return padded[..., : padded.shape[2] - missing].transpose(1, 2).contiguous()


def summed(x: Tensor, weight: Tensor, bias: Tensor, count: int) -> Tensor:
    """Sum over k of x[:, k : k + count] @ weight[k], x [B, n, I], weight [K, I, O], to
    [B, count, O]."""
    taps, inner, outer = weight.shape
    if outer == 1:
        # A product for all taps at once, whose diagonals are what is wanted.
        # The few taps come first, as BLAS is slow at products of so few columns.
        found = weight[..., 0] @ x.transpose(1, 2)  # [B, K, n]
        row, tap, step = found.stride()
        diagonals = found.as_strided((len(x), taps, count), (row, tap + step, step))
        return diagonals.sum(1).unsqueeze(-1) + bias
    if inner == 1:
        windows = x[..., 0].unfold(1, taps, 1)[:, :count]
        return torch.addmm(bias, windows.reshape(-1, taps), weight[:, 0]).view(len(x), count, outer)
    out = torch.addmm(bias, x[:, :count].reshape(-1, inner), weight[0])
    for k in range(1, taps):
        out.addmm_(x[:, k : k + count].reshape(-1, inner), weight[k])
    return out.view(len(x), count, outer)


def elu(x: Tensor) -> Tensor:
    """ELU, which overwrites x; where no value is positive but zero, exp(x) - 1 lies above x.

    By powers of 2: torch leaves those of e to MKL, which is slow at them on AMD processors.
    """
    below = x.mul(_LOG2_E).clamp_max_(0).exp2_().sub_(1)
    return torch.maximum(x, below, out=x)


class FramedConv(nn.Module):
    """Causal convolution, [B, n, in_dim] to [B, n / stride, out_dim]; the kernel is as many whole
    strides. With a kernel of more than a stride the first outputs wait for the inputs that the
    padding reflects."""

    def __init__(self, in_dim: int, out_dim: int, kernel: int, stride: int = 1):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(kernel // stride, stride * in_dim, out_dim))
        self.bias = nn.Parameter(torch.zeros(out_dim))
        self.stride, self.padding = stride, kernel - stride

    def initial(self, batch: int, like: Tensor) -> ConvState:
        """State before the first input."""
        return like.new_zeros(batch, 0, self.weight.shape[1] // self.stride), False

    def forward(self, x: Tensor, state: ConvState, last: bool) -> tuple[Tensor, ConvState]:
        """The next inputs to the outputs that are ready, and the new state."""
        before, begun = state
        seen = torch.cat([before, x], 1) if before.shape[1] else x
        length = x.shape[1] if begun else seen.shape[1]
        none = x.new_zeros(len(x), 0, self.weight.shape[2])
        if not begun and (length == 0 or length <= self.padding and not last):
            return none, (seen.clone(), False)
        inputs = seen.shape[1] - (self.padding if begun else 0)
        right = -inputs % self.stride if last else 0
        if not begun or right:
            seen = reflected(seen, 0 if begun else self.padding, right)
        taps = len(self.weight)
        blocks = seen.shape[1] // self.stride
        count = blocks - taps + 1
        if count < 1:
            return none, (seen, True)
        folded = seen[:, : blocks * self.stride].reshape(len(x), blocks, -1)
        out = summed(folded, self.weight, self.bias, count)
        return out, (seen[:, count * self.stride :].clone(), True)


class FramedTransposed(nn.Module):
    """Transposed convolution with a kernel of two strides, [B, n, in_dim] to
    [B, n * stride, out_dim]; the end of the last input's reach is left out. State: that input."""

    def __init__(self, in_dim: int, out_dim: int, stride: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, in_dim, stride * out_dim))
        self.bias = nn.Parameter(torch.zeros(out_dim))
        self.stride = stride

    def initial(self, batch: int, like: Tensor) -> Tensor:
        """State before the first input."""
        return like.new_zeros(batch, 1, self.weight.shape[1])

    def forward(self, x: Tensor, state: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        """The next inputs to outputs and the new state."""
        count = x.shape[1]
        if not count:
            return x.new_zeros(len(x), 0, len(self.bias)), state
        seen = torch.cat([state, x], 1)
        bias = self.bias.repeat(self.stride)
        out = summed(seen, self.weight, bias, count)
        return out.view(len(x), count * self.stride, -1), seen[:, count:].clone()


class FramedBlock(nn.Module):
    """A bottleneck of two convolutions after ELUs, beside a linear map: [B, n, dim] to the same."""

    def __init__(self, dim: int, kernel: int = 3):
        super().__init__()
        self.shortcut = FramedConv(dim, dim, 1)
        self.narrow = FramedConv(dim, dim // 2, kernel)
        self.wide = FramedConv(dim // 2, dim, 1)

    def initial(self, batch: int, like: Tensor) -> Any:
        """State before the first input: of the narrow convolution, and what waits for it."""
        return self.narrow.initial(batch, like), like.new_zeros(batch, 0, len(self.wide.bias))

    def forward(self, x: Tensor, state: Any, last: bool) -> Any:
        """The next inputs to outputs and the new state; overwrites x."""
        narrow, waiting = state
        held = summed(x, self.shortcut.weight, self.shortcut.bias + self.wide.bias, x.shape[1])
        if waiting.shape[1]:
            held = torch.cat([waiting, held], 1)
        y, narrow = self.narrow(elu(x), narrow, last)
        count = y.shape[1]
        if count == 0:
            return held[:, :0], (narrow, held)
        weight = self.wide.weight[0]
        ready = held[:, :count].reshape(-1, held.shape[2])
        ready.addmm_(elu(y).flatten(0, 1), weight)
        return ready.view(len(x), count, -1), (narrow, held[:, count:].clone())


class FramedLSTM(nn.Module):
    """An LSTM over [B, n, dim] added to its inputs; state: hidden and cell [layers, B, dim]."""

    #: up to so many inputs are run cell by cell: nn.LSTM packs its weights anew in every call
    SHORT = 4

    def __init__(self, dim: int, layers: int = 2):
        super().__init__()
        self.lstm = nn.LSTM(dim, dim, layers)

    def initial(self, batch: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """State before the first input."""
        zeros = like.new_zeros(self.lstm.num_layers, batch, self.lstm.hidden_size)
        return zeros, zeros

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor], last: bool) -> Any:
        """The next inputs to outputs and the new state."""
        if x.shape[1] > self.SHORT:
            y, state = self.lstm(x.transpose(0, 1), state)
            return x + y.transpose(0, 1), state
        if not x.shape[1]:
            return x, state
        states = list(zip(*state, strict=True))
        out = []
        for step in x.unbind(1):
            y = step
            for layer, pair in enumerate(states):
                states[layer] = torch.lstm_cell(y, pair, *self.lstm.all_weights[layer])
                y = states[layer][0]
            out.append(y + step)
        hidden, cell = (torch.stack(part) for part in zip(*states, strict=True))
        return torch.stack(out, 1), (hidden, cell)


class FramedELU(nn.Module):
    """ELU that overwrites its input."""

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return elu(x)


def begin(layers: nn.ModuleList, batch: int, like: Tensor) -> list[Any]:
    """States of layers one after another; those without `initial` have none."""
    return [
        layer.initial(batch, like) if hasattr(layer, "initial") else None  # type: ignore[operator]
        for layer in layers
    ]


def run(
    layers: nn.ModuleList, x: Tensor, states: list[Any], last: bool
) -> tuple[Tensor, list[Any]]:
    """Layers one after another."""
    new = []
    for layer, state in zip(layers, states, strict=True):
        if hasattr(layer, "initial"):
            x, state = layer(x, state, last)
        else:
            x = layer(x)
        new.append(state)
    return x, new
