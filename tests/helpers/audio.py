"""Signals that pass for speech, and files of them."""

from pathlib import Path

import numpy as np
import soundfile as sf

RATE = 16000


def talk(seconds: float, rate: int = RATE, level: float = 0.2) -> np.ndarray:
    """A harmonic tone in bursts of 0.35 s with pauses of 0.15 s."""
    t = np.arange(int(seconds * rate)) / rate
    tone = sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 6))
    return (level * tone * ((t % 0.5) < 0.35)).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE, subtype: str | None = None) -> Path:
    kind = {"opus": "OGG"}.get(path.suffix[1:])
    sf.write(path, samples, rate, format=kind, subtype="OPUS" if kind else subtype)
    return path
