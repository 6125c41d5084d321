"""Connections of the server: deadlines, how many there may be, how much is sent ahead.

uvicorn speaks HTTP (its protocol on h11). It knows no deadline for a request that is still coming,
counts connections only once a request is there, and closes a connection only after what it has to
send was read; these are added here. Where there are too many connections, the oldest one on which
no request is being answered gives way, so that half-open ones never lock others out.
"""

import asyncio
import ipaddress
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from tts.errors import UsageError

#: bytes the kernel may hold of what is sent: without a limit it takes minutes of audio for a client
#: that reads nothing
SEND_BUFFER = 64 * 1024


@dataclass(frozen=True)
class Limits:
    """What connections may take.

    Attributes:
        connections: at a time; per_address: of them from one address (IPv6: one /64).
        header: seconds for the head of a request to come.
        body: seconds for its body, and one more for every `rate` bytes that came.
        closing: seconds for a client to read the end of an answer.
    """

    connections: int = 1000
    per_address: int = 256
    header: float = 10.0
    body: float = 10.0
    rate: int = 16 * 1024
    closing: float = 10.0


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, before seconds go into loading weights.

    Raises:
        UsageError: the address cannot be listened on.
    """
    listening = None
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        listening.bind(address)
    except OSError as error:
        if listening is not None:
            listening.close()
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return listening


def raise_open_files(most: int = 65536) -> int:
    """Let this process have as many files open as it may, up to `most`; how many that are."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return most
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(hard, most)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return most if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


class Connections:
    """All connections of a server; `protocol` is what uvicorn.Config takes as `http`."""

    def __init__(self, limits: Limits | None = None):
        self.limits = limits or Limits()
        self.by_address: dict[str, dict[Connection, None]] = {}
        self.count = 0
        self._sweeping = False

    @property
    def protocol(self) -> type[asyncio.Protocol]:
        """Makes a protocol for a new connection."""
        return cast(type[asyncio.Protocol], partial(Connection, self))

    def _all(self) -> Iterator["Connection"]:
        for of_one in self.by_address.values():
            yield from of_one

    def add(self, connection: "Connection") -> bool:
        """Count a new connection, ending an older one where there are too many; False where none
        can give way."""
        mine = self.by_address.get(connection.address, {})
        if len(mine) >= self.limits.per_address and not _give_way(mine):
            return False
        if self.count >= self.limits.connections:
            most = max(self.by_address.values(), key=len)
            if not _give_way(most) and not _give_way({each: None for each in self._all()}):
                return False
        self.by_address.setdefault(connection.address, {})[connection] = None
        self.count += 1
        if not self._sweeping:
            self._sweeping = True
            connection.loop.call_later(1.0, self._sweep, connection.loop)
        return True

    def remove(self, connection: "Connection") -> None:
        """A connection has ended; may be told often."""
        mine = self.by_address.get(connection.address, {})
        if connection in mine:
            del mine[connection]
            self.count -= 1
            if not mine:
                del self.by_address[connection.address]

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        for connection in list(self._all()):
            connection.check(now)
        self._sweeping = self.count > 0
        if self._sweeping:
            loop.call_later(1.0, self._sweep, loop)


def _give_way(connections: "dict[Connection, None]") -> bool:
    """End the oldest of some connections on which nothing is being answered."""
    for connection in connections:
        if not connection.answering:
            connection.abort()
            return True
    return False


class Connection(H11Protocol):
    """One connection.

    Attributes:
        address: whose it is, as it is counted.
        since: when what is waited for began (time.monotonic); received: bytes of a body since.
    """

    def __init__(self, owner: Connections, *args: Any, **values: Any):
        super().__init__(*args, **values)
        self.owner = owner
        self.address = ""
        self.since = time.monotonic()
        self.received = 0
        self._waits_for: object = h11.IDLE
        self._closing: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=SEND_BUFFER // 4)
        self.address = _counted(self.client[0] if self.client else "")
        if not self.owner.add(self):
            self._refuse(503, "there are too many connections: try again later")

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self.owner.remove(self)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self.received += len(data)
        super().data_received(data)
        self._note()

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None:
            extensions = cast("dict[str, Any]", self.cycle.scope.setdefault("extensions", {}))
            extensions.setdefault("tts.abort", self.abort)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._note()

    def _note(self) -> None:
        """Count time and bytes anew where something else is waited for."""
        state = self.conn.their_state
        if state is h11.IDLE and not self.answering and not self.conn.trailing_data[0]:
            self.since = time.monotonic()  # idle: uvicorn's own keep-alive timer counts
            self._waits_for = None
        elif state is not self._waits_for:
            self.since, self.received, self._waits_for = time.monotonic(), 0, state

    @property
    def answering(self) -> bool:
        """Whether a request is complete and its answer not."""
        return (
            self.cycle is not None
            and not self.cycle.response_complete
            and not self.cycle.more_body
            and not self.transport.is_closing()
        )

    def check(self, now: float) -> None:
        """End what takes too long."""
        limits, waited = self.owner.limits, now - self.since
        if self.transport.is_closing():
            self._closing = self._closing or now
            if now - self._closing > limits.closing:
                self.abort()
        elif self._waits_for is h11.IDLE and waited > limits.header and not self.answering:
            self._refuse(408, "the head of the request took too long")
        elif self._waits_for is not h11.SEND_BODY:
            return
        elif self.cycle is not None and self.cycle.response_complete and waited > limits.closing:
            self.abort()  # it was refused and goes on
        elif waited > limits.body + self.received / limits.rate:
            self._refuse(408, "the body of the request took too long")

    def _refuse(self, status: int, message: str) -> None:
        """Tell an error, where no answer has begun, and close."""
        cycle = self.cycle
        begun = cycle is not None and cycle.response_started and not cycle.response_complete
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        if not begun:
            kind = "server_error" if status >= 500 else "invalid_request_error"
            error = {"message": message, "type": kind, "param": None, "code": None}
            body = json.dumps({"error": error}).encode()
            name = b"Request Timeout" if status == 408 else b"Service Unavailable"
            again = b"Retry-After: 1\r\n" if status == 503 else b""
            self.transport.write(
                b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nConnection: close\r\n%s"
                b"Content-Length: %d\r\n\r\n%s" % (status, name, again, len(body), body)
            )
        self.transport.close()

    def shutdown(self) -> None:
        """The server stops: an answer that is being made is the last one, and a request that is
        still coming gets none."""
        if self.cycle is not None and self.cycle.more_body and not self.cycle.response_complete:
            self.turn_away()
        else:
            super().shutdown()

    def turn_away(self) -> None:
        """The server stops now: tell it, where no answer has begun, and close."""
        self._refuse(503, "the server is stopping")

    def abort(self) -> None:
        """End at once, whatever is still to be sent."""
        self.owner.remove(self)
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.abort()


def _counted(host: str) -> str:
    """What addresses of one client have in common."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False).network_address)
    return str(address)
