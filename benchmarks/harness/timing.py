"""Pairs of measurements: every contestant once a round, so that what else the machine does hits all
of them alike, and the limits of the machine they are compared with."""

import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Cost:
    """What one run took.

    Attributes:
        cpu: process CPU seconds, of all threads; wall: seconds on the clock.
        units: how many steps, seconds of audio, ... came out; costs are told per unit.
    """

    cpu: float
    wall: float
    units: float = 1.0

    def per_unit(self) -> tuple[float, float]:
        """CPU and wall seconds per unit."""
        return self.cpu / self.units, self.wall / self.units


#: does the work and returns how many units came out, or a Cost where it timed itself
Run = Callable[[], "float | Cost"]


def once(run: Run, device: str = "cpu") -> Cost:
    """One run, timed; on a GPU until its queue is empty."""
    _wait(device)
    cpu, wall = time.process_time(), time.perf_counter()
    found = run()
    _wait(device)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return found if isinstance(found, Cost) else Cost(cpu, wall, float(found))


def paired(
    runs: Mapping[str, Run], repeats: int = 5, device: str = "cpu", warm: int = 1
) -> dict[str, list[Cost]]:
    """Every contestant `repeats` times, in turn, after `warm` rounds that do not count.

    Raises:
        ValueError: fewer than one repeat.
    """
    if repeats < 1:
        raise ValueError(f"at least one repeat, not {repeats}")
    costs: dict[str, list[Cost]] = {name: [] for name in runs}
    for turn in range(warm + repeats):
        for name, run in runs.items():
            cost = once(run, device)
            if turn >= warm:
                costs[name].append(cost)
    return costs


def medians(costs: list[Cost]) -> tuple[float, float]:
    """Median CPU and wall seconds per unit."""
    cpu, wall = zip(*(cost.per_unit() for cost in costs), strict=True)
    return statistics.median(cpu), statistics.median(wall)


def ratio(over: list[Cost], under: list[Cost], clock: str = "cpu") -> float:
    """Median over the rounds of what `over` took by what `under` took in the same round."""
    at = 0 if clock == "cpu" else 1
    pairs = zip(over, under, strict=True)
    return statistics.median(a.per_unit()[at] / b.per_unit()[at] for a, b in pairs)


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def bandwidth(device: str = "cpu", megabytes: int = 256) -> float:
    """Bytes per second that a sum reads: the floor of a step of batch 1. A product of the BLAS
    with a vector reads up to half as many (`python -m benchmarks.studies.products`)."""
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    numbers = torch.ones(megabytes * 2**20 // dtype.itemsize, device=device, dtype=dtype)
    costs = paired({"": lambda: float(numbers.sum().dim() == 0)}, 7, device)[""]
    return numbers.nbytes / min(cost.wall for cost in costs)


def peak(device: str = "cpu") -> float:
    """Floating point operations per second of a large matrix product."""
    gpu = device.startswith("cuda")
    size = 8192 if gpu else 1024
    matrix = torch.ones(size, size, device=device, dtype=torch.bfloat16 if gpu else torch.float32)
    costs = paired({"": lambda: float(len(matrix @ matrix) > 0)}, 7, device)[""]
    return 2 * size**3 / min(cost.wall for cost in costs)


def machine(device: str, threads: int) -> dict[str, object]:
    """What the figures were taken on."""
    gpu = device.startswith("cuda")
    name = torch.cuda.get_device_name() if gpu else _processor()
    return {
        "device": name, "cores": os.cpu_count(), "threads": threads, "torch": torch.__version__,
        "load": round(os.getloadavg()[0], 2), "gb_per_s": round(bandwidth(device) / 1e9, 2),
        "gflop_per_s": round(peak(device) / 1e9, 1),
    }  # fmt: skip


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else "CPU"
