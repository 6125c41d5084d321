"""The command line in a day's use: voices, models, speed, completion, the manual page."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main

from tts import TTS
from tts.bench import keeps_up, measure
from tts.cli.main import app, run
from tts.cli.manual import manual_page
from tts.errors import UsageError
from tts.voice.store import stored_voices, user_folder
from tts.voice.voice import Voice

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def anna(tiny_home: Path, recording: Callable[..., Path]) -> Path:
    """An added voice of this name."""
    path = user_folder() / "anna.safetensors"
    path.parent.mkdir(parents=True)
    voice = TTS.load("default", "cpu").voice(recording())
    voice.name = "anna"
    voice.meta |= {"sex": "F", "language": "en-gb"}
    voice.save(path)
    return path


def test_voices_are_shown(anna: Path, capfd: Capture) -> None:
    assert run(["voices", "list"]) == 0
    out = capfd.readouterr().out
    assert re.search(r"^anna +added +female, British English, of 3 s$", out, re.M)
    assert run(["voices", "list", "--json"]) == 0
    row = json.loads(capfd.readouterr().out)[0]
    assert (row["name"], row["sex"], row["accent"]) == ("anna", "female", "British English")
    assert row["sample"].startswith("tts voices sample anna")
    assert run(["voices", "show", "anna"]) == 0
    out = capfd.readouterr().out
    assert "sex: female" in out and "seconds: 3.0" in out and str(anna) in out
    assert run(["voices", "show", "anna", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["meta"]["language"] == "en-gb"
    assert run(["voices", "show", "ana"]) == 2
    assert "did you mean 'anna'" in capfd.readouterr().err


def test_damaged_voices_are_told(anna: Path, capfd: Capture) -> None:
    anna.write_bytes(anna.read_bytes()[:-5])
    assert run(["voices"]) == 0
    assert "damaged" in capfd.readouterr().out
    assert run(["voices", "rename", "anna", "berta"]) == 1
    assert list(stored_voices()) == ["anna", "default"]


def test_rename(anna: Path, capfd: Capture) -> None:
    before = Voice.load(anna)
    assert run(["voices", "rename", "anna", "berta"]) == 0
    after = Voice.load(anna.with_stem("berta"))
    assert not anna.exists() and after.name == "berta"
    assert after.sha256 == before.sha256 and after.meta == before.meta
    for old, new in (
        ("berta", "default"),
        ("berta", "berta"),
        ("default", "x"),
        ("none", "x"),
        ("berta", "--x"),
        ("berta", "a/b"),
        ("berta", ""),
    ):
        assert run(["voices", "rename", "--", old, new]) == 2, (old, new)
        told = capfd.readouterr().err.strip().splitlines()[-1]
        assert told.startswith("tts: error:") and "--force" not in told
    assert list(stored_voices()) == ["berta", "default"]


def test_samples_and_mixtures(anna: Path, tmp_path: Path, capfd: Capture) -> None:
    out = tmp_path / "anna.flac"
    assert run(["voices", "sample", "anna", "-o", str(out)]) == 0
    assert out.stat().st_size > 500
    assert run(["voices", "sample", "nobody", "-o", str(out)]) == 2
    assert run(["voices", "mix", "anna", "default", "both", "--share", "0.25"]) == 0
    assert run(["voices", "mix", "anna", "default", "both"]) == 2
    kept = anna.read_bytes()
    assert run(["voices", "mix", "anna", "default", "anna", "--force"]) == 2
    assert run(["voices", "mix", "default", "anna", "anna", "--force"]) == 2
    assert anna.read_bytes() == kept, "a voice that is given is not replaced"
    assert run(["voices", "mix", "anna", "default", "both", "--share", "0.25", "--force"]) == 0
    assert run(["voices", "mix", "anna", "default", "more", "--share", "2"]) == 2
    assert list(stored_voices()) == ["anna", "both", "default"]
    capfd.readouterr()
    assert run(["voices", "show", "both"]) == 0
    assert "mixed: 0.75 anna" in capfd.readouterr().out


def warnings(capfd: Capture) -> list[str]:
    lines = capfd.readouterr().err.splitlines()
    return [line for line in lines if line.startswith("tts: warning")]


def test_one_warning_for_a_language(tiny_home: Path, tmp_path: Path, capfd: Capture) -> None:
    out = str(tmp_path / "a.wav")
    for language, count in (("de", 1), ("DE", 1), ("en-gb", 0), ("en-us", 0), ("EN_us", 0)):
        assert run(["synthesize", "Hallo. Guten Tag.", "--language", language, "-o", out]) == 0
        warned = warnings(capfd)
        assert len(warned) == count and all(" de:" in line for line in warned)
    assert run(["synthesize", "Hallo.", "--language", "de", "-o", out, "-q"]) == 0
    assert not capfd.readouterr().err
    table = tmp_path / "rows.csv"
    table.write_text("text,language\nHallo.,de\nTag.,de\nBonjour.,fr-fr\nHello.,en-us\n")
    assert run(["batch", str(table), "--out", str(tmp_path / "out")]) == 0
    (warned,) = warnings(capfd)
    assert "de, fr-fr" in warned


def test_models_in_words(tiny_home: Path, capfd: Capture) -> None:
    scores = {
        "wer": 0.0625,
        "similarity": 0.52,
        "quality": 3.3,
        "rtf": 0.05,
        "first_audio_seconds": 0.24,
        "rows": [["1-0", 0, 16, 0.5, 3.3]],
    }
    (tiny_home / "checkpoints/flow/scores.json").write_text(json.dumps(scores))
    assert run(["models"]) == 0
    out = capfd.readouterr().out
    words = "1 word in 16 misheard, likeness good, sound good; 20 times as fast as speech"
    assert words in out and "heard after 0.24 s" in out
    assert run(["models", "--json"]) == 0
    row = json.loads(capfd.readouterr().out)[0]
    assert words in row["words"]
    assert row["scores"]["rtf"] == scores["rtf"] and "rows" not in row["scores"]


def test_version(capfd: Capture) -> None:
    assert run(["--version"]) == 0
    assert re.fullmatch(r"tts (\d+\.\d+\.\d+\S*|\(not installed\))\n", capfd.readouterr().out)


def test_bench(tiny_home: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["bench", "--seconds", "1", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["rtf"] > 0 and told["first_audio"] > 0 and told["streams"] >= 0
    assert told["requests"] >= 1 and told["elapsed"] < 60
    for seconds in ("0", "601", "nan"):
        assert run(["bench", "--seconds", seconds]) == 2
    model = TTS.load("default", "cpu")
    voice = model.voice("default")
    with pytest.raises(UsageError):
        measure(model, voice, 0.1)
    # A model slower than speech keeps up with nobody.
    now, stream = [0.0], TTS.stream
    monkeypatch.setattr("tts.bench.time.perf_counter", lambda: now[0])
    for slow, fast in ((True, False), (False, True)):
        now[0] = 1.0

        def slowed(self: TTS, *a: Any, slow: bool = slow, **k: Any) -> Any:
            for chunk in stream(self, *a, **k):
                seconds = len(chunk.samples) / chunk.sample_rate
                now[0] += 1.1 * seconds if slow else seconds / 20
                yield chunk

        monkeypatch.setattr(TTS, "stream", slowed)
        assert keeps_up(model, voice, 2, 3.0) is fast
        monkeypatch.setattr(TTS, "stream", stream)


ASKED = {  # in the language of each
    "bash": """source {script}
