"""Load a voice reference: any recording in, clean mono speech at the model's rate out.

Everything that can be refused is refused from the header, before anything is decoded, and at most
`max_seconds` are ever decoded: a few hundred kilobytes of compressed silence unpack to gigabytes.
"""

from __future__ import annotations

import io
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, cast

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from tts.audio.files import CallbackFile
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
from tts.audio.sniff import SNIFF_BYTES, seems_to_be
from tts.errors import AudioError, UsageError

__all__ = ["Reference", "decode_file", "load_reference"]

MIN_RATE, MAX_RATE = 8_000, 192_000
MAX_CHANNELS = 32
MAX_HEADER_SECONDS = 30 * 60.0
# Work limit: values decoded at most (60 s of 8 channels at 192 kHz are 92 million).
MAX_DECODED_VALUES = 100_000_000
MAX_STDIN_BYTES = 200_000_000
MIN_ACTIVE_SECONDS = 0.3
_BLOCK_VALUES = 1 << 16
_MAX_SAMPLE_VALUE = 1e10  # above the range of 32-bit integers stored as floats: not sound
_UNKNOWN_FRAMES = 1 << 61


@dataclass(frozen=True)
class Reference:
    """A reference ready for an encoder.

    samples: float32 [N], mono, at `sample_rate` Hz. seconds_in: length of the source before any
    trimming. warnings: one line each, for the user, about what was changed or looks doubtful.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    seconds_in: float
    warnings: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Length of `samples` in seconds."""
        return self.samples.size / self.sample_rate


def load_reference(
    source: str | os.PathLike[str] | BinaryIO | NDArray[np.generic],
    sample_rate: int = 16000,
    *,
    array_rate: int | None = None,
    min_seconds: float = 1.0,
    max_seconds: float = 60.0,
    trim_to: float | None = None,
    target_dbfs: float | None = TARGET_DBFS,
    trim: bool = True,
) -> Reference:
    """Read a recording and make it a mono reference at `sample_rate` Hz.

    source: a path, "-" for standard input (at most 200 MB), a binary file object, or an array
    ([N], [C, N] or [N, C]; floats at full scale 1.0 or integers at theirs) at `array_rate` Hz,
    by default `sample_rate`. Formats: WAV, FLAC, MP3, Ogg Vorbis, Opus, AIFF and the others of
    libsndfile. Channels are averaged. Only the first `max_seconds` are used, with a warning.
    Leading and trailing silence is cut to 0.1 s unless `trim` is False; `trim_to` keeps at most
    so many seconds of the rest, ending in a pause. The active level becomes `target_dbfs`;
    None leaves level and offset alone.

    Raises UsageError (exit code 2) when the source is missing, a folder, a URL or unreadable, and
    AudioError (exit code 1) when it is not audio, silent, shorter than `min_seconds`, longer than
    30 minutes, not finite, or outside 8 to 192 kHz and 32 channels.
    """
    warnings: list[str] = []
    if isinstance(source, np.ndarray):
        name, rate = "the array", sample_rate if array_rate is None else array_rate
        mono, seconds_in = _from_array(source, rate, name, min_seconds, max_seconds, warnings)
    else:
        with _opened(source) as (handle, name):
            mono, rate, seconds_in = decode_file(handle, name, min_seconds, max_seconds, warnings)

    low, high = float(mono.min()), float(mono.max())
    if max(-low, high) > _MAX_SAMPLE_VALUE:
        raise AudioError(f"{name}: sample values up to {max(-low, high):.3g}: not sound")
    if _clipped_fraction(mono, max(-low, high)) > 0.001:
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
    return Reference(np.ascontiguousarray(samples), sample_rate, seconds_in, warnings)


@contextmanager
def _opened(source: str | os.PathLike[str] | BinaryIO) -> Iterator[tuple[IO[bytes], str]]:
    """A seekable binary file and its name for messages; closed afterwards if opened here."""
    if not isinstance(source, (str, os.PathLike)):
        if not hasattr(source, "read") or isinstance(source, io.TextIOBase):
            kind = type(source).__name__
            raise UsageError(f"a reference is a path, a binary file or an array, not {kind}")
        name = Path(str(getattr(source, "name", "the recording"))).name
        if source.seekable():
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
        raise UsageError(f"reference {text!r} is a URL: download it and give the file name")
    try:
        mode = os.stat(text).st_mode
        if stat.S_ISDIR(mode):
            raise UsageError(f"reference {text!r} is a folder: give one audio file")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise UsageError(f"reference {text!r} is a device, not an audio file")
        # By descriptor, so that soundfile does not read a format into the name (".raw").
        handle = os.fdopen(os.open(text, os.O_RDONLY | getattr(os, "O_BINARY", 0)), "rb")
    except FileNotFoundError:
        raise UsageError(f"reference not found: {text!r}") from None
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise UsageError(f"reference {text!r} cannot be read: {reason}") from None
    with handle:
        if stat.S_ISFIFO(mode):
            with _spooled(handle, repr(text)) as spool:
                yield spool, repr(text)
        else:
            yield handle, repr(text)


