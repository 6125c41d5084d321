"""Memory is given back when nobody waits, and not at every step where somebody does."""

import asyncio
import ctypes
import time

import pytest

pytest.importorskip("fastapi")

from tests.helpers.serving import until  # noqa: E402
from tts.facade import TTS  # noqa: E402
from tts.serve.job import Job  # noqa: E402
from tts.serve.memory_trim import MemoryTrimmer  # noqa: E402
from tts.serve.scheduler import Scheduler  # noqa: E402
from tts.types import Options  # noqa: E402


def test_how_often() -> None:
    calls: list[int] = []
    trimmer = MemoryTrimmer(
        idle_interval=0.1, busy_interval=0.3, trim=lambda spare: calls.append(spare) or 1
    )
    assert trimmer.seconds_until_due() is None
    end = time.monotonic() + 0.7
    while time.monotonic() < end:
        trimmer.before_work()
    assert len(calls) == 2
    trimmer.before_work()
    due = trimmer.seconds_until_due()
    assert due is not None and due <= 0.1
    time.sleep(due)
    assert trimmer.seconds_until_due() == 0
    trimmer.trim()
    assert len(calls) == 3 and trimmer.seconds_until_due() is None


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs glibc")
def test_freed_memory_leaves_the_process() -> None:
    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    size = 60_000  # of which a heap is made, not a mapping of its own
    blocks = [libc.malloc(size) for _ in range(1000)]
    for block in blocks:
        ctypes.memset(block, 1, size)
    full = resident()
    for block in blocks[:-1]:  # the last one keeps the heap as it is
        libc.free(block)
    MemoryTrimmer().trim()
    assert resident() < full - 40_000_000
    libc.free(blocks[-1])


def test_after_a_request(tiny_home: object) -> None:
    model, scheduler, calls = TTS.load("default", "cpu"), Scheduler(), []
    scheduler._trimmer = MemoryTrimmer(
        idle_interval=0.05, trim=lambda spare: calls.append(spare) or 1
    )
    loop = asyncio.new_event_loop()
    job = Job(model, "Hello.", model.voice("default"), Options(), loop)
    scheduler.submit(job)
    until(lambda: calls)
    assert scheduler.load == (0, 0) and job.delivered_samples > 0
    scheduler.stop(5)
    loop.close()