try() {{ COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _tts_completion tts
echo "${{COMPREPLY[*]}}"; }}
try tts voices re; try tts synthesize --voice d""",
    "fish": """source {script}
complete -C "tts voices re"; complete -C "tts synthesize --voice d" """,
}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(
    shell: str, tiny_home: Path, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script of each shell, whatever shell asks for it, read by that shell where it is here."""
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "")  # undone at the end
    with pytest.raises(SystemExit):
        run(["--show-completion", shell])
    script = tmp_path / "script"
    script.write_text(capfd.readouterr().out)
    assert f"complete_{shell}" in script.read_text()
    program = tmp_path / "tts"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m tts "$@"\n')
    program.chmod(0o755)
    env = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    if shell in ASKED and shutil.which(shell):
        command = [shell, "-c", ASKED[shell].format(script=script)]
        words = ["rename", "default"]
    else:
        command, words = [str(program)], ["default"]
        env |= {"_TTS_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
        env |= {"_TYPER_COMPLETE_ARGS": "tts synthesize --voice d"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    for word in words:
        assert word in done.stdout, done.stderr


def test_every_name_is_completed(tiny_home: Path) -> None:
    """Options that take names or one of a few values offer them, in every command."""
    seen: set[str] = set()

    def walk(command: Any, context: Any) -> None:
        for parameter in command.params:
            options = [o for o in parameter.opts if o in EXPECTED]
            for option in options:
                offered = [i.value for i in parameter.shell_complete(context, "")]
                assert EXPECTED[option] in offered, (context.command_path, option)
                seen.add(option)
        for name, each in getattr(command, "commands", {}).items():
            walk(each, type(context)(each, parent=context, info_name=name))

    EXPECTED = {
        "--model": "default", "--voice": "default", "--device": "cpu", "--format": "flac",
        "--markup": "ssml",
    }  # fmt: skip
    command = typer.main.get_command(app)
    walk(command, command.context_class(command, info_name="tts"))
    assert seen == set(EXPECTED)


def test_manual_page(capfd: Capture) -> None:
    assert run(["man"]) == 0
    page = capfd.readouterr().out
    assert page.startswith(".TH TTS 1") and ".SH EXAMPLES" in page
    command = typer.main.get_command(app)
    assert page == manual_page(command, page.split('"tts ')[1].split('"')[0])
    for name, each in command.commands.items():  # type: ignore[attr-defined]
        assert f".SS tts {name}\n" in page
        for parameter in each.params:
            for option in (o for o in parameter.opts if o.startswith("--") and o != "--help"):
                assert option.replace("-", "\\-") in page, (name, option)
    assert ".SS tts voices rename" in page
    if shutil.which("man"):
        done = subprocess.run(
            ["man", "--warnings", "-l", "-"],
            input=page,
            text=True,
            capture_output=True,
            env=os.environ | {"MANWIDTH": "80"},
        )
        assert "EXIT STATUS" in done.stdout and not done.stderr
