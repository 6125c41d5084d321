"""From the command to the first sample: a process of its own each time, on a warm disk."""

import os
import subprocess
import sys
import time

from benchmarks.harness.requests import SENTENCE
from benchmarks.harness.row import Context, Goal, Row, per_unit
from benchmarks.harness.timing import Cost

_HEADER = 44  # bytes of a WAV header
_COMMAND = [sys.executable, "-m", "tts", "synthesize", SENTENCE, "-o", "-", "--format", "wav", "-q"]


def prepare(context: Context) -> Row:
    """The command, and the imports that are in it."""
    command = [*_COMMAND, "--threads", str(context.threads), "--device", context.device]

    def check() -> None:
        done = subprocess.run(command, capture_output=True, check=True)
        assert len(done.stdout) > _HEADER + 32000, "no second of audio"

    runs = {
        "tts synthesize": lambda: _until(command, _HEADER + 2),
        "tts --help": lambda: _until([sys.executable, "-m", "tts", "--help"], 1),
        "import torch": lambda: _until([sys.executable, "-c", "import torch; print(1)"], 1),
        "import tts.synthesizer": lambda: _until(
            [sys.executable, "-c", "import tts.synthesizer; print(1)"], 1
        ),
    }
    if context.peer("pocket-tts import", lambda: __import__("pocket_tts")) is not None:
        runs["import pocket_tts"] = lambda: _until(
            [sys.executable, "-c", "import pocket_tts; print(1)"], 1
        )
    return Row(
        "Start-up of `tts synthesize` to its first sample",
        "start",
        runs,
        check,
        [
            Goal(
                "seconds to the first sample",
                lambda costs: per_unit(costs, "tts synthesize", "wall"),
                2.0,
                at_least=False,
            )
        ],
        "Wall from the start of the process to the first sample in the pipe.",
        clock="wall",
        scale=1.0,
    )


def _until(command: list[str], count: int) -> Cost:
    """CPU and wall of a process until it has written so many bytes; it is then ended."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    got = process.stdout.read(count)
    wall = time.perf_counter() - begin
    cpu = _cpu(process.pid)
    process.stdout.close()
    process.kill()
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    assert len(got) == count, f"{' '.join(command)} wrote {len(got)} bytes"
    return Cost(cpu or usage.ru_utime + usage.ru_stime, wall)


def _cpu(pid: int) -> float:
    import psutil

    try:
        times = psutil.Process(pid).cpu_times()
        return times.user + times.system
    except psutil.Error:
        return 0.0
