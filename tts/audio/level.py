"""Level and activity of speech: detection of sound, trimming, and normalization of levels.

All functions take mono float arrays [N] at full scale 1.0; levels are in dBFS, where a constant of
1.0 has 0 dBFS RMS. Activity is decided by energy alone, which is enough to trim silence and to
measure an active speech level in the spirit of ITU-T P.56 (level over the active frames only).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tts.errors import AudioError

__all__ = [
    "FRAME_SECONDS", "SILENCE_DBFS", "TARGET_DBFS", "active_frames", "cut_at_pause", "first_sound",
    "frame_levels", "normalize_level", "split_active", "trim_silence",
]  # fmt: skip

Samples = NDArray[np.float32]

FRAME_SECONDS = 0.02
SILENCE_DBFS = -60.0
# The usual active level of speech files (ITU-T P.56/P.830); leaves 26 dB for peaks.
TARGET_DBFS = -26.0
_PEAK_LIMIT = 0.95
_FLOOR_DBFS = -120.0
_BLOCK = 1 << 16  # samples that are measured at once, to save memory


def frame_levels(samples: Samples, sample_rate: int) -> NDArray[np.float64]:
    """RMS of consecutive frames of `FRAME_SECONDS`, in dBFS, at least -120.

    samples [N] -> levels [ceil(N / frame)]; the last frame may be short. The mean of the
    signal is subtracted first, so that a constant offset does not count as sound.
    """
    size = max(1, round(sample_rate * FRAME_SECONDS))
    if samples.size == 0:
        return np.zeros(0)
    centred = samples.astype(np.float64) - samples.mean(dtype=np.float64)
    starts = np.arange(0, centred.size, size)
    energy = np.add.reduceat(centred * centred, starts)
    counts = np.minimum(size, centred.size - starts)
    return 10.0 * np.log10(np.maximum(energy / counts, 10.0 ** (_FLOOR_DBFS / 10.0)))


def active_frames(levels: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Detect frames with sound, bool [F], from their levels [F] in dBFS.

    The threshold lies 35 dB under the loud frames; where there is background noise it rises to
    6 dB over the noise, but stays 15 dB under the loud frames so that steady sound counts.
    """
    if levels.size == 0:
        return np.zeros(0, dtype=np.bool_)
    loud, quiet = np.percentile(levels, [95, 10])
    threshold = max(SILENCE_DBFS, loud - 35.0, min(quiet + 6.0, loud - 15.0))
    return np.asarray(levels > threshold, dtype=np.bool_)


def split_active(
    samples: Samples, sample_rate: int, *, min_gap: float = 0.2, min_active: float = 0.06
) -> list[tuple[int, int]]:
    """Find segments with sound, as (start, end) sample indices in order.

    Segments with gaps of less than `min_gap` seconds are joined; then those of less than
    `min_active` seconds, such as clicks, are left out.
    """
    active = active_frames(frame_levels(samples, sample_rate))
    size = max(1, round(sample_rate * FRAME_SECONDS))
    edges = np.flatnonzero(np.diff(np.concatenate(([0], active.astype(np.int8), [0]))))
    spans: list[tuple[int, int]] = []
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        start, end = first * size, min(last * size, samples.size)
        if spans and start - spans[-1][1] < min_gap * sample_rate:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return [(a, b) for a, b in spans if b - a >= min_active * sample_rate]


def trim_silence(samples: Samples, sample_rate: int, *, keep: float = 0.1) -> Samples:
    """Shorten leading and trailing silence to `keep` seconds: [N] -> [M], a view."""
    spans = split_active(samples, sample_rate)
    if not spans:
        return samples
    pad = round(keep * sample_rate)
    return samples[max(0, spans[0][0] - pad) : spans[-1][1] + pad]


def cut_at_pause(samples: Samples, sample_rate: int, seconds: float) -> Samples:
    """Keep at most the first `seconds`: [N] -> [M].

    The cut is at the quietest position of the last quarter, so that a voice prompt does not end
    within a word.
    """
    limit = int(seconds * sample_rate)
    if samples.size <= limit:
        return samples
    size = max(1, round(sample_rate * FRAME_SECONDS))
    start = int(0.75 * limit)
    levels = frame_levels(samples[start:limit], sample_rate)
    if levels.size < 3:
        return samples[:limit]
    # Averaged over three frames, so that a dip between two pitch periods is no pause.
    smooth = np.convolve(levels, np.ones(3) / 3.0, mode="valid")
    return samples[: start + (int(np.argmin(smooth)) + 2) * size]


def normalize_level(
    samples: Samples, target_dbfs: float = TARGET_DBFS, *, sample_rate: int = 16000
) -> Samples:
    """Remove the constant offset and scale to an active level of `target_dbfs`: [N] -> [N].

    The level is the RMS of active frames, so that pauses do not matter. The gain is reduced if
    peaks would exceed 0.95; nothing is clipped.

    Raises:
        AudioError: there is no sound.
    """
    levels = frame_levels(samples, sample_rate)
    active = active_frames(levels)
    if not active.any():
        raise AudioError("the recording is silent: no level to normalise")
    level = 10.0 * np.log10(np.mean(10.0 ** (levels[active] / 10.0)))
    centred = samples.astype(np.float64) - samples.mean(dtype=np.float64)
    gain = min(10.0 ** ((target_dbfs - level) / 20.0), _PEAK_LIMIT / float(np.abs(centred).max()))
    return (centred * gain).astype(np.float32)


def first_sound(samples: Samples, rate: int) -> int | None:
    """Return the index shortly before the first sound in samples [N] at `rate` Hz; None for silence
    and for steady noise, as of a room."""
    size = max(1, round(rate * FRAME_SECONDS))
    levels = []
    step = size * max(1, _BLOCK // size)
    for at in range(0, samples.size - size + 1, step):
        part = samples[at : at + step]
        frames = part[: part.size // size * size].reshape(-1, size)
        levels.append(10.0 * np.log10(frames.var(axis=1, dtype=np.float64) + 1e-12))
    if not levels:
        return 0
    level = np.concatenate(levels)
    # The level of the loudest 0.3 s, since a click is shorter.
    loud = float(np.sort(level)[-min(15, level.size)])
    steady = loud - float(np.median(level)) < 6.0 and loud < SILENCE_DBFS / 2
    if loud <= SILENCE_DBFS or steady:
        return None
    quiet = float(np.percentile(level, 10))
    threshold = max(SILENCE_DBFS, loud - 35.0, min(quiet + 10.0, loud - 10.0))
    active = (level > threshold).astype(np.float64)
    # Seven of 25 frames have to be active, so that a click does not count as speech.
    dense = np.convolve(active, np.ones(25), mode="same") >= 7
    first = int(np.argmax(dense)) if dense.any() else 0
    return max(0, (first - 15) * size)
