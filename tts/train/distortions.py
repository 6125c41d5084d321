"""What a codec should not hear: noise, echo, a narrow band, clipping (SAR; Cao et al. 2023 and
others train representations of speech on such pairs of distorted and clean sound)."""

import numpy as np


def distorted(wav: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A copy of samples [N], float in -1..1, with one to three distortions drawn by `rng`, at the
    level of the original."""
    level = np.sqrt(np.mean(wav**2)) + 1e-8
    count = int(rng.integers(1, 4))
    for kind in rng.choice(len(_KINDS), count, replace=False):
        wav = _KINDS[int(kind)](wav, rng)
    return (wav * level / (np.sqrt(np.mean(wav**2)) + 1e-8)).astype(np.float32)


def noisy(wav: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise with a slope between white and brown, 0 to 30 dB below."""
    spectrum = np.fft.rfft(rng.standard_normal(len(wav)))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1) ** rng.uniform(0, 1)
    noise = np.fft.irfft(spectrum, len(wav))
    power = np.mean(wav**2) / (np.mean(noise**2) + 1e-12)
    return wav + noise * np.sqrt(power * 10 ** (-rng.uniform(0, 30) / 10))


def echoing(wav: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Decaying noise as the response of a room, 0.1 to 0.6 s of 16 kHz."""
    tail = decaying(int(rng.integers(1600, 9600)), rng)
    tail *= rng.uniform(0.05, 0.5) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return convolved(wav, tail)


def decaying(length: int, rng: np.random.Generator) -> np.ndarray:
    """Noise [length] that falls by 60 dB."""
    return rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)


def convolved(wav: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Samples [N] as a room with that response sends them, [N]."""
    size = 1 << (len(wav) + len(response)).bit_length()  # other lengths take much longer
    return np.fft.irfft(np.fft.rfft(wav, size) * np.fft.rfft(response, size), size)[: len(wav)]


def narrow(wav: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Nothing above a quarter to nine tenths of the band."""
    spectrum = np.fft.rfft(wav)
    spectrum[int(len(spectrum) * rng.uniform(0.25, 0.9)) :] = 0
    return np.fft.irfft(spectrum, len(wav))


def clipped(wav: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Peaks cut at 0.2 to 0.8 of the highest."""
    most = np.abs(wav).max() * rng.uniform(0.2, 0.8)
    return np.clip(wav, -most, most)


_KINDS = (noisy, echoing, narrow, clipped)
