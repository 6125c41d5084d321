"""Loudness of speech by ITU-R BS.1770-4, and its normalization while speech is generated.

The filters are those of `torchaudio.functional.loudness`. Loudness is measured in blocks, and the
gain depends on earlier blocks only, so that streaming does not wait and the size of chunks does not
matter.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["TARGET_LUFS", "Leveler", "limited"]

#: loudness of the output, near that of podcasts, with headroom for the peaks of speech
TARGET_LUFS = -20.0
#: loudness of a voice before the first block; voice prompts have one active level
EXPECTED_LUFS = -22.5
#: largest absolute sample; 0.5 dB below -1 dBFS, as lossy coding may add that much
CEILING = 10.0 ** (-1.5 / 20.0)
_KNEE = 0.65
_BLOCK = 0.1  # seconds, the hop of the windows of 0.4 s of BS.1770
_CONTEXT = 1  # blocks of context of the filters
_PRIOR = 5.0  # weight of the expected loudness in blocks
_MEMORY = 600  # blocks, one minute, as a long text may change its level
#: consecutive silent blocks that are stored, enough that no window has speech on both sides
_SILENT = 3
_GATE, _RELATIVE_GATE = -70.0, -10.0
_HEADROOM = 1000.0
_MOST, _LEAST = 12.0, -40.0  # dB of gain


def limited(
    samples: NDArray[np.float32], knee: float = _KNEE, ceiling: float = CEILING
) -> NDArray[np.float32]:
    """Compress samples [N] beyond the knee smoothly to below the ceiling, each by itself."""
    magnitude = np.abs(samples)
    if samples.size == 0 or float(magnitude.max()) <= knee:
        return samples
    room = ceiling - knee
    compressed = knee + room * np.tanh((magnitude - knee) / room)
    return np.where(magnitude > knee, np.copysign(compressed, samples), samples).astype(np.float32)


def _power(samples: NDArray[np.float32], rate: int, count: int) -> float:
    """K-weighted mean square of the last `count` of samples [N]."""
    import torch
    from torchaudio.functional import highpass_biquad, treble_biquad

    with torch.inference_mode():
        # The filters clip at full scale, so that the input is scaled down.
        wave = torch.from_numpy(samples.astype(np.float64) / _HEADROOM)[None]
        wave = treble_biquad(wave, rate, 4.0, 1500.0, 1 / math.sqrt(2))
        wave = highpass_biquad(wave, rate, 38.0, 0.5)
        return float(wave[0, -count:].square().mean()) * _HEADROOM**2


def _lufs(power: float) -> float:
    return -0.691 + 10.0 * math.log10(max(power, 1e-12))


class Leveler:
    """Normalizes the loudness of an utterance to `TARGET_LUFS` and its peaks to below -1 dBFS.

    The gain follows the gated loudness of the blocks so far, with the expected loudness as a prior,
    and is interpolated within each block of 0.1 s.

    Args:
        sample_rate: in Hz; expected: loudness of the voice in LUFS; target: of the output.
    """

    def __init__(
        self, sample_rate: int, expected: float = EXPECTED_LUFS, target: float = TARGET_LUFS
    ):
        self.rate, self.expected, self.target = sample_rate, expected, target
        self._size = max(1, round(_BLOCK * sample_rate))
        self._context: NDArray[np.float32] = np.zeros(_CONTEXT * self._size, dtype=np.float32)
        self._block = np.empty(self._size, dtype=np.float32)
        self._filled = 0
        self._powers: list[float] = []
        self._previous_gain = self._next_gain = self._gain()

    def _gain(self) -> float:
        """The gain that the loudness so far requires, as a factor."""
        blocks = np.asarray(self._powers)
        if blocks.size > 3:
            blocks = np.convolve(blocks, np.full(4, 0.25), "valid")
        blocks = blocks[blocks > 10.0 ** ((_GATE + 0.691) / 10.0)]
        if blocks.size:
            gate = _lufs(float(blocks.mean())) + _RELATIVE_GATE
            blocks = blocks[blocks > 10.0 ** ((gate + 0.691) / 10.0)]
        prior = 10.0 ** ((self.expected + 0.691) / 10.0)
        mean = (_PRIOR * prior + float(blocks.sum())) / (_PRIOR + blocks.size)
        decibels = min(max(self.target - _lufs(mean), _LEAST), _MOST)
        return float(10.0 ** (decibels / 20.0))

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Normalize the next chunk [n]."""
        out = np.empty(len(samples), dtype=np.float64)
        done = 0
        while done < len(samples):
            count = min(len(samples) - done, self._size - self._filled)
            part = samples[done : done + count]
            place = (np.arange(self._filled, self._filled + count) + 1) / self._size
            out[done : done + count] = part * (
                self._previous_gain + (self._next_gain - self._previous_gain) * place
            )
            self._block[self._filled : self._filled + count] = part
            self._filled, done = self._filled + count, done + count
            if self._filled == self._size:
                self._measure()
        return limited(out.astype(np.float32))

    def _measure(self) -> None:
        """Measure a complete block, and set the gain at the end of the next one."""
        window = np.concatenate([self._context, self._block])
        if window.any():
            self._powers.append(_power(window, self.rate, self._size))
        elif len(self._powers) < _SILENT or any(self._powers[-_SILENT:]):
            # Further silent blocks make no difference, as the gate drops silent windows.
            self._powers.append(0.0)
        del self._powers[:-_MEMORY]
        self._context, self._filled = window[self._size :], 0
        self._previous_gain, self._next_gain = self._next_gain, self._gain()
