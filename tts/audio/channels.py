"""Channels of a recording to one, also where they would cancel each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tts.errors import AudioError

__all__ = ["Mixer"]

#: what the mean keeps of the power that channels without relation would leave in it
_CANCELLED = 0.5


class Mixer:
    """The mean of channels, block by block.

    A microphone with its poles swapped, or a "karaoke" effect, makes the channels of a voice each
    other's inverse, and their mean silent. `cancels` tells that from what has been seen, and
    `aligned` gives a mixer that turns such channels round.

    Args:
        channels: how many; signs: [C] of +1 and -1.
    """

    def __init__(self, channels: int, signs: NDArray[np.float32] | None = None):
        self.signs = signs
        self._products = np.zeros((channels, channels))

    def __call__(self, block: NDArray[np.floating], name: str) -> NDArray[np.float32]:
        """[N, C] -> [N]; raises AudioError for NaN and infinity."""
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
        """Whether channels have taken much of each other away."""
        alone = float(np.trace(self._products))
        return self.signs is None and float(self._products.sum()) < _CANCELLED * alone

    def aligned(self) -> Mixer:
        """One that turns channels which run against the loudest."""
        loudest = int(np.diagonal(self._products).argmax())
        signs = np.where(self._products[loudest] < 0, -1.0, 1.0).astype(np.float32)
        return Mixer(len(signs), signs)
