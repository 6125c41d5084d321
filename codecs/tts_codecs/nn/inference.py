"""Layers as they are run fast: few calls a layer, with weights that are prepared once
(tts_codecs.nn.derived_cache).

Frames are [B, T, C] throughout. On x86 the products are oneDNN's on weights packed for it, which
takes half the time of the BLAS that torch calls for float32 (docs/performance.md); elsewhere, and
in float64, they are torch's. Pieces of a stream read weights of half precision
(tts_codecs.nn.half).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from tts_codecs.nn.half import HalfProduct, are_halves, packs

Gelu: TypeAlias = Literal["", "none", "tanh"]

_MANY = 48  # rows from which laying out the weights anew is worth it
_FEW = 1 << 16  # products up to which one call for all taps is faster than a call for each
_ALONE = 1 << 15  # values from which torch shares a sum among threads, which changes its order
_PIECE = 16  # rows up to which weights [K, N] are read faster than packed ones, by a third
_HALF_PIECE = 48  # and weights of half precision in two thirds to a quarter of the time
_ANY = sys.maxsize
_DOUBLE_PIECE = 3  # the former of float64, where they are no wider than high


def plain(x: Tensor) -> bool:
    """Whether `x` is computed with as it is: on a CPU, without gradients or autocast."""
    return (
        x.device.type == "cpu"
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
    )


def keeps(x: Tensor, weight: Tensor) -> bool:
    """Whether a layer with this weight computes with what it keeps for inference: nothing is kept
    of weights made in inference mode, and to make it for one call pays only in another dtype."""
    return plain(x) and (x.dtype != weight.dtype or not weight.is_inference())


#: what oneDNN does to a product before it is written
_AFTER: dict[Gelu, tuple[str, list[Any], str]] = {
    "": ("none", [], ""),
    "none": ("gelu", [], "none"),
    "tanh": ("gelu", [], "tanh"),
}


class _Trained(torch.autograd.Function):
    """x W^T + b by oneDNN, its gradients too: [..., K], [N, K], [N] or None to [..., N]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return onednn(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        grad = grad.contiguous()  # that of a sum is one number, expanded
        rows = grad.flatten(0, -2)
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            onednn(grad, weight.t()) if of_x else None,
            onednn(rows.t(), x.flatten(0, -2).t()) if of_weight else None,
            rows.sum(0) if of_bias else None,
        )


def onednn(x: Tensor, weight: Tensor, bias: Tensor | None = None, gelu: Gelu = "") -> Tensor:
    """x W^T + b on float32 weights [N, K], packed or not, with GELU of that; no gradients."""
    run = torch.ops.mkldnn._linear_pointwise.default
    found: Tensor = run(x, weight, bias, *_AFTER[gelu])
    return found


def linear(layer: nn.Module, x: Tensor, gelu: Gelu = "") -> Tensor:
    """`layer(x)` of a linear layer, with GELU of that, exact ("none") or approximated by "tanh";
    by oneDNN if it is packed or, on the weights as they are, of many rows, in training too."""
    if type(layer) is PackedLinear:
        return layer.product(x, gelu)
    y: Tensor
    # A layer with int8 weights is of another type.
    if type(layer) is nn.Linear:
        weight, bias = layer.weight, layer.bias
        many = x.numel() >= _MANY * x.shape[-1] and x.dtype == weight.dtype and packs(weight)
        if many and not torch.is_autocast_enabled("cpu"):
            if not torch.is_grad_enabled():
                return onednn(x, weight, bias, gelu)
            y = _Trained.apply(x, weight, bias)
        else:
            y = F.linear(x, weight, bias)
    else:
        y = layer(x)
    return F.gelu(y, approximate=gelu) if gelu else y


