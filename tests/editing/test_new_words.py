"""What new words sound like beside a recording, and transcripts that it does not say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.helpers.edited import PAUSE, SAID, hearing, spoken
from tts import TTS
from tts.editing.render import Rendered, render
from tts.editing.splice import Clip, Splicer
from tts.errors import AlignmentError
from tts.text.user_lexicon import add_word


@pytest.fixture
def tts(profiled_home: Path, monkeypatch: pytest.MonkeyPatch) -> TTS:
    return hearing(monkeypatch)


@pytest.fixture
def sound() -> np.ndarray:
    return spoken()


def test_both_texts_are_read_with_the_lexicon(tts: TTS, sound: np.ndarray) -> None:
    add_word("en-us", "wun", "one")
    add_word("en-us", "thirty", "[[\u03b8\u0279\u02c8i\u02d0]]")
    said = "wun two thirty four"
    edited = tts.edit(sound, said, said)
    assert not edited.changes
    np.testing.assert_array_equal(edited.samples, sound)
    (change,) = tts.edit(sound, said, "wun nine thirty four").changes
    assert change.new == ("nine",)
    assert tts.extend(sound, "Five.", said).words


@pytest.mark.parametrize(
    "said",
    [
        "zero and so he said to me one two three four",
        "one two and so he said to me three four",
        "one two three four that evening at the river",
    ],
)
def test_words_that_have_no_time_to_be_said_are_refused(
    tts: TTS, sound: np.ndarray, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them is too short to tell anything alone."""
    monkeypatch.setattr("tts.editing.align.MOST_LOST", 99.0)
    with pytest.raises(AlignmentError, match="not heard where the transcript has it"):
        tts.edit(sound, said, SAID)


@pytest.mark.parametrize("module", ["edit", "extend"])
@pytest.mark.parametrize("level", [1.0, 0.1, 0.02])
def test_new_words_are_as_quiet_as_the_recording(
    tts: TTS, sound: np.ndarray, module: str, level: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hum(*given: Any) -> Rendered:
        made = render(*given)
        time = torch.arange(len(made.samples))
        return replace(made, samples=0.5 * torch.sin(0.05 * time))

    monkeypatch.setattr(f"tts.editing.{module}.render", hum)
    quiet = level * sound
    if module == "edit":
        edited = tts.edit(quiet, SAID, "one seven three four")
    else:
        edited = tts.extend(quiet, "Five.", SAID)
    first = next(word for word in edited.words if word.text.lower() in ("seven", "five"))
    part = edited.samples[round(16000 * first.start) : round(16000 * first.end)]
    wanted = np.sqrt(np.square(quiet[4800:-4800]).mean())
    assert np.sqrt(np.square(part).mean()) == pytest.approx(wanted, rel=0.3)


def test_the_room_is_heard_between_and_after_sentences(
    tts: TTS, sound: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hum(*given: Any) -> Rendered:
        made = render(*given)
        time = torch.arange(len(made.samples))
        return replace(made, samples=0.1 * torch.sin(0.5 * time))

    monkeypatch.setattr("tts.editing.extend.render", hum)
    longer = tts.extend(sound, "Five six. Seven! Eight nine.", SAID)
    begin = longer.kept[-1].out + longer.kept[-1].end - longer.kept[-1].source + 400
    frames = longer.samples[begin : begin + (len(longer.samples) - begin) // 160 * 160]
    levels = np.sqrt(np.square(frames.reshape(-1, 160)).mean(1))
    assert levels[:-3].min() > 0.5 * levels.max()
    # It does not end in the middle of the sound.
    assert np.abs(longer.samples[-4:]).max() < 0.1 * levels.max()
    assert longer.seconds - longer.words[-1].end > 0.1


def test_a_new_last_word_is_said_to_its_end(
    tts: TTS, sound: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a recording that ends with its last word."""
    edited = tts.edit(sound[: -PAUSE * 320], SAID, "one two three nine")
    assert edited.seconds - edited.words[-1].end > 0.05
    assert np.abs(edited.samples[-2:]).max() < 0.01


def test_silence_goes_on_to_and_fro() -> None:
    splicer = Splicer(np.zeros(0, np.float32), 16000)
    made = np.arange(400, dtype=np.float32)
    splicer.add(Clip(0, 400, made))
    splicer.add_room_tone(3, 7)
    splicer.add_room_tone(3, -2)
    out, _ = splicer.result()
    assert out[400:].tolist() == [399, 398, 397, 397, 398, 399, 399]
    assert splicer.length == len(out)


def test_a_clip_as_short_as_its_fade_is_not_kept() -> None:
    """A stretch of no samples was told as kept."""
    sound = np.sin(np.arange(16000, dtype=np.float32) / 9)
    splicer = Splicer(sound, 16000)
    splicer.add(Clip(0, 4000))
    splicer.add(Clip(4000, 8000, sound))
    splicer.add(Clip(8000, 8100))
    out, kept = splicer.result()
    assert len(kept) == 1 and kept[0].length > 0
    np.testing.assert_array_equal(out[: kept[0].end], sound[: kept[0].end])
