"""Several recordings: each is judged alone, and what tells of another person or of none is named.

The encoder is a stub that takes the level of the first sample for the person and one that is
negative for noise."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch

from tts import TTS
from tts.audio.reference import UNNAMED, Reference
from tts.errors import SilentError, UsageError
from tts.pipeline.voices import encode_voice
from tts.voice.judge import NO_SPEECH, strangers
from tts.voice.voice import Voice

RATE = 16000


class _Encoder:
    """What a pipeline has as `voices`."""

    def encode(self, reference: Reference, name: str) -> Voice:
        angle = torch.tensor(float(reference.samples[0]))
        vector = torch.stack([angle.cos(), angle.sin()])
        return Voice(vector, torch.full((10, 4), float(reference.seconds)), name, {})

    def warnings(self, reference: Reference, voice: Voice) -> list[str]:
        # Of the join it would be other features than those of the recording alone.
        assert float(voice.features[0, 0]) == pytest.approx(reference.seconds)
        return [f"{NO_SPEECH}; give another"] if reference.samples[0] < 0 else []

    def enhanced(self, reference: Reference) -> Reference:
        return reference


def heard(value: float, name: str = "", seconds: float = 3.0) -> Reference:
    samples = np.full(int(seconds * RATE), value, np.float32)
    return Reference(samples, RATE, seconds, [], None, name)


def voice_of(
    *given: Reference,
    needs_transcript: bool = False,
    encoder: _Encoder | None = None,
    enhance: bool = True,
) -> Voice:
    can = SimpleNamespace(recording_rate=RATE, needs_transcript=needs_transcript)
    pipeline: Any = SimpleNamespace(voices=encoder or _Encoder(), capabilities=can, tuner=None)
    return encode_voice(pipeline, list(given), enhance=enhance)


def test_recordings_without_speech_are_left_out_and_named() -> None:
    speech, noise = heard(0.1, "'speech.wav'"), heard(-0.5, "'noise.wav'", 4.0)
    for given in ([speech, noise], [noise, speech]):
        voice = voice_of(*given)
        (line,) = voice.warnings
        assert line.startswith(NO_SPEECH.replace(UNNAMED, "'noise.wav'")) and "left out" in line
        assert float(voice.features[0, 0]) == 3.0
    assert voice_of(heard(0.1), heard(-0.5)).warnings[0].startswith("recording 2: ")
    # Where none speaks, or the words are those of all, none is better than another.
    for voice in (voice_of(noise, noise), voice_of(speech, noise, needs_transcript=True)):
        assert all("give another" in line for line in voice.warnings)
        assert float(voice.features[0, 0]) > 7
    # One that is alone is called by its name too, where it has one.
    (line,) = voice_of(noise).warnings
    assert line == f"{NO_SPEECH.replace(UNNAMED, noise.name)}; give another"
    assert voice_of(heard(-0.5)).warnings == (f"{NO_SPEECH}; give another",)


def test_silent_recordings_are_left_out_as_noise_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sound, silence = rng.uniform(0.1, 0.3, 3 * RATE).astype(np.float32), np.zeros(2 * RATE)
    can = SimpleNamespace(recording_rate=RATE, needs_transcript=False)
    pipeline: Any = SimpleNamespace(voices=_Encoder(), capabilities=can, tuner=None)
    path = tmp_path / "still.wav"
    sf.write(path, silence, RATE)
    for given in ([str(path), (sound, RATE)], [(sound, RATE), path]):
        voice = encode_voice(pipeline, given)
        (line,) = [each for each in voice.warnings if "silent" in each]
        assert line.startswith(f"{str(path)!r}: silent") and "it is left out" in line
        alone = encode_voice(pipeline, (sound, RATE))
        assert torch.equal(voice.features, alone.features)
    with pytest.raises(SilentError, match="still.wav.*holds no speech$"):
        encode_voice(pipeline, [path, (silence, RATE)])
    with pytest.raises(UsageError, match="not found"):
        encode_voice(pipeline, [path, tmp_path / "missing.wav"])


def test_a_voice_is_made_without_noise_and_judged_with_it() -> None:
    """In the stub noise makes samples negative, and what is enhanced has twice the level."""

    class Enhancing(_Encoder):
        def enhanced(self, reference: Reference) -> Reference:
            return replace(reference, samples=2 * np.abs(reference.samples))

    for given in ([heard(-0.5)], [heard(-0.5), heard(-0.5)]):
        voice = voice_of(*given, encoder=Enhancing())
        angle = torch.tensor(1.0)
        assert torch.allclose(voice.speaker, torch.stack([angle.cos(), angle.sin()]))
        assert all(NO_SPEECH.replace(UNNAMED, "") in line for line in voice.warnings)
        assert voice.warnings
        plain = voice_of(*given, encoder=Enhancing(), enhance=False)
        assert torch.equal(plain.speaker, voice_of(*given).speaker)
        assert plain.warnings == voice.warnings


def test_recordings_of_other_people_are_told() -> None:
    man, woman = heard(0.1, "'man.wav'"), heard(1.4, "'woman.wav'")
    (line,) = voice_of(man, man, woman).warnings
    assert "'man.wav' and 'woman.wav'" in line and "different people" in line
    assert not voice_of(man, heard(0.4)).warnings
    assert not voice_of(man, heard(1.4, seconds=1.2)).warnings, "too short to tell"


@pytest.mark.parametrize(
    "values",
    [
        {"strength": "1"},
        {"strength": None},
        {"strength": 1.5},
        {"strength": float("nan")},
        {"strength": 1j},
        {"calibration": "x"},
        {"calibration": 1.5},
        {"calibration": True},
        {"calibration": -1},
        {"progress": 5},
    ],
)
def test_wrong_arguments_are_told_before_a_recording_is_read(
    values: dict[str, Any], tiny_home: Path
) -> None:
    (name,) = values
    with pytest.raises(UsageError, match=name):
        TTS.load("default", "cpu").voice("no.wav", **values)


def test_numbers_of_numpy_are_numbers(tiny_home: Path) -> None:
    numbers = {"strength": np.float32(0.5), "calibration": np.int64(0)}
    TTS.load("default", "cpu").voice("default", **numbers)  # type: ignore[arg-type]


def test_one_person_may_sound_in_many_ways() -> None:
    angles = torch.tensor([0.0, 1.2, 0.6])
    vectors = torch.stack([angles.cos(), angles.sin()], 1)
    assert strangers(vectors[:2]) == 1
    assert strangers(vectors) is None, "the third is like both"
