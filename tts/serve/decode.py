"""Decoding of uploaded recordings in a process of its own (tts.audio.sandbox)."""

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


async def decode_recording(
    data: bytes, warnings: list[str], entire: bool = False, timeout: float = 30.0
) -> Decoded:
    """Decode a recording at its own sample rate, with its channels averaged.

    Args:
        data: the file.
        warnings: faults of the recording are added to it, one line for each.
        entire: whether silence at the beginning is kept.
        timeout: seconds for the process.

    Raises:
        AudioError: not audio, too short, too long, damaged, or too slow to decode.
    """
    process = await asyncio.create_subprocess_exec(
        *command(MIN_SECONDS, MAX_SECONDS, MAX_BYTES, entire),
        env=environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(data), timeout)
    except asyncio.TimeoutError:
        raise AudioError("the recording takes too long to decode") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    found = decoded(output, process.returncode or 0, "the recording", warnings)
    if found.seconds - found.skipped > MAX_SECONDS + PADDING_SECONDS:
        raise AudioError(f"the recording is {too_long(found.seconds, MAX_SECONDS)}")
    return found


async def decode_upload(data: bytes, sample_rate: int, timeout: float = 30.0) -> Reference:
    """Decode a recording of which a voice is made.

    Args:
        data: the file.
        sample_rate: sample rate of the model in Hz.
        timeout: seconds for the process.

    Raises:
        AudioError: see `decode_recording`; or it cannot serve as a reference.
    """
    warnings: list[str] = []
    found = await decode_recording(data, warnings, timeout=timeout)
    reference = await asyncio.to_thread(
        load_reference,
        found.samples,
        sample_rate,
        array_rate=found.rate,
        array_name="the recording",
        min_seconds=MIN_SECONDS,
    )
    return replace(reference, seconds_in=found.seconds, warnings=[*warnings, *reference.warnings])
