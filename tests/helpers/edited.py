"""A recording whose words a tiny model hears, for tests of what edits it."""

import numpy as np
import pytest

import tts.voice.reading as reading
from tts import TTS
from tts.text.frontend import Frontend
from tts.text.symbols import N_SYMBOLS, SIL

SAID = "one two three four"
FRAMES = 6  # of a phone; 15 of the pauses at the ends and between "two" and "three"
PAUSE = 15


def layout() -> list[int]:
    """The phone of each frame of the recording."""
    phones = Frontend("en-us", pauses="none").one(SAID)
    out = [SIL] * PAUSE
    for number, (_, first, last) in enumerate(phones.words):
        out += [SIL] * PAUSE if number == 2 else []
        for phone in phones.ids[first:last]:
            out += [phone] * FRAMES
    return out + [SIL] * PAUSE


def hearing(monkeypatch: pytest.MonkeyPatch) -> TTS:
    """A model whose probe hears the words of the recording, whatever it sounds like; of the fixture
    `profiled_home`."""
    heard = layout()

    def scores(_: object, features: np.ndarray) -> tuple[np.ndarray, None]:
        out = np.full((len(features), N_SYMBOLS), -8.0, np.float32)
        for frame in range(len(features)):
            out[frame, heard[min(frame, len(heard) - 1)]] = -0.1
        return out, None

    monkeypatch.setattr(reading, "_scores", scores)
    monkeypatch.setattr("tts.editing.recording.speaks", lambda *_: True)
    monkeypatch.setattr("tts.editing.recording._STEADY_DB", -1.0)
    monkeypatch.setattr("tts.pipeline.acoustic.calibrate", lambda model, voice, *_: voice)
    model = TTS.load("default", "cpu")
    assert model.acoustic.shifts is not None
    model.acoustic.shifts.profile.phones = sorted({phone for phone in heard if phone != SIL})
    return model


def spoken() -> np.ndarray:
    """The recording: [N] at 16 kHz."""
    rng = np.random.default_rng(3)
    count = len(layout()) * 320
    t = np.arange(count) / 16000
    tone = sum(np.sin(2 * np.pi * 130 * k * t) / k for k in range(1, 9))
    return (0.1 * tone + 0.01 * rng.standard_normal(count)).astype(np.float32)


def unlike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take any words for those that are heard, such as those of another language."""
    monkeypatch.setattr("tts.editing.align.MOST_LOST", 99.0)
    monkeypatch.setattr("tts.editing.align._WORST_WORD", 99.0)
    monkeypatch.setattr("tts.editing.align._WORST_WORDS", 99.0)
    monkeypatch.setattr("tts.editing.align._DENSEST", 99.0)
