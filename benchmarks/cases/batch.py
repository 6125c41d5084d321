"""Throughput of `TTS.batch` for 1 to 32 rows."""

import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf

from benchmarks.harness import shapes
from benchmarks.harness.requests import texts
from benchmarks.harness.row import Context, Goal, Row
from benchmarks.harness.timing import ratio
from tts import TTS

SIZES = (1, 2, 32) if shapes.SMOKE else (1, 2, 4, 8, 16, 32)


def prepare(context: Context) -> Row:
    """The same rows, so many at a time."""
    tts = TTS.load("default", context.device)
    voice = tts.voice("default")
    said = texts(32)

    def speak(rows: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            found = tts.batch([(str(n), said[n], voice) for n in range(rows)], folder)
        assert not any(result.error for result in found)
        return sum(result.seconds for result in found)

    def check() -> None:
        with tempfile.TemporaryDirectory() as folder:
            tts.batch([(str(n), said[n], voice) for n in range(2)], folder)
            samples, rate = sf.read(Path(folder) / "1.wav", dtype="float32")
        alone = tts.synthesize(said[1], voice).samples
        assert rate == tts.sample_rate and np.isfinite(samples).all()
        assert abs(len(samples) - len(alone)) < 0.05 * rate, "another length in a batch"

    runs = {f"{rows} rows": (lambda rows=rows: speak(rows)) for rows in SIZES}
    return Row(
        "Batches of 1 to 32 rows, model `default`",
        "s of audio",
        runs,
        check,
        [
            Goal(
                "a row of 32 by one alone, CPU",
                lambda costs: ratio(costs["32 rows"], costs["1 rows"]),
                1.0,
                at_least=False,
            )
        ],
        "CPU is the real-time factor; the first of the texts is a short one.",
        scale=1.0,
        warm=0,
    )
