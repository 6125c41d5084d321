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
    from torch import Tensor
    from torchaudio.transforms import Resample

__all__ = ["StreamResampler", "band_limited", "check_output_rate", "resample"]

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
    """The filters of a ratio, a few megabytes at most.

    They are cached, as their design takes longer than the conversion of a few seconds.
    """
    from torchaudio.transforms import Resample

    return Resample(
        down, up, "sinc_interp_kaiser", lowpass_filter_width=_WIDTH, rolloff=_ROLLOFF, beta=_BETA
    )


def _context(down: int, up: int) -> int:
    """Samples of context on both sides of a piece; a multiple of `down`, so that pieces begin at
    filter phase 0."""
    reach = math.ceil(_WIDTH * down / (min(down, up) * _ROLLOFF)) + down
    return down * math.ceil(reach / down)


def check_output_rate(rate: object) -> int:
    """Check a sample rate of output in Hz, and return it.

    Raises:
        UsageError: it is not a whole number from 8000 to 192,000.
    """
    return check_whole("a sample rate in Hz", rate, 8000, 192_000)


class StreamResampler:
    """Sample-rate conversion of a stream, with the same result as `resample`.

    The output is a few milliseconds late, as the filters need context.

    Args:
        rate: of the input in Hz; target: of the output in Hz.
    """

    def __init__(self, rate: int, target: int):
        import torch

        self._same = rate == target
        ratio = _ratio(rate, target)
        self._down, self._up = ratio.numerator, ratio.denominator
        self._reach = _context(self._down, self._up)
        with torch.inference_mode(False):
            self._convert = _converter(self._down, self._up)
        self._kept: NDArray[np.float32] = np.zeros(0, np.float32)
        self._start = 0  # position of `_kept` in the input
        self._done = 0  # input samples that were converted

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert samples [N], and return those that are ready, [M]."""
        if self._same:
            return samples
        self._kept = np.concatenate([self._kept, np.asarray(samples, np.float32)])
        ready = self._start + self._kept.size - self._reach - self._done
        return self._convert_next(ready // self._down * self._up) if ready >= self._down else _NONE

    def finish(self) -> NDArray[np.float32]:
        """End the stream, and return the remaining samples [M]."""
        left = self._start + self._kept.size - self._done
        return _NONE if left <= 0 else self._convert_next(-(-left * self._up // self._down))

    def _convert_next(self, count: int) -> NDArray[np.float32]:
        """The next `count` samples of the output."""
        import torch

        with torch.inference_mode():
            converted = self._convert(torch.from_numpy(self._kept)).numpy()
        first = (self._done - self._start) // self._down * self._up
        self._done += count // self._up * self._down
        drop = max(0, (self._done - self._reach - self._start) // self._down * self._down)
        self._kept, self._start = self._kept[drop:], self._start + drop
        return converted[first : first + count]


_NONE = np.zeros(0, np.float32)


def band_limited(wav: Tensor, rate: int, lower: int) -> Tensor:
    """Waveforms [B, N] at `rate` Hz without what a `lower` rate cannot have, as if they had been
    converted to it by `resample` and back; with gradients."""
    if not len(wav):
        return wav
    ratio = _ratio(rate, lower)
    down, up = ratio.numerator, ratio.denominator
    there, back = (_converter(*pair).to(wav.device) for pair in ((down, up), (up, down)))
    limited: Tensor = back(there(wav))[:, : wav.shape[1]]
    return limited


def resample(samples: NDArray[np.float32], rate: int, target: int) -> NDArray[np.float32]:
    """Convert mono `samples` [N] from `rate` Hz to `target` Hz: [ceil(N * target / rate)].

    The conversion works in pieces with context, so that the result is that of one convolution and
    the extra memory is a few megabytes. Equal rates return the input.
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
        piece_out = stream.finish() if last else stream.push(samples[start : start + piece])
        out[done : done + piece_out.size] = piece_out
        done += piece_out.size
    return out
