"""Write speech to a file or to standard output, whole or chunk by chunk while it is made.

A file appears complete or not at all. On standard output the WAV header carries no length, so
players start at once; where it is a file, the length is put in at the end. Values are limited the
same way for arrays and chunks, so a streamed file equals one written whole.
"""

from __future__ import annotations

import io
import os
import stat
import struct
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from tts.audio.files import (
    CallbackFile,
    atomic_output,
    check_parent,
    is_device,
    standard_output,
    write_all,
    write_error,
    write_to,
)
from tts.audio.loudness import limited
from tts.errors import OutputError, TTSError, UsageError

__all__ = [
    "FORMATS", "check_rate", "check_writable", "encode_audio", "held_rate", "limit_peaks",
    "output_format", "save_to", "to_pcm16", "wav_stream_header", "write_audio",
]  # fmt: skip


class _Format(NamedTuple):
    container: str
    subtype: str
    rates: tuple[int, ...]  # empty: any rate


_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_SUPPORTED = {
    "wav": _Format("WAV", "PCM_16", ()),
    "flac": _Format("FLAC", "PCM_16", ()),
    "ogg": _Format("OGG", "VORBIS", ()),
    "opus": _Format("OGG", "OPUS", (8000, 12000, 16000, 24000, 48000)),
    "mp3": _Format("MP3", "MPEG_LAYER_III", _MP3_RATES),
}
FORMATS = tuple(_SUPPORTED)

_KNEE = 0.85
_CEILING = 10.0 ** (-1.0 / 20.0) - 1e-4  # with what rounding to 16 bits may add


def output_format(path: str | os.PathLike[str], format: str | None = None) -> str:
    """The output format by name or by extension; raises UsageError that lists the formats."""
    if format is not None and not isinstance(format, str):
        raise UsageError(f"an audio format is a name such as 'wav', not {format!r}")
    suffix = Path(os.fspath(path)).suffix.lstrip(".")
    default = "wav" if os.fspath(path) == "-" or is_device(path) else suffix
    chosen = (format or default).lower().lstrip(".")
    if chosen in _SUPPORTED:
        return chosen
    what = f"format {format!r}" if format else f"extension {'.' + suffix!r}" if suffix else ""
    known = ", ".join(FORMATS)
    if not what:
        raise UsageError(f"output {os.fspath(path)!r} has no extension; use one of {known}")
    where = "" if os.fspath(path) == "-" else f" for output {os.fspath(path)!r}"
    raise UsageError(f"unknown audio {what}{where}; use one of {known}")


def check_writable(
    path: str | os.PathLike[str], sample_rate: int | None = None, *, format: str | None = None
) -> None:
    """Check an output path before any synthesis; nothing is created or changed.

    Raises UsageError for a folder, a missing parent, an unknown extension, a sample rate that the
    format cannot hold, or audio sent to a terminal; OutputError where writing is not allowed.
    """
    chosen = output_format(path, format)
    if sample_rate is not None:
        check_rate(chosen, sample_rate)
    if os.fspath(path) == "-":
        _stdout()
    elif not is_device(path):
        check_parent(path)
    elif not os.access(path, os.W_OK):
        raise OutputError(f"cannot write {os.fspath(path)!r}: permission denied")


