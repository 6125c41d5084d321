"""The shipped weights speak: an independent recogniser must understand them.

The recogniser and two recordings come inside the package moonshine-voice, so nothing is downloaded
when the test runs.
"""

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tts.eval.normalize import normalize
from tts.facade import TTS
from tts.types import Options
from tts.voice.voice import Voice

pytestmark = pytest.mark.speaks

ROOT = Path(__file__).parent.parent
WORST_WORD_ERROR = 0.25  # on a few sentences; babble has 1
# Of the kind of the Harvard sentences (IEEE 1969): phonetically balanced, hard to guess.
SENTENCES = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
    "It's easy to tell the depth of a well.",
    "These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls.",
    "The juice of lemons makes fine punch.",
    "The box was thrown beside the parked truck.",
    "Four hours of steady work faced us.",
    "A large size in stockings is hard to sell.",
    "The boy was there when the sun rose.",
)


def missing_weights() -> list[str]:
    """Parts of the default model that are not in checkpoints/ yet."""
    from tts.config import load_model_config

    config = load_model_config(ROOT / "configs" / "systems" / "default.yaml")
    parts = (config.generator, config.durations, config.vocoder, config.speaker)
    return [
        part for part in parts if not (ROOT / "checkpoints" / part / "model.safetensors").is_file()
    ]


@pytest.fixture(scope="module", autouse=True)
def shipped() -> None:
    """Skips only while weights are not shipped; never when they are."""
    if missing := missing_weights():
        pytest.skip(f"no weights in checkpoints/ yet: {', '.join(missing)}")


@cache
def synthesizer(model: str = "default") -> TTS:
    return TTS.load(model, "cpu")


@pytest.fixture(scope="module")
def hear() -> Callable[[np.ndarray, int], str]:
    """(samples, rate) to words, by the recogniser in moonshine-voice."""
    from moonshine_voice import ModelArch, Transcriber, get_assets_path

    recogniser = Transcriber(str(get_assets_path() / "tiny-en"), ModelArch.TINY)

    def listen(samples: np.ndarray, rate: int) -> str:
        # Silence around: the recogniser's own speech detector wants an edge.
        padded = np.pad(samples, rate // 2).astype(float).tolist()
        lines = recogniser.transcribe_without_streaming(padded, rate).lines
        return " ".join(line.text for line in lines)

    return listen


def recorded(name: str) -> Path:
    from moonshine_voice import get_assets_path

    return Path(get_assets_path()) / name


def word_error(said: list[str], heard: list[str]) -> float:
    """Errors of all sentences over all their words."""
    import jiwer

    return float(jiwer.wer([normalize(s) for s in said], [normalize(h) for h in heard]))


def test_recogniser_understands_a_real_recording(
    hear: Callable[[np.ndarray, int], str],
) -> None:
    """Else the other figures would say nothing about the voices."""
    from tts.eval.metrics import read_audio

    heard = hear(*read_audio(recorded("beckett.wav")))
    text = "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."
    assert word_error([text], [heard]) < 0.3, heard


def voices() -> list[str]:
    """All built-in voices, and clones of both recordings."""
    folder = ROOT / "checkpoints" / "voices"
    built_in = sorted(path.stem for path in folder.glob("*.safetensors"))
    return [*built_in, "clone of two_cities.wav", "clone of beckett.wav"]


def test_there_are_built_in_voices() -> None:
    assert "default" in voices()
    assert len(voices()) - 2 >= 4


Hear = Callable[[np.ndarray, int], str]


def said(model: TTS, voice: Voice, hear: Hear, label: str) -> tuple[float, str]:
    """Word error of all sentences, and what was heard."""
    heard, seconds, begin = [], 0.0, time.perf_counter()
    for number, sentence in enumerate(SENTENCES):
        audio = model.synthesize(sentence, voice, Options(seed=number))
        assert 1.0 < audio.seconds < 8.0, f"{audio.seconds:.1f} s for {sentence!r}"
        seconds += audio.seconds
        heard.append(hear(audio.samples, audio.sample_rate))
    error = word_error(list(SENTENCES), heard)
    elapsed = time.perf_counter() - begin
    print(f"{label}: word error {error:.1%}, {seconds:.0f} s of audio in {elapsed:.0f} s")
    return error, "\n".join(heard)


@pytest.mark.parametrize("name", voices())
def test_voice_is_understood(name: str, hear: Hear) -> None:
    model = synthesizer()
    if name.startswith("clone of "):
        voice = model.voice(recorded(name.removeprefix("clone of ")))
    else:
        voice = model.voice(name)
    error, heard = said(model, voice, hear, name)
    assert error < WORST_WORD_ERROR, heard


@pytest.mark.parametrize("name", ["ar", "ar_latent", "ar_rvq", "diffusion", "masked"])
def test_family_is_understood(name: str, hear: Hear) -> None:
    model = synthesizer(name)
    error, heard = said(model, model.voice("default"), hear, name)
    assert error < WORST_WORD_ERROR, heard
