"""The response that speaks: it sends audio while it is made and watches whether anybody listens."""

import asyncio
import base64
import json
import math
import time
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

from starlette.responses import Response

from tts.audio.encoder import StreamEncoder
from tts.provenance import Watermark, marker
from tts.serve.http import Receive, Scope, Send, error_body, error_reply, status_of
from tts.serve.job import Job, Stalled
from tts.serve.metrics import Metrics
from tts.serve.scheduler import Scheduler
from tts.serve.schema import MEDIA_TYPES
from tts.types import Chunk

T = TypeVar("T")
#: seconds that a client may take nothing
STALL = 60.0


class _Gone(Exception):
    """The client has left."""


class SpeechResponse(Response):
    """Audio of a job, chunk by chunk, or as server-sent events.

    Nothing is sent before the first audio is there, so errors up to then have their own status.
    FLAC is sent once it is whole, as its header without a length is one that libsndfile cannot
    read, unless the client asks for a stream.

    Args:
        stream_format: "audio" or "sse"; None, where the client did not ask, is "audio" but for
            FLAC.
        timeout: seconds for the whole request.
        stall: seconds that the client may take nothing; then its connection is cut off.
        characters: of the text, for the events and the metrics.
        told: more headers.
    """

    def __init__(
        self,
        job: Job,
        scheduler: Scheduler,
        metrics: Metrics,
        format: str,
        stream_format: str | None,
        timeout: float,
        characters: int,
        watermark: Watermark | None = None,
        told: Mapping[str, str] | None = None,
        stall: float = STALL,
    ):
        super().__init__()
        self.told = told or {}
        self.job, self.scheduler, self.metrics = job, scheduler, metrics
        self.format, self.characters = format, characters
        self.sse, self._whole = stream_format == "sse", format == "flac" and stream_format is None
        self.deadline, self.stall = job.arrived + timeout, stall
        self.encoder = StreamEncoder(format, job.model.sample_rate)
        self.mark = marker(watermark, job.model.sample_rate)
        self._gone: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._gone = asyncio.create_task(_until_gone(receive))
        gone, loop = self._gone, asyncio.get_running_loop()
        self.job.cut = lambda: loop.call_soon_threadsafe(gone.cancel)
        started, kept = False, bytearray()
        outcome = "ok"
        try:
            chunk = await self._chunk()
            self.metrics.observe("tts_first_audio_seconds", time.perf_counter() - self.job.arrived)
            while chunk is not None:
                data = self.encoder.encode(self.mark(chunk.samples))
                if self._whole:
                    kept += data
                else:
                    if not started:
                        started = True
                        await self._out(send(self._start()))
                    await self._send(send, data)
                chunk = await self._chunk()
            kept += self.encoder.finish()
            if self._whole:
                for offset, correct in self.encoder.corrections():
                    kept[offset : offset + len(correct)] = correct
                started = True
                await self._out(send(self._start(len(kept))))
            await self._send(send, bytes(kept))
            if self.sse:
                await self._event(send, {"type": "speech.audio.done", "usage": self._usage()})
            await self._out(send({"type": "http.response.body", "body": b""}))
        except _Gone:
            outcome = "client_gone"
        except Stalled:
            outcome = "stalled"
            abort(scope)
        except Exception as error:
            outcome = "timeout" if isinstance(error, TimeoutError) else "error"
            await self._tell(error, started, scope, receive, send)
        finally:
            self._gone.cancel()
            self.scheduler.cancel(self.job)
            self.encoder.close()
            seconds = self.job.samples / self.job.model.sample_rate
            self.metrics.count("tts_requests_total", outcome=outcome)
            self.metrics.count("tts_audio_seconds_total", seconds)
            self.metrics.count("tts_characters_total", self.characters)
            self.metrics.observe("tts_request_seconds", time.perf_counter() - self.job.arrived)

    async def _tell(
        self, error: Exception, started: bool, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """An error, as far as it can still be told."""
        if not started:
            await error_reply(error)(scope, receive, send)
            return
        if self.sse:
            body = error_body(error, status_of(error))
            await send(_body(_event({"type": "error", **body})))
            await send({"type": "http.response.body", "body": b""})
            return
        # Ending without the last chunk is how HTTP tells that a body is not whole.

    def _usage(self) -> dict[str, int]:
        """Tokens as they are counted here: characters, and 25 for each second of audio."""
        made = round(25 * self.job.samples / self.job.model.sample_rate)
        return {
            "input_tokens": self.characters,
            "output_tokens": made,
            "total_tokens": self.characters + made,
        }

    def _start(self, size: int | None = None) -> dict[str, Any]:
        kind = "text/event-stream" if self.sse else MEDIA_TYPES[self.format]
        headers = [
            (b"content-type", kind.encode()),
            (b"cache-control", b"no-store"),
            (b"x-sample-rate", str(self.job.model.sample_rate).encode()),
        ]
        if size is not None:
            headers.append((b"content-length", str(size).encode()))
        headers += [(name.lower().encode(), text.encode()) for name, text in self.told.items()]
        return {"type": "http.response.start", "status": 200, "headers": headers}

    async def _send(self, send: Send, data: bytes) -> None:
        if not data:
            return
        if self.sse:
            audio = base64.b64encode(data).decode()
            await self._event(send, {"type": "speech.audio.delta", "audio": audio})
        else:
            await self._out(send(_body(data)))

    async def _event(self, send: Send, values: dict[str, Any]) -> None:
        await self._out(send(_body(_event(values))))

    async def _chunk(self) -> Chunk | None:
        """The next chunk, None at the end."""
        item = await self._race(self.job.chunks.get())
        if isinstance(item, Exception):
            raise item
        if item is not None:
            self.scheduler.taken(self.job, item)
        return item

    async def _out(self, sending: Awaitable[None]) -> None:
        """Send, unless the client takes nothing for too long."""
        await self._race(sending, self.stall)

    async def _race(self, work: Awaitable[T], stall: float = math.inf) -> T:
        """The result of `work`, unless the client leaves or the time is over."""
        assert self._gone is not None
        task = asyncio.ensure_future(work)
        left = max(0.0, self.deadline - time.perf_counter())
        try:
            await asyncio.wait(
                {task, self._gone}, timeout=min(left, stall), return_when=asyncio.FIRST_COMPLETED
            )
            if task.done():
                return task.result()
        finally:
            task.cancel()
        if self._gone.cancelled():
            raise Stalled("the client does not read")
        if self._gone.done():
            raise _Gone
        if stall <= left:
            raise Stalled("the client does not read")
        raise TimeoutError("the request took too long")


def abort(scope: Scope) -> None:
    """End a connection at once: closing it would wait for its client to read what is left."""
    end = scope.get("extensions", {}).get("tts.abort")
    if end is not None:
        end()


def _body(data: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": True}


def _event(values: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(values).encode() + b"\n\n"


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
