"""Decoding of containers that phones and browsers record (AAC in MP4, Opus in WebM, and others).

The libraries of FFmpeg come with the package `av` (PyAV), the extra `formats`. The type of a
container is detected from its first bytes and forced, so that FFmpeg opens no formats that refer to
other files or addresses, such as playlists.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tts.errors import AudioError

__all__ = ["HINT", "ContainerSource", "container_of"]

HINT = "pip install 'tts[formats]' to read it, or convert it: `ffmpeg -i INPUT out.wav`"

# (offset, magic, FFmpeg's name, only where libsndfile has failed)
_MAGIC: tuple[tuple[int, bytes, str, bool], ...] = (
    (4, b"ftyp", "mp4", False),
    (4, b"moov", "mp4", False),
    (4, b"mdat", "mp4", False),
    (4, b"wide", "mp4", False),
    (0, b"\x1aE\xdf\xa3", "matroska", False),
    (0, b"0&\xb2u\x8ef\xcf\x11", "asf", False),
    (0, b"#!AMR", "amr", False),
    (0, b"FLV\x01", "flv", False),
    (8, b"AVI ", "avi", False),
    (0, b"\xff\xf1", "aac", False),
    (0, b"\xff\xf9", "aac", False),
    (0, b"wvpk", "wv", False),
    (0, b"MAC ", "ape", False),
    (0, b"TTA1", "tta", False),
    (0, b"\x0b\x77", "ac3", False),
    (0, b"caff", "caf", True),
    (0, b"OggS", "ogg", True),
    (8, b"WAVE", "wav", True),
    (0, b"FORM", "aiff", True),
)


def container_of(head: bytes, failed: bool = False) -> str:
    """Detect the type of a container, by its FFmpeg name; "" for none.

    Args:
        head: first bytes of the file.
        failed: whether libsndfile could not read the file, so that types it knows count too.
    """
    for offset, magic, name, fallback in _MAGIC:
        if head[offset : offset + len(magic)] == magic and (failed or not fallback):
            return name
    return ""


class ContainerSource:
    """The first audio stream of a container, a `tts.audio.decode.Source`.

    Args:
        handle: seekable; name: for messages; kind: type by its FFmpeg name.
        described: type in words, for messages.

    Attributes:
        rate, channels, frames, exact: as of Source.

    Raises:
        AudioError: the extra `formats` is missing, or the file is damaged or has no audio.
    """

    exact = False

    def __init__(self, handle: IO[bytes], name: str, kind: str, described: str):
        try:
            import av
        except ImportError as error:
            raise AudioError(f"{name}: is {described}: {HINT}") from error
        av.logging.set_level(av.logging.PANIC)
        self._av, self._handle, self._kind = av, handle, kind
        self._problem = f"{name}: cannot be read as what it seems to be, {described}"
        try:
            with self._opened() as container:
                stream = container.streams.audio[0]
                first = next(iter(container.decode(stream)), None)
                duration = stream.duration * stream.time_base if stream.duration else None
                if duration is None and container.duration:
                    duration = Fraction(container.duration, 1_000_000)
        except (av.FFmpegError, ValueError, EOFError) as error:
            raise AudioError(f"{self._problem} ({_line(error)})") from error
        except IndexError:
            raise AudioError(f"{name}: holds no sound") from None
        if first is None:
            raise AudioError(f"{name}: holds 0 frames of audio (empty or cut off)")
        self.rate, self.channels = int(first.sample_rate), len(first.layout.channels)
        self._layout = first.layout.name
        self.frames = int(duration * self.rate) if duration and duration > 0 else None

    def _opened(self) -> Any:
        self._handle.seek(0, os.SEEK_SET)
        # Before PyAV 19 tags that are not UTF-8 are an error unless it is told to ignore them.
        tolerant: dict[str, Any] = (
            {} if int(self._av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "ignore"}
        )
        container = self._av.open(self._handle, mode="r", format=self._kind, **tolerant)
        for stream in container.streams.audio:
            if stream.codec_context is None:  # of a codec that FFmpeg does not know
                container.close()
                raise ValueError("an unknown codec")
            stream.codec_context.thread_type = "NONE"
        return container

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Decode all blocks [n, C] from the beginning.

        Raises:
            AudioError: the rest is damaged.
        """
        try:
            with self._opened() as container:
                convert = self._av.AudioResampler("fltp", self._layout, self.rate)
                for frame in container.decode(container.streams.audio[0]):
                    # Gaps between time stamps would stop the converter.
                    frame.pts = None
                    for part in convert.resample(frame):
                        yield part.to_ndarray().T.astype(np.float32, copy=False)
        except (self._av.FFmpegError, ValueError, EOFError) as error:
            raise AudioError(_line(error)) from error


def _line(error: BaseException) -> str:
    """The message of an error, on one short line."""
    message = getattr(error, "strerror", None) or str(error)
    return " ".join(str(message).split())[:100] or type(error).__name__
