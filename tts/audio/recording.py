"""Reading of whole recordings to mono, without trimming or normalization."""

import os
from typing import BinaryIO

from tts.audio.decode import decode_file
from tts.audio.reference import Reference, opened
from tts.audio.resample import resample

#: longest recording in seconds
LONGEST = 1800.0


def read_recording(source: str | os.PathLike[str] | BinaryIO, rate: int | None) -> Reference:
    """Read a whole recording, which may be silent, and mix it to mono.

    Formats, limits and decoding are those of `tts.audio.reference.load_reference`.

    Args:
        source: a path, "-" for standard input, or a binary file.
        rate: sample rate of the result in Hz; None for that of the recording.

    Raises:
        UsageError: it is missing, a folder or a URL.
        AudioError: it is not audio, empty, longer than 30 minutes, or not finite.
    """
    warnings: list[str] = []
    with opened(source) as (handle, name):
        found = decode_file(handle, name, 0.0, LONGEST, warnings, entire=True)
    rate = rate or found.rate
    return Reference(resample(found.samples, found.rate, rate), rate, found.seconds, warnings)
