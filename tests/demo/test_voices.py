"""The demo page's voices, sentences and words: what is kept, said again, judged; tiny models."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

gr = pytest.importorskip("gradio")

from tts.facade import TTS  # noqa: E402
from tts.types import Options  # noqa: E402
from tts.voice.store import stored_voices, user_folder  # noqa: E402
from tts_demo import judging, library, pronouncing, retakes  # noqa: E402
from tts_demo.speak import speak  # noqa: E402
from tts_demo.studio import Studio  # noqa: E402
from tts_demo.wish import Wish  # noqa: E402

THREE = "The birch canoe slid. Glue the sheet. Rice is served in bowls."
Recording = Callable[..., Path]


def refusal(work: Callable[[], Any]) -> str:
    """The one line of the error that a handler ends with."""
    with pytest.raises(gr.Error) as caught:
        work()
    message = str(caught.value.message)
    assert message and "\n" not in message and "--force" not in message
    return message


def test_one_sentence_is_said_again(studio: Studio) -> None:
    assert "speak a text first" in refusal(lambda: list(retakes.again(studio, "s", 0, 5)))
    list(speak(studio, "s", Wish(THREE, "default"), lambda: Options(seed=3)))
    spoken = studio.spoken("s")
    model = TTS.load("default", "cpu")
    plain = model.synthesize(THREE, "default", seed=3)
    np.testing.assert_array_equal(spoken.audio().samples, plain.samples)
    last = list(retakes.again(studio, "s", 1, 77))[-1]
    assert "Sentence 2 said again" in last[0] and "sentence 2 with seed 77" in last[0]
    # As the command makes it with --take 2=77.
    other = model.synthesize(THREE, "default", seed=3, takes=((2, 77),))
    np.testing.assert_array_equal(spoken.audio().samples, other.samples)
    assert spoken.takes == ((2, 77),)
    _, sentences, seeds, players = retakes.chosen(studio, "s", 1)
    assert len(sentences.choices) == 3 and seeds.value == 77
    assert [seed for _, seed in seeds.choices] == [4, 77] and players.count("<audio") == 2
    # The history: back to the first take.
    list(retakes.use(studio, "s", 1, 4))
    np.testing.assert_array_equal(spoken.audio().samples, plain.samples)
    for number, seed in ((1, 5), (3, 4), (-1, 4), (None, 4), (1, "x")):
        refusal(lambda number=number, seed=seed: list(retakes.use(studio, "s", number, seed)))
    studio.forget("s")
    assert studio.last("s") is None


def test_a_text_that_was_stopped_is_not_kept(studio: Studio) -> None:
    steps = speak(studio, "s", Wish(" ".join([THREE] * 30), "default"), Options)
    for _ in range(4):
        next(steps)
    studio.stop("s")
    list(steps)
    assert studio.last("s") is None


def test_a_recording_is_judged(studio: Studio, recording: Recording, tmp_path: Path) -> None:
    def last(path: Path | None) -> str:
        return list(judging.judge(studio, "s", path and str(path), "default"))[-1]

    assert last(None) == ""
    clear = last(recording("clear.wav", seconds=8))
    assert clear.count("<meter") == 4 and "One person" in clear and str(tmp_path) not in clear

    def grade(html: str, name: str) -> str:
        return re.search(rf"{name}: [^']*, (poor|fair|good)'", html)[1]  # type: ignore[index]

    assert grade(clear, "Length") == "good" and grade(clear, "Not clipped") == "good"
    assert grade(last(recording("short.wav", seconds=1.3)), "Length") == "poor"
    assert grade(last(recording("loud.wav", seconds=8, gain=3.0)), "Not clipped") == "poor"
    assert grade(last(recording("low.wav", seconds=8, gain=0.002)), "Level") == "poor"
    for path, word in (
        (recording("long.wav", seconds=61), "60 s are the most"),
        (tmp_path / "gone", "not there"),
        (recording("quiet.wav", gain=0.0), "silent"),
    ):
        told = last(path)
        assert word in told and "<meter" not in told and str(tmp_path) not in told
    assert [key for key in studio._voices if key[0] == "s"], "encoded on the way"


@pytest.mark.parametrize("overlap", [True, False])
def test_several_people_are_told_at_once_or_in_turn(
    studio: Studio, recording: Recording, monkeypatch: pytest.MonkeyPatch, overlap: bool
) -> None:
    monkeypatch.setattr("tts.voice.judge.two_speakers", lambda *_: True)
    path = str(recording("two.wav", seconds=8))
    from tts.audio.reference import load_reference
    from tts.voice.judge import warnings_about

    lines = warnings_about(load_reference(path), None, overlap=overlap)  # type: ignore[arg-type]
    monkeypatch.setattr(studio, "voice", lambda *_: (None, lines))
    assert "More than one person" in list(judging.judge(studio, "s", path, "default"))[-1]


def test_a_clone_is_kept_renamed_and_deleted(
    studio: Studio, recording: Recording, tiny_home: Path
) -> None:
    wish = Wish("", "default", None, str(recording("me.wav")))

    def keep(name: str, consent: Any = True, wish: Wish = wish) -> str:
        return library.keep(studio, "s", wish, name, consent)

    assert "agreed" in refusal(lambda: keep("anna", False))
    assert "agreed" in refusal(lambda: keep("anna", "yes"))
    assert "no recording" in refusal(lambda: keep("anna", wish=Wish("", "default")))
    for name in ("", "../x", "-f", "a b", "x" * 65):
        assert "voice name" in refusal(lambda name=name: keep(name))
    assert "built-in" in refusal(lambda: keep("default"))
    assert not user_folder().is_dir() or not list(user_folder().iterdir())
    assert "Kept as anna" in keep(" anna ")
    assert "choose another name" in refusal(lambda: keep("anna"))
    assert "added" in library.describe("anna") and "choose" in library.describe("nobody")
    assert "<audio" in library.preview(studio, "s", "anna")
    assert "unknown" in refusal(lambda: library.preview(studio, "s", "nobody"))
    library.rename(studio, "anna", "berta")
    assert set(stored_voices()) == {"default", "berta"}
    refusal(lambda: library.rename(studio, "default", "x"))
    refusal(lambda: library.delete(studio, "default"))
    assert library.delete(studio, None) == gr.skip(), "the question was answered with no"
    assert set(stored_voices()) == {"default", "berta"}
    assert "deleted" in library.delete(studio, "berta")
    assert set(stored_voices()) == {"default"}


def test_visitors_from_elsewhere_change_nothing(tiny_home: Path, recording: Recording) -> None:
    studio = Studio(["default"], "cpu", library=False)
    wish = Wish("", "default", None, str(recording("me.wav")))
    for work in (
        lambda: library.keep(studio, "s", wish, "anna", True),
        lambda: library.delete(studio, "default"),
        lambda: pronouncing.keep(studio, "default", "GIF", "jif"),
        lambda: pronouncing.forget(studio, "default", "GIF"),
    ):
        assert "cannot be changed from here" in refusal(work)
    assert set(stored_voices()) == {"default"}
    studio.close()


def test_words_are_heard_and_kept(studio: Studio) -> None:
    def hear(word: str, said: str) -> str:
        return pronouncing.hear(studio, "s", "default", "default", word, said)

    assert "/dʒ" in hear("GIF", "[[dʒˈɪf]]") and "<audio" in hear("GIF", "jif")
    assert "ɡ" in hear("GIF", "")
    for word, said in (("", ""), ("GIF", "[[§]]"), ("GIF", "<b>"), ("GIF", "x" * 300)):
        refusal(lambda word=word, said=said: hear(word, said))
    assert "kept" in pronouncing.keep(studio, "default", "GIF", "[[dʒˈɪf]]")
    assert "/dʒ" in hear("GIF", ""), "texts follow"
    assert pronouncing.known(studio, "default").choices == [("GIF: [[dʒˈɪf]]", "GIF")]
    assert "forgotten" in pronouncing.forget(studio, "default", "GIF")
    assert not pronouncing.known(studio, "default").choices
    refusal(lambda: pronouncing.forget(studio, "default", "GIF"))
