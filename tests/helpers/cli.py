"""A command line that speaks into a file, and what it may leave and say when it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tts.cli.main import run

TEXT = "The birch canoe slid on the smooth planks."


Recording = Callable[..., Path]


Captured = pytest.CaptureFixture[str]


def one_line(captured: Captured, *words: str) -> str:
    """The single error line on stderr; nothing may be on stdout."""
    out, err = captured.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("tts: error: "), err
    for word in words:
        assert word in lines[0], err
    return lines[0]


def speak(tmp_path: Path, *arguments: str, text: str = TEXT) -> int:
    return run(["synthesize", text, "-o", str(tmp_path / "out.wav"), *arguments])


def no_output(folder: Path) -> bool:
    return not [p for p in folder.iterdir() if p.name == "out.wav" or p.name.endswith(".part")]
