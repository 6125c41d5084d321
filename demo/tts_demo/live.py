"""Audio that plays while it is made, as a playlist of MP3 segments (HTTP Live Streaming).

Gradio streams through ffmpeg, which is not a part of Python and need not be there; MP3 comes from
libsndfile, which is.
"""

from abc import ABCMeta
from typing import Any

import gradio as gr
import numpy as np
from gradio.data_classes import FileDataDict, MediaStreamChunk
from numpy.typing import NDArray

from tts.audio.encoder import StreamEncoder

# ISO/IEC 11172-3 and 13818-3, layer III: kbit/s by the bitrate index, of MPEG-1 and of MPEG-2.
_RATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_RATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_HERTZ = (44100, 48000, 32000)


class Segment(bytes):
    """Whole MP3 frames and how long they last."""

    seconds: float

    def __new__(cls, data: bytes, seconds: float) -> "Segment":
        made = super().__new__(cls, data)
        made.seconds = seconds
        return made


def whole_frames(data: bytes) -> tuple[int, float]:
    """Bytes and seconds of the MP3 frames that are complete in `data`, which begins with one."""
    at, seconds = 0, 0.0
    while at + 4 <= len(data):
        version = data[at + 1] >> 3 & 3  # 3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5
        index, hertz = data[at + 2] >> 4, data[at + 2] >> 2 & 3
        if data[at] != 0xFF or data[at + 1] >> 5 != 7 or index in (0, 15) or hertz == 3:
            raise ValueError(f"no MP3 frame at byte {at}")
        rate = _HERTZ[hertz] // {3: 1, 2: 2, 0: 4}[version]
        samples = 1152 if version == 3 else 576
        kbits = (_RATES_1 if version == 3 else _RATES_2)[index]
        size = samples // 8 * kbits * 1000 // rate + (data[at + 2] >> 1 & 1)
        if at + size > len(data):
            break
        at += size
        seconds += samples / rate
    return at, seconds


class Segments:
    """Chunks of samples to segments of a playlist.

    Raises:
        UsageError: MP3 cannot hold the rate.
    """

    def __init__(self, sample_rate: int):
        self._encoder = StreamEncoder("mp3", sample_rate)
        self._rest = b""

    def add(self, samples: NDArray[np.float32]) -> Segment:
        """What can be played after these samples [n]; maybe nothing yet."""
        return self._cut(self._encoder.encode(samples))

    def finish(self) -> Segment:
        """The end."""
        return self._cut(self._encoder.finish())

    def close(self) -> None:
        """Let go of it; may be called after `finish`."""
        self._encoder.close()

    def _cut(self, data: bytes) -> Segment:
        # A player starts reading at any segment, so a frame must not be torn between two.
        data = self._rest + data
        size, seconds = whole_frames(data)
        self._rest = data[size:]
        return Segment(data[:size], seconds)


class _Plain(type(gr.Audio)):  # type: ignore[misc]
    """Gradio's kind of classes, but for the stub file that it writes beside the source."""

    def __new__(cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> Any:
        return ABCMeta.__new__(cls, name, bases, attributes)


class LiveAudio(gr.Audio, metaclass=_Plain):
    """A player that is given `Segment`s one after the other."""

    # Gradio's own page code for gr.Audio shows it.
    is_template = True

    async def stream_output(
        self, value: Any, output_id: str, first_chunk: bool
    ) -> tuple[MediaStreamChunk | None, FileDataDict]:
        """A segment into the playlist of a request."""
        file: FileDataDict = {
            "path": output_id, "is_stream": True, "orig_name": "speech.mp3",
            "meta": {"_type": "gradio.FileData"},
        }  # fmt: skip
        if not value:
            return None, file
        # The routes of Gradio know ".aac" only; players look at the bytes.
        return MediaStreamChunk(data=value, duration=value.seconds, extension=".aac"), file

    async def flush_stream_output(self, output_id: str) -> MediaStreamChunk | None:
        """Nothing: `Segments.finish` has given the end."""
        return None

    def end_stream_output(self, output_id: str) -> None:
        """Nothing is kept for a stream."""
