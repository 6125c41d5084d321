"""Writing of speech to files and standard output, whole or in chunks while it is generated.

Files are written atomically. Standard output gets each chunk as soon as it is encoded, with headers
without a length, so that players start at once; if it is a file, the length is corrected at the
end. Chunks give the same WAV and FLAC files as whole arrays.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from tts.audio.encoder import StreamEncoder
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
from tts.audio.formats import (
    check_rate,
    limit_peaks,
    output_format,
    to_pcm16,
)
from tts.errors import OutputError, TTSError, UsageError

__all__ = ["check_writable", "encode_audio", "save_to", "write_audio"]


def check_writable(
    path: str | os.PathLike[str], sample_rate: int | None = None, *, format: str | None = None
) -> None:
    """Check an output path before synthesis, without creating or changing anything.

    Raises:
        UsageError: the path is a folder, its parent is missing, its extension is unknown, the
            format does not have the sample rate, or standard output is a terminal.
        OutputError: there is no permission.
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


def encode_audio(
    samples: NDArray[np.float32] | Iterable[Any], sample_rate: int, format: str
) -> bytes:
    """Encode a whole file in memory; arguments and errors are those of `write_audio`."""
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
    """Write mono speech, and return the number of samples.

    If writing fails, no partial file is left, and an older file at `path` is unchanged.

    Args:
        path: of a file, pipe or device, or "-" for standard output.
        samples: an array or tensor [N] or [1, N] of floats at full scale 1.0, or an iterable of
            such chunks, which is consumed while writing and closed at the end.
        format: wav, flac, ogg, opus or mp3; by default that of the extension.

    Raises:
        UsageError: as of `check_writable`, before the iterable is consumed.
        OutputError: writing fails, there are no samples, samples are not finite, or the iterable
            raises an exception other than those of this package and KeyboardInterrupt.
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
    """Encode speech, and then write it to an open binary file.

    Args:
        format: by default that of the name of the file, or WAV without a name.

    Raises:
        UsageError: `file` is no binary file, or as of `write_audio`.
        OutputError: writing fails.
    """
    name = getattr(file, "name", "")
    suffix = Path(name).suffix if isinstance(name, str) else ""
    format = output_format(name, format) if suffix else format or "wav"
    write_to(file, encode_audio(samples, sample_rate, format), "the audio")


def _stdout() -> BinaryIO:
    """Standard output without its buffer, so that a closed pipe leaves nothing to flush at exit."""
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
    """Yield checked float32 chunks [n] of an array or of an iterable of arrays.

    Closing the generator closes the iterable too, so that synthesis stops if writing fails.
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
    """Encode chunks to an open seekable file, and return the number of samples."""
    spec = check_rate(format, sample_rate)
    sink = CallbackFile(handle)
    total = 0
    try:
        with sf.SoundFile(
            sink, "w", sample_rate, 1, format=spec.container, subtype=spec.subtype
        ) as sound:
            for chunk in chunks:
                # As in streams, 16-bit values are limited once, by to_pcm16.
                pcm = spec.subtype == "PCM_16"
                values = _pcm16_array(chunk) if pcm else limit_peaks(chunk)
                # libsndfile 1.2 crashes on long Vorbis blocks: at most 1 s at a time.
                for start in range(0, values.size, sample_rate):
                    sound.write(values[start : start + sample_rate])
                    sink.check()
                total += chunk.size
    except (sf.SoundFileError, AssertionError) as exc:
        sink.check()  # raises the cause, such as a full disk
        raise OutputError(f"the {format} encoder failed: {exc}") from exc
    sink.check()
    return total


def _pcm16_array(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.frombuffer(to_pcm16(samples), dtype="<i2").astype(np.int16)


def _seekable_position(raw: BinaryIO) -> int | None:
    """The position of an output that can seek, such as a file after ">" in a shell; None for pipes
    and for files that are appended to."""
    try:
        if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
            return None
        try:
            import fcntl
        except ImportError:  # Windows does not say whether a file is appended to
            return raw.tell()
        flags = fcntl.fcntl(raw.fileno(), fcntl.F_GETFL)
        return None if flags & os.O_APPEND else raw.tell()
    except (OSError, ValueError, AttributeError):
        return None


def _write_stream(
    raw: BinaryIO, name: str, chunks: Iterator[NDArray[np.float32]], sample_rate: int, format: str
) -> int:
    """Write chunks as they come; if the output can seek, correct its length at the end."""
    with closing(StreamEncoder(format, sample_rate)) as encoder:
        try:
            total = 0
            begin = _seekable_position(raw)
            for chunk in chunks:
                # With the first samples comes the header, so that a failure before leaves none.
                write_all(raw, encoder.encode(chunk))
                total += chunk.size
            write_all(raw, encoder.finish())
            if begin is not None:
                for offset, data in encoder.corrections():
                    raw.seek(begin + offset)
                    write_all(raw, data)
                raw.seek(0, os.SEEK_END)
            return total
        except BrokenPipeError as exc:
            raise OutputError(f"{name}: the reader closed the pipe") from exc
        except OSError as exc:
            raise OutputError(f"cannot write to {name}: {exc.strerror or exc}") from exc
