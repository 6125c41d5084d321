"""The command line: bad input is one clear line, an exit code and nothing half-written."""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from tests.helpers.cli import TEXT, Captured, Recording, no_output, one_line, speak
from tts.cli import main as cli
from tts.cli.main import run


def _silence(path: Path) -> None:
    sf.write(path, np.zeros(32000), 16000)


def _nan(path: Path) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, 32000)
    wave[100] = np.nan
    sf.write(path, wave, 16000, subtype="FLOAT")


def _short(path: Path) -> None:
    sf.write(path, np.random.default_rng(0).normal(0, 0.1, 8000), 16000)


def _low_rate(path: Path) -> None:
    sf.write(path, np.random.default_rng(0).normal(0, 0.1, 32000), 4000)


@pytest.mark.parametrize(
    ("make", "code", "word"),
    [
        (lambda path: None, 2, "bad.wav"),
        (lambda path: path.write_text("not audio at all" * 100), 1, "bad.wav"),
        (lambda path: path.write_bytes(b""), 1, "bad.wav"),
        (_silence, 1, "silent"),
        (_nan, 1, "finite"),
        (_short, 1, "0.5"),
        (_low_rate, 1, "4000"),
    ],
)
def test_bad_reference(
    make: Callable[[Path], Any],
    code: int,
    word: str,
    tiny_home: Path,
    tmp_path: Path,
    capfd: Captured,
) -> None:
    make(tmp_path / "bad.wav")
    assert speak(tmp_path, "--ref", str(tmp_path / "bad.wav")) == code
    one_line(capfd, word)
    assert no_output(tmp_path)


def test_hour_of_silence_is_refused_from_the_header(
    tiny_home: Path, tmp_path: Path, capfd: Captured
) -> None:
    path = tmp_path / "hour.flac"
    with sf.SoundFile(path, "w", 16000, 1) as file:  # 230 MB of samples
        block = np.zeros(16000 * 60, dtype=np.int16)
        for _ in range(60):
            file.write(block)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert speak(tmp_path, "--ref", str(path)) == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    one_line(capfd, "hour.flac")


@pytest.mark.parametrize(
    ("rate", "channels", "seconds"), [(8000, 1, 3), (192000, 2, 2), (44100, 2, 70)]
)
def test_unusual_references_work(
    rate: int,
    channels: int,
    seconds: int,
    tiny_home: Path,
    tmp_path: Path,
    capfd: Captured,
    recording: Recording,
) -> None:
    path = recording("ref.wav", seconds, rate, channels)
    assert speak(tmp_path, "--ref", str(path)) == 0
    assert ("only the first 60 s" in capfd.readouterr().err) == (seconds > 60)


@pytest.mark.parametrize(
    "text", ["", "  \n", "*** --- ***", "\x00\x00", "\ud800\udfff", "a" * 100_001]
)
def test_bad_text(text: str, tiny_home: Path, tmp_path: Path, capfd: Captured) -> None:
    assert speak(tmp_path, text=text) == 2
    one_line(capfd)
    assert no_output(tmp_path)


def test_text_file_that_is_too_long_or_not_text(
    tiny_home: Path, tmp_path: Path, capfd: Captured
) -> None:
    path = tmp_path / "book.txt"
    out = ["-o", str(tmp_path / "out.wav")]
    path.write_text("é" * 500_000)
    assert run(["synthesize", "--text-file", str(path), *out]) == 2
    one_line(capfd, "100,000")
    path.write_bytes(b"\xff\xfe\x00binary")
    assert run(["synthesize", "--text-file", str(path), *out]) == 2
    one_line(capfd, "UTF-8")
    assert run(["synthesize", "--text-file", str(tmp_path / "none.txt"), *out]) == 2
    one_line(capfd, "none.txt")


def _seconds(text: str, path: Path) -> float:
    begin = time.process_time()
    path.write_text(text)
    out = ["-o", str(path.with_suffix(".wav")), "-q", "--threads", "1"]
    fast = ["--steps", "1", "--guidance", "1", "--speed", "2"]
    assert run(["synthesize", "--text-file", str(path), *out, *fast]) == 0
    return time.process_time() - begin


