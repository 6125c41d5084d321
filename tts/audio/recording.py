"""Read a whole recording as it is: mono at a wanted rate, nothing trimmed or levelled."""

import os
from typing import BinaryIO

from tts.audio.decode import decode_file
from tts.audio.reference import Reference, opened
from tts.audio.resample import resample

#: seconds that are accepted
LONGEST = 1800.0


def read_recording(source: str | os.PathLike[str] | BinaryIO, rate: int | None) -> Reference:
    """All of a path, of "-" for standard input or of a binary file, mixed to mono at `rate` Hz;
    None keeps its own rate.

    Formats, limits and the process in which foreign containers are decoded are those of
    `tts.audio.reference.load_reference`; silence is as good as sound here.

    Raises:
        UsageError: missing, a folder, a URL.
        AudioError: not audio, empty, longer than 30 minutes, or not finite.
    """
    warnings: list[str] = []
    with opened(source) as (handle, name):
        found = decode_file(handle, name, 0.0, LONGEST, warnings, entire=True)
    rate = rate or found.rate
    return Reference(resample(found.samples, found.rate, rate), rate, found.seconds, warnings)
