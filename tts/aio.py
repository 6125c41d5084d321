"""Speech in an event loop: chunks are computed in a thread, and waiting for them blocks nobody."""

import asyncio
import concurrent.futures
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeAlias

from tts.types import Chunk, Stream

#: a text, its pieces, or pieces that arrive while it is spoken
AsyncText: TypeAlias = "str | Iterable[str] | AsyncIterable[str]"


class _Pieces(Iterator[str]):
    """Pieces of an asynchronous iterable for a thread, which waits for each."""

    def __init__(self, pieces: AsyncIterable[str], loop: asyncio.AbstractEventLoop):
        self._pieces, self._loop = aiter(pieces), loop
        self._waiting: concurrent.futures.Future[str] | None = None
        self._closed = False

    async def _next(self) -> str:
        return await anext(self._pieces)

    def __next__(self) -> str:
        if self._closed:
            raise StopIteration
        self._waiting = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
        try:
            return self._waiting.result()
        except (StopAsyncIteration, concurrent.futures.CancelledError):
            raise StopIteration from None

    def stop(self) -> None:
        """End the iteration, also of a thread that waits."""
        self._closed = True
        if self._waiting is not None:
            self._waiting.cancel()


class AsyncStream(AsyncIterator[Chunk]):
    """Chunks of a request for `async for`, see tts.types.Stream.

    Each is computed in a thread when it is asked for. `aclose`, the end of an `async with` block
    and a cancelled task stop the work within one block of a network.

    Args:
        make: makes the stream of a text; called in a thread.
    """

    def __init__(self, make: Callable[[str | Iterable[str]], Stream], text: AsyncText):
        self._make, self._text = make, text
        self._stream: Stream | None = None
        self._pieces: _Pieces | None = None
        self._closed = False

    def _next(self) -> Chunk | None:
        if self._stream is None:
            text: Any = self._pieces or self._text
            self._stream = self._make(text)
        if self._closed:  # meanwhile
            self._stream.close()
            return None
        return next(self._stream, None)

    async def __anext__(self) -> Chunk:
        if self._closed:
            raise StopAsyncIteration
        if self._pieces is None and isinstance(self._text, AsyncIterable):
            self._pieces = _Pieces(self._text, asyncio.get_running_loop())
        try:
            chunk = await asyncio.to_thread(self._next)
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
