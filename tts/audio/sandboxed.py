"""The process in which recordings of strangers are decoded with limits (tts.audio.sandbox).

`python -m tts.audio.sandboxed MIN_SECONDS MAX_SECONDS MAX_BYTES [entire]` reads a file on
standard input and writes a line of JSON, then mono float32 samples at the rate of the file.
"""

import io
import json
import sys

import numpy as np

from tts.audio.decode import decode_file
from tts.audio.sandbox import ENTIRE, NAME
from tts.errors import AudioError

_MEMORY = 1 << 30
_CPU_SECONDS = 20


def _limit(entire: bool) -> None:
    """Limit memory, time and files of this process."""
    try:
        import resource
    except ImportError:  # Windows: the time limit of the caller remains
        return
    cpu = _CPU_SECONDS * (ENTIRE if entire else 1)
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def main() -> None:
    """Decode standard input to standard output."""
    entire = sys.argv[4:] == ["entire"]
    _limit(entire)
    min_seconds, max_seconds, max_bytes = (float(each) for each in sys.argv[1:4])
    data = sys.stdin.buffer.read(int(max_bytes) + 1)
    warnings: list[str] = []
    try:
        if len(data) > max_bytes:
            raise AudioError(f"{NAME} is larger than {max_bytes / 1e6:.0f} MB")
        decoded = decode_file(
            io.BytesIO(data),
            NAME,
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
        sys.stdout.write(json.dumps({"error": f"{NAME} needs too much memory"}) + "\n")
        return
    header = {
        "rate": decoded.rate,
        "seconds": decoded.seconds,
        "skipped": decoded.skipped,
        "declared": decoded.declared,
    }
    sys.stdout.write(json.dumps({**header, "warnings": warnings}) + "\n")
    sys.stdout.flush()
    sys.stdout.buffer.write(np.ascontiguousarray(decoded.samples, dtype=np.float32).data)


if __name__ == "__main__":
    main()
