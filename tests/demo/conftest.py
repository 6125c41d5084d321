"""The page without a browser, and with a Chromium for the tests that are marked `browser`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.page import CHROMIUM, FLAGS, Visit, served


@pytest.fixture(scope="module")
def address(tiny_home_master: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tiny_home_master, tmp_path_factory.mktemp("data")) as url:
        yield url


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, headless=True, args=[*FLAGS])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any, address: str) -> Iterator[Visit]:
    made = Visit(chromium, address)
    yield made
    assert not made.outside, made.outside
    made.page.close()


@pytest.fixture
def studio(tiny_home: Path) -> Iterator[Any]:
    pytest.importorskip("gradio")
    from tts_demo.studio import Studio

    made = Studio(["default"], "cpu")
    yield made
    made.close()
