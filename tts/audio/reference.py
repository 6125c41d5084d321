"""Loading of voice references: any recording to mono speech at the sample rate of a model.

Headers are checked before anything is decoded, and at most `max_seconds` are decoded, since a few
hundred kilobytes of compressed silence may unpack to gigabytes.
"""

from __future__ import annotations

import io
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, BinaryIO, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from tts.audio.decode import BLOCK_VALUES, Decoded, decode_file, decode_source
from tts.audio.level import (
    FRAME_SECONDS,
    SILENCE_DBFS,
    TARGET_DBFS,
    active_frames,
    cut_at_pause,
    frame_levels,
    normalize_level,
    trim_silence,
)
from tts.audio.resample import resample
from tts.errors import AudioError, SilentError, UsageError

__all__ = ["Reference", "clipped_share", "load_reference", "load_references"]

T = TypeVar("T")

UNNAMED = "the recording"  # in messages, if it has no file name
MAX_STDIN_BYTES = 200_000_000
MIN_ACTIVE_SECONDS = 0.3
PIPE_WAIT = 60.0  # seconds to wait for data in a named pipe
_MAX_SAMPLE_VALUE = 1e10  # above 32-bit integers that are stored as floats


@dataclass(frozen=True)
class Reference:
    """A voice reference, ready for an encoder.

    Attributes:
        samples: float32 [N], mono, at `sample_rate` Hz.
        seconds_in: length of the source before trimming.
        warnings: lines for the user about changes and doubtful properties.
        declared: length by the header of a file in seconds; None if it has none.
        name: of the file, for messages; "" if it has none.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    seconds_in: float
    warnings: list[str] = field(default_factory=list)
    declared: float | None = None
    name: str = ""

    @property
    def seconds(self) -> float:
        """Length of `samples` in seconds."""
        return self.samples.size / self.sample_rate


def load_reference(
    source: str | os.PathLike[str] | BinaryIO | NDArray[np.generic],
    sample_rate: int | None = 16000,
    *,
    array_rate: int | None = None,
    array_name: str = "the array",
    min_seconds: float = 1.0,
    max_seconds: float = 60.0,
    trim_to: float | None = None,
    target_dbfs: float | None = TARGET_DBFS,
    trim: bool = True,
    entire: bool = False,
) -> Reference:
    """Load a recording as a mono voice reference.

    Formats are WAV, FLAC, MP3, Ogg Vorbis, Opus, AIFF and others of libsndfile; with the extra
    `formats` also AAC, M4A, MP4, WebM and others of FFmpeg. Channels are averaged, and
    inverted if they would cancel others.

    Args:
        source: a path, "-" for standard input (at most 200 MB), a binary file, or an array [N],
            [C, N] or [N, C] of floats at full scale 1.0 or of integers.
        sample_rate: of the result in Hz; None for that of the file.
        array_rate: sample rate of an array, by default `sample_rate`; array_name: its name in
            messages.
        min_seconds: shorter recordings are refused.
        max_seconds: longest part that is used, from the first sound on; there is a warning if the
            recording is longer.
        trim_to: seconds that are kept after trimming, up to a pause; None for all.
        target_dbfs: active level of the result; None keeps level and offset.
        trim: whether to shorten silence at both ends to 0.1 s.
        entire: whether to use the recording from its beginning, and to refuse one that is longer
            than `max_seconds`.

    Raises:
        UsageError: the source is missing, a folder, a URL or not readable (exit code 2).
        AudioError: it is not audio, silent, too short, longer than 30 minutes, not finite, or has
            other than 8 to 192 kHz and 1 to 32 channels (exit code 1).
    """
    warnings: list[str] = []
    if isinstance(source, np.ndarray):
        name, rate = array_name, array_rate or sample_rate or 16000
        decoded = _from_array(source, rate, name, min_seconds, max_seconds, warnings)
    else:
        with opened(source) as (handle, name):
            decoded = decode_file(handle, name, min_seconds, max_seconds, warnings, entire=entire)
    mono, rate, seconds_in = decoded.samples, decoded.rate, decoded.seconds

    sample_rate = sample_rate or rate
    low, high = float(np.min(mono)), float(np.max(mono))
    if max(-low, high) > _MAX_SAMPLE_VALUE:
        raise AudioError(f"{name}: sample values up to {max(-low, high):.3g}: not sound")
    if clipped_share(mono, max(-low, high)) > 0.001:
        warnings.append(f"{name}: is clipped; a cleaner recording gives a better voice")
    if target_dbfs is not None:
        mono -= mono.mean(dtype=np.float64)
    samples = resample(mono, rate, sample_rate)
    _check_speech(samples, sample_rate, name, min_seconds, warnings)
    if trim:
        samples = trim_silence(samples, sample_rate)
    if trim_to is not None:
        samples = cut_at_pause(samples, sample_rate, trim_to)
    if target_dbfs is not None:
        samples = normalize_level(samples, target_dbfs, sample_rate=sample_rate)
    called = "" if isinstance(source, np.ndarray) or name == UNNAMED else name
    return Reference(
        np.ascontiguousarray(samples), sample_rate, seconds_in, warnings, decoded.declared, called
    )


def load_references(sources: Iterable[T], load: Callable[[T], Reference]) -> list[Reference]:
    """Load several recordings of one person; silent ones are left out with a warning.

    The warning is among those of the first recording that is kept.

    Args:
        load: loads a source, usually by `load_reference`.

    Raises:
        SilentError: all recordings are silent.
        UsageError, AudioError: as of `load_reference`.
    """
    loaded: list[Reference] = []
    silent: list[SilentError] = []
    for source in sources:
        try:
            loaded.append(load(source))
        except SilentError as error:
            silent.append(error)
    if silent and not loaded:
        raise silent[0]
    if not silent:
        return loaded
    first, *others = loaded
    left_out = [f"{error}; it is left out of the voice" for error in silent]
    return [replace(first, warnings=[*left_out, *first.warnings]), *others]


@contextmanager
def opened(source: str | os.PathLike[str] | BinaryIO) -> Iterator[tuple[IO[bytes], str]]:
    """Open a source as a seekable binary file; yield it with its name for messages.

    Files that were opened here are closed afterwards.

    Raises:
        UsageError: the source is missing, a folder, a URL or not readable.
    """
    if not isinstance(source, (str, os.PathLike)):
        if not hasattr(source, "read") or isinstance(source, io.TextIOBase):
            kind = type(source).__name__
            raise UsageError(f"a recording is a path, a binary file or an array, not {kind}")
        name = Path(str(getattr(source, "name", UNNAMED))).name
        if getattr(source, "closed", False):
            raise UsageError("the file of the recording is closed")
        # Temporary files of Python 3.10 can seek, but have no method `seekable`.
        seekable = getattr(source, "seekable", None)
        if seekable() if seekable is not None else hasattr(source, "seek"):
            yield source, name
        else:
            with _spooled(source, name) as spool:
                yield spool, name
        return
    text = os.fspath(source)
    if text == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("no recording on standard input: pipe one in or give a file name")
        with _spooled(sys.stdin.buffer, "standard input") as spool:
            yield spool, "standard input"
        return
    if "://" in text:
        raise UsageError(f"recording {text!r} is a URL: download it and give the file name")
    try:
        mode = os.stat(text).st_mode
        if stat.S_ISDIR(mode):
            raise UsageError(f"recording {text!r} is a folder: give one audio file")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise UsageError(f"recording {text!r} is a device, not an audio file")
        # By descriptor, as soundfile would take the format from a name such as "x.raw".
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
        descriptor = _open_pipe(text) if stat.S_ISFIFO(mode) else os.open(text, flags)
        handle = os.fdopen(descriptor, "rb")
    except FileNotFoundError:
        raise UsageError(f"recording not found: {text!r}") from None
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise UsageError(f"recording {text!r} cannot be read: {reason}") from None
    with handle:
        if stat.S_ISFIFO(mode):
            with _spooled(handle, repr(text)) as spool:
                yield spool, repr(text)
        else:
            yield handle, repr(text)


def _open_pipe(path: str) -> int:
    """Open a named pipe for reading when it has data.

    Raises:
        UsageError: nothing was written within PIPE_WAIT; a usual `open` would wait for ever.
    """
    import select

    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not select.select([descriptor], [], [], PIPE_WAIT)[0]:
        os.close(descriptor)
        raise UsageError(f"recording {path!r} is a pipe that nobody writes into")
    os.set_blocking(descriptor, True)
    return descriptor


@contextmanager
def _spooled(stream: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    """Copy a pipe to a seekable temporary file, which is in memory while it is small."""
    with tempfile.SpooledTemporaryFile(max_size=16_000_000) as spool:
        total = 0
        while chunk := stream.read(1 << 20):
            total += len(chunk)
            if total > MAX_STDIN_BYTES:
                limit = MAX_STDIN_BYTES // 1_000_000
                raise AudioError(f"{name}: more than {limit} MB; give a shorter recording")
            spool.write(chunk)
        spool.seek(0)
        yield cast(IO[bytes], spool)


class _ArraySource:
    """A `Source` from an array [N, C] of floats or integers."""

    exact = True

    def __init__(self, array: NDArray[np.generic], rate: int):
        self.array, self.rate = array, rate
        count, self.channels = array.shape if array.size else (0, 1)
        self.frames: int | None = count

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """All of it as [n, C]."""
        step = max(1, BLOCK_VALUES // self.channels)
        kind, width = self.array.dtype.kind, self.array.dtype.itemsize
        for start in range(0, self.frames or 0, step):
            block = self.array[start : start + step].astype(np.float64)
            if kind != "f":
                scale = 2.0 ** (8 * width - 1)
                block = (block - (scale if kind == "u" else 0.0)) / scale
            with np.errstate(over="ignore"):
                yield block.astype(np.float32)


def _from_array(
    array: NDArray[np.generic],
    rate: int,
    name: str,
    min_seconds: float,
    max_seconds: float,
    warnings: list[str],
) -> Decoded:
    if array.ndim not in (1, 2) or array.dtype.kind not in "fiu":
        shape = list(array.shape)
        raise AudioError(f"{name}: shape {shape} of {array.dtype}; [N] or [C, N] numbers expected")
    frames_first = array.reshape(-1, 1) if array.ndim == 1 else array
    if array.ndim == 2 and array.shape[0] < array.shape[1]:
        frames_first = array.T
    source = _ArraySource(frames_first, rate)
    return decode_source(source, name, min_seconds, max_seconds, warnings, max_length=float("inf"))


def _check_speech(
    samples: NDArray[np.float32], rate: int, name: str, min_seconds: float, warnings: list[str]
) -> None:
    """Raise SilentError for silence, and add warnings about what makes a poor voice."""
    low, high, mean = float(np.min(samples)), float(np.max(samples)), float(np.mean(samples))
    peak = max(high - mean, mean - low)
    if peak <= 10.0 ** (SILENCE_DBFS / 20.0):
        raise SilentError(f"{name}: silent (no peak above {SILENCE_DBFS:g} dBFS): holds no speech")
    active = float(active_frames(frame_levels(samples, rate)).sum()) * FRAME_SECONDS
    if active < min(MIN_ACTIVE_SECONDS, min_seconds / 2):
        raise SilentError(
            f"{name}: silent but for {active:.2f} s; at least {MIN_ACTIVE_SECONDS:g} s of speech "
            "are needed"
        )
    if active < 1.0:
        warnings.append(f"{name}: only {active:.1f} s of sound; 3 to 10 s give a better voice")
    if peak < 0.01:
        warnings.append(f"{name}: very quiet (peak {20 * np.log10(peak):.0f} dBFS); noise may rise")


def clipped_share(samples: NDArray[np.float32], peak: float) -> float:
    """Share of samples [N] that are clipped: at the peak, and equal to the sample before."""
    count = 0
    for start in range(0, samples.size, BLOCK_VALUES):  # temporaries stay small
        part = samples[start : start + BLOCK_VALUES]
        count += int(np.sum((part[1:] == part[:-1]) & (np.abs(part[1:]) >= 0.99 * peak)))
    return count / samples.size if peak > 0 else 0.0
