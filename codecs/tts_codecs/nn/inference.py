"""Fast layers for inference on a CPU: few calls per layer, on weights that are prepared once
(tts_codecs.nn.derived_cache).

Frames are [B, T, C] throughout. On x86, matrix products are those of oneDNN on packed weights, in
half the time of the BLAS that torch calls for float32 (docs/performance.md). Elsewhere, and in
float64, they are those of torch. Chunks of a stream, which have few rows, read the weights in half
precision (tts_codecs.nn.half).
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

# Thresholds at which one way of computing is faster than another, measured:
_MANY = 48  # number of rows from which packing the weights for a single product pays
_FEW = 1 << 16  # multiplications up to which one call for all taps is faster than a call per tap
_ALONE = 1 << 15  # values from which torch splits a sum between threads, which changes its order
_PIECE = 16  # rows up to which weights laid out as [K, N] are faster than packed ones
_HALF_PIECE = 48  # rows up to which weights in half precision are faster than packed ones
_ANY = sys.maxsize
_DOUBLE_PIECE = 3  # as _PIECE, for float64 weights with N > K


def is_plain_inference(x: Tensor) -> bool:
    """Whether a computation with `x` is inference on a CPU without gradients and autocast."""
    return (
        x.device.type == "cpu"
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
    )


def uses_cache(x: Tensor, weight: Tensor) -> bool:
    """Whether a layer with this weight computes `x` with prepared weights. They are not cached for
    weights made in inference mode; preparing them for one call pays only for another dtype."""
    return is_plain_inference(x) and (x.dtype != weight.dtype or not weight.is_inference())


#: arguments of oneDNN for the activation after a product
_ACTIVATIONS: dict[Gelu, tuple[str, list[Any], str]] = {
    "": ("none", [], ""),
    "none": ("gelu", [], "none"),
    "tanh": ("gelu", [], "tanh"),
}


class _Trained(torch.autograd.Function):
    """x W^T + b by oneDNN, with gradients, for x [..., K], weight [N, K] and bias [N] or None."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return onednn(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        grad = grad.contiguous()  # the gradient of a sum is an expanded scalar
        rows = grad.flatten(0, -2)
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            onednn(grad, weight.t()) if of_x else None,
            onednn(rows.t(), x.flatten(0, -2).t()) if of_weight else None,
            rows.sum(0) if of_bias else None,
        )


def onednn(x: Tensor, weight: Tensor, bias: Tensor | None = None, gelu: Gelu = "") -> Tensor:
    """x W^T + b, optionally with GELU, on float32 weights [N, K], packed or not; no gradients."""
    run = torch.ops.mkldnn._linear_pointwise.default
    y: Tensor = run(x, weight, bias, *_ACTIVATIONS[gelu])
    return y


