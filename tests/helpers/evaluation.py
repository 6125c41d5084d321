"""Recordings that are tones, and metrics that need no weights."""

from pathlib import Path

import numpy as np
import soundfile

from tts.errors import AudioError
from tts.eval.metrics import Metrics, WordCount

RATE = 16_000


def tone(hertz: float, seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    time = np.arange(int(seconds * rate)) / rate
    return (0.4 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def four_speakers(folder: Path, seconds: float = 0.5) -> Path:
    """Four speakers with eight recordings each; speaker n is a tone of 100 * n Hz."""
    lines = ["path\tspeaker\tsex\tseconds\ttext"]
    for speaker in range(1, 5):
        for take in range(8):
            path = f"s{speaker}-{take}.wav"
            soundfile.write(folder / path, tone(100.0 * speaker + take, seconds), RATE)
            text = f"speaker {'abcd'[speaker - 1]} says plain line {'klmnopqr'[take]}"
            lines.append(f"{path}\t{speaker}\t{'MF'[speaker % 2]}\t{3 + take}.0\t{text}")
    table = folder / "val.tsv"
    table.write_text("\n".join(lines) + "\n", "utf-8")
    return table


class FakeWords:
    name = "fake words"

    def __init__(self) -> None:
        self.heard = 0

    def transcribe(self, samples: np.ndarray) -> str:
        self.heard += 1
        return "speaker says plain line"  # two words fewer than every text has

    def count(self, text: str, hypothesis: str) -> WordCount:
        wanted, heard = text.split(), hypothesis.split()
        return WordCount(len(wanted) - len(heard), len(wanted), hypothesis)


class FakeVoices:
    """The pitch is the voice."""

    name = "fake voices"

    def embed(self, samples: np.ndarray) -> np.ndarray:
        spectrum = np.abs(np.fft.rfft(samples, RATE))
        return np.array([float(spectrum.argmax()), 1.0])

    def compare(self, a: np.ndarray, b: np.ndarray) -> float:
        return 1 - abs(float(a[0] - b[0])) / 1000


class FakeQuality:
    name = "fake quality"

    def score(self, samples: np.ndarray) -> float:
        if float(np.abs(samples).max()) == 0:
            raise AudioError("silence has no quality")
        return 4.0


def fakes() -> Metrics:
    return Metrics(FakeWords(), FakeVoices(), FakeQuality())
