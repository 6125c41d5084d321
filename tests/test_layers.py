"""The layers of docs/layers.py hold, and the picture of them is that of today's imports."""

import runpy
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

layers = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "docs" / "layers.py")))


@cache
def graph() -> dict[str, set[str]]:
    """What each module imports; reading all of them takes a second."""
    found: dict[str, set[str]] = layers.graph()
    return found


def test_a_layer_imports_only_those_below_and_nothing_goes_in_circles() -> None:
    assert layers.problems(graph()) == []


def test_the_picture_is_current() -> None:
    text = layers.PAGE.read_text(encoding="utf-8")
    assert layers.page(text, graph()) == text, "run python docs/layers.py"


def test_heads_import_no_strategy() -> None:
    for name, others in graph().items():
        if name.startswith("tts.generators.heads"):
            assert not [each for each in others if each.startswith("tts.generators.strategies")]


@pytest.mark.parametrize(
    ("arrows", "told"),
    [
        ({"tts.errors": {"tts.cli.main"}, "tts.cli.main": set()}, "upwards: tts.errors"),
        ({"tts.text.a": {"tts.text.b"}, "tts.text.b": {"tts.text.a"}}, "circle: tts.text.a"),
        ({"tts.text.a": {"tts.audio.b"}, "tts.audio.b": set()}, ""),
    ],
)
def test_what_does_not_hold_is_told(arrows: dict[str, set[str]], told: str) -> None:
    found = layers.problems(arrows)
    assert found[0].startswith(told) if told else not found


def test_a_module_without_a_layer_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"tts\.nowhere"):
        layers.layer_of("tts.nowhere")
