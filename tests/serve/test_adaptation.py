"""What is told while a voice is learned, and that one is learned at a time."""

import asyncio
import json
import threading
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("fastapi")

import anyio  # noqa: E402

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

    first, second, *steps, last = asyncio.run(told())
    assert first == {"state": "waiting", "before": 0} and second == {"state": "analysing"}
    assert [(each["done"], each["of"]) for each in steps] == [(1, 3), (2, 3), (3, 3)]
    assert last == {"id": "anna"}


def test_the_next_voice_waits_until_the_one_before_has_really_stopped() -> None:
    """Starlette cancels by a scope of anyio, which cancels every await on the way out too."""
    started, go_on = threading.Event(), threading.Event()

    class Slow:
        def voice(self, *_: object, progress: Any, **__: object) -> Any:
            progress(1, 2)
            started.set()
            assert go_on.wait(30)
            progress(2, 2)

    async def main() -> None:
        queue, model = AdaptationQueue(), Slow()
        given: Any = (model, model, "", 1.0, lambda _: {})

        async def read() -> None:
            async for _ in queue.events(*given):
                pass

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await asyncio.to_thread(started.wait, 30)
            await asyncio.sleep(0.1)
            group.cancel_scope.cancel()
        events = queue.events(*given)
        assert b'"before": 0' in await events.__anext__()
        coming = asyncio.ensure_future(events.__anext__())
        await asyncio.sleep(0.2)
        assert not coming.done(), "two voices were learned at once"
        go_on.set()
        assert b"analysing" in await coming and b"adapting" in await events.__anext__()
        await events.aclose()

    asyncio.run(main())
