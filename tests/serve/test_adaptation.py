"""What is told while a voice is learned."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("fastapi")

from tts.serve.adaptation import AdaptationQueue  # noqa: E402


class _Model:
    """Learns a voice in three steps."""

    def voice(self, *_: object, progress: Any, **__: object) -> Any:
        for done in (1, 2, 3):
            progress(done, 3)
        return SimpleNamespace(name="anna")


def test_steps_are_told_as_they_are_taken() -> None:
    async def told() -> list[Any]:
        kept: Any = lambda voice: {"id": voice.name}  # noqa: E731
        model: Any = _Model()
        events = AdaptationQueue().events(model, model, "", 1.0, kept)
        return [json.loads(each.split(b"data: ")[1]) async for each in events]

    first, *steps, last = asyncio.run(told())
    assert first == {"state": "waiting", "before": 0}
    assert [(each["done"], each["of"]) for each in steps] == [(1, 3), (2, 3), (3, 3)]
    assert last == {"id": "anna"}
