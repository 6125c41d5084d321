"""Speech in an event loop: chunks are computed in a thread, and waiting for them blocks nobody."""

import asyncio
import concurrent.futures
import contextvars
import os
import threading
from abc import abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeAlias

from tts.types import Chunk, Stream

#: a text, its pieces, or pieces that arrive while it is spoken
AsyncText: TypeAlias = "str | Iterable[str] | AsyncIterable[str]"

#: texts that come in pieces which are computed at a time, as many as asyncio's own threads are
_COMPUTING = threading.Semaphore(min(32, (os.cpu_count() or 1) + 4))


class _Pieces(Iterator[str]):
    """Pieces of a text for a thread that computes, which waits for each and lets others compute
    meanwhile."""

    def __next__(self) -> str:
        _COMPUTING.release()
        try:
            return self._wait()
        finally:
            _COMPUTING.acquire()

    @abstractmethod
    def _wait(self) -> str:
        """The next piece, when there is one; StopIteration at the end."""

    def stop(self) -> None:
        """End the iteration, also of a thread that waits where that can be done."""


class _Given(_Pieces):
    """Of an iterable; what takes its time there takes the time of the thread."""

    def __init__(self, pieces: Iterable[str]):
        self._pieces = iter(pieces)

    def _wait(self) -> str:
        return next(self._pieces)


class _Awaited(_Pieces):
    """Of an asynchronous iterable, which runs in its loop."""

    def __init__(self, pieces: AsyncIterable[str], loop: asyncio.AbstractEventLoop):
        self._pieces, self._loop = aiter(pieces), loop
        self._waiting: concurrent.futures.Future[str] | None = None
        self._closed = False

    async def _next(self) -> str:
        return await anext(self._pieces)

    def _wait(self) -> str:
        if self._closed:
            raise StopIteration
        self._waiting = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
        if self._closed:  # meanwhile, so that `stop` may not have seen it
            self._waiting.cancel()
        try:
            return self._waiting.result()
        except (StopAsyncIteration, concurrent.futures.CancelledError):
            raise StopIteration from None

    def stop(self) -> None:
        self._closed = True
        if self._waiting is not None:
            self._waiting.cancel()


def _pieces_of(text: AsyncText) -> _Pieces | None:
    """Where a text comes in pieces, those; called in the event loop."""
    if isinstance(text, AsyncIterable):
        return _Awaited(text, asyncio.get_running_loop())
    if isinstance(text, Iterable) and not isinstance(text, (str, bytes, bytearray)):
        return _Given(text)
    return None


class AsyncStream(AsyncIterator[Chunk]):
    """Chunks of a request for `async for`, see tts.types.Stream.

    Each is computed in a thread when it is asked for. A text in pieces has a thread of its own:
    waiting for a piece in one of asyncio's, of which there are few, would keep from them what the
    piece itself may need there, such as the address of a server. `aclose`, the end of an
    `async with` block and a cancelled task stop the work within one block of a network.

    Args:
        make: makes the stream of a text; called in a thread.
    """

    def __init__(self, make: Callable[[str | Iterable[str]], Stream], text: AsyncText):
        self._make, self._text = make, text
        self._stream: Stream | None = None
        self._pieces: _Pieces | None = None
        self._thread: concurrent.futures.ThreadPoolExecutor | None = None
        self._started = self._closed = False

    def _next(self) -> Chunk | None:
        if self._stream is None:
            text: Any = self._pieces or self._text
            self._stream = self._make(text)
        if self._closed:  # meanwhile
            self._stream.close()
            return None
        return next(self._stream, None)

    def _next_of_pieces(self) -> Chunk | None:
        with _COMPUTING:
            return self._next()

    async def __anext__(self) -> Chunk:
        if self._closed:
            raise StopAsyncIteration
        if not self._started:
            self._started = True
            self._pieces = _pieces_of(self._text)
            if self._pieces is not None:
                self._thread = concurrent.futures.ThreadPoolExecutor(1, "tts-stream")
        try:
            if self._thread is None:
                chunk = await asyncio.to_thread(self._next)
            else:
                loop, context = asyncio.get_running_loop(), contextvars.copy_context()
                chunk = await loop.run_in_executor(self._thread, context.run, self._next_of_pieces)
        except BaseException:
            self._stop()
            raise
        if chunk is None:
            self._stop()
            raise StopAsyncIteration
        return chunk

    def _stop(self) -> None:
        self._closed = True
        if self._pieces is not None:
            self._pieces.stop()
        if self._thread is not None:
            self._thread.shutdown(wait=False)
        if self._stream is not None:
            self._stream.close()

    async def aclose(self) -> None:
        """Stop; nothing more comes. Can be called often."""
        self._stop()
        close = getattr(self._text, "aclose", None)
        if close is not None:
            with suppress(RuntimeError):  # it runs still, and ends by itself
                await close()

    async def __aenter__(self) -> "AsyncStream":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()