def linear(layer: nn.Module, x: Tensor, gelu: Gelu = "") -> Tensor:
    """`layer(x)` of a linear layer, optionally with GELU: exact ("none") or approximated ("tanh").

    It is computed by oneDNN if the layer is packed, or if x has many rows, in training too.
    """
    if type(layer) is PackedLinear:
        return layer.product(x, gelu)
    y: Tensor
    # Layers with int8 weights have another type.
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
    """Matrix product x W^T + b on a prepared copy of the weights.

    Args:
        weight: [N, K].
        bias: [N] or None.
        rows: approximate number of rows of x.
        pieces: whether x may also have few rows, as chunks of a stream do. A second copy of the
            weights is made when this first happens.
        steady: whether a row of the result must not depend on the number of rows. It is then equal
            to the last bit for float32 weights, if `steady_dtype` is float32 for them, and up to
            1e-16 for float64 weights.
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
        """[..., K] to [..., N], both in the dtype of the weights; `gelu` as in `linear`."""
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
    """GELU of y [..., N] with few rows. Not for steady products: the last bit depends on the
    position in memory."""
    # Torch hands contiguous tensors to oneDNN, which takes twice the time of torch's own loop for a
    # few rows. A transposed view is not contiguous and so gets that loop.
    if y.shape[-1] % 2:
        return F.gelu(y, approximate=gelu)
    return F.gelu(y.view(2, -1).t(), approximate=gelu).t().view(y.shape)


def _of_few_rows(
    weight: Tensor, bias: Tensor, steady: bool
) -> tuple[Callable[[Tensor], Tensor] | None, int]:
    """A product for few rows, which takes the time of reading the weights, and the number of rows
    up to which to use it: as long as it is the fastest, or always if only it is `steady`.

    Weights that float16 represents exactly, as those of shipped checkpoints, are stored in float16;
    products and sums are in float32. Other weights are laid out as [K, N].
    """
    if weight.dtype == torch.float64 and weight.device.type == "cpu":
        return _Transposed(weight, bias), _DOUBLE_PIECE if len(weight) > weight.shape[1] else 0
    if are_halves(weight):
        return HalfProduct(weight, bias), _ANY if steady else _HALF_PIECE
    return (_Transposed(weight, bias), _PIECE) if packs(weight) else (None, 0)


class _Transposed:
    """x W^T + b with weights laid out as [K, N]; the copy is made in the first call."""

    def __init__(self, weight: Tensor, bias: Tensor):
        self._weight, self._bias = weight, bias
        self._across: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        if self._across is None:
            self._across = self._weight.t().contiguous()
        y = torch.addmm(self._bias, x.flatten(0, -2), self._across)
        return y.unflatten(0, x.shape[:-1])


class PackedLinear(nn.Module):
    """A linear layer for inference only: its weights are packed and cannot be read any more."""

    def __init__(self, layer: nn.Linear):
        super().__init__()
        self.product = Product(layer.weight, layer.bias)
        self.in_features, self.out_features = layer.in_features, layer.out_features

    def forward(self, x: Tensor) -> Tensor:
        """[..., K] to [..., N], float32 on a CPU, without gradients."""
        return self.product(x)


def pack(network: nn.Module) -> int:
    """Replace the linear layers within `blocks`, module lists of that name, by packed ones.

    Weights packed for many rows are also the fastest for a single row, limited by memory bandwidth
    (docs/performance.md). The original weights are freed. Only layers on an x86 CPU are replaced.

    Returns:
        the number of replaced layers.
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
    """Depthwise convolution, computed as a sum of products with its taps; `steady` as in
    Product."""

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
                y += frame * tap  # rounds each product, as `_at_once` does; addcmul does not
            else:
                y.addcmul_(frame, tap)
        return y.add_(self.bias)

    def _at_once(self, window: Tensor) -> Tensor:
        windows = window.unfold(1, len(self.taps), 1)
        return torch.linalg.vecdot(windows, self.across).add_(self.bias)

    def _in_order(self) -> bool:
        """Whether `_at_once` sums the taps in their order for any number of frames. That is so for
        most numbers of channels."""
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
    """Convolution, computed as a matrix product with every window of its input; `steady` as in
    Product."""

    def __init__(self, conv: nn.Conv1d, dtype: torch.dtype, steady: bool = False):
        self.kernel = conv.kernel_size[0]
        bias = None if conv.bias is None else conv.bias.to(dtype)
        # [N, kernel * C_in], so that a window is contiguous in memory.
        weight = conv.weight.detach().transpose(1, 2).flatten(1).to(dtype)
        self.product = Product(weight, bias, pieces=True, steady=steady)

    def __call__(self, window: Tensor) -> Tensor:
        """[B, T + kernel - 1, C_in] to [B, T, C_out]."""
        return self.product(window.unfold(1, self.kernel, 1).transpose(2, 3).flatten(2))


class Norm:
    """Layer normalisation with its weights converted to a dtype."""

    def __init__(self, norm: nn.LayerNorm, dtype: torch.dtype):
        self.shape, self.eps = tuple(norm.normalized_shape), norm.eps
        self.weight, self.bias = norm.weight.detach().to(dtype), norm.bias.detach().to(dtype)

    def __call__(self, x: Tensor) -> Tensor:
        return torch.native_layer_norm(x, self.shape, self.weight, self.bias, self.eps)[0]


def overlap_add(pieces: Tensor, step: int) -> Tensor:
    """Overlap-add windows [B, F, n], each `step` samples after the one before, to
    [B, n + (F - 1) * step]; n is a multiple of `step`."""
    batch, count, length = pieces.shape
    rows = length // step
    parts = pieces.view(batch, count, rows, step).transpose(1, 2)
    # Each row of `parts` is padded by `rows` steps and then cut to one step less, so that the next
    # row is shifted by one step.
    wide = F.pad(parts, (0, 0, 0, rows)).view(batch, -1, step)
    wide = wide[:, : rows * (count + rows - 1)].view(batch, rows, count + rows - 1, step)
    return wide.sum(1).flatten(1)


def overlapped(pieces: Tensor, step: int) -> Tensor:
    """Overlap-add windows [B, n / step - 1 + F, n], each `step` samples after the one before, to
    the F steps [B, F * step] in which all n / step windows overlap."""
    batch, count, length = pieces.shape
    rows = length // step
    pieces = pieces.contiguous()
    # A step sums row r of the window r steps before it; a view selects these, the oldest first.
    size = (batch, count - rows + 1, rows, step)
    strides = (pieces.stride(0), length, length - step, 1)
    reached = pieces.as_strided(size, strides, pieces.storage_offset() + length - step)
    return reached.sum(2).flatten(1)