def test_long_text_takes_linear_time_and_is_written_as_it_is_said(
    tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten times the text takes ten times as long, and no audio stays in memory."""
    import torch

    from tts.facade import TTS
    from tts.types import Chunk

    said: list[weakref.ref[np.ndarray]] = []
    alive: list[int] = []
    stream = TTS.stream

    def watched(*arguments: Any, **values: Any) -> Iterator[Chunk]:
        for chunk in stream(*arguments, **values):
            alive.append(sum(each() is not None for each in said))
            said.append(weakref.ref(chunk.samples))
            yield chunk

    monkeypatch.setattr(TTS, "stream", watched)
    threads = torch.get_num_threads()
    try:
        sentence = "seven words are said in one line. "
        _seconds(sentence, tmp_path / "warm.txt")
        short = _seconds(sentence * 12, tmp_path / "short.txt")
        long = _seconds(sentence * 120, tmp_path / "long.txt")
    finally:
        torch.set_num_threads(threads)
    assert long < 20 * short
    assert len(said) > 130 and max(alive) < 10


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--voice", "defualt"], ["'defualt'", "'default'"]),
        (["--model", "defualt"], ["'defualt'", "'default'"]),
        (["--model", "missing.yaml"], ["missing.yaml"]),
        (["--language", "xx-yy"], ["xx-yy"]),
        (["--format", "wave"], ["wave", "wav"]),
        (["--speed", "3"], ["speed", "0.5 to 2"]),
        (["--speed", "nan"], ["speed"]),
        (["--pitch", "0.1"], ["pitch"]),
        (["--steps", "0"], ["steps"]),
        (["--seed", "-1"], ["seed"]),
        (["--steps", "many"], ["steps"]),
        (["--device", "tpu"], ["tpu"]),
        (["--bogus"], ["--bogus"]),
        (["--ref-text", "hello"], ["--ref"]),
        (["--no-enhance"], ["--ref"]),
        (["--text-file", "x.txt"], ["--text-file"]),
        (["--voice", "default", "--ref", "x.wav"], ["--voice"]),
    ],
)
def test_wrong_usage(
    arguments: list[str], words: list[str], tiny_home: Path, tmp_path: Path, capfd: Captured
) -> None:
    assert speak(tmp_path, *arguments) == 2
    one_line(capfd, *words)
    assert no_output(tmp_path)


@pytest.mark.parametrize("name", ["x" * 300, "x" * 5000, "a\0b", "", "\udcff"])
def test_names_that_no_file_can_have(
    name: str, tiny_home: Path, tmp_path: Path, capfd: Captured
) -> None:
    for option in ("--voice", "--ref", "--model"):
        for ending in ("", ".wav" if option == "--ref" else ".safetensors", ".yaml"):
            code = speak(tmp_path, option, name + ending)
            assert code == 2, (option, ending)
            assert "unexpected" not in one_line(capfd)
    assert run(["voices", "export", "default", f"{tmp_path / name}x.safetensors"]) in (0, 1, 2)
    assert "unexpected" not in capfd.readouterr().err


@pytest.mark.parametrize("what", ["folder", "loop", "fifo", "long part"])
def test_configs_that_are_no_files(
    what: str, tiny_home: Path, tmp_path: Path, capfd: Captured
) -> None:
    path = tiny_home / "configs" / "models" / "default.yaml"
    text = path.read_text()
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "loop":
        path.symlink_to(path.name)
    elif what == "fifo":
        os.mkfifo(path)
    else:
        path.write_text(text.replace("vocoder: vocoder", f"vocoder: {'x' * 3000}"))
    for name in ("default", str(path)):
        assert speak(tmp_path, "--model", name) in (1, 2)
        assert "unexpected" not in one_line(capfd)
    assert run(["models"]) == 0
    assert "unexpected" not in capfd.readouterr().err


def test_what_a_terminal_would_obey_is_escaped(
    tiny_home: Path, tmp_path: Path, capfd: Captured
) -> None:
    for strange in ("a\x1b[31mb", "a\x07b", "a\u202eb", "a\x9bb"):
        for option in ("--voice", "--ref", "--model"):
            assert speak(tmp_path, option, f"{strange}.safetensors") == 2
            assert one_line(capfd).isprintable()
        assert run(["synthesize", TEXT, "-o", str(tmp_path / f"{strange}.wav")]) == 0
        err = capfd.readouterr().err
        assert strange not in err and all(line.isprintable() for line in err.splitlines())
    assert run(["synthesize", "\x1b[31m", "--\x1b[32m"]) == 2
    assert one_line(capfd).isprintable()


def test_unknown_command(capfd: Captured) -> None:
    assert run(["synthesise", "x"]) == 2
    one_line(capfd, "synthesise")


def test_unknown_config_key_names_the_nearest(
    tiny_home: Path, tmp_path: Path, capfd: Captured
) -> None:
    path = tiny_home / "configs" / "models" / "default.yaml"
    path.write_text(path.read_text().replace("steps:", "stesp:"))
    assert speak(tmp_path) == 2
    one_line(capfd, "sampling.stesp", "'steps'")
    path.write_text("name: [")
    assert speak(tmp_path) == 2
    one_line(capfd, "YAML")


@pytest.mark.parametrize("part", ["flow", "vocoder", "durations", "speaker"])
@pytest.mark.parametrize("damage", ["truncated", "edited", "missing"])
def test_damaged_weights(
    part: str, damage: str, tiny_home: Path, tmp_path: Path, capfd: Captured
) -> None:
    path = tiny_home / "checkpoints" / part / "model.safetensors"
    data = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(data[: len(data) // 2])
    else:
        data[-1] ^= 1
        path.write_bytes(data)
    assert speak(tmp_path) == 1
    one_line(capfd, "model.safetensors", "missing" if damage == "missing" else "damaged")
    assert run(["doctor"]) == 1
    assert part in capfd.readouterr().err
    assert run(["doctor", "--json"]) == 1
    told = json.loads(capfd.readouterr().out)
    assert [each["name"] for each in told["files"] if each["problem"]] == [part]
    assert part in told["error"] and "speed" not in told
    assert no_output(tmp_path)


def test_a_report_without_any_weights(tiny_home: Path, capfd: Captured) -> None:
    shutil.rmtree(tiny_home / "checkpoints")
    assert run(["doctor", "--json"]) == 1
    out, err = capfd.readouterr()
    assert json.loads(out)["error"] in err and len(err.splitlines()) == 1


@pytest.mark.parametrize("damage", ["truncated", "value", "notes", "text"])
def test_damaged_voice(damage: str, tiny_home: Path, tmp_path: Path, capfd: Captured) -> None:
    path = tiny_home / "checkpoints" / "voices" / "default.safetensors"
    data = bytearray(path.read_bytes())
    if damage == "truncated":
        data = data[:1000]
    elif damage == "value":
        data[-1] ^= 1  # still a finite number
    elif damage == "notes":
        data = data.replace(b'\\"seconds\\":', b'\\"seconds\\" ')
    else:
        data = bytearray(b"this is not a voice")
    assert data != path.read_bytes()
    path.write_bytes(data)
    assert speak(tmp_path) == 1
    one_line(capfd, "default.safetensors", "damaged")
    assert no_output(tmp_path)


def test_voices_without_a_checksum_and_of_another_format(
    tiny_home: Path, tmp_path: Path, capfd: Captured
) -> None:
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    path = tiny_home / "checkpoints" / "voices" / "default.safetensors"
    with safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata())
    assert len(metadata.pop("sha256")) == 64
    tensors = load_file(path)
    save_file(tensors, tmp_path / "old.safetensors", metadata | {"format": "tts-voice-2"})
    assert speak(tmp_path, "--voice", str(tmp_path / "old.safetensors")) == 0
    capfd.readouterr()
    save_file(tensors, tmp_path / "next.safetensors", metadata | {"format": "tts-voice-99"})
    (tmp_path / "out.wav").unlink()
    assert speak(tmp_path, "--voice", str(tmp_path / "next.safetensors")) == 2
    one_line(capfd, "next.safetensors", "version")
    assert no_output(tmp_path)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("odd\nsecond line")])
def test_stopped_in_the_middle(
    error: BaseException,
    tiny_home: Path,
    tmp_path: Path,
    capfd: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tts.facade import TTS
    from tts.types import Chunk

    def stream(*_: Any) -> Iterator[Chunk]:
        yield Chunk(np.zeros(8000, dtype=np.float32), 16000)
        raise error

    monkeypatch.setattr(TTS, "stream", stream)
    code = speak(tmp_path)
    out, err = capfd.readouterr()
    assert out == "" and len(err.splitlines()) == 1
    assert code == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert no_output(tmp_path)


# One process, in which the package that is imported first is the first to be missing.
_HALF = """
import sys
from tts.cli.main import run
for package in sys.argv[1:]:
    assert package not in sys.modules
    sys.modules[package] = None
    print(run(["serve", "--port", "0"]))
    del sys.modules[package]
"""


def test_a_server_with_half_of_its_packages() -> None:
    packages = ["python_multipart", "fastapi", "uvicorn"]
    command = [sys.executable, "-c", _HALF, *packages]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    lines = done.stderr.splitlines()
    assert done.stdout.split() == ["1"] * 3 and done.returncode == 0, done.stderr
    for package, line in zip(packages, lines, strict=True):
        assert f"needs the package {package}" in line and "pip install 'tts[serve]'" in line


def test_unexpected_error_hints_at_debug(capfd: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[str]:
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr("tts.resources.model_names", broken)
    assert run(["models"]) == 1
    assert "--debug" in one_line(capfd, "ZeroDivisionError", "surprise")
    assert run(["--debug", "models"]) == 1
    assert "Traceback" in capfd.readouterr().err
    assert cli.EXAMPLES
