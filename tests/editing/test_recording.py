"""What recordings may be edited: their kinds, what speaks against them, and how they are saved."""

import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import soundfile as sf
import torch

from tests.helpers.edited import SAID, hearing, spoken, unlike
from tts import TTS, Edited, Options
from tts.audio.reference import load_reference
from tts.cli.main import run
from tts.editing.recording import hears_speech
from tts.errors import AlignmentError, TextError, UsageError
from tts.losses.phone import PhoneProbe
from tts.text.symbols import N_SYMBOLS, SIL
from tts.types import Audio

Samples = np.ndarray
WANTED = SAID.replace("two", "seven")
ODD = "the recording: is odd"


@pytest.fixture
def tts(profiled_home: Path, monkeypatch: pytest.MonkeyPatch) -> TTS:
    model = hearing(monkeypatch)
    monkeypatch.setattr("tts.pipeline.prompt_encoder.warnings_about", lambda *_: [ODD])
    monkeypatch.setattr("tts.cli.edit.load_model", lambda *_: (model, 0.0))
    return model


@pytest.fixture
def sound() -> Samples:
    return spoken()


def changed(model: TTS, recording: Any, **values: Any) -> Edited:
    return model.edit(recording, SAID, WANTED, **values)


def continued(model: TTS, recording: Any, **values: Any) -> Edited:
    return model.extend(recording, "Five six.", **values)


Done = Callable[..., Edited]
BOTH = pytest.mark.parametrize("do", [changed, continued])


def wav(sound: Samples) -> bytes:
    buffer = io.BytesIO()
    sf.write(buffer, sound, 16000, "FLOAT", format="WAV")
    return buffer.getvalue()


@BOTH
@pytest.mark.parametrize(
    "given",
    [
        lambda sound: (sound, 16000),
        lambda sound: (16000, sound),
        lambda sound: {"array": sound, "sampling_rate": 16000},
        lambda sound: torch.from_numpy(sound),
        wav,
        lambda sound: io.BytesIO(wav(sound)),
        lambda sound: Audio(sound, 16000),
        lambda sound: Edited(sound, 16000),
        lambda sound: load_reference(sound, 16000, trim=False, target_dbfs=None),
    ],
)
def test_whatever_is_a_recording_for_a_voice_is_one_here(
    tts: TTS, sound: Samples, do: Done, given: Callable[[Samples], Any]
) -> None:
    edited = do(tts, given(sound))
    assert edited.sample_rate == 16000
    np.testing.assert_array_equal(edited.samples, do(tts, sound).samples)


@BOTH
def test_what_is_no_recording_or_several(tts: TTS, sound: Samples, do: Done) -> None:
    for wrong in ([(sound, 16000), (sound, 16000)], None, {"array": sound}):
        with pytest.raises(UsageError):
            do(tts, wrong)
    with pytest.raises(UsageError, match="16000 Hz, not the 8000"):
        do(tts, (sound, 16000), sample_rate=8000)
    do(tts, (sound, 16000), sample_rate=16000)
    tts.close()
    with pytest.raises(UsageError, match="closed"):
        do(tts, sound)


@pytest.mark.parametrize("given", [None, 5, b"one two", ["one two"]])
def test_what_is_no_text_is_an_error(tts: TTS, sound: Samples, given: Any) -> None:
    with pytest.raises(TextError, match="the text (must be a string|is bytes)"):
        tts.edit((sound, 16000), given, "one two")
    with pytest.raises(TextError, match="the text (must be a string|is bytes)"):
        tts.edit((sound, 16000), "one two", given)
    if not isinstance(given, list):  # which is pieces of a text
        for call in (tts.phonemize, lambda text: tts.extend((sound, 16000), text)):
            with pytest.raises(TextError, match="the text (must be a string|is bytes)"):
                call(given)


@pytest.mark.parametrize(
    ("do", "values"),
    [
        (changed, {"markup": "ssml"}),
        (changed, {"markup": "pauses"}),
        (changed, {"emoji": True}),
        (changed, {"takes": ((1, 5),)}),
        (continued, {"markup": "ssml"}),
        (continued, {"markup": "pauses"}),
    ],
)
def test_options_without_effect_are_refused(
    tts: TTS, sound: Samples, do: Done, values: dict[str, Any]
) -> None:
    (name,) = values
    for given in (values, {"options": Options(**values)}):
        with pytest.raises(UsageError, match=f"{name}=.* has no effect"):
            do(tts, sound, **given)


