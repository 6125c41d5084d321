"""Figures of a server in the text format of Prometheus (version 0.0.4)."""

import threading
from collections import Counter
from collections.abc import Callable

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Counters and histograms; threads may share them.

    Args:
        load: gives how many requests are being spoken, how many wait for that, and how many are
            parked until their clients read.
    """

    def __init__(self, load: Callable[[], tuple[int, int, int]]):
        self._load = load
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._buckets: dict[str, Counter[float]] = {}

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter; labels are fixed words, never what a client sent."""
        told = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        with self._lock:
            self._counts[f"{name}{{{told}}}" if told else name] += amount  # type: ignore[assignment]

    def observe(self, name: str, seconds: float) -> None:
        """Add to a histogram."""
        with self._lock:
            buckets = self._buckets.setdefault(name, Counter())
            for limit in _SECONDS:
                buckets[limit] += seconds <= limit
            buckets[float("inf")] += 1
            self._counts[f"{name}_sum"] += seconds  # type: ignore[assignment]

    def text(self) -> str:
        """All of them."""
        active, waiting, parked = self._load()
        lines = [
            "# TYPE tts_active_requests gauge",
            f"tts_active_requests {active}",
            "# TYPE tts_waiting_requests gauge",
            f"tts_waiting_requests {waiting}",
            "# TYPE tts_parked_requests gauge",
            f"tts_parked_requests {parked}",
        ]
        with self._lock:
            told = set()
            for name, value in sorted(self._counts.items()):
                family = name.split("{")[0]
                if family.removesuffix("_sum") in self._buckets:
                    continue
                if family not in told:
                    lines.append(f"# TYPE {family} counter")
                    told.add(family)
                lines.append(f"{name} {value:.10g}")
            for name, buckets in sorted(self._buckets.items()):
                lines.append(f"# TYPE {name} histogram")
                for limit in (*_SECONDS, float("inf")):
                    shown = "+Inf" if limit == float("inf") else f"{limit:g}"
                    lines.append(f'{name}_bucket{{le="{shown}"}} {buckets[limit]}')
                lines.append(f"{name}_sum {self._counts[f'{name}_sum']:.10g}")
                lines.append(f"{name}_count {buckets[float('inf')]}")
        return "\n".join(lines) + "\n"
