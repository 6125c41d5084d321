"""Adapted voices of the server: one is trained at a time, and its progress is streamed.

The training stops when its client leaves.
"""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

from tts.audio.reference import Reference
from tts.errors import TTSError
from tts.facade import TTS
from tts.serve.errors import HTTPError
from tts.voice.voice import Voice

_log = logging.getLogger(__name__)
#: requests that may wait behind the one in training
MAX_WAITING = 4


class _ClientGone(TTSError):
    """The client has closed its connection."""


class AdaptationQueue:
    """Trains adapted voices one after the other."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._requests = 0

    def check_room(self) -> None:
        """Check whether another request may wait.

        Raises:
            HTTPError: 503, too many wait.
        """
        if self._requests > MAX_WAITING:
            raise HTTPError(503, "too many voices wait to be adapted: try again later")

    async def events(
        self,
        model: TTS,
        reference: Reference,
        ref_text: str,
        strength: float,
        save: Callable[[Voice], dict[str, Any]],
        enhance: bool = True,
    ) -> AsyncIterator[bytes]:
        """Train a voice and yield server-sent events: `state` (waiting for others, analysing the
        recording, or adapting, with the steps taken of all), then either `voice`, with what `save`
        returns, or `error`. Closing the iterator stops the training.

        Args:
            model: model that is adapted.
            reference: recording of the speaker.
            ref_text: words of the recording, or "".
            strength: strength of the adaptation, from 0 to 1.
            save: saves the finished voice, and returns what the client is told of it.
            enhance: whether noise and reverberation are removed from the recording.
        """
        gone = threading.Event()
        events: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def send(kind: str, /, **values: Any) -> None:
            loop.call_soon_threadsafe(events.put_nowait, (kind, values))

        def progress(step: int, steps: int) -> None:
            if gone.is_set():
                raise _ClientGone("the client left")
            send("state", state="adapting", done=step, of=steps)

        def train() -> None:
            try:
                voice = model.voice(
                    reference,
                    ref_text or None,
                    adapt=True,
                    strength=strength,
                    progress=progress,
                    enhance=enhance,
                )
                if gone.is_set():  # during the last step: nobody would know of the voice
                    raise _ClientGone("the client left")
                send("voice", **save(voice))
            except TTSError as error:
                send("error", message=str(error))
            except Exception:
                _log.exception("a voice could not be adapted")
                send("error", message="the voice could not be adapted")

        self._requests += 1
        try:
            yield _event("state", {"state": "waiting", "before": self._requests - 1})
            await self._lock.acquire()
            send("state", state="analysing")
            work = loop.run_in_executor(None, train)
            # Not when the client leaves: the next training begins once this one has really ended.
            work.add_done_callback(lambda _: self._lock.release())
            try:
                while True:
                    kind, values = await events.get()
                    yield _event(kind, values)
                    if kind != "state":
                        break
            finally:
                gone.set()
        finally:
            self._requests -= 1


def _event(kind: str, values: dict[str, Any]) -> bytes:
    """Return a named server-sent event."""
    return f"event: {kind}\ndata: {json.dumps(values)}\n\n".encode()