class Product:
    """x W^T + b, with a copy of the weights.

    Args:
        weight: [N, K]; bias: [N] or None.
        rows: how many rows x has, about.
        pieces: x may have few rows, as the pieces of a stream have: another copy of the weights is
            made when it first has.
        steady: a row comes out the same to the last bit however many there are, if the weights are
            of float32 and `steady_dtype` says so; of float64 it differs by 1e-16.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None = None,
        rows: int = 200,
        pieces: bool = False,
        steady: bool = False,
    ):
        self.width, inner = weight.shape
        weight = weight.detach().contiguous()
        bias = None if bias is None else bias.detach().clone()
        self._few, self._most, self._steady = None, 0, steady
        if pieces and bias is not None:
            self._few, self._most = _of_few_rows(weight, bias, steady)
        self.packed = packs(weight)
        if self.packed and self._most < _ANY:
            weight = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
        self.weight, self.bias = weight, bias
        self._most *= inner  # values of x rather than rows

    def __call__(self, x: Tensor, gelu: Gelu = "") -> Tensor:
        """[..., K] to [..., N], of the weights' dtype; with GELU of that, see `linear`."""
        size = x.numel()
        if not size:
            return x.new_zeros(*x.shape[:-1], self.width)
        if self._few is not None and size <= self._most:
            y = self._few(x)
            if gelu and not self._steady:
                return _gelu_of_few(y, gelu)
            return F.gelu(y, approximate=gelu) if gelu else y
        if self.packed:
            return onednn(x, self.weight, self.bias, gelu)
        y = F.linear(x, self.weight, self.bias)
        return F.gelu(y, approximate=gelu) if gelu else y


def _gelu_of_few(y: Tensor, gelu: Gelu) -> Tensor:
    """GELU of [..., N]. Torch hands what is contiguous on to oneDNN, which for a few rows takes
    twice the time of torch's own loop. Lying across it is not, though the loop is the same. The
    last bit depends on where in memory a value is, so that it is not steady."""
    if y.shape[-1] % 2:
        return F.gelu(y, approximate=gelu)
    return F.gelu(y.view(2, -1).t(), approximate=gelu).t().view(y.shape)


def _of_few_rows(
    weight: Tensor, bias: Tensor, steady: bool
) -> tuple[Callable[[Tensor], Tensor] | None, int]:
    """A product of few rows, whose time is that of reading the weights, and the number of rows up
    to which it is the fastest, or `steady` alone.

    Weights that float16 holds exactly, as those of a shipped checkpoint, are read as such; the
    products and sums are of float32. Others are laid out for it, [K, N].
    """
    if weight.dtype == torch.float64 and weight.device.type == "cpu":
        return _Across(weight, bias), _DOUBLE_PIECE if len(weight) > weight.shape[1] else 0
    if are_halves(weight):
        return HalfProduct(weight, bias), _ANY if steady else _HALF_PIECE
    return (_Across(weight, bias), _PIECE) if packs(weight) else (None, 0)


class _Across:
    """x W^T + b with weights laid out as [K, N], when it is first called."""

    def __init__(self, weight: Tensor, bias: Tensor):
        self._weight, self._bias = weight, bias
        self._across: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        if self._across is None:
            self._across = self._weight.t().contiguous()
        y = torch.addmm(self._bias, x.flatten(0, -2), self._across)
        return y.unflatten(0, x.shape[:-1])


class PackedLinear(nn.Module):
    """A linear layer that is only computed with: its weights are packed and cannot be read."""

    def __init__(self, layer: nn.Linear):
        super().__init__()
        self.product = Product(layer.weight, layer.bias)
        self.in_features, self.out_features = layer.in_features, layer.out_features

    def forward(self, x: Tensor) -> Tensor:
        """[..., K] to [..., N], float32 on a CPU, without gradients."""
        return self.product(x)


def pack(network: nn.Module) -> int:
    """Replace the linear layers inside of blocks (lists of that name) by packed ones, in place.

    Packed for many rows weights are also read fastest for one, as fast as memory gives them
    (docs/performance.md). No copy of the weights stays. Other devices and processors than x86 keep
    their layers.

    Returns:
        how many layers are packed now.
    """
    count = 0
    for name, part in network.named_modules():
        if name.rpartition(".")[2] != "blocks" or not isinstance(part, nn.ModuleList):
            continue
        for parent in part.modules():
            for leaf, layer in parent.named_children():
                if type(layer) is nn.Linear and packs(layer.weight):
                    setattr(parent, leaf, PackedLinear(layer))
                    count += 1
    return count


