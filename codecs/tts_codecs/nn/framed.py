"""Streaming layers of EnCodec for inference, in the layout [B, T, C] with time before channels.

In this layout a convolution, also a transposed one, is a sum of matrix products of shifted views,
without copies, or a convolution of oneDNN (tts_codecs.nn.onednn). Padding is that of EnCodec: the
start of a sequence is reflected, and so is its end if the last inputs do not fill a stride.
`forward(x, state, last)` of a layer returns the outputs that can be computed so far. Offline
computation is a single call with `last`.
"""

import math
from collections.abc import Callable, Iterable
from itertools import zip_longest
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.nn.derived_cache import DerivedCache
from tts_codecs.nn.inference import uses_cache
from tts_codecs.nn.onednn import Addition, PackedLSTM, convolution, supports

#: inputs [B, n, C] in the receptive field of later outputs, and whether there were outputs before
ConvState = tuple[Tensor, bool]

_LOG2_E = math.log2(math.e)
_MANY = 64  # outputs from which a convolution of oneDNN is faster than a product per tap


def reflected(x: Tensor, left: int, right: int = 0) -> Tensor:
    """Pad ``x [B, n, C]``, n >= 1, by reflection on both sides. If n is not larger than the
    padding, the sequence is first extended by zeros."""
    if not left and not right:
        return x
    missing = max(0, max(left, right) + 1 - x.shape[1])
    padded = F.pad(x.transpose(1, 2), (0, missing))
    padded = F.pad(padded, (left, right), mode="reflect")
    return padded[..., : padded.shape[2] - missing].transpose(1, 2).contiguous()


def summed(x: Tensor, weight: Tensor, bias: Tensor, count: int) -> Tensor:
    """Convolution as the sum over k of x[:, k : k + count] @ weight[k], plus bias: x [B, n, I] and
    weight [K, I, O] to [B, count, O]."""
    taps, inner, outer = weight.shape
    if outer == 1:
        # One product for all taps, whose diagonals are then summed. The weight is the left factor,
        # as BLAS is slow at products with so few columns.
        products = weight[..., 0] @ x.transpose(1, 2)  # [B, K, n]
        row, tap, step = products.stride()
        diagonals = products.as_strided((len(x), taps, count), (row, tap + step, step))
        return diagonals.sum(1).unsqueeze(-1) + bias
    if inner == 1:
        windows = x[..., 0].unfold(1, taps, 1)[:, :count]
        return torch.addmm(bias, windows.reshape(-1, taps), weight[:, 0]).view(len(x), count, outer)
    out = torch.addmm(bias, x[:, :count].reshape(-1, inner), weight[0])
    for k in range(1, taps):
        out.addmm_(x[:, k : k + count].reshape(-1, inner), weight[k])
    return out.view(len(x), count, outer)


def elu(x: Tensor, out: Tensor | None = None) -> Tensor:
    """ELU, as the maximum of x and exp(min(x, 0)) - 1; in place unless there is an `out`.

    The exponential is computed by powers of 2, since torch uses MKL for those of e, which is slow
    on AMD processors.
    """
    below = x.mul(_LOG2_E).clamp_max_(0).exp2_().sub_(1)
    return torch.maximum(x, below, out=x if out is None else out)