def limit_peaks(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bend values beyond 0.85 smoothly to below -1 dBFS (0.891): [N] -> [N].

    Without memory, so chunks and whole signals give the same values; 0.85 and less, as of speech
    that has been levelled (tts.audio.loudness), stay as they are.
    """
    return limited(samples, _KNEE, _CEILING)


def to_pcm16(samples: NDArray[np.float32]) -> bytes:
    """Float samples [N] at full scale 1.0 as little-endian 16-bit PCM, peaks limited."""
    scaled = np.rint(limit_peaks(samples).astype(np.float64) * 32767.0)
    return scaled.astype("<i2").tobytes()


def wav_stream_header(sample_rate: int, channels: int = 1, samples: int | None = None) -> bytes:
    """Header of a 16-bit WAV of so many samples; of unknown length (sizes 0xFFFFFFFF, as live
    encoders write it) without them, or where 32 bits cannot hold their bytes."""
    unknown = 0xFFFFFFFF
    width = 2 * channels
    size = unknown if samples is None else min(samples * width, unknown)
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        min(size + 36, unknown),
        b"WAVE",
        b"fmt ",
        16,
        1,
        channels,
        sample_rate,
        sample_rate * width,
        width,
        16,
        b"data",
        size,
    )


def encode_audio(
    samples: NDArray[np.float32] | Iterable[Any], sample_rate: int, format: str
) -> bytes:
    """A complete file of `format` in memory; samples as in `write_audio`."""
    chosen = output_format("-", format)
    check_rate(chosen, sample_rate)
    buffer = io.BytesIO()
    with closing(_chunks(samples)) as chunks:
        _encode(chunks, buffer, sample_rate, chosen)
    return buffer.getvalue()


def write_audio(
    path: str | os.PathLike[str],
    samples: NDArray[np.float32] | Iterable[Any],
    sample_rate: int,
    format: str | None = None,
) -> int:
    """Write mono speech and return the number of samples written.

    path: the format follows from the extension (wav, flac, ogg, opus, mp3) unless `format` names
    it; "-" is standard output (streamed WAV, the other formats once complete); a pipe or device
    is written to in the same way. samples: one array [N] (or [1, N]) of floats at full scale 1.0,
    or an iterable of such chunks, which is consumed while writing and closed at the end. CPU
    tensors are taken as arrays.

    Raises UsageError before anything is consumed (see `check_writable`), OutputError for a failed
    write, samples that are not finite, no samples, or an exception in the iterable (chained);
    errors of this package in the iterable and KeyboardInterrupt pass through. In every case no
    partial file is left, and an older file at `path` is unchanged.
    """
    check_writable(path, sample_rate, format=format)
    chosen = output_format(path, format)
    chunks = _chunks(samples)
    try:
        if os.fspath(path) == "-":
            return _write_stream(_stdout(), "standard output", chunks, sample_rate, chosen)
        if is_device(path):
            try:
                with open(path, "wb", buffering=0) as device:
                    return _write_stream(device, os.fspath(path), chunks, sample_rate, chosen)
            except OSError as exc:
                raise write_error(path, exc) from exc
        with atomic_output(path) as handle:
            return _encode(chunks, handle, sample_rate, chosen)
    except (TTSError, OSError):
        raise
    except Exception as exc:
        reason = f"{type(exc).__name__}: {exc}".splitlines()[0]
        raise OutputError(
            f"no output at {os.fspath(path)!r}: the synthesis stopped ({reason})"
        ) from exc
    finally:
        chunks.close()


def save_to(
    file: Any, samples: NDArray[np.float32], sample_rate: int, format: str | None = None
) -> None:
    """Write speech into a binary file that is open; nothing before all of it is encoded.

    Args:
        format: by default that of the file's name, and WAV where it has none.

    Raises:
        UsageError: not a file to write bytes into, or see `write_audio`.
        OutputError: it cannot be written.
    """
    name = getattr(file, "name", "")
    suffix = Path(name).suffix if isinstance(name, str) else ""
    if format is None:
        format = output_format(name) if suffix else "wav"
    write_to(file, encode_audio(samples, sample_rate, format), "the audio")


def check_rate(format: str, sample_rate: int) -> _Format:
    """What libsndfile calls a format, after checking that it is known and can hold the rate.

    Raises:
        UsageError: it is not, or cannot.
    """
    spec = _SUPPORTED[output_format("-", format)]
    if sample_rate <= 0 or (spec.rates and sample_rate not in spec.rates):
        listed = ", ".join(map(str, spec.rates)) or "above 0"
        raise UsageError(f"{format} cannot hold a sample rate of {sample_rate} Hz: {listed}")
    return spec


def held_rate(format: str, sample_rate: int) -> int:
    """The sample rate at which a format can hold sound of another: the next one, or its highest.

    Raises:
        UsageError: an unknown format.
    """
    rates = _SUPPORTED[output_format("-", format)].rates or (sample_rate,)
    return min((rate for rate in rates if rate >= sample_rate), default=max(rates))


def _stdout() -> BinaryIO:
    """Standard output below its buffer: a closed pipe then leaves nothing to flush at exit."""
    stream = standard_output()
    if stream.isatty():
        raise UsageError("refusing to write audio to a terminal: redirect it or use -o FILE")
    stream.flush()
    buffer = stream.buffer
    raw: BinaryIO = getattr(buffer, "raw", buffer)
    return raw


def _chunks(
    samples: NDArray[np.float32] | Iterable[Any],
) -> Generator[NDArray[np.float32], None, None]:
    """Checked float32 chunks [n] of an array or of an iterable of arrays.

    Closing it closes the source too, so that a producer stops when the writing has failed.
    """
    whole = isinstance(samples, np.ndarray) or hasattr(samples, "detach")
    source: Iterator[Any] = iter([samples]) if whole else iter(samples)
    total = 0
    try:
        for item in source:
            array = item.detach().cpu().numpy() if hasattr(item, "detach") else np.asarray(item)
            chunk = array[0] if array.ndim == 2 and array.shape[0] == 1 else array
            if chunk.ndim != 1 or chunk.dtype.kind != "f":
                shape = list(array.shape)
                raise OutputError(f"audio must be floats of shape [N], not {array.dtype} {shape}")
            chunk = chunk.astype(np.float32, copy=False)
            if not np.isfinite(chunk).all():
                bad = total + int(np.flatnonzero(~np.isfinite(chunk))[0])
                raise OutputError(f"the audio is not finite at sample {bad}; nothing is written")
            total += chunk.size
            if chunk.size:
                yield chunk
        if total == 0:
            raise OutputError("there is no audio to write")
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            close()


def _encode(
    chunks: Iterable[NDArray[np.float32]], handle: BinaryIO, sample_rate: int, format: str
) -> int:
    """Encode chunks into an open seekable file; returns the number of samples."""
    spec = _SUPPORTED[format]
    sink = CallbackFile(handle)
    total = 0
    try:
        with sf.SoundFile(
            sink, "w", sample_rate, 1, format=spec.container, subtype=spec.subtype
        ) as sound:
            for chunk in chunks:
                # A 16-bit file holds the values a stream does: both are limited once, by to_pcm16.
                pcm = spec.subtype == "PCM_16"
                values = _pcm16_array(chunk) if pcm else limit_peaks(chunk)
                # libsndfile 1.2 crashes on long Vorbis blocks: at most 1 s at a time.
                for start in range(0, values.size, sample_rate):
                    sound.write(values[start : start + sample_rate])
                    sink.check()
                total += chunk.size
    except (sf.SoundFileError, AssertionError) as exc:
        sink.check()  # the true cause, such as a full disk
        raise OutputError(f"the {format} encoder failed: {exc}") from exc
    sink.check()
    return total


def _pcm16_array(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.frombuffer(to_pcm16(samples), dtype="<i2").astype(np.int16)


def _place(raw: BinaryIO) -> int | None:
    """Where an output stands that can be gone back in, such as a file behind ">" in a shell; None
    for pipes, and for files that are appended to, whatever their place."""
    try:
        if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
            return None
        try:
            import fcntl
        except ImportError:  # Windows, whose files do not tell
            return raw.tell()
        flags = fcntl.fcntl(raw.fileno(), fcntl.F_GETFL)
        return None if flags & os.O_APPEND else raw.tell()
    except (OSError, ValueError, AttributeError):
        return None


def _write_stream(
    raw: BinaryIO, name: str, chunks: Iterator[NDArray[np.float32]], sample_rate: int, format: str
) -> int:
    """Write to something that cannot seek: WAV as it comes, other formats once complete."""
    try:
        if format != "wav":
            buffer = io.BytesIO()
            total = _encode(chunks, buffer, sample_rate, format)
            write_all(raw, buffer.getbuffer())
            return total
        total = 0
        begin = _place(raw)
        for chunk in chunks:
            # The header goes out with the first samples: an early failure leaves no empty file.
            header = b"" if total else wav_stream_header(sample_rate)
            write_all(raw, header + to_pcm16(chunk))
            total += chunk.size
        if begin is not None and total:
            raw.seek(begin)
            write_all(raw, wav_stream_header(sample_rate, samples=total))
            raw.seek(0, os.SEEK_END)
        return total
    except BrokenPipeError as exc:
        raise OutputError(f"{name}: the reader closed the pipe") from exc
    except OSError as exc:
        raise OutputError(f"cannot write to {name}: {exc.strerror or exc}") from exc
