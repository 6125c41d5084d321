"""The commands edit and continue: where their texts come from, what is told of empty ones."""

import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from tests.helpers.cli import Captured, no_output, one_line
from tests.helpers.edited import SAID, hearing, spoken
from tts import TTS
from tts.cli.main import run

Run = Callable[..., int]


@pytest.fixture
def tts(profiled_home: Path, monkeypatch: pytest.MonkeyPatch) -> TTS:
    model = hearing(monkeypatch)
    monkeypatch.setattr("tts.cli.edit.load_model", lambda *_: (model, 0.0))
    return model


@pytest.fixture
def said(tts: TTS, tmp_path: Path) -> Run:
    """Runs a command on a recording."""
    sf.write(tmp_path / "in.wav", spoken(), 16000)

    def command(name: str, *arguments: str) -> int:
        place = [str(tmp_path / "in.wav"), "-o", str(tmp_path / "out.wav")]
        return run([name, *place, *arguments])

    return command


def test_the_text_of_continue_comes_from_where_that_of_synthesize_does(
    said: Run, tmp_path: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "more.txt").write_text("Five six.")
    made = []
    for given in (["Five six."], ["-"], [], ["--text-file", "-"], ["--text-file", "more.txt"]):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"Five six.")))
        assert said("continue", *given, "-q") == 0
        made.append(sf.read(tmp_path / "out.wav")[0])
    for each in made[1:]:
        np.testing.assert_array_equal(made[0], each)


TOO_LONG = "a" * 100_001


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["continue", ""], ["text is empty"]),
        (["continue", TOO_LONG], ["100,000"]),
        (["continue", "x", "--text-file", "y"], ["one of them"]),
        (["continue", "x", "--from", " "], ["--from", "empty"]),
        (["continue", "x", "--from", "..."], ["--from"]),
        (["edit", "--from", "", "--to", "one"], ["--from", "empty"]),
        (["edit", "--from", SAID, "--to", ""], ["--to", "empty"]),
        (["edit", "--from", SAID, "--to", "..."], ["--to"]),
        (["edit", "--from", TOO_LONG, "--to", "one"], ["--from", "100,000"]),
        (["edit", "--from", SAID, "--to", TOO_LONG], ["--to", "100,000"]),
    ],
)
def test_texts_that_are_empty_or_too_long(
    arguments: list[str], words: list[str], said: Run, tmp_path: Path, capfd: Captured
) -> None:
    assert said(*arguments) == 2
    one_line(capfd, *words)
    assert no_output(tmp_path)


def test_the_line_of_status_is_short(said: Run, capfd: Captured) -> None:
    many = "five six seven eight nine ten eleven twelve thirteen fourteen " * 3
    assert said("continue", many) == 0
    *warnings, line = capfd.readouterr().err.splitlines()
    assert all(each.startswith("tts: warning: ") for each in warnings)
    assert len(line.split(": ", 1)[1]) < 200
    assert "five six" in line and "..." in line


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["edit"], "tts edit"),
        (["continue", "x.wav", "--bogus"], "tts continue"),
        (["synthesize", "x", "--steps", "many"], "tts synthesize"),
        (["voices", "add"], "tts voices add"),
        (["voices", "none"], "tts voices"),
        (["none"], "tts"),
        (["--bogus"], "tts"),
    ],
)
def test_wrong_usage_points_to_the_help_of_its_command(
    arguments: list[str], path: str, capfd: Captured
) -> None:
    assert run(arguments) == 2
    assert one_line(capfd).endswith(f"(see `{path} --help`)")
