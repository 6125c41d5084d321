"""Memory per stream, and how it grows over many requests."""

import gc
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import nn

from benchmarks.harness.requests import MIXED, request
from benchmarks.harness.row import Context, Costs, Goal, Row
from tts import TTS


def tensor_bytes() -> int:
    """Bytes of all tensors that are alive, storage they share counted once."""
    gc.collect()
    alive = [each for each in gc.get_objects() if type(each) in (torch.Tensor, nn.Parameter)]
    # Packed weights have no storage of their own to tell; they do not grow with requests.
    storages = [each.untyped_storage() for each in alive if not each.is_mkldnn]
    return sum({each.data_ptr(): each.nbytes() for each in storages}.values())


def per_stream(tts: TTS, streams: int = 16) -> float:
    """MB of tensors that a stream holds between its first chunk and its last (the resident set
    would not show them: allocators keep what earlier requests gave back)."""
    text = MIXED[3] * 2
    begin = tensor_bytes()
    held = [tts.stream(text, "default", seed=seed) for seed in range(streams)]
    for stream in held:
        next(stream)
    grown = tensor_bytes() - begin
    for stream in held:
        stream.close()
    return grown / 1e6 / streams


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
        f"Memory: 16 open streams, then {context.minutes:g} minutes of requests",
        "request",
        {"requests": many},
        check,
        [
            Goal("MB grown", grown, 50.0, at_least=False),
            Goal("MB per open stream", held, 20.0, at_least=False),
        ],
        "Resident set of the process; --minutes 30 for the long one.",
        lambda: found,
        repeats=1,
        warm=0,
    )
