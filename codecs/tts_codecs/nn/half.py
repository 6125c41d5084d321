"""Matrix products on weights that float16 represents exactly: stored in float16, computed in
float32.

The products are those of FBGEMM. For chunks of a stream, whose products take the time of reading
the weights, they need half the time. They also add up terms in a fixed order, so that a row of the
result does not depend on the number of rows, to the last bit. No other float32 product does this.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

_MANY = 48  # number of rows from which a product may use several threads


def packs(weight: Tensor) -> bool:
    """Whether oneDNN supports products with this weight [N, K]: float32 on an x86 CPU."""
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and _has_onednn()


@functools.cache
def _has_onednn() -> bool:
    return (
        torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability().startswith("AVX")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def are_halves(weight: Tensor) -> bool:
    """Whether float16 represents these weights exactly, and FBGEMM has a product for them."""
    supported = packs(weight) and _has_fbgemm()
    return supported and torch.equal(weight.half().to(weight.dtype), weight)


@functools.cache
def _has_fbgemm() -> bool:
    engine = torch.backends.quantized.engine
    return engine in ("x86", "fbgemm") and hasattr(torch.ops.quantized, "linear_dynamic_fp16")


class HalfProduct:
    """x W^T + b in float32, for weights [N, K] for which `are_halves` holds, and a bias [N]."""

    def __init__(self, weight: Tensor, bias: Tensor):
        self._weight, self._bias = weight, bias
        self._quick, self._many_values = _quick_product(), _MANY * weight.shape[1]
        self._few: Tensor | None = None
        self._many: Any = None

    def __call__(self, x: Tensor) -> Tensor:
        """[..., K] to [..., N]."""
        if self._quick is not None and x.numel() < self._many_values:
            pack, run = self._quick
            if self._few is None:
                self._few = pack(self._weight)
            return run(x, self._few, self._bias)
        if self._many is None:
            self._many = torch.ops.quantized.linear_prepack_fp16.default(self._weight, self._bias)
        found: Tensor = torch.ops.quantized.linear_dynamic_fp16.default(x, self._many)
        return found


@functools.cache
def _quick_product() -> tuple[Callable[..., Tensor], Callable[..., Tensor]] | None:
    """FBGEMM's functions to pack weights and to multiply by them with a single thread. A call takes
    less time than `linear_dynamic_fp16` and gives the same result. None if this version of torch
    does not have them any more."""
    names = ("fbgemm_pack_gemm_matrix_fp16", "fbgemm_linear_fp16_weight_fp32_activation")
    pack, run = (getattr(torch, name, None) for name in names)
    if pack is None or run is None:
        return None
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")  # torch warns once per process that it will remove them
        run(torch.zeros(1, 8), pack(torch.zeros(8, 8)), torch.zeros(8))
    return pack, run


def steady_dtype(weights: Iterable[Tensor]) -> torch.dtype:
    """The dtype in which products with these weights [N, K] do not depend on the number of rows:
    float32 if `are_halves` holds for all, which is exact; else float64, up to 1e-16."""
    halves = all([are_halves(weight) for weight in weights]) and _in_order()
    return torch.float32 if halves else torch.float64


@functools.cache
def _in_order() -> bool:
    """Whether FBGEMM's products do not depend on the number of rows on this processor."""
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode(False), torch.no_grad():
        rows = torch.randn(50, 1100, generator=generator)
        weight = torch.randn(72, 1100, generator=generator).half().float()
        product = HalfProduct(weight, rows[0, :72].clone())
        whole = product(rows)
        return all(torch.equal(product(rows[n:]), whole[n:]) for n in range(50))
