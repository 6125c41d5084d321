"""Audio formats of output, and the conversion of float samples to their values."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tts.audio.files import check_kind, is_device
from tts.audio.loudness import limited
from tts.errors import UsageError

__all__ = [
    "FORMATS", "check_rate", "held_rate", "limit_peaks", "output_format", "to_pcm16",
    "wav_stream_header",
]  # fmt: skip


class Format(NamedTuple):
    """A format by its names in libsndfile, and its sample rates in Hz."""

    container: str
    subtype: str
    rates: tuple[int, ...]  # empty: any rate


_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_SUPPORTED = {
    "wav": Format("WAV", "PCM_16", ()),
    "flac": Format("FLAC", "PCM_16", ()),
    "ogg": Format("OGG", "VORBIS", ()),
    "opus": Format("OGG", "OPUS", (8000, 12000, 16000, 24000, 48000)),
    "mp3": Format("MP3", "MPEG_LAYER_III", _MP3_RATES),
}
FORMATS = tuple(_SUPPORTED)

_KNEE = 0.85
_CEILING = 10.0 ** (-1.0 / 20.0) - 1e-4  # minus what rounding to 16 bits may add


def output_format(path: str | os.PathLike[str], format: str | None = None) -> str:
    """Choose the format of an output by its name or by the extension of the path.

    Raises:
        UsageError: the format is unknown (the message lists all), or the extension is that of
            another format or kind of file.
    """
    if format is not None and not isinstance(format, str):
        raise UsageError(f"an audio format is a name such as 'wav', not {format!r}")
    suffix = Path(os.fspath(path)).suffix.lstrip(".")
    default = "wav" if os.fspath(path) == "-" or is_device(path) else suffix
    chosen = (format or default).lower().lstrip(".")
    if chosen in _SUPPORTED:
        # Both are Ogg files.
        own = ["ogg", "oga", "opus"] if chosen in ("ogg", "opus") else ["wave"]
        check_kind(path, f"{chosen} is", f"{Path(os.fspath(path)).stem}.{chosen}", *own)
        return chosen
    what = f"format {format!r}" if format else f"extension {'.' + suffix!r}" if suffix else ""
    known = ", ".join(FORMATS)
    if not what:
        raise UsageError(f"output {os.fspath(path)!r} has no extension; use one of {known}")
    where = "" if os.fspath(path) == "-" else f" for output {os.fspath(path)!r}"
    raise UsageError(f"unknown audio {what}{where}; use one of {known}")


def check_rate(format: str, sample_rate: int) -> Format:
    """Check that a format is known and has a sample rate, and return it.

    Raises:
        UsageError: the format is unknown, or does not have the sample rate.
    """
    spec = _SUPPORTED[output_format("-", format)]
    if sample_rate <= 0 or (spec.rates and sample_rate not in spec.rates):
        listed = ", ".join(map(str, spec.rates)) or "above 0"
        raise UsageError(f"{format} cannot hold a sample rate of {sample_rate} Hz: {listed}")
    return spec


def held_rate(format: str, sample_rate: int) -> int:
    """Choose the sample rate of a format for audio at another rate: the next one, or the highest.

    Raises:
        UsageError: the format is unknown.
    """
    rates = _SUPPORTED[output_format("-", format)].rates or (sample_rate,)
    return min((rate for rate in rates if rate >= sample_rate), default=max(rates))


def limit_peaks(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compress values beyond 0.85 smoothly to below -1 dBFS (0.891): [N] -> [N].

    It works sample by sample, so that chunks do not matter. Values up to 0.85, as of speech after
    tts.audio.loudness, are unchanged.
    """
    return limited(samples, _KNEE, _CEILING)


def to_pcm16(samples: NDArray[np.float32]) -> bytes:
    """Convert float samples [N] to little-endian 16-bit PCM, with limited peaks."""
    scaled = np.rint(limit_peaks(samples).astype(np.float64) * 32767.0)
    return scaled.astype("<i2").tobytes()


def wav_stream_header(sample_rate: int, channels: int = 1, samples: int | None = None) -> bytes:
    """Make the header of a 16-bit WAV stream.

    Args:
        samples: of each channel; None for an unknown length, for which sizes are 0xFFFFFFFF, as
            for one that 32 bits cannot hold.
    """
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
