"""The example of docs/adding.md as a family of its own; also a plugin of pytest, for the tests of
all families to find it there (-p tests.helpers.adding)."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

from tests.helpers.generators import FAMILIES
from tts.registry import STRATEGIES

PAGE = Path(__file__).parents[2] / "docs" / "adding.md"
#: what the page tells to put into FAMILIES
LINE = re.compile(r'`"(one step)": \((\{.*\}), "(\w+)"\),`')


def blocks(language: str) -> list[str]:
    """Code of the page in a language."""
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```$", PAGE.read_text(), re.M | re.S)
    return [textwrap.dedent(code) for code in found]


def strategy() -> tuple[str, Any]:
    """The kind and the class of the page."""
    code = blocks("python")[0].split("\ngenerator = ")[0]
    before, names = dict(STRATEGIES), dict[str, Any]()
    exec(compile(code, str(PAGE), "exec"), names)
    (kind,) = STRATEGIES.keys() - before.keys()
    return kind, STRATEGIES.pop(kind)


def pytest_configure() -> None:
    """Adds what the page says to add."""
    kind, made = strategy()
    STRATEGIES[kind] = made
    (line,) = LINE.findall(PAGE.read_text())
    FAMILIES.clear()
    FAMILIES[line[0]] = (eval(line[1]), line[2])
