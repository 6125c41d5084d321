"""Sample-rate conversion with bounded memory (Kaiser-windowed sinc of torchaudio)."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torchaudio.transforms import Resample

__all__ = ["resample"]

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


def resample(samples: NDArray[np.float32], rate: int, target: int) -> NDArray[np.float32]:
    """Convert mono `samples` [N] from `rate` Hz to `target` Hz: [ceil(N * target / rate)].

    Works piece by piece with the context the filter needs, so the result is that of one long
    convolution while the extra memory stays at a few megabytes. Equal rates return the input.
    """
    if rate == target or samples.size == 0:
        return samples
    import torch

    ratio = _ratio(rate, target)
    down, up = ratio.numerator, ratio.denominator
    with torch.inference_mode(False):  # they are kept, and serve in and outside of it
        convert = _converter(down, up)
    # Pieces and context are multiples of `down`, so that every piece starts at filter phase 0.
    reach = math.ceil(_WIDTH * down / (min(down, up) * _ROLLOFF)) + down
    context = down * math.ceil(reach / down)
    piece = down * max(1, int(_PIECE_SECONDS * rate) // down)
    out = np.empty(-(-samples.size * up // down), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, samples.size, piece):
            left = max(0, start - context)
            part = np.ascontiguousarray(samples[left : start + piece + context], dtype=np.float32)
            converted = convert(torch.from_numpy(part)).numpy()
            first, skip = start // down * up, (start - left) // down * up
            count = min(piece // down * up, out.size - first)
            out[first : first + count] = converted[skip : skip + count]
    return out
