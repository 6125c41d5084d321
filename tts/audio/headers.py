"""Headers of recordings with a missing or wrong length.

A recorder that is interrupted, or writes into a pipe, leaves a size of 0 in the header.
`with_true_size` mends such a header, and detects files that are shorter than their header says.
"""

from __future__ import annotations

import io
import os
import struct
from typing import IO, Any, cast

__all__ = ["with_true_size"]

_MAX_CHUNKS = 100
_LIMIT = 0xFFFFFFFF
#: recorders and converters write sizes from here on into pipes if the length is unknown
_UNKNOWN = 0x7FFF0000


class _Overlay(io.RawIOBase):
    """A file in which some bytes, by position, are replaced."""

    def __init__(self, raw: IO[bytes], patches: dict[int, bytes]):
        self.raw, self.patches = raw, patches

    def read(self, size: int = -1) -> bytes:
        at = self.raw.tell()
        data = bytearray(self.raw.read(size))
        for position, patch in self.patches.items():
            for offset, value in enumerate(patch, position - at):
                if 0 <= offset < len(data):
                    data[offset] = value
        return bytes(data)

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.raw.seek(offset, whence)

    def tell(self) -> int:
        return self.raw.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def with_true_size(handle: IO[bytes]) -> tuple[IO[bytes], float]:
    """Mend the header of a WAV (RIFF, RIFX), AIFF or AU file with a size of 0.

    Other files are returned as they are, also those with sizes beyond their end, of which
    libsndfile reads what exists.

    Returns:
        the file, and the share from 0 to 1 of the declared audio that it has. It is 1 if the header
        has no size, and for other formats.
    """
    start = handle.tell()
    patches: dict[int, bytes] = {}
    try:
        head = handle.read(12)
        end = handle.seek(0, os.SEEK_END)
        position, size = end, 0
        if head[:4] in (b"RIFF", b"RIFX") and head[8:12] == b"WAVE":
            order = "<" if head[:4] == b"RIFF" else ">"
            position, size = _chunks(handle, end, order).get(b"data", (end, 0))
            patches = _riff_sizes(position, size, end, order)
        elif head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
            chunks = _chunks(handle, end, ">")
            position, size = chunks.get(b"SSND", (end, 0))
            patches = _aiff_sizes(handle, chunks, end)
        elif head[:4] == b".snd" and len(head) == 12:
            position, size = struct.unpack(">II", head[4:])
            patches = {} if size else {8: struct.pack(">I", _LIMIT)}
    finally:
        handle.seek(start)
    actual = end - position
    share = actual / size if 0 < actual < size < _UNKNOWN else 1.0
    return cast(IO[bytes], _Overlay(handle, patches)) if patches else handle, share


def _chunks(handle: IO[bytes], end: int, order: str) -> dict[bytes, tuple[int, int]]:
    """Position and declared size of the first chunk of each name, up to the one with the audio."""
    found: dict[bytes, tuple[int, int]] = {}
    at = 12
    for _ in range(_MAX_CHUNKS):
        if at + 8 > end:
            break
        handle.seek(at)
        name, size = struct.unpack(f"{order}4sI", handle.read(8))
        found.setdefault(name, (at + 8, size))
        if name in (b"data", b"SSND"):
            break
        at += 8 + size + size % 2
    return found


def _riff_sizes(position: int, size: int, end: int, order: str) -> dict[int, bytes]:
    """Patches by position that give a WAV file its true size; none if it has a size."""
    if size or position >= end:
        return {}
    sound = struct.pack(f"{order}I", min(end - position, _LIMIT))
    return {4: struct.pack(f"{order}I", min(end - 8, _LIMIT)), position - 4: sound}


def _aiff_sizes(
    handle: IO[bytes], chunks: dict[bytes, tuple[int, int]], end: int
) -> dict[int, bytes]:
    """Patches as of `_riff_sizes` for an AIFF file, also of its number of frames."""
    if b"COMM" not in chunks or b"SSND" not in chunks:
        return {}
    common, (position, size) = chunks[b"COMM"][0], chunks[b"SSND"]
    handle.seek(common)
    channels, frames, bits = struct.unpack(">hIh", handle.read(8))
    width = channels * ((bits + 7) // 8)
    sound = end - position - 8
    if width <= 0 or sound <= 0 or (frames and size > 8):
        return {}
    return {
        4: struct.pack(">I", min(end - 8, _LIMIT)),
        common + 2: struct.pack(">I", min(sound // width, _LIMIT)),
        position - 4: struct.pack(">I", min(sound + 8, _LIMIT)),
    }
