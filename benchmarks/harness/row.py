"""The contract of a row: `prepare(context) -> Row` in a module of benchmarks.cases."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

from benchmarks.harness.timing import Cost, Run, medians, ratio

T = TypeVar("T")
Costs = Mapping[str, list[Cost]]


@dataclass
class Context:
    """What a row is told, and where it says what is missing.

    Attributes:
        device: "cpu" or "cuda"; threads: of the CPU.
        minutes: of the rows that watch memory over time.
        missing: peers that are not there, and why.
    """

    device: str = "cpu"
    threads: int = 1
    repeats: int = 5
    minutes: float = 0.5
    missing: dict[str, str] = field(default_factory=dict)

    def peer(self, name: str, build: Callable[[], T]) -> T | None:
        """What `build` makes of a package; None, and a line in the report, without it."""
        try:
            return build()
        except ImportError as error:
            self.missing[name] = str(error)
            return None

    @contextlib.contextmanager
    def precision(self) -> Iterator[None]:
        """bfloat16 on a GPU, for all contestants alike; float32 on a CPU."""
        if self.device.startswith("cuda"):
            with torch.autocast("cuda", dtype=torch.bfloat16):
                yield
        else:
            yield


@dataclass
class Goal:
    """What is to be reached: `value` of the costs at least, or at most, `wanted`."""

    text: str
    value: Callable[[Costs], float]
    wanted: float
    at_least: bool = True

    def judged(self, costs: Costs) -> dict[str, Any]:
        """For the report; `met` is None where a contestant is missing."""
        try:
            value = self.value(costs)
        except KeyError:
            return {"text": self.text, "wanted": self.wanted, "value": None, "met": None}
        met = value >= self.wanted if self.at_least else value <= self.wanted
        return {"text": self.text, "wanted": self.wanted, "value": value, "met": met}


@dataclass
class Row:
    """One line of work, done by several.

    Attributes:
        title: what is done; unit: what costs are told per.
        runs: contestants; the first is ours.
        check: raises where anything is not right; called before the clock starts.
        goals: what is to be reached.
        note: what has to be known to read the figures.
        extra: called after the timing, for figures that are not times.
        clock: "cpu" or "wall", which goals and plots are about.
        scale: of the unit in reports: 1000 for ms, 1 for a real-time factor.
        repeats, warm: where not those of the command.
    """

    title: str
    unit: str
    runs: dict[str, Run]
    check: Callable[[], None]
    goals: list[Goal] = field(default_factory=list)
    note: str = ""
    extra: Callable[[], dict[str, Any]] | None = None
    clock: str = "cpu"
    scale: float = 1000.0
    repeats: int | None = None
    warm: int = 1


def faster(ours: str, peers: list[str], factor: float, clock: str = "cpu") -> Goal:
    """At least `factor` times faster than the fastest of those peers that are there."""

    def value(costs: Costs) -> float:
        there = [name for name in peers if name in costs]
        if not there:
            raise KeyError(peers[0])
        return min(ratio(costs[name], costs[ours], clock) for name in there)

    return Goal(
        f"{ours} at least {factor:g} times faster than {' and '.join(peers)}", value, factor
    )


def within(ours: str, other: str, factor: float, clock: str = "cpu") -> Goal:
    """At most `factor` times what `other` takes."""
    return Goal(
        f"{ours} at most {factor:g} times {other}",
        lambda costs: ratio(costs[ours], costs[other], clock),
        factor,
        at_least=False,
    )


def per_unit(costs: Costs, name: str, clock: str = "cpu") -> float:
    """Median seconds per unit of a contestant."""
    return medians(costs[name])[0 if clock == "cpu" else 1]


def finite(value: torch.Tensor, *shape: int) -> None:
    """AssertionError unless all numbers are finite and the shape is this one (-1: any)."""
    assert torch.isfinite(value.float()).all(), "not finite"
    assert value.dim() == len(shape), f"{list(value.shape)}, not {list(shape)}"
    for found, wanted in zip(value.shape, shape, strict=True):
        assert wanted in (-1, found), f"{list(value.shape)}, not {list(shape)}"


def close(found: torch.Tensor, wanted: torch.Tensor, tolerance: float) -> None:
    """AssertionError unless shapes agree and no number differs by more than the tolerance."""
    assert found.shape == wanted.shape, f"{list(found.shape)}, not {list(wanted.shape)}"
    off = (found - wanted).abs().max().item()
    assert off <= tolerance, f"differs by {off:.2e}, more than {tolerance:g}"
