"""Decoding in another process with limits, since recordings of strangers may exploit C libraries.

The process runs tts.audio.sandboxed.
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
ENTIRE = 6  # factor on time limits for half an hour instead of a minute
NAME = "the recording"


class Decoded(NamedTuple):
    """A decoded recording.

    Attributes:
        samples: [N] mono; rate: their sample rate in Hz.
        seconds: length of the whole file; skipped: silence before the samples that was left out.
        declared: length by the header of the file; None if it has none.
    """

    samples: NDArray[np.float32]
    rate: int
    seconds: float
    skipped: float = 0.0
    declared: float | None = None


def command(
    min_seconds: float, max_seconds: float, max_bytes: int, entire: bool = False
) -> list[str]:
    """Make the command line of the process; arguments are those of tts.audio.sandboxed."""
    limits = [str(each) for each in (min_seconds, max_seconds, max_bytes)]
    return [sys.executable, "-m", "tts.audio.sandboxed", *limits, *(["entire"] if entire else [])]


def environment() -> dict[str, str]:
    """Make the environment of the process: the same packages as here, and one thread."""
    roots = [str(Path(sys.modules[name].__path__[0]).parent) for name in ("tts", "tts_codecs")]
    path = [*dict.fromkeys(roots), os.environ.get("PYTHONPATH", "")]
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), **one}


def decoded(out: bytes, code: int, name: str, warnings: list[str]) -> Decoded:
    """Read the output of the process.

    Args:
        out: its standard output; code: its exit code; name: of the recording, for messages.
        warnings: a list that gets those of the process.

    Raises:
        AudioError: the process reports an error, or it failed.
    """
    head, _, body = out.partition(b"\n")
    if code != 0 or not head:
        raise AudioError(f"{name} cannot be decoded")
    header = json.loads(head)
    if "error" in header:
        raise AudioError(header["error"].replace(NAME, name, 1))
    warnings += [line.replace(NAME, name, 1) for line in header["warnings"]]
    samples = np.frombuffer(body, dtype=np.float32).copy()
    return Decoded(
        samples, header["rate"], header["seconds"], header["skipped"], header["declared"]
    )


def decode_apart(
    handle: IO[bytes],
    name: str,
    min_seconds: float,
    max_seconds: float,
    warnings: list[str],
    entire: bool = False,
) -> Decoded:
    """Decode a file in the process, as `tts.audio.decode.decode_file`.

    Raises:
        AudioError: as of that, or decoding takes too long or too much memory.
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