class Taps:
    """A depthwise convolution (`conv.groups` as many as channels) as products with its taps;
    `steady` as in `Product`."""

    def __init__(self, conv: nn.Conv1d, dtype: torch.dtype, steady: bool = False):
        assert conv.bias is not None
        self.taps = conv.weight.detach()[:, 0].t().to(dtype).contiguous()  # [kernel, C]
        self.bias = conv.bias.detach().to(dtype)
        self.across, self.each, self.steady = self.taps.t(), self.taps.unbind(), steady
        self.few = _FEW if not steady else _ALONE - 1 if self._in_order() else 0

    def __call__(self, window: Tensor) -> Tensor:
        """[B, T + kernel - 1, C] to [B, T, C]."""
        kernel, channels = self.taps.shape
        frames = window.shape[1] - kernel + 1
        if len(window) * frames * kernel * channels <= self.few:
            return self._at_once(window)
        shifted = window.unfold(1, frames, 1).transpose(2, 3).unbind(1)
        y = shifted[0] * self.each[0]
        for frame, tap in zip(shifted[1:], self.each[1:], strict=True):
            if self.steady:
                y += frame * tap  # each product is rounded, as it is at once
            else:
                y.addcmul_(frame, tap)
        return y.add_(self.bias)

    def _at_once(self, window: Tensor) -> Tensor:
        windows = window.unfold(1, len(self.taps), 1)
        return torch.linalg.vecdot(windows, self.across).add_(self.bias)

    def _in_order(self) -> bool:
        """Whether all taps at once are summed up in their order, whatever the number of frames, as
        they are for most numbers of channels."""
        kernel, channels = self.taps.shape
        frames = _ALONE // (kernel * channels)
        self.few = 0
        generator = torch.Generator().manual_seed(0)
        window = torch.randn(1, frames + kernel, channels, generator=generator).to(self.taps)
        return all(
            torch.equal(self._at_once(part), self(part))
            for part in (window[:, : n + kernel - 1] for n in range(1, frames + 1))
        )


class Windows:
    """A convolution over all channels as a product with every window of its input; `steady` as
    in `Product`."""

    def __init__(self, conv: nn.Conv1d, dtype: torch.dtype, steady: bool = False):
        self.kernel = conv.kernel_size[0]
        bias = None if conv.bias is None else conv.bias.to(dtype)
        # [N, kernel * C_in]: a window is one stretch of memory.
        weight = conv.weight.detach().transpose(1, 2).flatten(1).to(dtype)
        self.product = Product(weight, bias, pieces=True, steady=steady)

    def __call__(self, window: Tensor) -> Tensor:
        """[B, T + kernel - 1, C_in] to [B, T, C_out]."""
        return self.product(window.unfold(1, self.kernel, 1).transpose(2, 3).flatten(2))


class Norm:
    """Layer normalisation in another dtype than its weights'."""

    def __init__(self, norm: nn.LayerNorm, dtype: torch.dtype):
        self.shape, self.eps = tuple(norm.normalized_shape), norm.eps
        self.weight, self.bias = norm.weight.detach().to(dtype), norm.bias.detach().to(dtype)

    def __call__(self, x: Tensor) -> Tensor:
        return torch.native_layer_norm(x, self.shape, self.weight, self.bias, self.eps)[0]


def overlap_add(pieces: Tensor, step: int) -> Tensor:
    """[B, F, n], n a multiple of `step`, each piece `step` after the one before, to their sum
    [B, n + (F - 1) * step]."""
    batch, count, length = pieces.shape
    rows = length // step
    parts = pieces.view(batch, count, rows, step).transpose(1, 2)
    # A row too many behind each of the shifts, cut off at the end, moves the next one by a row.
    wide = F.pad(parts, (0, 0, 0, rows)).view(batch, -1, step)
    wide = wide[:, : rows * (count + rows - 1)].view(batch, rows, count + rows - 1, step)
    return wide.sum(1).flatten(1)


def overlapped(pieces: Tensor, step: int) -> Tensor:
    """Pieces [B, n / step - 1 + F, n], each `step` after the one before, to the sum [B, F * step]
    of the last F steps that all of them have reached."""
    batch, count, length = pieces.shape
    rows = length // step
    pieces = pieces.contiguous()
    # Row r of a step is that of the piece r steps before; here from the oldest piece on.
    size = (batch, count - rows + 1, rows, step)
    strides = (pieces.stride(0), length, length - step, 1)
    reached = pieces.as_strided(size, strides, pieces.storage_offset() + length - step)
    return reached.sum(2).flatten(1)
