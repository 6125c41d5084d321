"""The server's end: it finishes what it can within a stated time, tells the rest, and is gone.

uvicorn waits for every answer to be read, and knows neither answers that have not begun nor what
computes for them; these are ended here.
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

#: seconds for clients to take what they are told at the end
TOLD = 0.5
#: seconds after which a process that was told to stop and still lives ends itself
_LATEST = 3.0


class Server(uvicorn.Server):
    """uvicorn that ends within `grace` seconds and a moment after the first signal, and at once
    after the second.

    Args:
        grace: seconds for the answers that are being made or waited for.
        cut: called when they are over; ends what is computed for those that are left.

    Attributes:
        signals: numbers of the signals that came.
    """

    def __init__(self, config: uvicorn.Config, grace: float, cut: Callable[[], object]):
        super().__init__(config)
        self.grace, self.cut = grace, cut
        self.signals: list[int] = []

    @property
    def forced(self) -> bool:
        """Whether it was told twice."""
        return len(self.signals) > 1

    @property
    def code(self) -> int:
        """The exit code: 0 after one signal, as service managers expect it."""
        return 128 + self.signals[-1] if self.forced else 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal asks for an end, the second for one at once; both see to it that there
        is one."""
        self.signals.append(sig)
        self.should_exit = True
        latest = _LATEST + (0 if self.forced else self.grace)
        surely = threading.Timer(latest, os._exit, (self.code or 1,))
        surely.daemon = True
        surely.start()

    def leave(self) -> None:
        """After `run`: where a signal ended it, end the process too. To take PyTorch apart, as the
        interpreter would, takes seconds on a busy machine."""
        if self.signals:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.code)

    async def shutdown(self, sockets: Any = None) -> None:
        """Take no more connections, wait for the answers, cut off what is left."""
        late = asyncio.ensure_future(self._end_late())
        try:
            await super().shutdown(sockets)
        finally:
            late.cancel()

    async def _end_late(self) -> None:
        end = time.monotonic() + self.grace
        while time.monotonic() < end and not self.forced:
            await asyncio.sleep(0.05)
        self.cut()
        await asyncio.sleep(TOLD)
        for connection in self._connections():
            connection.turn_away()
        await asyncio.sleep(TOLD)
        for task in list(self.server_state.tasks):
            task.cancel()
        for connection in self._connections():
            connection.abort()
        await asyncio.sleep(TOLD)
        self.force_exit = True

    def _connections(self) -> list[Connection]:
        return cast(list[Connection], list(self.server_state.connections))


def server_of(
    app: Any,
    limits: Limits | None = None,
    grace: float = 8.0,
    cut: Callable[[], object] = lambda: None,
    **values: Any,
) -> Server:
    """uvicorn with these connections and this end; values are of uvicorn.Config."""
    connections = Connections(limits)
    config = uvicorn.Config(
        app,
        http=connections.protocol,
        ws="none",
        log_config=None,
        server_header=False,
        **values,
    )
    return Server(config, grace, cut)
