"""`tts eval` with a tiny model: what is timed, what is told of a run, what is published."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import Captured, one_line
from tests.helpers.evaluation import RATE, fakes, four_speakers, tone
from tts.cli import evaluate
from tts.cli.main import run
from tts.eval import command
from tts.eval.cases import build_cases, main, save_cases
from tts.eval.run import Prepares
from tts.facade import TTS
from tts.types import Options


@pytest.fixture
def cases(tmp_path: Path, tiny_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cases.json"
    save_cases(build_cases(four_speakers(tmp_path, 1.5), 2, 1), path)
    monkeypatch.setattr(command, "load_metrics", lambda *_, **__: fakes())
    return path


def test_without_a_terminal_lines_tell_how_far_it_is(
    cases: Path, tmp_path: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter(range(0, 10**9, 20))
    monkeypatch.setattr("tts.progress.time.monotonic", lambda: next(seconds))
    arguments = ["--cases", str(cases), "--model", "default", "--plots", "0"]
    assert run(["eval", *arguments, "-o", str(tmp_path / "out"), "--device", "cpu"]) == 0
    told = capfd.readouterr().err
    assert "default: 1 of 2 items after" in told and "\r" not in told


def test_voices_are_made_once_and_before_they_are_needed(
    tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    four_speakers(tmp_path, 1.5)
    made: list[Path] = []
    voice = TTS.voice

    def counted(self: TTS, source: Any, **options: Any) -> Any:
        made.extend([source] if isinstance(source, Path) else [])  # a Voice is one already
        return voice(self, source, **options)

    monkeypatch.setattr(TTS, "voice", counted)
    speaker = evaluate._synthesizers(Options(), "cpu")("default")
    assert isinstance(speaker, Prepares)
    one, other = tmp_path / "s1-0.wav", tmp_path / "s2-0.wav"
    for reference in (one, other, one):
        speaker.prepare(reference)
    assert made == [one, other]
    samples, rate, *_ = speaker("One two.", one, 0)  # type: ignore[operator]
    assert len(samples) and rate and made == [one, other]


def test_what_decides_figures_is_kept(cases: Path, tmp_path: Path, tiny_home: Path) -> None:
    told = ["--set", "sway=0.5", "--set", "steps=9", "--steps", "1", "--guidance", "1.5"]
    measured = ["eval", "--cases", str(cases), "-o", str(tmp_path / "out"), "--plots", "0"]
    given = [*measured, "--model", "default", *told, "--device", "cpu", "--compute-type", "int8"]
    assert run([*given, "--speed", "1.5", "--name", "quick"]) == 0
    settings = json.loads((tmp_path / "out/default/report.json").read_text())["settings"]
    assert settings["speed"] == 1.5 and settings["device"] == "cpu"
    assert settings["sampling"] == {"sway": "0.5", "steps": "1", "guidance": "1.5"}
    # An automatic device is told as the one it was.
    assert run([*measured, "--model", "default", "--steps", "1"]) == 0
    settings = json.loads((tmp_path / "out/default/report.json").read_text())["settings"]
    assert settings["device"] in ("cpu", "cuda") and settings["sampling"] == {"steps": "1"}
    assert run([*given, "--name", "quick", "--publish"]) == 0
    kept = json.loads((tiny_home / "configs/systems/scores/quick.json").read_text())
    assert kept["settings"]["sampling"]["steps"] == "1" and kept["settings"]["speed"] == 1.0
    assert kept["metrics"]["wer"] == "fake words"
    assert kept["command"] == (
        "tts eval --cases cases.json --model default --compute-type int8 --device cpu "
        "--set sway=0.5 --set steps=9 --set steps=1 --set guidance=1.5 --name quick --publish"
    )


def test_another_speed_is_not_published(
    cases: Path, tmp_path: Path, tiny_home: Path, capfd: Captured
) -> None:
    given = ["eval", "--cases", str(cases), "-o", str(tmp_path / "out"), "--model", "default"]
    assert run([*given, "--speed", "1.5", "--publish"]) == 2
    one_line(capfd, "--speed 1")
    assert not list(tiny_home.rglob("scores.json")) and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--model", "default", "--models", "default,defualt"], "did you mean 'default'"),
        (["--model", "default", "--set", "stepz=3"], "stepz"),
        (["--resynthesis", "--model", "vocoder", "--model", "vocodr"], "did you mean 'vocoder'"),
        (["--resynthesis", "--model", "vocoder", "--model", "speaker"], "neither a codec"),
        (["--resynthesis", "--model", "vocoder", "--adapt"], "--adapt would have no effect"),
        (["--resynthesis", "--model", "vocoder", "--speed", "1.5"], "--speed 1.5 would have"),
        (["--resynthesis", "--model", "vocoder", "--steps", "8"], "steps=8 would have"),
        (["--resynthesis", "--model", "vocoder", "--set", "top_p=1"], "top_p=1 would have"),
        (
            ["--resynthesis", "--model", "vocoder", "--adapt", "--strength", "0.5"],
            "--adapt, --strength would have",
        ),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_measured(
    cases: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: Captured,
    given: list[str],
    words: str,
) -> None:
    monkeypatch.setattr(command, "load_metrics", pytest.fail)
    assert run(["eval", "--cases", str(cases), "-o", str(tmp_path / "out"), *given]) in (1, 2)
    one_line(capfd, words)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["vocoder", "features", "dmel"])
def test_recordings_are_resynthesised(cases: Path, tmp_path: Path, name: str) -> None:
    given = ["eval", "--cases", str(cases), "-o", str(tmp_path / "out"), "--plots", "0"]
    assert run([*given, "--resynthesis", "--model", name, "--seed", "1"]) == 0
    assert (tmp_path / "out" / name / "report.json").is_file()


def test_a_case_list_does_not_replace_its_table(tmp_path: Path, capfd: Captured) -> None:
    table = four_speakers(tmp_path)
    before = table.read_bytes()
    given = [str(table), "-o", str(tmp_path / "." / "val.tsv")]
    assert run(["eval", "cases", *given]) == 2
    one_line(capfd, "would replace what is read")
    assert main(given) == 2 and "would replace what is read" in capfd.readouterr().err
    assert table.read_bytes() == before


def test_a_table_that_cannot_be_written_is_one_line(
    cases: Path, tmp_path: Path, capfd: Captured
) -> None:
    (tmp_path / "out" / "comparison.md").mkdir(parents=True)
    given = ["eval", "--cases", str(cases), "-o", str(tmp_path / "out"), "--plots", "0"]
    assert run([*given, "--resynthesis", "--model", "features", "--model", "dmel"]) != 0
    err = capfd.readouterr().err
    assert "comparison.md: Is a directory" in err and "Traceback" not in err


def test_the_same_command_goes_on(
    cases: Path,
    tmp_path: Path,
    tiny_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: Captured,
) -> None:
    said: list[str] = []

    def load(name: str) -> Any:
        def voice(text: str, reference: Path, seed: int) -> Any:
            said.append(text)
            if len(said) == 2:
                raise KeyboardInterrupt
            return tone(300.0), RATE, None

        return voice

    monkeypatch.setattr(evaluate, "_synthesizers", lambda *_: load)
    given = ["eval", "--cases", str(cases), "-o", str(tmp_path / "out"), "--plots", "0"]
    given += ["--model", "default", "--device", "cpu"]
    assert run(given) == 130
    assert run(given) == 0 and len(said) == 3
    assert "default: 1 of 2 items are those of an earlier run" in capfd.readouterr().err
    assert run(given) == 0 and len(said) == 3
    assert run([*given, "--again"]) == 0 and len(said) == 5
    # Words that are said otherwise, and other sampling, make other speech.
    assert run(["lexicon", "add", "plain", "plane"]) == 0
    assert run(given) == 0 and len(said) == 7
    assert run([*given, "--guidance", "1.5"]) == 0 and len(said) == 9
    assert run([*given, "--guidance", "1.5"]) == 0 and len(said) == 9


def test_a_codec_that_is_done_is_not_run_again(
    cases: Path, tmp_path: Path, tiny_home: Path, capfd: Captured
) -> None:
    given = ["eval", "--cases", str(cases), "-o", str(tmp_path / "out"), "--plots", "0"]
    given += ["--resynthesis", "--model", "features"]
    assert run(given) == 0 and "earlier run" not in capfd.readouterr().err
    assert run(given) == 0 and "features: 2 of 2 items" in capfd.readouterr().err
