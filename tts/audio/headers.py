"""Headers of recordings whose length was not known when they were begun.

A recorder that is cut off, or writes into a pipe, leaves 0 or too small a number where the size of
the sound belongs. `with_true_size` shows such a file with the size that it has, and tells of one
that is shorter than its header says.
"""

from __future__ import annotations

import io
import os
import struct
from typing import IO, Any, cast

__all__ = ["with_true_size"]

_MAX_CHUNKS = 100
_LIMIT = 0xFFFFFFFF
#: sizes from here on stand for "not known" in what recorders and converters write into pipes
_UNKNOWN = 0x7FFF0000


class _Overlay(io.RawIOBase):
    """A file with some of its bytes shown as others."""

    def __init__(self, raw: IO[bytes], patches: dict[int, bytes]):
        self.raw, self.patches = raw, patches

    def read(self, size: int = -1) -> bytes:
        at = self.raw.tell()
        data = bytearray(self.raw.read(size))
        for place, shown in self.patches.items():
            for offset, value in enumerate(shown, place - at):
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
    """A sound file whose header tells its size, and how much of the told sound is there.

    Read are the headers of WAV (RIFF, RIFX), AIFF and AU. Where one gives the sound the size 0 and
    bytes follow it, the returned file shows the true size; every other file is returned as it is.
    Sizes beyond the end of the file are left: libsndfile reads what there is.

    Returns:
        The file, and a share from 0 to 1: below 1 the file was cut off. It is 1 where the header
        does not know the size, and for all other formats.
    """
    start = handle.tell()
    patches: dict[int, bytes] = {}
    try:
        head = handle.read(12)
        end = handle.seek(0, os.SEEK_END)
        place, size = end, 0
        if head[:4] in (b"RIFF", b"RIFX") and head[8:12] == b"WAVE":
            order = "<" if head[:4] == b"RIFF" else ">"
            place, size = _chunks(handle, end, order).get(b"data", (end, 0))
            patches = _riff_sizes(place, size, end, order)
        elif head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
            chunks = _chunks(handle, end, ">")
            place, size = chunks.get(b"SSND", (end, 0))
            patches = _aiff_sizes(handle, chunks, end)
        elif head[:4] == b".snd" and len(head) == 12:
            place, size = struct.unpack(">II", head[4:])
            patches = {} if size else {8: struct.pack(">I", _LIMIT)}
    finally:
        handle.seek(start)
    there = end - place
    share = there / size if 0 < there < size < _UNKNOWN else 1.0
    return cast(IO[bytes], _Overlay(handle, patches)) if patches else handle, share


def _chunks(handle: IO[bytes], end: int, order: str) -> dict[bytes, tuple[int, int]]:
    """Where the first chunk of each name begins, after its header, and the size it tells; up to the
    one with the sound."""
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


def _riff_sizes(place: int, size: int, end: int, order: str) -> dict[int, bytes]:
    """Bytes by their place that give a WAV file the size it has; none where it tells one."""
    if size or place >= end:
        return {}
    sound = struct.pack(f"{order}I", min(end - place, _LIMIT))
    return {4: struct.pack(f"{order}I", min(end - 8, _LIMIT)), place - 4: sound}


def _aiff_sizes(
    handle: IO[bytes], chunks: dict[bytes, tuple[int, int]], end: int
) -> dict[int, bytes]:
    """As `_riff_sizes`, of an AIFF file, which also counts its frames."""
    if b"COMM" not in chunks or b"SSND" not in chunks:
        return {}
    common, (place, size) = chunks[b"COMM"][0], chunks[b"SSND"]
    handle.seek(common)
    channels, frames, bits = struct.unpack(">hIh", handle.read(8))
    width = channels * ((bits + 7) // 8)
    sound = end - place - 8
    if width <= 0 or sound <= 0 or (frames and size > 8):
        return {}
    return {
        4: struct.pack(">I", min(end - 8, _LIMIT)),
        common + 2: struct.pack(">I", min(sound // width, _LIMIT)),
        place - 4: struct.pack(">I", min(sound + 8, _LIMIT)),
    }
