"""Arguments of the Python interface that are of a wrong kind: one clear error each, and no work."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tts import TTS
from tts.captions import to_srt
from tts.editing.recording import read_recording
from tts.errors import TextError, UsageError
from tts.provenance import provenance
from tts.types import Audio


@pytest.fixture
def tts(tiny_home: Path) -> TTS:
    return TTS.load("default", device="cpu")


WRONG_FLAGS = ("yes", "no", 1, 0, None, [], 0.5)
WRONG_NUMBERS = ("1", True, None, math.nan, math.inf, -1, [1], b"1")


def test_what_is_no_truth_value_is_refused(tts: TTS, tmp_path: Path) -> None:
    """A string such as "no" would count as true, and nobody would be told."""
    calls: dict[str, Callable[[Any], object]] = {
        "int8": lambda value: TTS.load("default", "cpu", value),
        "adapt": lambda value: tts.voice("default", adapt=value),
        "enhance": lambda value: tts.voice("default", enhance=value),
        "emoji": lambda value: tts.synthesize("Hi.", emoji=value),
        "progress": lambda value: tts.batch([("a", "Hi.")], tmp_path / "x", progress=value),
    }
    for name, call in calls.items():
        for value in WRONG_FLAGS:
            with pytest.raises(UsageError, match=f"{name} must be true or false"):
                call(value)
    assert not (tmp_path / "x").exists()
    assert TTS.load("default", "cpu", np.bool_(False)).int8 is False  # type: ignore[arg-type]


def test_what_is_no_number_of_the_range_is_refused(tts: TTS, tmp_path: Path) -> None:
    audio, voice = Audio(np.zeros(800, np.float32), 16000), tts.voice("default")
    samples = np.zeros(32000, np.float32)
    calls: dict[str, tuple[Callable[[Any], object], set[object]]] = {
        "strength": (lambda value: tts.voice("default", strength=value), set()),
        "calibration": (lambda value: tts.voice("default", calibration=value), {None}),
        "chunk_frames": (lambda value: tts.stream("Hi.", chunk_frames=value), set()),
        "workers": (lambda value: tts.batch([("a", "Hi.")], tmp_path / "x", workers=value), set()),
        "sample rate": (audio.resampled, set()),
        "sample_rate": (lambda value: read_recording(samples, value, 16000), {None}),
        "share": (lambda value: voice.mix(voice, value), set()),
        **{
            name: ((lambda value, name=name: tts.synthesize("Hi.", **{name: value})), other)
            for name, other in {
                "seed": set(), "speed": set(), "pitch": set(), "steps": {None},
                "guidance": {None}, "temperature": {None},
            }.items()
        },
    }  # fmt: skip
    for name, (call, taken) in calls.items():
        for value in WRONG_NUMBERS:
            if not isinstance(value, list) and value in taken:
                continue
            with pytest.raises(UsageError, match=name):
                call(value)
    assert not (tmp_path / "x").exists()
    # Ten thousand million rounds would be computed for years.
    with pytest.raises(UsageError, match="calibration"):
        tts.voice("default", calibration=10**10)
    assert audio.resampled(np.int64(8000)).sample_rate == 8000  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("out_dir", (5, None, b"x", "")),
        ("rows", (5, None)),
        ("timestamps", (5, None, "srt", True, [5], ["xyz"])),
        ("format", (5, None, True, "", "xyz")),
    ],
)
def test_what_a_batch_does_not_take(
    name: str, values: tuple[Any, ...], tts: TTS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    for value in values:
        given: dict[str, Any] = {"rows": [("a", "Hi.")], "out_dir": "x", name: value}
        with pytest.raises(UsageError, match=name.removesuffix("_dir")):
            tts.batch(**given)
    assert set(tmp_path.iterdir()) == before


def test_formats_of_a_batch_in_any_writing(tts: TTS, tmp_path: Path) -> None:
    for format in ("FLAC", ".flac", "flac"):
        (result,) = tts.batch([("a", "Hi.")], tmp_path / "x", format=format)
        assert result.file == "a.flac" and not result.error
    (wrong,) = tts.batch([("a", "Hi.", None, "slow")], tmp_path / "y")
    assert "tts.Options" in wrong.error


def test_texts_and_languages_that_are_none(tts: TTS) -> None:
    audio = tts.synthesize("Hi.")
    for wrong in (5, b"a", {"a": 1}, {"a"}):
        for call in (
            lambda value: tts.synthesize(value), lambda value: to_srt(audio.words, value),
            lambda value: provenance(tts, "default", value),
        ):  # fmt: skip
            with pytest.raises(TextError):
                call(wrong)
    for wrong in (5, b"de", ["de"]):
        with pytest.raises(UsageError, match="language"):
            tts.phonemize("a", wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"tts\.Options"):
        provenance(tts, "default", "a", {"seed": 1})  # type: ignore[arg-type]
