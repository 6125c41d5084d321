"""Voices as if they had been fitted to a tiny random model."""

import numpy as np
import torch

from tts import TTS
from tts.text.symbols import phones_to_ids
from tts.tuning.low_rank import compress
from tts.voice.voice import Tuning, Voice

TEXT = "Hello there, my friend."
PHONES = phones_to_ids("aeiouptkbdmnslh")  # of the profile in conftest.py


def noise(seed: int, seconds: float = 4.0) -> np.ndarray:
    """A buzz in syllables, another for each seed."""
    t = np.arange(int(seconds * 16000)) / 16000
    rng = np.random.default_rng(seed)
    tone = sum(
        np.sin(2 * np.pi * (90 + 20 * seed) * k * t) * rng.uniform(0.2, 1) / k for k in range(1, 20)
    )
    return (0.1 * tone * (np.sin(2 * np.pi * 3 * t) > -0.7)).astype(np.float32)


def fitted(model: TTS, seed: int, size: float = 0.05) -> Voice:
    """A voice with random factors, as if it had been adapted."""
    rng = torch.Generator().manual_seed(seed)
    learned = {
        name: size * torch.randn(value.shape, generator=rng)
        for name, value in model.acoustic.generator.named_parameters()
        if "content" in name
    }
    assert model.acoustic.shifts is not None
    voice = model.voice(noise(seed))
    return voice.tuned(Tuning(model.acoustic.shifts.generator, None, compress(learned, 200_000)))
