"""Shutdown of the server: it finishes what it can within a stated time and refuses the rest.

uvicorn waits until every response is read, and knows neither responses that have not begun nor the
computation behind them; these are ended here.
"""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, cast

import uvicorn

from tts.serve.connections import Connection, Connections, Limits

#: seconds for clients to read the last thing that they are sent
_LAST_WORDS = 0.5
#: seconds after which a process that should have ended ends itself
_LATEST = 3.0


class Server(uvicorn.Server):
    """uvicorn that ends within `grace` seconds and a moment after the first signal, and at once
    after the second.

    Args:
        config: configuration of uvicorn.
        grace: seconds for responses that are being made or waited for.
        abort_all: called after that; ends the computation for the responses that are left.

    Attributes:
        signals: numbers of the signals that came.
    """

    def __init__(self, config: uvicorn.Config, grace: float, abort_all: Callable[[], object]):
        super().__init__(config)
        self.grace, self.abort_all = grace, abort_all
        self.signals: list[int] = []

    @property
    def is_forced(self) -> bool:
        """Whether a second signal came."""
        return len(self.signals) > 1

    @property
    def exit_code(self) -> int:
        """The exit code: 0 after one signal, as service managers expect it."""
        return 128 + self.signals[-1] if self.is_forced else 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the shutdown at the first signal and force it at the second. A timer makes sure
        that the process ends."""
        self.signals.append(sig)
        self.should_exit = True
        latest = _LATEST + (0 if self.is_forced else self.grace)
        timer = threading.Timer(latest, os._exit, (self.exit_code or 1,))
        timer.daemon = True
        timer.start()

    def exit_process(self) -> None:
        """End the process if a signal ended `run`. To take PyTorch apart, as the interpreter would,
        takes seconds on a busy machine."""
        if self.signals:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.exit_code)

    async def shutdown(self, sockets: Any = None) -> None:
        """Take no more connections, wait for the responses, and end those that take too long."""
        overtime = asyncio.ensure_future(self._end_after_grace())
        try:
            await super().shutdown(sockets)
        finally:
            overtime.cancel()

    async def _end_after_grace(self) -> None:
        end = time.monotonic() + self.grace
        while time.monotonic() < end and not self.is_forced:
            await asyncio.sleep(0.05)
        self.abort_all()
        await asyncio.sleep(_LAST_WORDS)
        for connection in self._connections():
            connection.refuse_stopping()
        await asyncio.sleep(_LAST_WORDS)
        for task in list(self.server_state.tasks):
            task.cancel()
        for connection in self._connections():
            connection.abort()
        await asyncio.sleep(_LAST_WORDS)
        self.force_exit = True

    def _connections(self) -> list[Connection]:
        return cast(list[Connection], list(self.server_state.connections))


def make_server(
    app: Any,
    limits: Limits | None = None,
    grace: float = 8.0,
    abort_all: Callable[[], object] = lambda: None,
    **values: Any,
) -> Server:
    """Return a server with the connections of tts.serve.connections.

    Args:
        app: the ASGI application.
        limits: limits on connections; the defaults if None.
        grace, abort_all: see `Server`.
        values: more values of uvicorn.Config.
    """
    config = uvicorn.Config(
        app,
        http=Connections(limits).protocol,
        ws="none",
        log_config=None,
        server_header=False,
        **values,
    )
    return Server(config, grace, abort_all)
