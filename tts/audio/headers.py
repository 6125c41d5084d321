"""Headers of recordings whose length was not known when they were begun.

A recorder that is cut off, or writes into a pipe, leaves 0 or too small a number where the size of
the sound belongs. `whole` shows such a file with the size that it has.
"""

from __future__ import annotations

import io
import os
import struct
from typing import IO, Any, cast

__all__ = ["share_there", "whole"]

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


def whole(handle: IO[bytes]) -> IO[bytes]:
    """The same file where its header is right or not known here; else one with the true size.

    WAV (RIFF, RIFX), AIFF and AU whose sound has the size 0, with bytes after it. Sizes beyond the
    end of the file are left: libsndfile reads what there is (see `share_there`).
    """
    start = handle.tell()
    try:
        head = handle.read(12)
        end = handle.seek(0, os.SEEK_END)
        patches: dict[int, bytes] = {}
        if head[:4] in (b"RIFF", b"RIFX") and head[8:12] == b"WAVE":
            patches = _riff(handle, end, "<" if head[:4] == b"RIFF" else ">")
        elif head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
            patches = _aiff(handle, end)
        elif head[:4] == b".snd" and head[8:12] == bytes(4):
            patches = {8: struct.pack(">I", _LIMIT)}
    finally:
        handle.seek(start)
    return cast(IO[bytes], _Overlay(handle, patches)) if patches else handle


def share_there(handle: IO[bytes]) -> float:
    """How much of the sound that a header tells is there: 1.0 unless a WAV, AIFF or AU file was cut
    off, and where its header does not know."""
    start = handle.tell()
    try:
        head = handle.read(12)
        end = handle.seek(0, os.SEEK_END)
        place, size = end, 0
        if head[:4] in (b"RIFF", b"RIFX") and head[8:12] == b"WAVE":
            order = "<" if head[:4] == b"RIFF" else ">"
            place, size = _chunks(handle, end, order).get(b"data", (end, 0))
        elif head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
            place, size = _chunks(handle, end, ">").get(b"SSND", (end, 0))
        elif head[:4] == b".snd" and len(head) == 12:
            place, size = struct.unpack(">II", head[4:])
    finally:
        handle.seek(start)
    there = end - place
    return there / size if 0 < there < size < _UNKNOWN else 1.0


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


def _riff(handle: IO[bytes], end: int, order: str) -> dict[int, bytes]:
    place, size = _chunks(handle, end, order).get(b"data", (end, 0))
    if size or place >= end:
        return {}
    told = struct.pack(f"{order}I", min(end - place, _LIMIT))
    return {4: struct.pack(f"{order}I", min(end - 8, _LIMIT)), place - 4: told}


def _aiff(handle: IO[bytes], end: int) -> dict[int, bytes]:
    found = _chunks(handle, end, ">")
    if b"COMM" not in found or b"SSND" not in found:
        return {}
    common, place = found[b"COMM"][0], found[b"SSND"][0]
    handle.seek(common)
    channels, frames, bits = struct.unpack(">hIh", handle.read(8))
    width = channels * ((bits + 7) // 8)
    sound = end - place - 8
    if width <= 0 or sound <= 0 or (frames and found[b"SSND"][1] > 8):
        return {}
    return {
        4: struct.pack(">I", min(end - 8, _LIMIT)),
        common + 2: struct.pack(">I", min(sound // width, _LIMIT)),
        place - 4: struct.pack(">I", min(sound + 8, _LIMIT)),
    }
