"""Decode a recording in a process of its own, with limits: audio from strangers meets C libraries.

`python -m tts.audio.sandbox MIN_SECONDS MAX_SECONDS MAX_BYTES [entire]` reads a file on
standard input and writes a line of JSON, then mono float32 samples at the rate of the file.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import numpy as np

from tts.audio.decode import Decoded, decode_file
from tts.errors import AudioError

__all__ = ["command", "decode_apart", "decoded", "environment"]

MAX_BYTES = 200_000_000
TIMEOUT = 60.0
_MEMORY = 1 << 30
_CPU_SECONDS = 20
_ENTIRE = 6  # times the time for half an hour instead of a minute
_NAME = "the recording"


def command(
    min_seconds: float, max_seconds: float, max_bytes: int, entire: bool = False
) -> list[str]:
    """The command line of the process."""
    limits = [str(each) for each in (min_seconds, max_seconds, max_bytes)]
    return [sys.executable, "-m", "tts.audio.sandbox", *limits, *(["entire"] if entire else [])]


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
        raise AudioError(told["error"].replace(_NAME, name, 1))
    warnings += [line.replace(_NAME, name, 1) for line in told["warnings"]]
    samples = np.frombuffer(body, dtype=np.float32).copy()
    return Decoded(samples, told["rate"], told["seconds"], told["skipped"])


def decode_apart(
    handle: IO[bytes], name: str, min_seconds: float, max_seconds: float, warnings: list[str],
    entire: bool = False,
) -> Decoded:  # fmt: skip
    """`decode_file` in the process.

    Raises:
        AudioError: as that, or it takes too long, or too much memory.
    """
    handle.seek(0)
    data = handle.read(MAX_BYTES + 1)
    try:
        done = subprocess.run(
            command(min_seconds, max_seconds, MAX_BYTES, entire), input=data,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(),
            timeout=TIMEOUT * (_ENTIRE if entire else 1),
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise AudioError(f"{name}: takes too long to decode") from None
    return decoded(done.stdout, done.returncode, name, warnings)


def _limit(entire: bool) -> None:
    try:
        import resource
    except ImportError:  # Windows: the time limit of the caller remains
        return
    cpu = _CPU_SECONDS * (_ENTIRE if entire else 1)
    for what, most in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CPU, cpu),
                       (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):  # fmt: skip
        resource.setrlimit(what, (most, most))


def main() -> None:
    """The process."""
    entire = sys.argv[4:] == ["entire"]
    _limit(entire)
    min_seconds, max_seconds, max_bytes = (float(each) for each in sys.argv[1:4])
    data = sys.stdin.buffer.read(int(max_bytes) + 1)
    warnings: list[str] = []
    try:
        if len(data) > max_bytes:
            raise AudioError(f"{_NAME} is larger than {max_bytes / 1e6:.0f} MB")
        found = decode_file(
            io.BytesIO(data),
            _NAME,
            min_seconds,
            max_seconds,
            warnings,
            sandbox=False,
            entire=entire,
        )
    except AudioError as error:
        sys.stdout.write(json.dumps({"error": str(error)}) + "\n")
        return
    except MemoryError:
        sys.stdout.write(json.dumps({"error": f"{_NAME} needs too much memory"}) + "\n")
        return
    told = {"rate": found.rate, "seconds": found.seconds, "skipped": found.skipped}
    sys.stdout.write(json.dumps({**told, "warnings": warnings}) + "\n")
    sys.stdout.flush()
    sys.stdout.buffer.write(np.ascontiguousarray(found.samples, dtype=np.float32).data)


if __name__ == "__main__":
    main()
