"""New voices from old ones: warping the frequency axis of source-filter features.

A corpus of a few hundred speakers is a thin sample of voices. Scaling envelope and pitch by one
factor gives the voice of another vocal tract (vocal tract length perturbation, Jaitly & Hinton
2013); the speaker embedding that goes with it is that of the resampled recording.
"""

from functools import lru_cache

import numpy as np
import torch
import torchaudio

from tts_codecs.envelope import EXTRA, envelope_part, shift_pitch
from tts_codecs.mel import MelConfig

#: factors on all frequencies, besides 1
VTLP_FACTORS = (0.88, 0.94, 1.06, 1.13)


def _to_mel(hertz: np.ndarray) -> np.ndarray:
    # Slaney's scale: linear to 1 kHz, logarithmic above.
    low = hertz / (200 / 3)
    high = 15 + np.log(np.maximum(hertz, 1e-3) / 1000) / (np.log(6.4) / 27)
    return np.where(hertz < 1000, low, high)


@lru_cache(maxsize=16)
def _centres(config: MelConfig) -> np.ndarray:
    low, high = _to_mel(np.array([config.f_min, config.f_max]))
    marks = np.linspace(low, high, config.n_mels + 2)[1:-1]
    above = 1000 * np.exp((marks - 15) * np.log(6.4) / 27)
    return np.where(marks < 15, marks * 200 / 3, above)


def vtlp_matrix(factor: float, config: MelConfig | None = None) -> np.ndarray:
    """[n_mels, n_mels] float32 whose product with frames of bands on its left warps them."""
    config = config or MelConfig()
    bands = np.eye(config.n_mels, config.n_mels + EXTRA, dtype=np.float32)
    return envelope_part(vtlp_features(bands, factor, config))


def vtlp_features(
    features: np.ndarray, factor: float, config: MelConfig | None = None
) -> np.ndarray:
    """[T, n_mels + 2] features with every frequency multiplied by `factor`."""
    config = config or MelConfig()
    centres = _centres(config)
    # Band k of the warped voice is what stood at its frequency / factor.
    place = np.interp(centres / factor, centres, np.arange(len(centres)))
    low = np.minimum(place.astype(int), len(centres) - 2)
    part = (place - low).astype(np.float32)
    out = features.copy()
    envelope_part(out)[:] = features[:, low] * (1 - part) + features[:, low + 1] * part
    out[:, -EXTRA] = shift_pitch(features[:, -EXTRA], factor)
    return out


def vtlp_samples(samples: np.ndarray, factor: float, sample_rate: int) -> np.ndarray:
    """[N] samples played faster by `factor`: all frequencies scale, the length shrinks."""
    wav = torch.from_numpy(samples)
    return torchaudio.functional.resample(wav, round(sample_rate * factor), sample_rate).numpy()
