"""What the documents show works: their examples run, on tiny random models."""

import re
import shlex
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tts import TTS
from tts.cli.main import run

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(name: str) -> list[tuple[str, str]]:
    """(language, code) of the fenced blocks of a document."""
    return _BLOCK.findall((ROOT / name).read_text("utf-8"))


@pytest.fixture
def place(
    tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    recording: Callable[..., Path],
) -> Path:  # fmt: skip
    """A working folder with the recordings that the examples name."""
    recording("ref.wav")
    shutil.copy(tmp_path / "ref.wav", tmp_path / "my.wav")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def execute(code: str, names: dict[str, Any]) -> None:
    exec(compile(code, "<example>", "exec"), names)


@pytest.mark.parametrize("name", ["docs/api.md", "README.md"])
def test_python(name: str, place: Path) -> None:
    names: dict[str, Any] = {}
    examples = [code for language, code in blocks(name) if language == "python"]
    for code in examples:
        execute(code, names)
    assert examples and (place / "me.safetensors").stat().st_size < 60_000
    for link in re.findall(r"\]\((\w+\.md)", (ROOT / name).read_text("utf-8")):
        assert (ROOT / "docs" / link).is_file(), link


def test_batch(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = blocks("docs/batch.md")
    (place / "rows.csv").write_text(next(code for kind, code in found if kind == "csv"))
    commands = [line for kind, code in found if kind == "sh" for line in code.splitlines()]
    assert len(commands) == 2
    for command in commands:
        # One process: what several do is tested in test_batch.
        words = shlex.split(command.replace("--workers 2", "--workers 1"))
        assert words[0] == "tts" and run(words[1:]) == 0
    assert {p.name for p in (place / "speech-mp3").iterdir()} >= {"intro.mp3", "clone.srt"}
    execute(next(code for kind, code in found if kind == "python"), {})
    assert (place / "speech-py" / "000003.flac").is_file()


@contextmanager
def serving(voices: Path) -> Iterator[int]:
    import uvicorn

    from tts.serve.app import ServeSettings, create_app

    app = create_app([TTS.load("default", "cpu")], ServeSettings(voices=voices))
    sock = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    try:
        yield int(sock.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(60)


def test_server(place: Path) -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip("openai")
    if shutil.which("curl") is None:
        pytest.skip("no curl here")
    with serving(place / "voices") as port:
        for kind, code in blocks("docs/server.md"):
            code = code.replace(":8000", f":{port}")
            if kind == "python":
                execute(code, {})
                continue
            for line in code.splitlines():
                if line.startswith("tts serve"):
                    continue
                assert line.startswith("curl -s "), line
                done = subprocess.run(
                    ["curl", "--fail", *shlex.split(line)[1:]], capture_output=True, timeout=60
                )
                assert done.returncode == 0, (line, done.stderr)
    for name in ("hello.mp3", "hello.wav", "anna.mp3"):
        assert (place / name).stat().st_size > 500
