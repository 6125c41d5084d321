"""Metrics of the server in the text format of Prometheus (version 0.0.4)."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator

#: upper bounds of the buckets of all histograms, in seconds
_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, float("inf"))
_GAUGES = ("tts_active_requests", "tts_waiting_requests", "tts_parked_requests")


class Metrics:
    """Counters and histograms, which threads may share.

    Args:
        load: returns how many requests are being spoken, how many wait for that, and how many are
            parked until their clients read.
    """

    def __init__(self, load: Callable[[], tuple[int, int, int]]):
        self._load = load
        self._lock = threading.Lock()
        self._counters: dict[str, float] = {}
        self._sums: dict[str, float] = {}
        self._buckets: dict[str, Counter[float]] = {}

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter. Values of labels must be fixed words, never text of a client: each is a
        time series of its own."""
        pairs = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        series = f"{name}{{{pairs}}}" if pairs else name
        with self._lock:
            self._counters[series] = self._counters.get(series, 0) + amount

    def observe(self, name: str, seconds: float) -> None:
        """Add a duration to a histogram."""
        with self._lock:
            buckets = self._buckets.setdefault(name, Counter())
            for bound in _BUCKETS:
                buckets[bound] += seconds <= bound
            self._sums[name] = self._sums.get(name, 0.0) + seconds

    def text(self) -> str:
        """Return all metrics as Prometheus reads them."""
        lines = []
        for name, value in zip(_GAUGES, self._load(), strict=True):
            lines += [f"# TYPE {name} gauge", f"{name} {value}"]
        with self._lock:
            lines += [*self._counter_lines(), *self._histogram_lines()]
        return "\n".join(lines) + "\n"

    def _counter_lines(self) -> Iterator[str]:
        families = set()
        for series, value in sorted(self._counters.items()):
            family = series.split("{")[0]
            if family not in families:
                families.add(family)
                yield f"# TYPE {family} counter"
            yield f"{series} {value:.10g}"

    def _histogram_lines(self) -> Iterator[str]:
        for name, buckets in sorted(self._buckets.items()):
            yield f"# TYPE {name} histogram"
            for bound in _BUCKETS:
                shown = "+Inf" if bound == float("inf") else f"{bound:g}"
                yield f'{name}_bucket{{le="{shown}"}} {buckets[bound]}'
            yield f"{name}_sum {self._sums[name]:.10g}"
            yield f"{name}_count {buckets[float('inf')]}"
