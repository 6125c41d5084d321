"""Convolutions and LSTMs of oneDNN on weights that are prepared once, for inference on an x86 CPU.

Frames are [B, T, C]. `F.conv1d` would convert its input from and to [B, C, T], and `nn.LSTM`
prepares its weights in every call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tts_codecs.nn.half import packs
from tts_codecs.nn.inference import Product

_LSTM = 2  # number of that mode among torch's recurrent layers
_WIDE = 512  # input channels from which three products for two outputs are faster; measured
_ROWS = 1024  # number of outputs that weights are laid out for, roughly
#: stride, dilation and groups of a convolution as torch's arguments, and its padding before them
_PLAIN: list[Any] = [[0, 0], [1, 1], [1, 1], 1]


def convolution(weight: Tensor, bias: Tensor) -> Callable[[Tensor], Tensor] | None:
    """The fastest convolution without padding, [B, n + K - 1, I] to [B, n, O], for weights
    [K, I, O] float32 and a bias [O]; None if that is a product per tap by torch."""
    taps, inner, outer = weight.shape
    if inner == 1 or outer == 1:
        return None
    if taps == 1:
        return Product(weight[0].t(), bias, _ROWS)
    if taps == 2 and inner >= _WIDE:
        return _TwoTaps(weight, bias)
    return _Convolution(weight, bias)


class _Convolution:
    """A convolution of oneDNN, see `convolution`."""

    def __init__(self, weight: Tensor, bias: Tensor):
        self._weight, self._bias = _reordered(weight), bias.detach().clone()
        self._run = torch.ops.mkldnn._convolution_pointwise.default

    def __call__(self, x: Tensor) -> Tensor:
        y: Tensor = self._run(_as_image(x), self._weight, self._bias, *_PLAIN, "none", [], "")
        return y.squeeze(2).transpose(1, 2)


class _TwoTaps:
    """A convolution with two taps, in three products for each pair of outputs instead of four
    (Winograd 1980, "Arithmetic Complexity of Computations"), see `convolution`.

    With taps u and v, x0 u + x1 v = x1 (u + v) + (x0 - x1) u, and x1 u + x2 v = x1 (u + v) +
    (x2 - x1) v.
    """

    def __init__(self, weight: Tensor, bias: Tensor):
        first, second = weight.detach().transpose(1, 2)
        self._both = Product(first + second, bias, _ROWS)
        self._first, self._second = Product(first, None, _ROWS), Product(second, None, _ROWS)

    def __call__(self, x: Tensor) -> Tensor:
        batch, count = x.shape[0], x.shape[1] - 1
        half = count // 2
        middle = x[:, 1::2].contiguous()
        both = self._both(middle)
        out = x.new_empty(batch, both.shape[1], 2, both.shape[2])
        torch.add(both, self._first(x[:, :count:2] - middle), out=out[:, :, 0])
        later = self._second(x[:, 2::2] - middle[:, :half])
        torch.add(both[:, :half], later, out=out[:, :half, 1])
        return out.flatten(1, 2)[:, :count]


class Addition:
    """Adds the product of x [B, n, I] and weights [I, O] to [B, n, O] in place."""

    def __init__(self, weight: Tensor):
        self._weight = _reordered(weight.unsqueeze(0))
        self._run = torch.ops.mkldnn._convolution_pointwise_.binary

    def __call__(self, out: Tensor, x: Tensor) -> None:
        self._run(
            _as_image(out), _as_image(x), self._weight, None, *_PLAIN, "add", 1.0, None, [], None
        )


class PackedLSTM:
    """An LSTM of one direction with biases, over [T, B, C]; the same result as `nn.LSTM`."""

    def __init__(self, lstm: nn.LSTM):
        pack = torch.ops.mkldnn._reorder_mkldnn_rnn_layer_weight
        self._hidden = lstm.hidden_size
        self._layers = []
        for inner, outer, first, second in lstm.all_weights:
            packed = pack(inner, outer, self._hidden, False, True, False, [1, 1, inner.shape[1]])
            self._layers.append((*packed, first.detach().clone(), second.detach().clone()))
        self._run = torch.ops.aten.mkldnn_rnn_layer.default

    def __call__(
        self, x: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """[T, B, I] and the hidden and the cell state [layers, B, C] to [T, B, C] and new ones."""
        hidden, cell = [], []
        x = x.contiguous()  # else oneDNN's results are wrong, without an error
        for weights, h, c in zip(self._layers, *state, strict=True):
            before = (h[None].contiguous(), c[None].contiguous())
            x, h, c, _ = self._run(
                x, *weights, *before, False, [], _LSTM, self._hidden, 1, True, False, False, False
            )
            hidden.append(h)
            cell.append(c)
        return x, (torch.cat(hidden), torch.cat(cell))


def supports(weight: Tensor) -> bool:
    """Whether torch has these layers for a weight: float32 on an x86 CPU."""
    return packs(weight) and all(
        hasattr(torch.ops.mkldnn, name)
        for name in (
            "_convolution_pointwise", "_convolution_pointwise_", "_reorder_convolution_weight",
            "_reorder_mkldnn_rnn_layer_weight",
        )
    )  # fmt: skip


def _reordered(weight: Tensor) -> Tensor:
    """Weights [K, I, O] in the layout that oneDNN wants."""
    taps, inner, _ = weight.shape
    kernel = weight.detach().permute(2, 1, 0).unsqueeze(2)
    kernel = kernel.contiguous(memory_format=torch.channels_last)
    size = [1, inner, 1, _ROWS + taps - 1]
    found: Tensor = torch.ops.mkldnn._reorder_convolution_weight(kernel, *_PLAIN, size)
    return found


def _as_image(x: Tensor) -> Tensor:
    """[B, n, C] as an image of one row, [B, C, 1, n]."""
    return x.transpose(1, 2).unsqueeze(2)
