"""Encoding of speech for streams, piece by piece while it is generated."""

import io
from contextlib import suppress
from typing import IO, Any, cast

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from tts.audio.files import CallbackFile
from tts.audio.formats import check_rate, limit_peaks, to_pcm16, wav_stream_header
from tts.errors import OutputError, UsageError

_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
#: "pcm" is 16-bit little-endian mono without a header; "aac" needs the extra `formats`
STREAMED = ("wav", "pcm", "flac", "ogg", "opus", "mp3", "aac")


class _Outbox(io.RawIOBase):
    """The output of an encoder, of which `take` returns new bytes.

    An encoder goes back to write lengths into headers. Bytes that were taken already cannot change,
    so that `late` collects such corrections.

    Args:
        skip_first: whether to drop the first write, an empty MP3 frame that reserves space for a
            header.
    """

    def __init__(self, skip_first: bool = False) -> None:
        self._waiting = bytearray()
        self._sent = self._at = self._skipped = 0
        self._skip_first = skip_first
        self.late: list[tuple[int, bytes]] = []

    def write(self, data: Any) -> int:
        raw = bytes(data)
        if self._skip_first and self._at == 0:
            self._skip_first = False
            self._sent = self._at = self._skipped = len(raw)
            return len(raw)
        begin = self._at - self._sent
        if begin < 0 and self._at >= self._skipped:
            self.late.append((self._at - self._skipped, raw[:-begin]))
        self._at += len(raw)
        if begin < 0:
            raw, begin = raw[-begin:], 0
        self._waiting[begin : begin + len(raw)] = raw
        return len(data)

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        begin = max(0, self._at - self._sent)
        found = bytes(self._waiting[begin:] if size < 0 else self._waiting[begin : begin + size])
        self._at += len(found)
        return found

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._at, self._sent + len(self._waiting))[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def take(self) -> bytes:
        data = bytes(self._waiting)
        self._sent += len(data)
        self._waiting.clear()
        return data


class _AAC:
    """Encoder of AAC in ADTS frames by the libraries of FFmpeg (the extra `formats`).

    Raises:
        UsageError: the libraries are not installed, or AAC does not have the sample rate.
    """

    def __init__(self, sample_rate: int):
        try:
            import av
        except ImportError as error:
            raise UsageError("aac needs FFmpeg's libraries: pip install 'tts[formats]'") from error
        if sample_rate not in _AAC_RATES:
            raise UsageError(f"aac cannot hold a sample rate of {sample_rate} Hz")
        self._av, self._rate, self._outbox = av, sample_rate, _Outbox()
        self._container = av.open(self._outbox, "w", format="adts")
        self._stream: Any = self._container.add_stream(
            "aac", rate=sample_rate, layout="mono", bit_rate=64_000
        )

    def encode(self, samples: NDArray[np.float32] | None) -> bytes:
        """Encode samples [n], and return the bytes that are ready; None ends the stream."""
        frame = None
        if samples is not None:
            frame = self._av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[None]), format="fltp", layout="mono"
            )
            frame.sample_rate = self._rate
        try:
            self._container.mux(self._stream.encode(frame))
        except self._av.FFmpegError as error:
            raise OutputError(f"the aac encoder failed: {error}") from error
        if frame is None:
            self._container.close()
        return self._outbox.take()

    def close(self) -> None:
        """Free the encoder; may be called repeatedly."""
        with suppress(self._av.FFmpegError):
            self._container.close()


class StreamEncoder:
    """Encoder of float32 chunks [n] at full scale 1.0 to bytes that can be played at once.

    Args:
        format: one of STREAMED; sample_rate: in Hz.

    Raises:
        UsageError: the format is unknown, or does not have the sample rate.
    """

    def __init__(self, format: str, sample_rate: int):
        self.format, self.sample_rate = format, sample_rate
        self._samples = 0
        self._header = wav_stream_header(sample_rate) if format == "wav" else b""
        self._sound: sf.SoundFile | None = None
        self._aac = _AAC(sample_rate) if format == "aac" else None
        if format not in ("wav", "pcm", "aac"):
            spec = check_rate(format, sample_rate)
            is_mp3 = format == "mp3"
            self._outbox = _Outbox(skip_first=is_mp3)
            self._sink = CallbackFile(cast(IO[bytes], self._outbox))
            # Players estimate the length of a stream from the bit rate of its first frame.
            steady = {"bitrate_mode": "CONSTANT", "compression_level": 0.5} if is_mp3 else {}
            self._sound = sf.SoundFile(
                self._sink,
                "w",
                sample_rate,
                1,
                format=spec.container,
                subtype=spec.subtype,
                **steady,
            )

    def encode(self, samples: NDArray[np.float32]) -> bytes:
        """Encode samples [n], and return the bytes that are ready, maybe none.

        Raises:
            OutputError: a sample is not finite, or the encoder fails.
        """
        if not np.isfinite(samples).all():
            raise OutputError("the audio is not finite")
        if self._aac is not None:
            return self._aac.encode(limit_peaks(samples)) if len(samples) else b""
        if self._sound is None:
            header, self._header = self._header, b""
            self._samples += len(samples)
            return header + to_pcm16(samples)
        values = limit_peaks(samples)
        if self.format == "flac":
            values = np.frombuffer(to_pcm16(samples), dtype="<i2").astype(np.int16)
        try:
            # libsndfile 1.2 crashes on long Vorbis blocks: at most 1 s at a time.
            for start in range(0, len(values), self.sample_rate):
                self._sound.write(values[start : start + self.sample_rate])
        except (sf.SoundFileError, AssertionError) as error:
            raise OutputError(f"the {self.format} encoder failed: {error}") from error
        self._sink.check()
        return self._outbox.take()

    def finish(self) -> bytes:
        """End the stream, and return its last bytes."""
        if self._aac is not None:
            return self._aac.encode(None)
        if self._sound is None:
            return self._header
        self._sound.close()
        self._sink.check()
        return self._outbox.take()

    def corrections(self) -> list[tuple[int, bytes]]:
        """Corrections of headers with the length, as (position in the stream, bytes).

        They are known after `finish`, and serve outputs that can go back.
        """
        if self.format == "wav":
            return [(0, wav_stream_header(self.sample_rate, samples=self._samples))]
        return self._outbox.late if self._sound is not None else []

    def close(self) -> None:
        """Free the encoder; may be called after `finish`."""
        if self._aac is not None:
            self._aac.close()
        if self._sound is not None:
            with suppress(sf.SoundFileError):
                self._sound.close()
