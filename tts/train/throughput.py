"""Speed of a training: seconds per step, and floating-point operations per second."""

from __future__ import annotations

import contextlib
import math
import time
from typing import Any

import torch


class StepClock:
    """Measures seconds per step between the steps after which the run waited for the device."""

    def __init__(self, device: torch.device):
        self.device = device
        self.seconds = math.nan
        self._last: tuple[int, float] | None = None
        self._measurements = 0

    def tick(self, step: int, synchronized: bool) -> None:
        """Note the end of a step; `synchronized` says whether the device has finished it too."""
        if not synchronized:
            return
        now = time.monotonic()
        if self._last is not None and step > self._last[0]:
            self.seconds = (now - self._last[1]) / (step - self._last[0])
        self._last = (step, now)
        self._measurements += 1

    def slower_than(self, milliseconds: float) -> bool:
        """Whether steps take longer than a limit (0 for none) at the third look at the clock, when
        the device has warmed up."""
        return bool(milliseconds) and self._measurements == 3 and 1000 * self.seconds > milliseconds


def _linear_flops(x: Any, weight: Any, *_: Any, **__: Any) -> int:
    """Operations of the linear layer of oneDNN, which the counter of PyTorch does not know."""
    return 2 * math.prod(x) * int(weight[0])


#: further operators for `torch.utils.flop_counter.FlopCounterMode`
FLOP_MAPPING: dict[Any, Any] = {}
with contextlib.suppress(AttributeError, RuntimeError):  # not every build has it
    FLOP_MAPPING[torch.ops.mkldnn._linear_pointwise] = _linear_flops


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Measure operations per second of a large matrix product, the best of six."""
    size, best = (8192 if device.type == "cuda" else 512), math.inf
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    for _ in range(6):
        _synchronize(device)
        begin = time.perf_counter()
        torch.mm(a, b)
        _synchronize(device)
        best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
