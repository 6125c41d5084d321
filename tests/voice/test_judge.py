"""What a recording seems to be: the measures on made signals, all of it with shipped weights."""

from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from tts import TTS
from tts.audio.reference import Reference
from tts.voice.judge import levels, two_speakers
from tts.voice.speaker import SpeakerEncoder

RATE = 16000
Samples = NDArray[np.float32]


def reference(samples: Samples) -> Reference:
    return Reference(samples.astype(np.float32), RATE, len(samples) / RATE, [])


def bursts(seconds: float = 6.0) -> Samples:
    """Sounds of a quarter of a second, as syllables are, with pauses."""
    rng = np.random.default_rng(0)
    t = np.arange(int(seconds * RATE))
    return (0.1 * rng.standard_normal(len(t)) * ((t // 4000) % 2 == 0)).astype(np.float32)


def in_a_room(samples: Samples, seconds: float, level: float) -> Samples:
    """`level` is that of the reverberation to the direct sound; it falls by 60 dB in `seconds`."""
    rng = np.random.default_rng(1)
    tail = rng.standard_normal(int(RATE * seconds))
    tail *= np.exp(-6.9 * np.arange(len(tail)) / len(tail))
    tail *= level / np.sqrt(np.square(tail).sum())
    tail[0] += 1
    size = len(samples) + len(tail)
    found = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)
    return found[: len(samples)].astype(np.float32)


def with_noise(samples: Samples, snr: float) -> Samples:
    noise = np.random.default_rng(2).standard_normal(len(samples))
    return (samples + noise * samples.std() * 10 ** (-snr / 20)).astype(np.float32)


def test_noise_narrows_the_range_of_levels() -> None:
    found = [levels(reference(with_noise(bursts(), snr)))[0] for snr in (0, 5, 10, 20, 30)]
    assert found == sorted(found)
    assert found[1] < 14 < found[3]


def test_rooms_slow_the_fall_of_levels() -> None:
    dry = levels(reference(bursts()))[1]
    small = levels(reference(in_a_room(bursts(), 0.3, 0.5)))[1]
    hall = levels(reference(in_a_room(bursts(), 2.5, 3.0)))[1]
    assert dry > small > 10 > hall


class _Told:
    """An encoder that takes the mean of the samples for the person."""

    def mel(self, samples: Tensor) -> Tensor:
        return samples[: len(samples) // 160 * 160].view(-1, 160).mean(1, keepdim=True)

    def __call__(self, windows: Tensor) -> Tensor:
        angle = windows.mean((1, 2))
        return torch.stack([angle.cos(), angle.sin()], 1)


def test_two_people_are_two_groups_of_windows() -> None:
    encoder = cast(SpeakerEncoder, _Told())
    one, other = torch.zeros(4 * RATE), torch.full((4 * RATE,), 1.5)
    near = torch.full((4 * RATE,), 0.3)
    assert two_speakers(encoder, torch.cat([one, other]))
    assert not two_speakers(encoder, torch.cat([one, near]))
    assert not two_speakers(encoder, torch.cat([one, one]))
    # A cough of somebody else is no second person, and a second tells nothing.
    assert not two_speakers(encoder, torch.cat([one, one, other[: RATE // 2]]))
    assert not two_speakers(encoder, one[:RATE])


def tones(notes: list[float], chord: tuple[float, ...] = (1.0,)) -> Samples:
    t = np.arange(RATE // 2) / RATE
    parts = [
        sum(
            np.sin(2 * np.pi * f * c * k * t) * np.exp(-t * k) / k for c in chord for k in (1, 2, 3)
        )
        for f in notes
    ]
    return (0.1 * np.concatenate(parts)).astype(np.float32)


@pytest.mark.speaks
def test_shipped_weights_tell_speech_from_other_sound() -> None:
    model = TTS.load("default", device="cpu")
    text = "The boat was tied to the old pier, and nobody knew who had left it there that night."

    def said(voice: str) -> Samples:
        audio = model.synthesize(text, voice).resampled(RATE)
        return audio.samples

    def judged(samples: Samples) -> list[str]:
        voices, heard = model.pipeline.voices, reference(samples)
        return voices.warnings(heard, voices.encode(heard, "heard"))

    first, second = said("default"), said("felix")
    assert judged(first) == []
    assert judged(second) == []
    assert judged(in_a_room(first, 0.25, 0.4)) == []
    size = min(len(first), len(second))
    together = (first[:size] + second[:size]) / 2
    for samples, words in (
        (with_noise(first, 3), "noise"),
        (in_a_room(first, 1.0, 2.0), "echo"),
        (np.concatenate([first, second]), "more than one person"),
        (together, "at once"),
        (np.random.default_rng(0).standard_normal(5 * RATE) * 0.1, "no speech"),
        (tones([440.0] * 10), "no speech"),
        (tones([262, 330, 392, 523, 440, 349, 294, 262, 330, 392]), "no speech"),
        (tones([131, 147, 165, 196, 131, 147, 165, 196], (1, 1.25, 1.5)), "no speech"),
    ):
        assert any(words in line for line in judged(samples))
