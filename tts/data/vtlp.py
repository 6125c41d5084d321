"""Vocal tract length perturbation (VTLP, Jaitly & Hinton 2013) of source-filter features.

A few hundred speakers are a sparse sample of voices. Warping the frequency axis of the envelope and
scaling the pitch by the same factor gives the voice of another vocal tract. Its speaker embedding
is that of the resampled recording.
"""

import numpy as np
import torch
import torchaudio

from tts_codecs.envelope import EXTRA, envelope_part, shift_pitch
from tts_codecs.mel import MelConfig, band_points

#: factors on all frequencies; unwarped recordings have 1
VTLP_FACTORS = (0.88, 0.94, 1.06, 1.13)


def vtlp_matrix(factor: float, config: MelConfig | None = None) -> np.ndarray:
    """Matrix [n_mels, n_mels] float32 that warps frames: `frames @ matrix`, frames [T, n_mels]."""
    config = config or MelConfig()
    bands = np.eye(config.n_mels, config.n_mels + EXTRA, dtype=np.float32)
    return envelope_part(vtlp_features(bands, factor, config))


def vtlp_features(
    features: np.ndarray, factor: float, config: MelConfig | None = None
) -> np.ndarray:
    """Features [T, n_mels + 2] with all frequencies multiplied by `factor`."""
    config = config or MelConfig()
    centres = band_points(config)[1:-1]
    # A band of the warped voice has the value of the original at its frequency / factor.
    position = np.interp(centres / factor, centres, np.arange(len(centres)))
    low = np.minimum(position.astype(int), len(centres) - 2)
    part = (position - low).astype(np.float32)
    out = features.copy()
    envelope_part(out)[:] = features[:, low] * (1 - part) + features[:, low + 1] * part
    out[:, -EXTRA] = shift_pitch(features[:, -EXTRA], factor)
    return out


def vtlp_samples(samples: np.ndarray, factor: float, sample_rate: int) -> np.ndarray:
    """Samples [N] played faster by `factor`: all frequencies are multiplied, and the duration is
    divided by it."""
    wav = torch.from_numpy(samples)
    return torchaudio.functional.resample(wav, round(sample_rate * factor), sample_rate).numpy()
