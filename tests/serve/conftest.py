"""A tiny model, and a client of a server of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tts import TTS


@pytest.fixture
def tts(tiny_home: Path) -> TTS:
    return TTS.load("default", device="cpu")


@pytest.fixture
def client(tts: TTS, tmp_path: Path) -> Iterator[Any]:
    testclient = pytest.importorskip("fastapi.testclient")
    from tts.serve.app import ServeSettings, create_app

    app = create_app([tts], ServeSettings(voices=tmp_path / "voices", max_queue=2, max_batch=4))
    with testclient.TestClient(
        app, base_url="http://localhost", raise_server_exceptions=False
    ) as made:
        yield made
