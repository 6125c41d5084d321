"""The demo page without a browser: what its handlers show, stop and refuse, on tiny models."""

import html
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

gr = pytest.importorskip("gradio")

from tests.helpers.demo import options, refusal, sound  # noqa: E402
from tts.errors import UsageError  # noqa: E402
from tts.facade import TTS  # noqa: E402
from tts.types import Options, Span  # noqa: E402
from tts_demo import limits, page  # noqa: E402
from tts_demo.ready import ready_codecs, ready_models  # noqa: E402
from tts_demo.speak import options_of, speak  # noqa: E402
from tts_demo.studio import Studio  # noqa: E402
from tts_demo.wish import Wish  # noqa: E402

TEXT = "The birch canoe slid on the smooth planks."


Recording = Callable[..., Path]


def test_limits_are_those_of_the_other_surfaces() -> None:
    from tts.serve.decode import MAX_BYTES, MAX_SECONDS
    from tts.serve.schema import MAX_CHARACTERS
    from tts.types import RANGES

    assert RANGES["speed"] == limits.SPEED and RANGES["pitch"] == limits.PITCH
    assert limits.MAX_CHARACTERS == MAX_CHARACTERS
    assert (limits.MAX_BYTES, limits.MAX_SECONDS) == (MAX_BYTES, MAX_SECONDS)


