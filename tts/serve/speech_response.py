"""Streaming response of the speech endpoint: audio is sent while it is made."""

import asyncio
import base64
import json
import math
import time
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

from starlette.responses import Response

from tts.audio.encoder import StreamEncoder
from tts.provenance import marker
from tts.serve.context import ServerContext
from tts.serve.errors import ClientStalled, error_body, error_message, error_response, status_of
from tts.serve.job import Job
from tts.serve.middleware import Receive, Scope, Send
from tts.serve.schema import MEDIA_TYPES, SpeechRequest
from tts.types import Chunk

T = TypeVar("T")
#: tokens that are billed for a second of audio, as clients of OpenAI's API expect them
_TOKENS_PER_SECOND = 25


class _ClientGone(Exception):
    """The client has closed its connection."""


class SpeechResponse(Response):
    """A response with the audio of a job, chunk by chunk or as server-sent events.

    Nothing is sent before the first audio is there, so that an error up to then has a status of its
    own. FLAC is sent once it is complete unless the client asks for a stream, since libsndfile
    cannot read FLAC whose header lacks the length.

    Args:
        job: the request, prepared; its audio begins once it is submitted to the scheduler.
        context: state of the server.
        fields: fields of the request: its formats and text.
        extra_headers: more headers of the response.

    Attributes:
        encoder: the audio encoder. A response that is never sent has to close it.
    """

    def __init__(
        self,
        job: Job,
        context: ServerContext,
        fields: SpeechRequest,
        extra_headers: Mapping[str, str] | None = None,
    ):
        super().__init__()
        settings, sample_rate = context.settings, job.model.sample_rate
        self.job, self.scheduler, self.metrics = job, context.scheduler, context.metrics
        self.extra_headers = extra_headers or {}
        self.format, self.characters = fields.response_format, len(fields.input)
        self.is_sse = fields.stream_format == "sse"
        self.is_buffered = self.format == "flac" and fields.stream_format is None
        self.deadline, self.stall = job.arrived + settings.timeout, settings.stall
        self.encoder = StreamEncoder(self.format, sample_rate)
        self.watermark = marker(settings.watermark, sample_rate)
        self.has_started = False
        self._disconnected: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response; called by the application."""
        self._disconnected = asyncio.create_task(_until_disconnected(receive))
        disconnected, loop = self._disconnected, asyncio.get_running_loop()
        self.job.disconnect = lambda: loop.call_soon_threadsafe(disconnected.cancel)
        outcome = "ok"
        try:
            await self._send_audio(send)
        except _ClientGone:
            outcome = "client_gone"
        except ClientStalled:
            outcome = "stalled"
            abort_connection(scope)
        except Exception as error:
            outcome = "timeout" if isinstance(error, TimeoutError) else "error"
            # Nobody wants the rest; and a client that does not read must not hold its place.
            self.scheduler.cancel(self.job)
            await self._report_in_time(error, scope, receive, send)
        finally:
            disconnected.cancel()
            self.scheduler.cancel(self.job)
            self.encoder.close()
            self._count(outcome)

    async def _send_audio(self, send: Send) -> None:
        """Encode and send chunks until the end.

        Raises:
            _ClientGone, ClientStalled: the client has left, or does not read.
            TimeoutError: the time of the request is over.
            TTSError: the text cannot be spoken.
        """
        buffer = bytearray()
        chunk = await self._next_chunk()
        self.metrics.observe("tts_first_audio_seconds", time.perf_counter() - self.job.arrived)
        while chunk is not None:
            data = self.encoder.encode(self.watermark(chunk.samples))
            if self.is_buffered:
                buffer += data
            else:
                if not self.has_started:
                    await self._send_start(send)
                await self._send_data(send, data)
            chunk = await self._next_chunk()
        buffer += self.encoder.finish()
        if self.is_buffered:
            for offset, correct in self.encoder.corrections():
                buffer[offset : offset + len(correct)] = correct
            await self._send_start(send, len(buffer))
        await self._send_data(send, bytes(buffer))
        if self.is_sse:
            done = {"type": "speech.audio.done", "usage": self._usage()}
            await self._send_or_stall(send(_body(_event(done))))
        await self._send_or_stall(send(_END))

    async def _report_in_time(
        self, error: Exception, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Report an error, and abort the connection of a client that does not read even that."""
        try:
            await asyncio.wait_for(self._report(error, scope, receive, send), self.stall)
        except asyncio.TimeoutError:
            abort_connection(scope)

    async def _report(self, error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
        """Report an error as far as what was sent allows it. A stream of audio just ends: without
        its last chunk HTTP clients know that the body is not complete."""
        if not self.has_started:
            await error_response(error)(scope, receive, send)
        elif self.is_sse:
            body = error_body(error_message(error), status_of(error))
            await send(_body(_event({"type": "error", **body})))
            await send(_END)

    def _count(self, outcome: str) -> None:
        """Count the finished request."""
        metrics, seconds = self.metrics, self.job.delivered_samples / self.job.model.sample_rate
        metrics.count("tts_requests_total", outcome=outcome)
        metrics.count("tts_audio_seconds_total", seconds)
        metrics.count("tts_characters_total", self.characters)
        metrics.observe("tts_request_seconds", time.perf_counter() - self.job.arrived)

    def _usage(self) -> dict[str, int]:
        """Return the tokens of the request: characters, and a number for each second of audio."""
        seconds = self.job.delivered_samples / self.job.model.sample_rate
        made = round(_TOKENS_PER_SECOND * seconds)
        return {
            "input_tokens": self.characters,
            "output_tokens": made,
            "total_tokens": self.characters + made,
        }

    async def _send_start(self, send: Send, length: int | None = None) -> None:
        """Send status and headers, with the length of the body if it is known."""
        media_type = "text/event-stream" if self.is_sse else MEDIA_TYPES[self.format]
        headers = {
            "content-type": media_type,
            "cache-control": "no-store",
            "x-sample-rate": str(self.job.model.sample_rate),
        }
        if length is not None:
            headers["content-length"] = str(length)
        headers |= {name.lower(): value for name, value in self.extra_headers.items()}
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        self.has_started = True
        await self._send_or_stall(
            send({"type": "http.response.start", "status": 200, "headers": encoded})
        )

    async def _send_data(self, send: Send, data: bytes) -> None:
        """Send encoded audio."""
        if not data:
            return
        if self.is_sse:
            audio = base64.b64encode(data).decode()
            data = _event({"type": "speech.audio.delta", "audio": audio})
        await self._send_or_stall(send(_body(data)))

    async def _next_chunk(self) -> Chunk | None:
        """Return the next chunk, or None at the end."""
        item = await self._race(self.job.chunks.get())
        if isinstance(item, Exception):
            raise item
        if item is not None:
            self.scheduler.acknowledge(self.job, item)
        return item

    async def _send_or_stall(self, sending: Awaitable[None]) -> None:
        """Wait until the client has read, at most for the stall timeout."""
        await self._race(sending, self.stall)

    async def _race(self, work: Awaitable[T], stall: float = math.inf) -> T:
        """Return the result of `work`, unless one of the errors of `_send_audio` comes first."""
        disconnected = self._disconnected
        assert disconnected is not None
        task = asyncio.ensure_future(work)
        left = max(0.0, self.deadline - time.perf_counter())
        try:
            await asyncio.wait(
                {task, disconnected}, timeout=min(left, stall), return_when=asyncio.FIRST_COMPLETED
            )
            if task.done():
                return task.result()
        finally:
            task.cancel()
        if disconnected.done() and not disconnected.cancelled():
            raise _ClientGone
        if disconnected.cancelled() or stall <= left:
            raise ClientStalled("the client does not read")
        raise TimeoutError("the request took too long")


def abort_connection(scope: Scope) -> None:
    """End a connection at once. To close it would wait until its client has read what is left."""
    abort = scope.get("extensions", {}).get("tts.abort")
    if abort is not None:
        abort()


_END: dict[str, Any] = {"type": "http.response.body", "body": b""}


def _body(data: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": True}


def _event(values: dict[str, Any]) -> bytes:
    """Return a server-sent event."""
    return b"data: " + json.dumps(values).encode() + b"\n\n"


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