@pytest.mark.parametrize(
    ("do", "values"),
    [
        (changed, {"pitch": 1.5}),
        (continued, {"pitch": 0.7}),
        (continued, {"takes": ((1, 5),)}),
    ],
)
def test_options_with_an_effect(tts: TTS, sound: Samples, do: Done, values: dict[str, Any]) -> None:
    one, other = do(tts, sound), do(tts, sound, **values)
    assert len(one.samples) == pytest.approx(len(other.samples), abs=200)
    assert not np.array_equal(one.samples, other.samples)
    again = do(tts, sound, markup="plain")
    np.testing.assert_array_equal(again.samples, one.samples)


def test_emoji_are_said_after_a_recording(tts: TTS, sound: Samples) -> None:
    def count(emoji: bool) -> int:
        return len(tts.extend(sound, "Five 🎉 six.", emoji=emoji).words)

    assert count(True) > count(False) == 2


@BOTH
def test_what_speaks_against_a_recording_is_told(
    tts: TTS,
    sound: Samples,
    do: Done,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unlike(monkeypatch)
    loud = np.clip(20 * sound, -0.5, 0.5)
    with caplog.at_level(logging.WARNING, "tts"):
        found = do(tts, loud, language="de").warnings
    assert [line for line in found if "clipped" in line and line.startswith("the recording")]
    assert ODD in found and any("no voice trained in de" in line for line in found)
    assert [record.getMessage() for record in caplog.records] == list(found)
    assert do(tts, sound).warnings == do(tts, sound, language="en-gb").warnings == (ODD,)
    assert tts.edit(sound, SAID, SAID).warnings == (ODD,)


def test_commands_tell_it(
    tts: TTS,
    sound: Samples,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unlike(monkeypatch)
    source = tmp_path / "me.wav"
    sf.write(source, np.clip(20 * sound, -0.5, 0.5), 16000)
    out = ["-o", str(tmp_path / "out.wav"), "--language", "de"]
    for given in (
        ["edit", str(source), "--from", SAID, "--to", WANTED, *out],
        ["continue", str(source), "Five.", *out],
    ):
        assert run(given) == 0
        told = capsys.readouterr().err
        assert all(words in told for words in ("is clipped", "me.wav': is odd", "trained in de"))
        assert told.count("warning: ") == 3
        assert run([*given, "--json", "-q"]) == 0
        shown = capsys.readouterr()
        assert len(json.loads(shown.out)["warnings"]) == 3 and not shown.err


@BOTH
@pytest.mark.parametrize("said", [SAID, "hello there"])
def test_sound_without_speech_is_refused(
    tts: TTS, sound: Samples, do: Done, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tts.editing.recording.speaks", lambda *_: False)
    for attempt in (
        lambda: do(tts, sound),
        lambda: tts.edit(sound, said, said),
        lambda: tts.extend(sound, "Five.", said),
    ):
        with pytest.raises(AlignmentError, match="no speech is heard"):
            attempt()


@BOTH
def test_steady_sound_is_refused_whatever_the_probe_hears(
    tts: TTS, sound: Samples, do: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tts.editing.recording._STEADY_DB", 2.5)
    with pytest.raises(AlignmentError, match="no speech is heard"):
        do(tts, sound)
    syllables = 1 + 0.8 * np.sin(2 * np.pi * 4 * np.arange(len(sound)) / 16000)
    do(tts, (sound * syllables).astype(np.float32))


class _Probe:
    """A probe that takes the first channel of a frame for how much of it is speech, of so many
    phones."""

    def __init__(self, phones: int = 30):
        self.phones = phones

    def hidden(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return features

    def head(self, hidden: torch.Tensor) -> torch.Tensor:
        out = torch.full((*hidden.shape[:2], N_SYMBOLS), -9.0)
        phones = [n for n in range(N_SYMBOLS) if n != SIL][: self.phones]
        for frame in range(hidden.shape[1]):
            out[:, frame, phones[frame % self.phones]] = 9.0 * float(hidden[0, frame, 0])
            out[:, frame, SIL] = 0.0
        return out


@pytest.mark.parametrize(("speech", "heard"), [
    ((), False), ((0, 300),  True), ((900, 1200), True), ((430, 700), True), ((0, 20), False),
    ((1180, 1200), False),
])  # fmt: skip
def test_some_part_of_a_recording_is_speech(speech: tuple[int, ...], heard: bool) -> None:
    features = torch.zeros(1200, 3)
    if speech:
        features[slice(*speech)] = 1
    probe = cast(PhoneProbe, _Probe())
    assert hears_speech(probe, features, 0.02) is heard
    assert hears_speech(probe, features[:100], 0.02) is (heard and speech == (0, 300))


@pytest.mark.parametrize(("phones", "heard"), [(30, True), (12, True), (8, False), (1, False)])
def test_few_phones_are_tones(phones: int, heard: bool) -> None:
    """A short sentence may have no more phones than the entropy of 2.4 that 11 have."""
    probe = cast(PhoneProbe, _Probe(phones))
    assert hears_speech(probe, torch.ones(200, 3), 0.02) is heard
    assert hears_speech(probe, torch.ones(100, 3), 0.02), "too short to tell"


@pytest.mark.parametrize("extension", ["wav", "flac"])
@pytest.mark.parametrize(
    ("stored", "channels", "subtype"),
    [("PCM_16", 1, "PCM_16"), ("PCM_24", 1, "PCM_24"), ("PCM_16", 2, "PCM_24"),
     ("PCM_U8", 1, "PCM_16"), ("FLOAT", 1, "PCM_24")],
)  # fmt: skip
def test_files_are_as_fine_as_the_recording(
    tts: TTS, sound: Samples, tmp_path: Path, extension: str, stored: str, channels: int,
    subtype: str,
) -> None:  # fmt: skip
    source, out = tmp_path / "in.wav", tmp_path / f"out.{extension}"
    given = np.stack([sound, 0.7 * sound], 1)[:, :channels]
    sf.write(source, given, 16000, stored)
    before = sf.read(source, always_2d=True)[0].mean(1)
    edited = changed(tts, source)
    edited.save(out)
    buffer = io.BytesIO()
    edited.save(buffer, extension)
    assert buffer.getvalue() == edited.to_bytes(extension) == out.read_bytes()
    assert sf.info(out).subtype == subtype and sf.info(out).channels == 1
    found = sf.read(out)[0]
    for kept in edited.kept:
        part = found[kept.out : kept.out + kept.end - kept.source]
        gap = np.abs(part - before[kept.source : kept.end]).max()
        assert gap <= (2**-24 if stored == "FLOAT" else 0)


def test_lossy_formats_are_as_of_other_audio(tts: TTS, sound: Samples, tmp_path: Path) -> None:
    edited = changed(tts, sound)
    edited.save(tmp_path / "out.mp3")
    assert sf.info(tmp_path / "out.mp3").samplerate == 16000
    for wrong in ("exe", 5):
        with pytest.raises(UsageError, match="format"):
            edited.to_bytes(cast(str, wrong))


@pytest.mark.speaks
def test_shipped_weights_refuse_what_is_no_speech() -> None:
    model = TTS.load("default", "cpu")
    text = "The boat was tied to the old pier, and nobody knew who had left it there."
    said = model.synthesize(text)
    rng, count = np.random.default_rng(0), 5 * said.sample_rate
    time = np.arange(count) / said.sample_rate
    notes = np.array([262, 330, 392, 523, 440, 349, 294, 262, 330, 392])[(2 * time).astype(int)]
    melody = np.zeros(count)
    for k in (1, 2, 3):
        melody += 0.1 / k * np.sin(2 * np.pi * k * notes * time) * np.exp(-k * (time % 0.5))
    for samples in (
        0.1 * rng.standard_normal(count),
        0.01 * rng.standard_normal(count),
        0.2 * np.sin(2 * np.pi * 440 * time),
        melody,
        0.1 * np.sign(np.sin(2 * np.pi * 50 * time)) + 0.003 * rng.standard_normal(count),
    ):
        given = (samples.astype(np.float32), said.sample_rate)
        for words in ("hello there my friend", text):
            with pytest.raises(AlignmentError):
                model.edit(given, words, words + " and more")
        with pytest.raises(AlignmentError):
            model.extend(given, "And so on.")
    edited = model.edit(said, text, text.replace("old", "new"))
    assert model.extend(edited, "And so on.").seconds > said.seconds


def test_a_take_of_a_sentence_that_is_not_there(tts: TTS, sound: Samples) -> None:
    with pytest.raises(UsageError, match="take"):
        continued(tts, (sound, 16000), takes=((2, 5),))


@BOTH
def test_what_goes_beyond_full_scale_is_told(
    do: Done, tts: TTS, sound: Samples, tmp_path: Path
) -> None:
    """Values of floats may be any; files of the result end at 1, so that all else is cut there."""
    louder = (10 ** (30 / 20) / np.abs(sound).max() * sound).astype(np.float32)
    for given in ((louder, 16000), wav(louder)):
        (line,) = [each for each in do(tts, given).warnings if "full scale" in each]
        assert "30 dB" in line
    quiet = (0.9 / np.abs(sound).max() * sound).astype(np.float32)
    assert not [each for each in do(tts, (quiet, 16000)).warnings if "full scale" in each]
