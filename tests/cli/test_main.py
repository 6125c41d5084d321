"""The command line: what it prints where, its options and commands, on tiny random models."""

import gc
import hashlib
import io
import json
import os
import shlex
import subprocess
import sys
import threading
import wave
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from tests.helpers.cli import TEXT, Captured, Recording, no_output, one_line, speak
from tts.bundle import cache_folder
from tts.cli.common import quick_start
from tts.cli.main import run
from tts.errors import UsageError
from tts.voice.store import stored_voices, user_folder
from tts.voice.voice import Voice


def test_help_is_light_and_has_examples() -> None:
    code = (
        "import sys; from tts.cli.main import run; code = run([]); "
        "heavy = {'torch', 'numpy', 'soundfile', 'tqdm'} & set(sys.modules); "
        "sys.exit(code or (f'imported {heavy}' if heavy else 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Examples:" in done.stdout and "tts synthesize" in done.stdout
    for command in (
        "synthesize",
        "batch",
        "serve",
        "voices",
        "models",
        "eval",
        "train",
        "data",
        "doctor",
    ):
        assert command in done.stdout


def test_stopped_before_it_has_begun(monkeypatch: pytest.MonkeyPatch, capfd: Captured) -> None:
    import builtins

    from tts.__main__ import main

    brought = builtins.__import__

    def stopped(name: str, *arguments: Any) -> Any:
        if name == "tts.cli.main":
            raise KeyboardInterrupt
        return brought(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", stopped)
    with pytest.raises(SystemExit) as ended:
        main()
    monkeypatch.undo()
    assert ended.value.code == 130
    assert capfd.readouterr() == ("", "tts: interrupted\n")


def test_shells_complete_commands() -> None:
    asked = {
        **os.environ,
        "_TTS_COMPLETE": "complete_bash",
        "COMP_WORDS": "tts sy",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tts"], capture_output=True, text=True, env=asked, timeout=240
    )
    assert done.stdout.split() == ["synthesize"], done.stderr


def test_writes_a_file_and_reports_on_stderr(
    tiny_home: Path, tmp_path: Path, capfd: Captured
) -> None:
    assert speak(tmp_path) == 0
    out, err = capfd.readouterr()
    info = sf.info(tmp_path / "out.wav")
    assert info.samplerate == 16000 and info.duration > 0.3
    assert out == ""
    assert "out.wav" in err and "RTF" in err and "first audio" in err
    assert speak(tmp_path, "-q") == 0
    assert capfd.readouterr() == ("", "")


def test_stdout_is_audio_alone_and_equals_the_file(
    tiny_home: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert speak(tmp_path, "-q") == 0
    capfdbinary.readouterr()
    assert run(["synthesize", TEXT, "-o", "-", "--json"]) == 0
    out, err = capfdbinary.readouterr()
    assert out[:4] == b"RIFF" and out[8:12] == b"WAVE"
    streamed = np.frombuffer(out[44:], "<i2")
    stored, _ = sf.read(tmp_path / "out.wav", dtype="int16")
    np.testing.assert_array_equal(streamed, stored)
    result = json.loads(err)
    assert result["seconds"] == pytest.approx(len(stored) / 16000, abs=1e-3)


def test_any_sample_rate(tiny_home: Path, tmp_path: Path, capfd: Captured) -> None:
    assert speak(tmp_path) == 0
    plain, rate = sf.read(tmp_path / "out.wav")
    for wanted in (8000, 44100):
        assert speak(tmp_path, "--rate", str(wanted)) == 0
        samples, found = sf.read(tmp_path / "out.wav")
        assert found == wanted
        assert len(samples) == -(-len(plain) * wanted // rate)
    capfd.readouterr()
    (tmp_path / "out.wav").unlink()
    for wrong, *arguments in (
        ["rate in Hz is a whole number from 8000 to 192000", "--rate", "500"],
        ["mp3", "--rate", "96000", "--format", "mp3"],
    ):
        assert speak(tmp_path, *arguments) == 2
        one_line(capfd, wrong)
        assert no_output(tmp_path)


def test_json_line_and_seed(tiny_home: Path, tmp_path: Path, capfd: Captured) -> None:
    made = []
    for seed in ("1", "1", "2"):
        assert speak(tmp_path, "--json", "--seed", seed) == 0
        result = json.loads(capfd.readouterr().out)
        assert {"path", "seconds", "rtf", "first_audio", "sample_rate"} <= set(result)
        made.append((tmp_path / "out.wav").read_bytes())
    assert made[0] == made[1] != made[2]


def half(sample_rate: int) -> Callable[[np.ndarray], np.ndarray]:
    """A watermark for the test below."""
    return lambda chunk: chunk * 0.5


def test_what_can_stand_beside_the_audio(tiny_home: Path, tmp_path: Path, capfd: Captured) -> None:
    srt, spans = tmp_path / "a.srt", tmp_path / "a.json"
    beside = ["--timestamps", str(srt), "--timestamps", str(spans), "--provenance"]
    assert speak(tmp_path, *beside, "--watermark", f"{__name__}:half") == 0
    marked, _ = sf.read(tmp_path / "out.wav")
    words = json.loads(spans.read_text())["words"]
    assert [word["text"] for word in words][:2] == ["The", "birch"]
    assert words[-1]["end"] <= len(marked) / 16000
    assert srt.read_text().startswith("1\n00:00:00,") and "canoe slid" in srt.read_text()
    record = json.loads((tmp_path / "out.wav.provenance.json").read_text())
    assert len(record["voice_sha256"]) == 64 and record["options"]["seed"] == 0
    assert TEXT not in json.dumps(record) and len(record["text_sha256"]) == 64
    assert speak(tmp_path) == 0
    np.testing.assert_allclose(marked, sf.read(tmp_path / "out.wav")[0] / 2, atol=1e-4)
    capfd.readouterr()
    for wrong in (["--timestamps", "a.xyz"], ["--watermark", "tests:none"]):
        assert speak(tmp_path, *wrong) == 2
        one_line(capfd, wrong[1])


def test_text_from_stdin_and_speed(
    tiny_home: Path, tmp_path: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = []
    for speed in ("1", "0.5"):
        stdin = io.TextIOWrapper(io.BytesIO("\ufeffHello there.\nGood bye.".encode()))
        monkeypatch.setattr(sys, "stdin", stdin)
        out = str(tmp_path / "out.flac")
        assert run(["synthesize", "--text-file", "-", "-o", out, "--speed", speed, "-q"]) == 0
        seconds.append(sf.info(out).duration)
    assert seconds[1] > 1.4 * seconds[0]


@pytest.mark.parametrize("arguments", [[], ["-"], ["--text-file", "-"]])
def test_a_pipe_is_the_text(
    arguments: list[str],
    tiny_home: Path,
    tmp_path: Path,
    capfd: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert speak(tmp_path) == 0
    expected = (tmp_path / "out.wav").read_bytes()
    with open(tmp_path / "text.txt", "w+") as file:
        file.write(TEXT)
        file.seek(0)
        monkeypatch.setattr("sys.stdin", file)
        assert run(["synthesize", *arguments, "-o", str(tmp_path / "piped.wav")]) == 0
    assert (tmp_path / "piped.wav").read_bytes() == expected


def test_stdout_that_is_a_file_gets_a_whole_header(
    tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.wav"

    def speak(mode: str) -> None:
        with open(path, mode) as file, monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", io.TextIOWrapper(file, "utf-8", write_through=True))
            assert run(["synthesize", TEXT, "-o", "-", "-q"]) == 0
            sys.stdout.detach()

    speak("wb")
    data = path.read_bytes()
    assert int.from_bytes(data[40:44], "little") == len(data) - 44
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    with wave.open(str(path)) as sound:
        assert sound.getnframes() == (len(data) - 44) // 2
    # What is appended to is not gone back in: the header stays that of a stream.
    speak("ab")
    assert path.read_bytes()[: len(data)] == data
    assert path.read_bytes()[len(data) + 44 :] == data[44:]


@pytest.mark.parametrize("text", ["-5 degrees", "- item", "--help me", "-quiet please", "-5"])
def test_a_text_with_a_dash_gets_a_hint(text: str, tiny_home: Path, capfd: Captured) -> None:
    assert run(["synthesize", text]) == 2
    one_line(capfd, "begins with", f"-- {shlex.quote(text)}")


def test_no_text_at_all(tiny_home: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert run(["synthesize"]) == 2
    one_line(capfd, "pipe", '"--"')


def test_voices_from_add_to_remove(
    tiny_home: Path, tmp_path: Path, capfd: Captured, recording: Recording
) -> None:
    ref = str(recording())
    assert run(["voices", "add", "anna", "--ref", ref]) == 0
    assert "consent" in capfd.readouterr().err
    assert run(["voices", "list", "--json"]) == 0
    listed = {row["name"]: row["kind"] for row in json.loads(capfd.readouterr().out)}
    assert listed == {"anna": "added", "default": "built-in"}
    assert speak(tmp_path, "--voice", "anna", "-q") == 0
    named = (tmp_path / "out.wav").read_bytes()
    copy = str(tmp_path / "copy.safetensors")
    assert run(["voices", "export", "anna", copy]) == 0
    assert speak(tmp_path, "--voice", copy, "-q") == 0
    assert (tmp_path / "out.wav").read_bytes() == named
    capfd.readouterr()
    for arguments, code in (
        (["add", "anna", "--ref", ref], 2),
        (["add", "default", "--ref", ref], 2),
        (["add", "../x", "--ref", ref], 2),
        (["remove", "default"], 2),
        (["remove", "ana"], 2),
        (["export", "anna", str(tmp_path / "a.wav")], 2),
        (["export", "anna", copy], 2),
        (["add", "--ref", ref, "--", "--force"], 2),
        (["add", "--ref", ref, "--", "-"], 2),
    ):
        assert run(["voices", *arguments]) == code
        one_line(capfd)
    assert run(["voices", "export", "anna", copy, "--force"]) == 0
    link = tmp_path / "link.safetensors"
    link.symlink_to(copy)
    assert run(["voices", "export", "default", str(link), "--force"]) == 2
    assert Voice.load(copy).name == "anna"
    capfd.readouterr()
    added = user_folder()
    (added / "folder.safetensors").mkdir()
    (added / "dangling.safetensors").symlink_to(tmp_path / "nothing")
    (added / "two words.safetensors").write_bytes(Path(copy).read_bytes())
    assert list(stored_voices()) == ["anna", "default"]
    (added / "broken.safetensors").write_bytes(b"x" * 99)
    assert run(["voices", "export", "broken", str(tmp_path / "broken.safetensors")]) == 1
    assert not (tmp_path / "broken.safetensors").exists()
    assert run(["voices", "remove", "anna"]) == 0
    assert run(["voices"]) == 0
    assert "anna" not in capfd.readouterr().out


@pytest.mark.parametrize("folder", ["/dev/null/x", "/" + "x" * 5000, "/proc/1/none"])
def test_folders_of_the_user_that_cannot_be_looked_into(
    folder: str, tiny_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", folder)
    assert list(stored_voices()) == ["default"]
    assert run(["voices", "list"]) == 0


def test_relative_folders_of_the_user_are_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "data", "./data"):
        monkeypatch.setenv("XDG_DATA_HOME", value)
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert user_folder() == tmp_path / ".local/share/tts/voices"
        assert cache_folder() == tmp_path / ".cache/tts/models"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert user_folder() == tmp_path / "data/tts/voices"


@pytest.mark.parametrize("links", [True, False])
def test_voices_added_at_once(
    links: bool, tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:

        def none(*_: object) -> None:
            raise OSError(95, "not supported")

        monkeypatch.setattr(os, "link", none)
    voice = Voice.load(tiny_home / "checkpoints" / "voices" / "default.safetensors")
    start, told = threading.Barrier(5), []

    def add(number: int) -> None:
        mine = replace(voice, name="anna", transcript=f"I am {number}")
        start.wait()
        try:
            mine.save(tmp_path / "anna.safetensors", new=True)
            told.append(number)
        except UsageError as error:
            assert "'anna' already" in str(error)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 1
    assert Voice.load(tmp_path / "anna.safetensors").transcript == f"I am {told[0]}"
    assert not list(tmp_path.glob(".tts-*"))


def test_models_and_doctor(tiny_home: Path, capfd: Captured) -> None:
    assert run(["models", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)[0]["missing"] == []
    assert run(["doctor"]) == 0
    out = capfd.readouterr().out
    assert "weights flow: ok" in out and "voice default: ok" in out and "RTF" in out
    assert run(["doctor", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["packages"]["numpy"] == np.__version__ and told["speed"]["rtf"] > 0
    files = {(each["kind"], each["name"]): each for each in told["files"]}
    weights = tiny_home / "checkpoints" / "flow" / "model.safetensors"
    known = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert files["weights", "flow"]["sha256"] == known
    assert files["voice", "default"]["problem"] == ""


def test_eval_names_a_missing_case_list(tmp_path: Path, capfd: Captured) -> None:
    assert run(["eval", "--cases", str(tmp_path / "none.json")]) == 1
    one_line(capfd, "none.json")
    assert run(["eval", "cases", str(tmp_path / "none.tsv"), "-o", str(tmp_path / "c.json")]) == 1
    one_line(capfd, "none.tsv")


def test_a_quick_start_gives_the_collector_back() -> None:
    frozen = gc.get_freeze_count()
    try:
        with quick_start():
            assert not gc.isenabled()
            loop: list[object] = []
            loop.append(loop)
        assert gc.isenabled() and gc.get_freeze_count() > frozen
        with pytest.raises(UsageError), quick_start():
            raise UsageError("no")
        assert gc.isenabled()
        gc.disable()
        with quick_start():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()
        if frozen:
            gc.collect()
            gc.freeze()
