"""Loudness of speech by ITU-R BS.1770-4, and speech brought to one loudness while it is made.

The filters are torchaudio's (`torchaudio.functional.loudness`); here they are measured block by
block, so that the gain of a moment comes from what was heard before it. Nothing waits for the end
of a text, and pieces of any size give what the whole gives.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["TARGET_LUFS", "Leveler", "limited"]

#: of the output: near what podcasts and assistants have, with room for the peaks of speech
TARGET_LUFS = -20.0
#: of a voice before it has been heard: prompts are brought to one active level
EXPECTED_LUFS = -22.5
#: no sample is beyond it; 0.5 dB under -1 dBFS, which coders of the sound may add
CEILING = 10.0 ** (-1.5 / 20.0)
_KNEE = 0.65
_BLOCK = 0.1  # seconds: the step of BS.1770's blocks of 0.4 s
_CONTEXT = 1  # blocks that the filters see before the one that is measured
_PRIOR = 5.0  # blocks that the expected loudness counts as
_MEMORY = 600  # blocks: a minute; a long text may change its level
#: blocks of silence that are kept in a row: no window of four has speech from both of its sides
_SILENT = 3
_GATE, _RELATIVE_GATE = -70.0, -10.0
_HEADROOM = 1000.0
_MOST, _LEAST = 12.0, -40.0  # dB of gain


def limited(
    samples: NDArray[np.float32], knee: float = _KNEE, ceiling: float = CEILING
) -> NDArray[np.float32]:
    """Values beyond the knee bent smoothly to below the ceiling: [N] -> [N], without memory."""
    size = np.abs(samples)
    if samples.size == 0 or float(size.max()) <= knee:
        return samples
    room = ceiling - knee
    bent = knee + room * np.tanh((size - knee) / room)
    return np.where(size > knee, np.copysign(bent, samples), samples).astype(np.float32)


def _power(samples: NDArray[np.float32], rate: int, count: int) -> float:
    """Mean square of the last `count` of [N], K-weighted."""
    import torch
    from torchaudio.functional import highpass_biquad, treble_biquad

    with torch.inference_mode():
        # Far below full scale, where the filters clip.
        wave = torch.from_numpy(samples.astype(np.float64) / _HEADROOM)[None]
        wave = treble_biquad(wave, rate, 4.0, 1500.0, 1 / math.sqrt(2))
        wave = highpass_biquad(wave, rate, 38.0, 0.5)
        return float(wave[0, -count:].square().mean()) * _HEADROOM**2


def _lufs(power: float) -> float:
    return -0.691 + 10.0 * math.log10(max(power, 1e-12))


class Leveler:
    """Brings an utterance to `TARGET_LUFS` and its peaks below -1 dBFS, piece by piece.

    The gain follows the gated loudness of all that was heard, with an expected one in front of it,
    and moves within blocks of 0.1 s; a voice as expected gets one gain throughout.

    Args:
        sample_rate: Hz; expected: loudness of the voice as far as it is known.
    """

    def __init__(
        self, sample_rate: int, expected: float = EXPECTED_LUFS, target: float = TARGET_LUFS
    ):
        self.rate, self.expected, self.target = sample_rate, expected, target
        self._size = max(1, round(_BLOCK * sample_rate))
        self._heard = np.zeros(_CONTEXT * self._size, dtype=np.float32)
        self._block = np.empty(self._size, dtype=np.float32)
        self._filled = 0
        self._powers: list[float] = []
        self._before = self._now = self._gain()

    def _gain(self) -> float:
        """What the loudness so far asks for, as a factor."""
        blocks = np.asarray(self._powers)
        if blocks.size > 3:
            blocks = np.convolve(blocks, np.full(4, 0.25), "valid")
        blocks = blocks[blocks > 10.0 ** ((_GATE + 0.691) / 10.0)]
        if blocks.size:
            gate = _lufs(float(blocks.mean())) + _RELATIVE_GATE
            blocks = blocks[blocks > 10.0 ** ((gate + 0.691) / 10.0)]
        prior = 10.0 ** ((self.expected + 0.691) / 10.0)
        mean = (_PRIOR * prior + float(blocks.sum())) / (_PRIOR + blocks.size)
        wanted = min(max(self.target - _lufs(mean), _LEAST), _MOST)
        return float(10.0 ** (wanted / 20.0))

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next piece [n], as many samples at the right loudness."""
        out = np.empty(len(samples), dtype=np.float64)
        done = 0
        while done < len(samples):
            count = min(len(samples) - done, self._size - self._filled)
            part = samples[done : done + count]
            place = (np.arange(self._filled, self._filled + count) + 1) / self._size
            out[done : done + count] = part * (self._before + (self._now - self._before) * place)
            self._block[self._filled : self._filled + count] = part
            self._filled, done = self._filled + count, done + count
            if self._filled == self._size:
                self._measure()
        return limited(out.astype(np.float32))

    def _measure(self) -> None:
        """A block is complete: the gain moves within the next one."""
        together = np.concatenate([self._heard, self._block])
        if together.any():
            self._powers.append(_power(together, self.rate, self._size))
        elif len(self._powers) < _SILENT or any(self._powers[-_SILENT:]):
            # More of it would change nothing: windows that are silent are below the gate.
            self._powers.append(0.0)
        del self._powers[:-_MEMORY]
        self._heard, self._filled = together[self._size :], 0
        self._before, self._now = self._now, self._gain()