class _Convolution(nn.Module):
    """Weights [K, in_dim, out_dim] and a bias of `repeat` equal parts of a convolution over frames,
    prepared for oneDNN where that is faster."""

    def __init__(self, taps: int, in_dim: int, out_dim: int, repeat: int = 1):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(taps, in_dim, out_dim))
        self.bias = nn.Parameter(torch.zeros(out_dim // repeat))
        self.repeat, self._derived = repeat, DerivedCache()

    def convolve(self, x: Tensor, count: int, also: Tensor | None = None) -> Tensor:
        """`summed` for x [B, n, in_dim] to [B, count, out_dim], `also` [out_dim] added."""
        weight, bias = self.weight, self.bias
        if not _prepares(x, weight):
            return summed(x, weight, self._bias(also), count)
        weights: list[Tensor] = [weight, bias] if also is None else [weight, bias, also]

        def make() -> tuple[Callable[[Tensor], Tensor] | None, Tensor]:
            whole = self._bias(also)
            return convolution(weight, whole), whole

        prepared, whole = self._derived.get(weights, make)
        if prepared is None or len(x) * count < _MANY:
            return summed(x, weight, whole, count)
        y: Tensor = prepared(x[:, : count + len(weight) - 1])
        return y

    def _bias(self, also: Tensor | None) -> Tensor:
        bias = self.bias.repeat(self.repeat) if self.repeat > 1 else self.bias
        return bias if also is None else bias + also


def _prepares(x: Tensor, weight: Tensor) -> bool:
    """Whether a layer with this weight computes x with prepared weights of oneDNN."""
    return x.dtype == weight.dtype and uses_cache(x, weight) and supports(weight)


class FramedConv(_Convolution):
    """Causal convolution, [B, n, in_dim] to [B, n / stride, out_dim]; `kernel` is a multiple of
    `stride`. The first outputs are delayed until the inputs that the padding reflects are there."""

    def __init__(self, in_dim: int, out_dim: int, kernel: int, stride: int = 1):
        super().__init__(kernel // stride, stride * in_dim, out_dim)
        self.stride, self.padding = stride, kernel - stride

    def initial(self, batch: int, like: Tensor) -> ConvState:
        """State before the first input."""
        return like.new_zeros(batch, 0, self.weight.shape[1] // self.stride), False

    def forward(
        self, x: Tensor, state: ConvState, last: bool, activated: bool = False
    ) -> tuple[Tensor, ConvState]:
        """The next inputs to the outputs that are ready, and the new state. The convolution is one
        of ELU(x) if `activated`."""
        before, begun = state
        seen = _joined(before, x, activated)
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
        return self.convolve(folded, count), (seen[:, count * self.stride :].clone(), True)


class FramedTransposed(_Convolution):
    """Causal transposed convolution with a kernel of two strides, [B, n, in_dim] to
    [B, n * stride, out_dim]. What the last input contributes beyond that is cut off. The state is
    the last input."""

    def __init__(self, in_dim: int, out_dim: int, stride: int):
        super().__init__(2, in_dim, stride * out_dim, stride)
        self.stride = stride

    def initial(self, batch: int, like: Tensor) -> Tensor:
        """State before the first input."""
        return like.new_zeros(batch, 1, self.weight.shape[1])

    def forward(
        self, x: Tensor, state: Tensor, last: bool, activated: bool = False
    ) -> tuple[Tensor, Tensor]:
        """The next inputs to outputs and the new state. The convolution is one of ELU(x) if
        `activated`."""
        count = x.shape[1]
        if not count:
            return x.new_zeros(len(x), 0, len(self.bias)), state
        seen = _joined(state, x, activated)
        out = self.convolve(seen, count)
        return out.view(len(x), count * self.stride, -1), seen[:, count:].clone()


def _joined(before: Tensor, x: Tensor, activated: bool) -> Tensor:
    """Inputs before [B, m, C], followed by x [B, n, C] or ELU(x); x may be overwritten."""
    start = before.shape[1]
    if not activated:
        return torch.cat([before, x], 1) if start else x
    if not start:
        return elu(x)
    seen = x.new_empty(len(x), start + x.shape[1], x.shape[2])
    seen[:, :start] = before
    elu(x, seen[:, start:])
    return seen


class FramedBlock(nn.Module):
    """Residual block of EnCodec: a bottleneck of two convolutions with ELU, and a linear shortcut;
    [B, n, dim] to the same shape."""

    def __init__(self, dim: int, kernel: int = 3):
        super().__init__()
        self.shortcut = FramedConv(dim, dim, 1)
        self.narrow = FramedConv(dim, dim // 2, kernel)
        self.wide = FramedConv(dim // 2, dim, 1)
        self._derived = DerivedCache()

    def initial(self, batch: int, like: Tensor) -> Any:
        """State before the first input: that of the narrow convolution, and the outputs of the
        shortcut that wait for it."""
        return self.narrow.initial(batch, like), like.new_zeros(batch, 0, len(self.wide.bias))

    def forward(self, x: Tensor, state: Any, last: bool) -> Any:
        """The next inputs to outputs and the new state; overwrites x."""
        narrow, waiting = state
        direct = self.shortcut.convolve(x, x.shape[1], self.wide.bias)
        if waiting.shape[1]:
            direct = torch.cat([waiting, direct], 1)
        y, narrow = self.narrow(x, narrow, last, activated=True)
        count = y.shape[1]
        if count == 0:
            return direct[:, :0], (narrow, direct)
        ready, y, weight = direct[:, :count].contiguous(), elu(y), self.wide.weight
        if len(y) * count >= _MANY and _prepares(y, weight):
            add: Addition = self._derived.get([weight], lambda: Addition(weight[0]))
            add(ready, y)
        else:
            ready.view(-1, weight.shape[2]).addmm_(y.flatten(0, 1), weight[0])
        return ready, (narrow, direct[:, count:].clone())


class FramedLSTM(nn.Module):
    """LSTM over [B, n, dim] with a residual connection; its state is the hidden and the cell state
    [layers, B, dim]."""

    #: number of inputs up to which cells are called directly: nn.LSTM packs weights in every call
    SHORT = 4

    def __init__(self, dim: int, layers: int = 2):
        super().__init__()
        self.lstm = nn.LSTM(dim, dim, layers)
        self._derived = DerivedCache()

    def initial(self, batch: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """State before the first input."""
        zeros = like.new_zeros(self.lstm.num_layers, batch, self.lstm.hidden_size)
        return zeros, zeros

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor], last: bool) -> Any:
        """The next inputs to outputs and the new state."""
        if not x.shape[1]:
            return x, state
        weights = self._derived.weights(self.lstm)
        if _prepares(x, weights[0]):
            packed: PackedLSTM = self._derived.get(weights, lambda: PackedLSTM(self.lstm))
            y, state = packed(x.transpose(0, 1), state)
            return x + y.transpose(0, 1), state
        if x.shape[1] > self.SHORT:
            y, state = self.lstm(x.transpose(0, 1), state)
            return x + y.transpose(0, 1), state
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
    """ELU in place."""

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape, which is overwritten."""
        return elu(x)


def begin(layers: nn.ModuleList, batch: int, like: Tensor) -> list[Any]:
    """Initial states of consecutive layers; None for layers without `initial`."""
    return [
        layer.initial(batch, like) if hasattr(layer, "initial") else None  # type: ignore[operator]
        for layer in layers
    ]


def run(
    layers: Iterable[nn.Module], x: Tensor, states: list[Any], last: bool
) -> tuple[Tensor, list[Any]]:
    """Run consecutive layers on the next inputs x; return their outputs and the new states."""
    new, activated = [], False
    layers = list(layers)
    for layer, later, state in zip_longest(layers, layers[1:], states):
        if isinstance(layer, FramedELU):
            # A convolution writes the activation where it needs it.
            activated = isinstance(later, _Convolution)
            x = x if activated else layer(x)
        elif activated:
            x, state = layer(x, state, last, activated=True)
            activated = False
        else:
            x, state = layer(x, state, last)
        new.append(state)
    return x, new