@contextmanager
def _spooled(stream: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    """The bytes of a pipe as a seekable file, in memory while small."""
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


def _check_layout(rate: int, channels: int, name: str) -> None:
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(
            f"{name}: a sample rate of {rate} Hz is not usable; "
            f"{MIN_RATE // 1000} to {MAX_RATE // 1000} kHz are accepted"
        )
    if not 1 <= channels <= MAX_CHANNELS:
        raise AudioError(f"{name}: {channels} channels; 1 to {MAX_CHANNELS} are accepted")


def _check_length(frames: int, rate: int, name: str, min_seconds: float) -> None:
    if frames == 0:
        raise AudioError(f"{name}: holds 0 frames of audio (empty or cut off)")
    if frames < min_seconds * rate:
        raise AudioError(
            f"{name}: only {frames / rate:.2f} s long; at least {min_seconds:g} s are needed"
        )


def decode_file(
    handle: IO[bytes], name: str, min_seconds: float, max_seconds: float, warnings: list[str]
) -> tuple[NDArray[np.float32], int, float]:
    """Check the header, then decode at most `max_seconds` to mono.

    Args:
        handle: seekable; name: for messages; warnings: added to.

    Returns:
        samples [N] as they are in the file, their rate, seconds of the whole file.

    Raises:
        AudioError: see `load_reference`.
    """
    handle.seek(0)
    head = handle.read(SNIFF_BYTES)
    handle.seek(0)
    # A damaged header makes libsndfile seek to impossible places: quietly a failed read.
    guarded = CallbackFile(handle)
    try:
        sound = sf.SoundFile(guarded)
    except sf.SoundFileError:
        _raise_interrupt(guarded)
        raise AudioError(f"{name}: not audio; it seems to be {seems_to_be(head)}") from None
    with sound:
        rate, channels, frames = sound.samplerate, sound.channels, sound.frames
        _check_layout(rate, channels, name)
        known = 0 <= frames < _UNKNOWN_FRAMES
        if known:
            _check_length(frames, rate, name, min_seconds)
        if known and frames > MAX_HEADER_SECONDS * rate:
            raise AudioError(
                f"{name}: {frames / rate / 60:.0f} minutes long (refused above "
                f"{MAX_HEADER_SECONDS / 60:.0f}); cut out up to {max_seconds:g} s of speech"
            )
        limit = int(max_seconds * rate)
        wanted = min(frames, limit) if known else limit
        if wanted * channels > MAX_DECODED_VALUES:
            raise AudioError(
                f"{name}: {wanted * channels / 1e6:.0f} million values "
                f"({channels} channels at {rate} Hz) are too large for a reference; make it mono"
            )
        mono = _decode_mono(sound, wanted, name, warnings)
    _raise_interrupt(guarded)
    if warnings and mono.size < min_seconds * rate:
        raise AudioError(warnings[-1])
    _check_length(mono.size, rate, name, min_seconds)
    if known and mono.size < wanted and not warnings:
        warnings.append(f"{name}: ends early, after {mono.size / rate:.1f} s")
    seconds_in = (frames if known and mono.size == wanted else mono.size) / rate
    if frames > limit and mono.size == limit:
        length = f"{seconds_in:.1f} s long" if known else "too long"
        warnings.append(f"{name}: {length}; only the first {max_seconds:g} s are used")
    return mono, rate, seconds_in


def _raise_interrupt(handle: CallbackFile) -> None:
    """Raise Ctrl-C and the like from within the library; failed reads are damage, told as such."""
    if handle.error is not None and not isinstance(handle.error, (OSError, ValueError)):
        raise handle.error


def _decode_mono(
    sound: sf.SoundFile, wanted: int, name: str, warnings: list[str]
) -> NDArray[np.float32]:
    """Up to `wanted` frames as the mean of the channels, decoded block by block: [N]."""
    out = np.empty(wanted, dtype=np.float32)
    # soundfile seeks after every read, which drops the bit reservoir of MP3 (a click per block):
    # MP3, with 2 channels and 48 kHz at most, is read at once.
    size = wanted if sound.format == "MP3" else max(1, _BLOCK_VALUES // sound.channels)
    block = np.empty((size, sound.channels), dtype=np.float32)
    done = 0
    while done < wanted:
        try:
            part = sound.read(out=block[: wanted - done])
        except sf.SoundFileError as exc:
            warnings.append(f"{name}: damaged after {done / sound.samplerate:.1f} s ({exc})")
            break
        if len(part) == 0:
            break
        out[done : done + len(part)] = _downmix(part, name)
        done += len(part)
    return out[:done]


def _downmix(block: NDArray[np.floating], name: str) -> NDArray[np.float32]:
    """[N, C] -> [N]; raises AudioError for NaN and infinity."""
    with np.errstate(over="ignore", invalid="ignore"):
        one = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
        mono = one.astype(np.float32, copy=False)
    if not np.isfinite(mono).all():
        raise AudioError(f"{name}: contains values that are not finite (NaN or infinity)")
    return mono


def _from_array(
    array: NDArray[np.generic],
    rate: int,
    name: str,
    min_seconds: float,
    max_seconds: float,
    warnings: list[str],
) -> tuple[NDArray[np.float32], float]:
    if array.ndim not in (1, 2) or array.dtype.kind not in "fiu":
        shape = list(array.shape)
        raise AudioError(f"{name}: shape {shape} of {array.dtype}; [N] or [C, N] numbers expected")
    frames_first = array.reshape(-1, 1) if array.ndim == 1 else array
    if array.ndim == 2 and array.shape[0] < array.shape[1]:
        frames_first = array.T
    frames, channels = frames_first.shape if array.size else (0, 1)
    _check_layout(rate, channels, name)
    _check_length(frames, rate, name, min_seconds)
    limit = int(max_seconds * rate)
    if frames > limit:
        warnings.append(
            f"{name}: {frames / rate:.1f} s long; only the first {max_seconds:g} s are used"
        )
    out = np.empty(min(frames, limit), dtype=np.float32)
    step = max(1, _BLOCK_VALUES // channels)
    for start in range(0, out.size, step):
        block = frames_first[start : min(start + step, out.size)].astype(np.float64)
        if array.dtype.kind != "f":
            scale = 2.0 ** (8 * array.dtype.itemsize - 1)
            block = (block - (scale if array.dtype.kind == "u" else 0.0)) / scale
        out[start : start + len(block)] = _downmix(block, name)
    return out, frames / rate


def _check_speech(
    samples: NDArray[np.float32], rate: int, name: str, min_seconds: float, warnings: list[str]
) -> None:
    """Refuse silence; warn about what makes a poor voice prompt."""
    low, high, mean = float(samples.min()), float(samples.max()), float(samples.mean())
    peak = max(high - mean, mean - low)
    if peak <= 10.0 ** (SILENCE_DBFS / 20.0):
        raise AudioError(f"{name}: silent (no peak above {SILENCE_DBFS:g} dBFS); nothing to clone")
    active = float(active_frames(frame_levels(samples, rate)).sum()) * FRAME_SECONDS
    if active < min(MIN_ACTIVE_SECONDS, min_seconds / 2):
        raise AudioError(
            f"{name}: silent but for {active:.2f} s; at least {MIN_ACTIVE_SECONDS:g} s of speech "
            "are needed"
        )
    if active < 1.0:
        warnings.append(f"{name}: only {active:.1f} s of sound; 3 to 10 s give a better voice")
    if peak < 0.01:
        warnings.append(f"{name}: very quiet (peak {20 * np.log10(peak):.0f} dBFS); noise may rise")


def _clipped_fraction(samples: NDArray[np.float32], peak: float) -> float:
    """Share of samples [N] that lie at the peak and equal their neighbour: flat tops."""
    count = 0
    for start in range(0, samples.size, _BLOCK_VALUES):  # temporaries stay small
        part = samples[start : start + _BLOCK_VALUES]
        count += int(np.sum((part[1:] == part[:-1]) & (np.abs(part[1:]) >= 0.99 * peak)))
    return count / samples.size if peak > 0 else 0.0
