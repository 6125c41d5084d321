"""Decode an upload in a process of its own (tts.audio.sandbox), without blocking the server."""

import asyncio
from contextlib import suppress
from dataclasses import replace

from tts.audio.decode import PADDING_SECONDS, Decoded, too_long
from tts.audio.reference import Reference, load_reference
from tts.audio.sandbox import command, decoded, environment
from tts.errors import AudioError

MAX_BYTES = 10_000_000
MAX_SECONDS = 60.0
MIN_SECONDS = 1.0


async def decode_whole(
    data: bytes, warnings: list[str], entire: bool = False, timeout: float = 30.0
) -> Decoded:
    """The samples of a recording as it is: mono, at its own rate; `entire`: all of it, not only
    from the first sound on.

    Raises:
        AudioError: not audio, too short, too long, damaged, or too much work.
    """
    process = await asyncio.create_subprocess_exec(
        *command(MIN_SECONDS, MAX_SECONDS, MAX_BYTES, entire),
        env=environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(data), timeout)
    except asyncio.TimeoutError:
        raise AudioError("the recording takes too long to decode") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    found = decoded(out, process.returncode or 0, "the recording", warnings)
    if found.seconds - found.skipped > MAX_SECONDS + PADDING_SECONDS:
        raise AudioError(f"the recording is {too_long(found.seconds, MAX_SECONDS)}")
    return found


async def decode_upload(data: bytes, sample_rate: int, timeout: float = 30.0) -> Reference:
    """A reference from the bytes of a recording; errors as `decode_whole`."""
    warnings: list[str] = []
    found = await decode_whole(data, warnings, timeout=timeout)
    reference = await asyncio.to_thread(
        load_reference,
        found.samples,
        sample_rate,
        array_rate=found.rate,
        array_name="the recording",
        min_seconds=MIN_SECONDS,
    )
    told = warnings + reference.warnings
    return replace(reference, seconds_in=found.seconds, warnings=told)
