"""What microphones make of a person: other spectra, echoes, and noise of several kinds."""

from collections.abc import Callable

import numpy as np

from tts.train.distortions import convolved, decaying

#: draws samples [N] of somebody who speaks
Draw = Callable[[np.random.Generator], np.ndarray]
_RATE = 16000


def recorded(
    speech: np.ndarray, others: Draw, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A poor recording of clean speech, and the person alone as the same microphone hears them
    close, [N] each, in time with each other.

    Args:
        speech: [N] samples at 16 kHz; others: draws speech of others, as long, for the babble.
    """
    clean = _through(speech, _response(rng))
    made = clean
    if rng.random() < 0.5:
        made = made + _echo(clean, rng)
    if rng.random() < 0.85:
        noise = _NOISES[int(rng.choice(len(_NOISES), p=_SHARES))](len(speech), others, rng)
        level = np.sqrt(np.mean(clean**2) / (np.mean(noise**2) + 1e-12))
        made = made + noise * level * 10 ** (-rng.uniform(0, 45) / 20)
    loudness = 10 ** (rng.uniform(-6, 6) / 20)
    return made * loudness, clean * loudness


def _response(rng: np.random.Generator) -> np.ndarray:
    """Amplitudes of a microphone at 9 frequencies, evenly spaced: a bend of some decibels."""
    bend = np.cumsum(rng.normal(0, 1.5, 9))
    return 10 ** ((bend - bend.mean()) / 20)


def _through(samples: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Samples [N] with amplitudes given at evenly spaced frequencies."""
    spectrum = np.fft.rfft(samples)
    places = np.linspace(0, len(response) - 1, len(spectrum))
    gains = np.interp(places, np.arange(len(response)), response)
    return np.fft.irfft(spectrum * gains, len(samples))


def _echo(speech: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What the walls of a room send back: noise that falls by 60 dB in 0.15 to 0.9 s, from 3 to
    18 dB below the speech, and that is duller the later it comes."""
    length = int(_RATE * rng.uniform(0.15, 0.9))
    tail = decaying(length, rng)
    tail[: int(_RATE * rng.uniform(0.002, 0.02))] = 0.0
    dull = rng.uniform(0, 0.7)
    tail = tail + np.concatenate([[0.0], dull * tail[:-1]])
    tail *= 10 ** (-rng.uniform(3, 18) / 20) / np.sqrt(np.sum(tail**2) + 1e-12)
    return convolved(speech, tail)


def _coloured(count: int, others: Draw, rng: np.random.Generator) -> np.ndarray:
    """Noise with a slope between blue and brown, bent, and swelling slowly."""
    noise = np.fft.rfft(rng.standard_normal(count))
    noise /= np.maximum(np.arange(len(noise)), 20) ** rng.uniform(-0.3, 1.2)
    noise = _through(np.fft.irfft(noise, count), _response(rng) ** 2)
    points = rng.normal(0, rng.uniform(0, 4), max(2, count // 4000))
    swell = np.interp(np.linspace(0, len(points) - 1, count), np.arange(len(points)), points)
    return noise * 10 ** (swell / 20)


def _hum(count: int, others: Draw, rng: np.random.Generator) -> np.ndarray:
    """Mains or a fan: harmonics of a low tone, over some noise."""
    time = np.arange(count) / _RATE
    tone = rng.choice([50.0, 60.0, rng.uniform(80, 400)])
    orders = np.arange(1, int(rng.integers(3, 20)))
    parts = [
        rng.random() / order * np.sin(2 * np.pi * (tone * order * time + rng.random()))
        for order in orders
    ]
    noise = _coloured(count, others, rng)
    return np.sum(parts, axis=0) + noise * rng.uniform(0, 0.5) / (np.std(noise) + 1e-9)


def _babble(count: int, others: Draw, rng: np.random.Generator) -> np.ndarray:
    """Four to nine people, far away."""
    return np.sum([_echo(others(rng), rng) for _ in range(int(rng.integers(4, 10)))], axis=0)


def _clicks(count: int, others: Draw, rng: np.random.Generator) -> np.ndarray:
    """Keys and chairs: short bursts over quiet noise."""
    noise = _coloured(count, others, rng)
    noise *= 0.1 / (np.std(noise) + 1e-9)
    for _ in range(int(rng.integers(1, 12))):
        length = int(_RATE * rng.uniform(0.005, 0.08))
        burst = rng.standard_normal(length) * np.exp(-5 * np.arange(length) / length)
        at = int(rng.integers(max(1, count - length)))
        noise[at : at + length] += rng.uniform(0.3, 3) * burst[: count - at]
    return noise


_NOISES = _coloured, _hum, _babble, _clicks
_SHARES = 0.6, 0.15, 0.15, 0.1
