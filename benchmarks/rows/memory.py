"""Memory per stream, and how it grows over many requests (benchmarks/memory.py)."""

import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.memory import per_stream, request
from benchmarks.row import Context, Costs, Goal, Row
from tts import TTS


def prepare(context: Context) -> Row:
    """Requests of all kinds for `--minutes`; those of the first tenth warm the allocators."""
    tts = TTS.load("default", context.device)
    process = psutil.Process()
    found: dict[str, Any] = {}

    def many() -> float:
        begin, number, warm = time.monotonic(), 0, 0.0
        seconds = 60 * context.minutes
        with tempfile.TemporaryDirectory() as folder:
            while (spent := time.monotonic() - begin) < seconds or number < 40:
                number += 1
                request(tts, number, Path(folder))
                if not warm and number >= 20 and spent > seconds / 10:
                    warm = process.memory_info().rss / 1e6
        found["requests"], found["MB before"] = number, round(warm, 1)
        found["MB grown"] = round(process.memory_info().rss / 1e6 - warm, 1)
        return float(number)

    def check() -> None:
        found["MB per stream"] = round(per_stream(tts), 2)

    def grown(_: Costs) -> float:
        return float(found["MB grown"])

    def held(_: Costs) -> float:
        return float(found["MB per stream"])

    return Row(
        f"Memory: 16 open streams, then {context.minutes:g} minutes of requests", "request",
        {"requests": many}, check,
        [
            Goal("MB grown", grown, 50.0, at_least=False),
            Goal("MB per open stream", held, 20.0, at_least=False),
        ],
        "Resident set of the process; --minutes 30 for the long one.",
        lambda: found, repeats=1, warm=0,
    )  # fmt: skip
