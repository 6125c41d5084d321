"""Adapted voices of a server: one is learned at a time, told step by step, given up when its client
leaves."""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

from tts.audio.reference import Reference
from tts.errors import TTSError
from tts.facade import TTS
from tts.serve.http import HTTPError
from tts.voice.voice import Voice

_log = logging.getLogger(__name__)
MAX_WAITING = 4


class _Left(TTSError):
    """The client is gone."""


class AdaptationQueue:
    """Learns voices one after the other."""

    def __init__(self) -> None:
        self._free = asyncio.Lock()
        self._asked = 0

    def check(self) -> None:
        """HTTPError 503 where too many wait."""
        if self._asked > MAX_WAITING:
            raise HTTPError(503, "too many voices wait to be adapted: try again later")

    async def events(
        self,
        model: TTS,
        reference: Reference,
        ref_text: str,
        strength: float,
        keep: Callable[[Voice], dict[str, Any]],
        enhance: bool = True,
    ) -> AsyncIterator[bytes]:
        """Server-sent events: `state` (waiting, or the steps done of all), then `voice`, what
        `keep` tells of the voice it kept, or `error`. Closing the iterator stops the learning."""
        loop, gone = asyncio.get_running_loop(), threading.Event()
        told: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()

        def tell(kind: str, /, **values: Any) -> None:
            loop.call_soon_threadsafe(told.put_nowait, (kind, values))

        def progress(done: int, total: int) -> None:
            if gone.is_set():
                raise _Left("the client left")
            tell("state", state="adapting", done=done, of=total)

        def learn() -> None:
            try:
                voice = model.voice(
                    reference,
                    ref_text or None,
                    adapt=True,
                    strength=strength,
                    progress=progress,
                    enhance=enhance,
                )
                if gone.is_set():  # while the last step was taken: nobody would know of the voice
                    raise _Left("the client left")
                tell("voice", **keep(voice))
            except TTSError as error:
                tell("error", message=str(error))
            except Exception:
                _log.exception("a voice could not be adapted")
                tell("error", message="the voice could not be adapted")

        self._asked += 1
        try:
            yield _event("state", {"state": "waiting", "before": self._asked - 1})
            async with self._free:
                work = loop.run_in_executor(None, learn)
                try:
                    while True:
                        kind, values = await told.get()
                        yield _event(kind, values)
                        if kind != "state":
                            break
                finally:
                    gone.set()
                    # The next voice waits until this one has really stopped.
                    await asyncio.shield(asyncio.gather(work, return_exceptions=True))
        finally:
            self._asked -= 1


def _event(kind: str, values: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(values)}\n\n".encode()
