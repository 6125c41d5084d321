"""Mixing of channels to mono, also of channels with opposite phase."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tts.errors import AudioError

__all__ = ["Mixer"]

#: share of the power of uncorrelated channels below which a mix counts as cancelled
_CANCELLED = 0.5


class Mixer:
    """Mixes channels to mono by their mean, block by block.

    A microphone with swapped poles or a "karaoke" effect makes the channels of a voice opposite, so
    that their mean is silent. `cancels` detects this in the blocks so far, and `aligned` makes a
    mixer that inverts such channels.

    Args:
        channels: their number C.
        signs: [C] of +1 and -1, by which channels are multiplied; None for all +1.
    """

    def __init__(self, channels: int, signs: NDArray[np.float32] | None = None):
        self.signs = signs
        self._products = np.zeros((channels, channels))

    def __call__(self, block: NDArray[np.floating], name: str) -> NDArray[np.float32]:
        """Mix a block [N, C] to [N].

        Raises:
            AudioError: a value is NaN or infinite.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            if block.shape[1] == 1:
                mono = block[:, 0].astype(np.float32, copy=False)
            elif self.signs is None:
                mono = block.mean(axis=1).astype(np.float32, copy=False)
                self._products += block.T @ block
            else:
                mono = (block @ (self.signs / block.shape[1])).astype(np.float32, copy=False)
        if not np.isfinite(mono).all():
            raise AudioError(f"{name}: contains values that are not finite (NaN or infinity)")
        return mono

    @property
    def cancels(self) -> bool:
        """Whether the channels of the blocks so far cancel each other."""
        separate = float(np.trace(self._products))
        return self.signs is None and float(self._products.sum()) < _CANCELLED * separate

    def aligned(self) -> Mixer:
        """A mixer that inverts the channels with a phase opposite to that of the loudest."""
        loudest = int(np.argmax(np.diagonal(self._products)))
        signs = np.where(self._products[loudest] < 0, -1.0, 1.0).astype(np.float32)
        return Mixer(len(signs), signs)
