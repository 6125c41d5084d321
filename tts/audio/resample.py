"""Sample-rate conversion with bounded memory (Kaiser-windowed sinc of torchaudio)."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tts.arguments import check_whole

if TYPE_CHECKING:
    from torchaudio.transforms import Resample

__all__ = ["StreamResampler", "check_output_rate", "resample"]

# The filter bank of torchaudio has down * up coefficients and more: 44101 -> 16000 Hz would need
# gigabytes. Ratios above this many coefficients are rounded (by less than 0.05 %, under one cent).
_MAX_COEFFICIENTS = 1_000_000
_WIDTH = 64
_ROLLOFF = 0.9475937167399596
_BETA = 14.769656459379492
_PIECE_SECONDS = 2.0


def _ratio(rate: int, target: int) -> Fraction:
    exact = Fraction(rate, target)
    if exact.numerator * exact.denominator <= _MAX_COEFFICIENTS:
        return exact
    return exact.limit_denominator(max(1, int(math.sqrt(_MAX_COEFFICIENTS * target / rate))))


@lru_cache(maxsize=4)
def _converter(down: int, up: int) -> Resample:
    """The filters of a ratio, a few megabytes at most; making them takes longer than using them on
    some seconds of speech."""
    from torchaudio.transforms import Resample

    return Resample(
        down, up, "sinc_interp_kaiser", lowpass_filter_width=_WIDTH, rolloff=_ROLLOFF, beta=_BETA
    )


def _context(down: int, up: int) -> int:
    """Samples before and after a piece that its filters reach, a multiple of `down`: pieces then
    start at filter phase 0."""
    reach = math.ceil(_WIDTH * down / (min(down, up) * _ROLLOFF)) + down
    return down * math.ceil(reach / down)


def check_output_rate(rate: object) -> int:
    """Return a sample rate that sound is written with, in Hz.

    Raises:
        UsageError: not a whole number from 8000 to 192,000.
    """
    return check_whole("a sample rate in Hz", rate, 8000, 192_000)


class StreamResampler:
    """Sample-rate conversion of a stream, piece by piece, to the samples that `resample` gives.

    What has been put in comes out when the filters have seen the few milliseconds after it.
    """

    def __init__(self, rate: int, target: int):
        """rate: Hz of what is put in; target: Hz of what comes out."""
        import torch

        self._same = rate == target
        ratio = _ratio(rate, target)
        self._down, self._up = ratio.numerator, ratio.denominator
        self._reach = _context(self._down, self._up)
        with torch.inference_mode(False):
            self._convert = _converter(self._down, self._up)
        self._kept = np.zeros(0, np.float32)
        self._start = 0  # of what is kept, in samples put in
        self._done = 0  # samples put in that have come out

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take [N] samples; give those that are ready, [M]."""
        if self._same:
            return samples
        self._kept = np.concatenate([self._kept, np.asarray(samples, np.float32)])
        ready = self._start + self._kept.size - self._reach - self._done
        return self._come(ready // self._down * self._up) if ready >= self._down else _NONE

    def finish(self) -> NDArray[np.float32]:
        """The samples still owed at the end of the stream, [M]."""
        left = self._start + self._kept.size - self._done
        return _NONE if left <= 0 else self._come(-(-left * self._up // self._down))

    def _come(self, count: int) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            converted = self._convert(torch.from_numpy(self._kept)).numpy()
        first = (self._done - self._start) // self._down * self._up
        self._done += count // self._up * self._down
        drop = max(0, (self._done - self._reach - self._start) // self._down * self._down)
        self._kept, self._start = self._kept[drop:], self._start + drop
        return converted[first : first + count]


_NONE = np.zeros(0, np.float32)


def resample(samples: NDArray[np.float32], rate: int, target: int) -> NDArray[np.float32]:
    """Convert mono `samples` [N] from `rate` Hz to `target` Hz: [ceil(N * target / rate)].

    Works piece by piece with the context the filter needs, so the result is that of one long
    convolution while the extra memory stays at a few megabytes. Equal rates return the input.
    """
    if rate == target or samples.size == 0:
        return samples
    stream = StreamResampler(rate, target)
    piece = max(1, int(_PIECE_SECONDS * rate))
    ratio = _ratio(rate, target)
    out = np.empty(-(-samples.size * ratio.denominator // ratio.numerator), dtype=np.float32)
    done = 0
    for start in range(0, samples.size + piece, piece):
        last = start >= samples.size
        made = stream.finish() if last else stream.push(samples[start : start + piece])
        out[done : done + made.size] = made
        done += made.size
    return out
