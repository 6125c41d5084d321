"""Decode an upload in a process of its own, with limits: audio from strangers meets C libraries.

`python -m tts.serve.decode` reads a file on standard input and writes a line of JSON, then mono
float32 samples at the rate of the file.
"""

import asyncio
import io
import json
import sys
from contextlib import suppress

import numpy as np

from tts.audio.reference import Reference, decode_file, load_reference
from tts.errors import AudioError

MAX_BYTES = 10_000_000
MAX_SECONDS = 60.0
MIN_SECONDS = 1.0
_MEMORY = 1 << 30
_CPU_SECONDS = 20


async def decode_upload(data: bytes, sample_rate: int, timeout: float = 30.0) -> Reference:
    """A reference from the bytes of a recording.

    Raises:
        AudioError: not audio, too short, too long, damaged, or too much work.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tts.serve.decode",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        out, _ = await asyncio.wait_for(process.communicate(data), timeout)
    except asyncio.TimeoutError:
        raise AudioError("the recording takes too long to decode") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    head, _, body = out.partition(b"\n")
    if process.returncode != 0 or not head:
        raise AudioError("the recording cannot be decoded")
    told = json.loads(head)
    if "error" in told:
        raise AudioError(told["error"])
    samples = np.frombuffer(body, dtype=np.float32)
    return await asyncio.to_thread(
        load_reference, samples, sample_rate, array_rate=told["rate"], min_seconds=MIN_SECONDS
    )


def _limit() -> None:
    try:
        import resource
    except ImportError:  # Windows: the time limit of the caller remains
        return
    for what, most in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CPU, _CPU_SECONDS),
                       (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):  # fmt: skip
        resource.setrlimit(what, (most, most))


def main() -> None:
    """The process."""
    _limit()
    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        if len(data) > MAX_BYTES:
            raise AudioError(f"the recording is larger than {MAX_BYTES // 1_000_000} MB")
        samples, rate, seconds = decode_file(
            io.BytesIO(data), "the recording", MIN_SECONDS, MAX_SECONDS, []
        )
        if seconds > MAX_SECONDS:
            raise AudioError(
                f"the recording is {seconds:.0f} s long; {MAX_SECONDS:.0f} s are the most"
            )
    except AudioError as error:
        sys.stdout.write(json.dumps({"error": str(error)}) + "\n")
        return
    except MemoryError:
        sys.stdout.write(json.dumps({"error": "the recording needs too much memory"}) + "\n")
        return
    sys.stdout.write(json.dumps({"rate": rate}) + "\n")
    sys.stdout.flush()
    sys.stdout.buffer.write(samples.astype(np.float32).tobytes())


if __name__ == "__main__":
    main()
