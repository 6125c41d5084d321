"""The example of docs/adding.md as a family of its own, and the tests of all families on it."""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.generators import FAMILIES
from tts.registry import STRATEGIES

PAGE = Path(__file__).parents[2] / "docs" / "adding.md"
#: what the page tells to put into FAMILIES
LINE = re.compile(r'`"(one step)": \((\{.*\}), "(\w+)"\),`')
#: of every family
TESTS = "tests.generators.test_generator"


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


class Reports:
    """A plugin of pytest that counts what passed and keeps what did not."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.passed += report.when == "call" and report.passed
        if report.failed:
            self.failed.append(f"{report.nodeid}: {report.longreprtext}")


def reports_of(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Reports:
    """The tests of every family, collected anew and run in this process, with what the page says
    to add as the one family there is."""
    kind, made = strategy()
    (line,) = LINE.findall(PAGE.read_text())
    monkeypatch.setitem(STRATEGIES, kind, made)
    for name in list(FAMILIES):
        monkeypatch.delitem(FAMILIES, name)
    monkeypatch.setitem(FAMILIES, line[0], (eval(line[1]), line[2]))
    # The file reads the names of families when it is imported.
    monkeypatch.delitem(sys.modules, TESTS, raising=False)
    reports = Reports()
    path = Path(__file__).parents[2] / f"{TESTS.replace('.', '/')}.py"
    plugins = ("cacheprovider", "faulthandler", "capture")
    without = [word for plugin in plugins for word in ("-p", f"no:{plugin}")]
    try:
        pytest.main([str(path), *without, *arguments], plugins=[reports])
    finally:
        sys.modules.pop(TESTS, None)
    return reports
