"""Quantizers of every kind, small."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tts_codecs.quantizers import (
    FSQ,
    BinnedQuantizer,
    GroupedFSQ,
    GroupedRVQ,
    LookupFreeQuantizer,
    Quantizer,
    ResidualFSQ,
    ResidualVQ,
    ScalarQuantizer,
    VectorQuantizer,
)


def noise(*shape: int, seed: int = 0, scale: float = 1.5) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale


MADE: dict[str, Callable[[], Quantizer]] = {
    "vq": lambda: VectorQuantizer(6, 32),
    "rvq": lambda: ResidualVQ(6, 4, 16),
    "fsq": lambda: FSQ([8, 5, 5, 3, 4, 7]),
    "grouped_fsq": lambda: GroupedFSQ([5, 4, 3], groups=2, symmetric=True),
    "grouped_rvq": lambda: GroupedRVQ(6, 2, 3, 16),
    "residual_fsq": lambda: ResidualFSQ([5, 4, 3, 2, 9, 8], 3),
    "lfq": lambda: LookupFreeQuantizer(3, 2),
    "scalar": lambda: ScalarQuantizer(6, 4),
    "binned": lambda: BinnedQuantizer(6, -2.0, 2.0, 16),
}


def make(name: str) -> Quantizer:
    torch.manual_seed(1)
    return MADE[name]().eval()
