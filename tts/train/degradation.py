"""Simulation of poor recordings: coloration by a microphone, reverberation, and kinds of noise.

It makes the training pairs of the speech enhancer (tts.voice.enhancer).
"""

from collections.abc import Callable

import numpy as np

from tts.train.distortions import convolve, decaying_noise

#: a function that draws samples [N] of another person who speaks
DrawSpeech = Callable[[np.random.Generator], np.ndarray]
_RATE = 16000


def degrade(
    speech: np.ndarray, draw_speech: DrawSpeech, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate a poor recording of clean speech.

    Args:
        speech: [N] samples at 16 kHz.
        draw_speech: draws [N] samples of other people, for babble noise.

    Returns:
        the degraded recording [N], and the target [N]: the speech through the same microphone, but
        without noise and reverberation. They are aligned in time.
    """
    clean = _filter(speech, _microphone_response(rng))
    degraded = clean
    if rng.random() < 0.5:
        degraded = degraded + _reverberation(clean, rng)
    if rng.random() < 0.85:
        kind = int(rng.choice(len(_NOISES), p=_PROBABILITIES))
        noise = _NOISES[kind](len(speech), draw_speech, rng)
        level = np.sqrt(np.mean(clean**2) / (np.mean(noise**2) + 1e-12))
        degraded = degraded + noise * level * 10 ** (-rng.uniform(0, 45) / 20)
    gain = 10 ** (rng.uniform(-6, 6) / 20)
    return degraded * gain, clean * gain


def _microphone_response(rng: np.random.Generator) -> np.ndarray:
    """Random gains [9] of a microphone at evenly spaced frequencies, some decibels apart."""
    decibels = np.cumsum(rng.normal(0, 1.5, 9))
    return 10 ** ((decibels - decibels.mean()) / 20)


def _filter(samples: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Filter samples [N] by gains at evenly spaced frequencies."""
    spectrum = np.fft.rfft(samples)
    positions = np.linspace(0, len(response) - 1, len(spectrum))
    gains = np.interp(positions, np.arange(len(response)), response)
    return np.fft.irfft(spectrum * gains, len(samples))


def _reverberation(speech: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The reverberation [N] of a room, without the direct sound.

    The response is noise that decays by 60 dB in 0.15 to 0.9 s, is 3 to 18 dB below the speech, and
    has a random low-pass filter.
    """
    length = int(_RATE * rng.uniform(0.15, 0.9))
    response = decaying_noise(length, rng)
    response[: int(_RATE * rng.uniform(0.002, 0.02))] = 0.0
    smoothing = rng.uniform(0, 0.7)
    response = response + np.concatenate([[0.0], smoothing * response[:-1]])
    response *= 10 ** (-rng.uniform(3, 18) / 20) / np.sqrt(np.sum(response**2) + 1e-12)
    return convolve(speech, response)


def _colored_noise(count: int, draw_speech: DrawSpeech, rng: np.random.Generator) -> np.ndarray:
    """Noise with a spectrum between blue and brown and a slowly changing level."""
    noise = np.fft.rfft(rng.standard_normal(count))
    noise /= np.maximum(np.arange(len(noise)), 20) ** rng.uniform(-0.3, 1.2)
    noise = _filter(np.fft.irfft(noise, count), _microphone_response(rng) ** 2)
    decibels = rng.normal(0, rng.uniform(0, 4), max(2, count // 4000))
    positions = np.linspace(0, len(decibels) - 1, count)
    return noise * 10 ** (np.interp(positions, np.arange(len(decibels)), decibels) / 20)


def _hum(count: int, draw_speech: DrawSpeech, rng: np.random.Generator) -> np.ndarray:
    """The hum of mains or a fan: harmonics of a low tone with some noise."""
    time = np.arange(count) / _RATE
    tone = rng.choice([50.0, 60.0, rng.uniform(80, 400)])
    orders = np.arange(1, int(rng.integers(3, 20)))
    harmonics = [
        rng.random() / order * np.sin(2 * np.pi * (tone * order * time + rng.random()))
        for order in orders
    ]
    noise = _colored_noise(count, draw_speech, rng)
    return np.sum(harmonics, axis=0) + noise * rng.uniform(0, 0.5) / (np.std(noise) + 1e-9)


def _babble(count: int, draw_speech: DrawSpeech, rng: np.random.Generator) -> np.ndarray:
    """Babble of four to nine people who are far away, so that only their reverberation is heard."""
    voices = int(rng.integers(4, 10))
    return np.sum([_reverberation(draw_speech(rng), rng) for _ in range(voices)], axis=0)


def _clicks(count: int, draw_speech: DrawSpeech, rng: np.random.Generator) -> np.ndarray:
    """Clicks as of keys and chairs: short bursts over quiet noise."""
    noise = _colored_noise(count, draw_speech, rng)
    noise *= 0.1 / (np.std(noise) + 1e-9)
    for _ in range(int(rng.integers(1, 12))):
        length = int(_RATE * rng.uniform(0.005, 0.08))
        burst = rng.standard_normal(length) * np.exp(-5 * np.arange(length) / length)
        at = int(rng.integers(max(1, count - length)))
        noise[at : at + length] += rng.uniform(0.3, 3) * burst[: count - at]
    return noise


_NOISES = _colored_noise, _hum, _babble, _clicks
_PROBABILITIES = 0.6, 0.15, 0.15, 0.1
