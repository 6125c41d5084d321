"""What the documents show works: their examples run, on tiny random models."""

import re
import shlex
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

import tts_codecs
from tts import TTS
from tts.cli.main import run
from tts.pipeline.assemble import PIPELINES
from tts.registry import STRATEGIES
from tts.tuning.adaptation import AdaptationOptions

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


#: heads and strategies, of which only the last pair does not go together
PAIRS = """\
from typing import Any
from tts.generators.generator import Generator
from tts.generators.heads.categorical import CategoricalHead
from tts.generators.heads.linear import LinearHead
from tts.generators.strategies.flow import Flow
from tts.generators.strategies.masked import Masked

def pairs(conditioner: Any, backbone: Any) -> None:
    Generator(conditioner, backbone, LinearHead(), Flow())
    Generator(conditioner, backbone, CategoricalHead(), Masked())
    Generator(conditioner, backbone, LinearHead(), Masked())
"""


def blocks(name: str) -> list[tuple[str, str]]:
    """(language, code) of the fenced blocks of a document."""
    return _BLOCK.findall((ROOT / name).read_text("utf-8"))


@pytest.fixture
def place(
    profiled_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    recording: Callable[..., Path],
) -> Path:
    """A working folder with the recordings that the examples name."""
    recording("ref.wav")
    for name in ("my.wav", "another.wav"):
        shutil.copy(tmp_path / "ref.wav", tmp_path / name)
    monkeypatch.chdir(tmp_path)
    quick = partial(AdaptationOptions, steps=4, rows=2, frames=60)
    monkeypatch.setattr("tts.tuning.adaptation.AdaptationOptions", quick)
    return tmp_path


def execute(code: str, names: dict[str, Any]) -> None:
    exec(compile(code, "<example>", "exec"), names)


@pytest.mark.parametrize(
    "name", ["README.md", "docs/index.md", "docs/api.md", "docs/voices.md", "docs/adding.md"]
)
def test_python(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Examples add to them.
    monkeypatch.setattr("tts.registry.STRATEGIES", dict(STRATEGIES))
    monkeypatch.setattr("tts.pipeline.assemble.PIPELINES", dict(PIPELINES))
    names: dict[str, Any] = {}
    examples = [code for language, code in blocks(name) if language == "python"]
    for code in examples:
        execute(code, names)
    assert examples
    voice = place / "me.safetensors"
    assert voice.exists() == any("voice.save" in code for code in examples)
    assert not voice.exists() or voice.stat().st_size < 60_000
    if name == "docs/adding.md":
        assert names["latents"].shape[-1] == 164 and names["latents"].isfinite().all()
        lengths = [phone.end - phone.start for phone in names["even"].phones]
        assert len(lengths) > 10 and lengths == pytest.approx([0.12] * len(lengths))


@pytest.mark.parametrize("name", ["docs/index.md", "docs/markup.md", "docs/voices.md"])
def test_commands(name: str, place: Path) -> None:
    commands = [line for kind, code in blocks(name) if kind == "sh" for line in code.splitlines()]
    assert len(commands) > 4
    for command in commands:
        words = shlex.split(command)
        assert words[0] == "tts" and run(words[1:]) == 0, command
        if "-o" in words:
            assert (place / words[words.index("-o") + 1]).stat().st_size > 500


# What takes an evaluation set, a corpus or a person is only looked up.
LONG = ("serve", "demo", "eval", "train", "edit")


def test_table_of_surfaces(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (place / "rows.csv").write_text("text\nHello.\n")
    rows = re.findall(r"^\| `t.*\| `(.*)` \|$", (ROOT / "README.md").read_text("utf-8"), re.M)
    told = {words[1]: words for row in rows if (words := shlex.split(row))[0] == "tts"}
    assert run([]) == 0
    known = re.findall(r"^  (\w+)  ", capfd.readouterr().out, re.M)
    assert set(known) - {"data"} == set(told), "a command has no row"
    for name, words in told.items():
        assert run([*words[1:], "--help"] if name in LONG else words[1:]) == 0, words
        out = capfd.readouterr().out
        for option in (word for word in words[2:] if word.startswith("--") and name in LONG):
            assert option in out, words
    assert (place / "hello.wav").is_file() and (place / "speech" / "manifest.jsonl").is_file()
    python = [row for row in rows if not row.startswith("tts ")]
    assert len(python) == 2
    names = {"TTS": TTS, "tts_codecs": tts_codecs, "torch": torch}
    for code in python:
        execute(code, names)


def test_pages(tmp_path: Path) -> None:
    """Strict: a page that is not in the navigation, or a link into nowhere, is an error."""
    pytest.importorskip("mkdocs")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    build(load_config(str(ROOT / "mkdocs.yml"), strict=True, site_dir=str(tmp_path)))
    pages = list(tmp_path.rglob("index.html"))
    assert len(pages) == len(list((ROOT / "docs").glob("*.md")))
    for page in pages:
        text = page.read_text("utf-8")
        assert not re.search(r"(src|<link[^>]* href)=.https?:", text), "loads from another site"


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
                if "tts serve" in line or line.startswith("python -m benchmarks"):
                    continue
                if "/edits" in line or "/continuations" in line:
                    continue  # they need words that are heard: tests/serve/test_edits.py
                assert line.startswith("curl -s "), line
                done = subprocess.run(
                    ["curl", "--fail", *shlex.split(line)[1:]], capture_output=True, timeout=60
                )
                assert done.returncode == 0, (line, done.stderr)
    for name in ("hello.mp3", "hello.wav", "anna.mp3"):
        assert (place / name).stat().st_size > 500


def test_types_of_python(tmp_path: Path) -> None:
    """A type checker finds nothing wrong with the examples, all of a document as one program."""
    api = pytest.importorskip("mypy.api")
    paths = []
    for name in ("README.md", "docs/index.md", "docs/api.md", "docs/voices.md"):
        examples = [code for language, code in blocks(name) if language == "python"]
        path = tmp_path / f"{Path(name).stem.lower()}_examples.py"
        path.write_text("\n".join(examples))
        paths.append(str(path))
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from tts import TTS\nTTS.load(3)\n")
    pairs = tmp_path / "pairs.py"
    pairs.write_text(PAIRS)
    cache = ROOT / ".mypy_cache"  # of the package, which is what takes the time
    config = f"--config-file={ROOT / 'pyproject.toml'}"
    told, problems, _ = api.run([config, f"--cache-dir={cache}", *paths, str(wrong), str(pairs)])
    lines = [line for line in told.splitlines() if ": error: " in line]
    # Those that are wrong on purpose are found, and no other.
    assert len(lines) == 2 and any("wrong.py:2" in line for line in lines), told + problems
    assert any("pairs.py:11" in line for line in lines), told


def test_page_of_codecs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TTS_HOME", raising=False)  # it shows a shipped codec
    names: dict[str, Any] = {}
    for language, code in blocks("docs/codecs.md"):
        if language == "python":
            execute(code, names)
    pieces = torch.cat([names["first"], names["rest"]], 2)
    assert (pieces - names["wav"]).abs().max() < 1e-4
