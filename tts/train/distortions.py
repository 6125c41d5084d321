"""Distortions of waveforms, which a codec should ignore: noise, reverberation, clipping and so on.

The encoder of a codec hears the distorted waveform, while the target is the clean one (SAR; Cao et
al. 2023 and others train representations of speech on such pairs).
"""

import numpy as np


def distort(wav: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply one to three random distortions, and keep the level.

    Args:
        wav: [N] samples between -1 and 1.

    Returns:
        a distorted copy [N] as float32, with the root mean square of `wav`.
    """
    level = np.sqrt(np.mean(wav**2)) + 1e-8
    count = int(rng.integers(1, 4))
    for kind in rng.choice(len(_DISTORTIONS), count, replace=False):
        wav = _DISTORTIONS[int(kind)](wav, rng)
    return (wav * level / (np.sqrt(np.mean(wav**2)) + 1e-8)).astype(np.float32)


def add_noise(wav: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add noise between white and brown at a signal-to-noise ratio of 0 to 30 dB."""
    spectrum = np.fft.rfft(rng.standard_normal(len(wav)))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1) ** rng.uniform(0, 1)
    noise = np.fft.irfft(spectrum, len(wav))
    power = np.mean(wav**2) / (np.mean(noise**2) + 1e-12)
    return wav + noise * np.sqrt(power * 10 ** (-rng.uniform(0, 30) / 10))


def add_reverberation(wav: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Convolve with decaying noise as a room response of 0.1 to 0.6 s at 16 kHz."""
    response = decaying_noise(int(rng.integers(1600, 9600)), rng)
    response *= rng.uniform(0.05, 0.5) / np.sqrt(np.sum(response**2))
    response[0] = 1.0
    return convolve(wav, response)


def decaying_noise(length: int, rng: np.random.Generator) -> np.ndarray:
    """White noise [length] that decays exponentially, by 60 dB from its beginning to its end."""
    return rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)


def convolve(wav: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Convolve samples [N] with an impulse response, and keep the first N samples."""
    size = 1 << (len(wav) + len(response)).bit_length()  # FFTs of other lengths take much longer
    return np.fft.irfft(np.fft.rfft(wav, size) * np.fft.rfft(response, size), size)[: len(wav)]


def low_pass(wav: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Remove all above a random quarter to nine tenths of the band."""
    spectrum = np.fft.rfft(wav)
    spectrum[int(len(spectrum) * rng.uniform(0.25, 0.9)) :] = 0
    return np.fft.irfft(spectrum, len(wav))


def clip_peaks(wav: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Clip at a random 0.2 to 0.8 of the highest absolute sample."""
    limit = np.abs(wav).max() * rng.uniform(0.2, 0.8)
    return np.clip(wav, -limit, limit)


_DISTORTIONS = (add_noise, add_reverberation, low_pass, clip_peaks)
