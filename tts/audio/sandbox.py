"""Decode a recording in a process of its own, with limits: audio from strangers meets C libraries.

What runs in the process is tts.audio.sandboxed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tts.errors import AudioError

__all__ = ["ENTIRE", "NAME", "Decoded", "command", "decode_apart", "decoded", "environment"]

MAX_BYTES = 200_000_000
TIMEOUT = 60.0
ENTIRE = 6  # times the time for half an hour instead of a minute
NAME = "the recording"


class Decoded(NamedTuple):
    """What was decoded: samples [N] as they are in the file, their rate in Hz, seconds of the whole
    file, seconds of silence that were passed over before the samples, and the length in seconds
    that the file's header tells, if it tells one."""

    samples: NDArray[np.float32]
    rate: int
    seconds: float
    skipped: float = 0.0
    declared: float | None = None


def command(
    min_seconds: float, max_seconds: float, max_bytes: int, entire: bool = False
) -> list[str]:
    """The command line of the process."""
    limits = [str(each) for each in (min_seconds, max_seconds, max_bytes)]
    return [sys.executable, "-m", "tts.audio.sandboxed", *limits, *(["entire"] if entire else [])]


def environment() -> dict[str, str]:
    """The variables of the process: it finds the packages that this one runs, and keeps to one
    thread."""
    roots = [str(Path(sys.modules[name].__path__[0]).parent) for name in ("tts", "tts_codecs")]
    path = [*dict.fromkeys(roots), os.environ.get("PYTHONPATH", "")]
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), **one}


def decoded(out: bytes, code: int, name: str, warnings: list[str]) -> Decoded:
    """What the process has written, as samples.

    Raises:
        AudioError: what it tells, or that it did not come to its end.
    """
    head, _, body = out.partition(b"\n")
    if code != 0 or not head:
        raise AudioError(f"{name} cannot be decoded")
    told = json.loads(head)
    if "error" in told:
        raise AudioError(told["error"].replace(NAME, name, 1))
    warnings += [line.replace(NAME, name, 1) for line in told["warnings"]]
    samples = np.frombuffer(body, dtype=np.float32).copy()
    return Decoded(samples, told["rate"], told["seconds"], told["skipped"], told["declared"])


def decode_apart(
    handle: IO[bytes],
    name: str,
    min_seconds: float,
    max_seconds: float,
    warnings: list[str],
    entire: bool = False,
) -> Decoded:
    """`decode_file` in the process.

    Raises:
        AudioError: as that, or it takes too long, or too much memory.
    """
    handle.seek(0)
    data = handle.read(MAX_BYTES + 1)
    try:
        done = subprocess.run(
            command(min_seconds, max_seconds, MAX_BYTES, entire),
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            timeout=TIMEOUT * (ENTIRE if entire else 1),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise AudioError(f"{name}: takes too long to decode") from None
    return decoded(done.stdout, done.returncode, name, warnings)
