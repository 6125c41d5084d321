"""Requests that several cases make: sentences, texts of a table, requests of all kinds."""

import random
import time
from pathlib import Path

import numpy as np

from tts import TTS
from tts.voice.voice import Voice

SENTENCE = "The birch canoe slid on the smooth wooden planks today."  # 10 words
SENTENCES = (
    "Hello there.",
    "The birch canoe slid on the smooth planks.",
    "Is it so?",
    "Glue the sheet to the dark blue background.",
    "It's easy to tell the depth of a well.",
    "These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls.",
)
MIXED = (
    "Hello there.",
    "The birch canoe slid on the smooth planks.",
    "Is it so?",
    "Glue the sheet to the dark blue background, and wait. Then go on with the next one.",
    "It cost $3.50 on the 4th of July, 1999, and nobody knew why.",
)


def first_audio(tts: TTS, voice: Voice, text: str = SENTENCE, seed: int = 0) -> float:
    """Seconds to the first chunk, of which the rest is not computed."""
    begin = time.perf_counter()
    with tts.stream(text, voice, seed=seed) as stream:
        next(stream)
        return time.perf_counter() - begin


def texts(rows: int) -> list[str]:
    """Texts of one or two sentences, the same ones each time."""
    rng = random.Random(0)
    return [" ".join(rng.choices(SENTENCES, k=rng.choice([1, 1, 2]))) for _ in range(rows)]


def request(tts: TTS, number: int, folder: Path) -> None:
    """One request; its kind, text and options follow from its number."""
    rng = random.Random(number)
    text, options = rng.choice(MIXED), {"seed": number, "speed": rng.uniform(0.8, 1.3)}
    kind = number % 5
    if kind == 0:
        tts.synthesize(text, "default", **options).save(folder / "one.wav")
    elif kind == 1:
        for _ in tts.stream(text, "default", **options):
            pass
    elif kind == 2:
        with tts.stream(text * 3, "default", **options) as stream:
            next(stream)
    elif kind == 3:
        noise = np.random.default_rng(number).normal(0, 0.1, 3 * tts.config.sample_rate)
        tts.synthesize(text, tts.voice(noise.astype(np.float32)), **options)
    else:
        rows = [(f"{number}-{n}", MIXED[n], "default", options) for n in range(2)]
        assert not any(result.error for result in tts.batch(rows, folder / str(number)))