def test_the_page_needs_no_torch_to_start(tiny_home: Path) -> None:
    """Else it would not be usable within seconds."""
    code = (
        "import sys; from tts_demo.app import build; from tts_demo.ready import ready_models; "
        "from tts_demo.studio import Studio; build(Studio(ready_models())); "
        "sys.exit('torch was imported' if 'torch' in sys.modules else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr


def test_only_models_with_weights_are_offered(
    tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tiny_home / "configs" / "models"
    plain = (models / "default.yaml").read_text()
    (models / "absent.yaml").write_text(plain.replace("generator: flow", "generator: gone"))
    (models / "broken.yaml").write_text("name: [")
    (models / "another.yaml").write_text(plain)
    assert ready_models() == ["default", "another"]
    (models / "other.yaml").write_text(f"{plain}published: others\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert ready_models() == ["default", "another"]
    (tmp_path / "cache" / "tts" / "models" / "others-0123abcd").mkdir(parents=True)
    assert ready_models() == ["default", "another", "other"]


def test_codecs_are_found_without_pytorch(tiny_home: Path) -> None:
    from tts_codecs import names
    from tts_codecs.registry import KINDS

    assert set(limits.CODECS) == set(KINDS)
    assert ready_codecs() == names() == ["vocoder", "vocoder_24k"]
    (tiny_home / "checkpoints/vocoder/model.safetensors").unlink()
    assert ready_codecs() == ["vocoder_24k"]


def test_speaking_shows_words_and_ends_with_the_audio_of_the_api(studio: Studio) -> None:
    steps = list(speak(studio, "s", Wish(TEXT, "default"), options))
    status, shown = zip(*steps, strict=True)
    assert "Loading" in status[0] and "Done" in status[-1] and "First audio" in status[-1]
    audio = TTS.load("default", "cpu").synthesize(TEXT, "default", seed=3)
    samples, rate = sound(studio, status[-1])
    assert rate == audio.sample_rate
    np.testing.assert_allclose(samples, audio.samples, atol=1 / 32767)
    # It could be heard before all of it was there, at the address that the end has too.
    live = re.search("data-sound='([^']*)'", status[-1])
    assert live and sum(live[1] in each for each in status[:-1]) >= 2
    heard, _ = sound(studio, status[-1], "mp3")
    assert len(heard) / rate == pytest.approx(audio.seconds, abs=0.2)
    take = json.loads(html.unescape(re.search("data-take='([^']*)'", status[-1])[1]))  # type: ignore[index]
    assert (take["text"], take["seed"], take["model"]) == (TEXT, 3, "default")
    for word in ("birch", "canoe", "planks"):
        assert f">{word}</span>" in shown[-1]
    assert "data:image/png" in shown[-1] and "<path" in shown[-1]
    again = next(speak(studio, "s", Wish(TEXT, "default"), options))
    assert "Loading" not in again[0]


def test_a_recording_is_encoded_once_for_a_session(
    studio: Studio, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    encode = TTS.voice
    monkeypatch.setattr(TTS, "voice", lambda *a, **k: calls.append(1) or encode(*a, **k))
    wish = Wish(TEXT, "default", None, str(recording()), "seven words")
    first, second, built_in = (
        sound(studio, list(speak(studio, "a", each, options))[-1][0])[0]
        for each in (wish, wish, Wish(TEXT, "default"))
    )
    assert len(calls) == 1 + 0 + 1
    np.testing.assert_array_equal(first, second)
    assert first.shape != built_in.shape or not np.array_equal(first, built_in)
    studio.forget("a")
    assert not studio._voices


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text": ""}, ["empty"]),
        ({"text": "  \n"}, ["empty"]),
        ({"text": None}, ["empty"]),
        ({"text": "..."}, ["nothing"]),
        ({"text": "a" * 4097}, ["4,097", "4,096"]),
        ({"voice": None}, ["no voice"]),
        ({"voice": "nobody"}, ["nobody"]),
        ({"voice": "../../etc/passwd"}, ["unknown voice"]),
        ({"voice": "/tmp/x.safetensors"}, ["unknown voice"]),
        ({"model": "nothing"}, ["unknown model"]),
        ({"model": None}, ["choose a model"]),
    ],
)
def test_wrong_requests_are_one_clear_line(
    change: dict[str, Any], words: list[str], studio: Studio
) -> None:
    wish = Wish(**{"text": TEXT, "model": "default", **change})
    message = refusal(speak(studio, "s", wish, options))
    for word in words:
        assert word in message


def test_bad_recordings_are_told_without_folders(
    studio: Studio, tmp_path: Path, recording: Recording
) -> None:
    text = tmp_path / "notes.wav"
    text.write_text("not audio")
    for path, word in (
        (text, "not audio"),
        (recording("short.wav", seconds=0.4), "short.wav"),
        (recording("quiet.wav", gain=0.0), "silent"),
        (recording("long.wav", seconds=61), "61 s"),
        (tmp_path / "gone.wav", "not there any more"),
    ):
        message = refusal(speak(studio, "s", Wish(TEXT, "default", None, str(path)), options))
        assert word in message and str(tmp_path) not in message


def test_markup_in_text_and_errors_is_not_taken_as_such(studio: Studio) -> None:
    shown = page.words([Span("<img src=x onerror=alert(1)>", 0, 1)])
    assert "<img" not in shown and "&lt;img" in shown
    assert "<b>" not in page.status("<b>")
    message = refusal(speak(studio, "s", Wish(TEXT, "<i>x"), options))
    assert "<i>" not in message and "&lt;i&gt;" in message


def test_options_of_the_fields() -> None:
    assert options_of(1.2, 7, 0.9, None, None, None) == Options(7, 1.2, 0.9)
    assert options_of(1, None, 1, "4", " 2.5", "0") == Options(0, 1.0, 1.0, 4, 2.5, 0.0)
    assert options_of(1, 0, 1, "", " ", None) == Options()
    for values, word in (((3, 0, 1), "speed"), ((1, -1, 1), "seed"), ((1, 0, 9), "pitch")):
        with pytest.raises(UsageError, match=word):
            options_of(*values, None, None, None)
    for fields, word in (
        (("2.5", "", ""), "steps '2.5' is not a whole"),
        (("", "x", ""), "guidance"),
        (("", "", "nan"), "temperature"),
    ):
        with pytest.raises(UsageError, match=word):
            options_of(1, 0, 1, *fields)


def test_unexpected_errors_say_no_more_than_their_kind(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("/secret/folder")

    monkeypatch.setattr(TTS, "voice", broken)
    message = refusal(speak(studio, "s", Wish(TEXT, "default"), options))
    assert message == "unexpected ZeroDivisionError"


def test_stopping_ends_the_session_that_asked_and_no_other(studio: Studio) -> None:
    long = " ".join([TEXT] * 90)
    mine = speak(studio, "mine", Wish(long, "default"), options)
    other = speak(studio, "other", Wish(TEXT, "default"), options)
    for _ in range(4):
        next(mine)
        next(other)
    assert studio.stop("mine") == 1
    rest = list(mine)
    assert len(rest) <= 2 and "Stopped" in rest[-1][0]
    assert "Done" in list(other)[-1][0]
    assert studio.stop("mine") == 0 and not studio._tickets
    assert "Done" in list(speak(studio, "mine", Wish(TEXT, "default"), options))[-1][0]


def test_stopping_from_another_thread_while_it_computes(studio: Studio) -> None:
    steps = speak(studio, "s", Wish(" ".join([TEXT] * 90), "default"), options)
    for _ in range(3):
        next(steps)
    seen: list[Any] = []
    thread = threading.Thread(target=lambda: seen.extend(steps))
    thread.start()
    studio.stop("s")
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert "Stopped" in seen[-1][0] and "Done" not in seen[-1][0]


def test_a_request_that_is_dropped_leaves_nothing(studio: Studio) -> None:
    steps = speak(studio, "s", Wish(TEXT, "default"), options)
    for _ in range(3):
        next(steps)
    steps.close()
    assert not studio._tickets
    # Stopped before it began: no sound is made.
    steps = speak(studio, "s", Wish(TEXT, "default"), options)
    next(steps)
    studio.stop("s")
    assert not [step for step in steps if "data-sound" in step[0]]
