"""Connections of the server: deadlines, limits on their number, and limits on buffered output.

uvicorn speaks HTTP (its protocol on h11). It has no deadline for a request that is still arriving,
counts connections only once a request is there, and closes a connection only after the client has
read everything; these are added here. If there are too many connections, the oldest one on which
no request is being answered is closed, so that half-open connections never lock others out.
"""

import asyncio
import ipaddress
import json
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from tts.errors import UsageError
from tts.serve.errors import error_body

#: bytes of output that the kernel may buffer. Without a limit it takes minutes of audio for a
#: client that reads nothing
SEND_BUFFER = 64 * 1024
_REASONS = {408: b"Request Timeout", 503: b"Service Unavailable"}
#: seconds between two checks of the deadlines
_CHECK_INTERVAL = 1.0


@dataclass(frozen=True)
class Limits:
    """Limits on connections.

    Attributes:
        connections: most connections at a time.
        per_address: most connections from one address (of IPv6: from one /64 network).
        header: seconds for the head of a request to arrive.
        body: seconds for the body of a request to arrive, and one more for every `rate` bytes.
        rate: slowest rate of a body in bytes a second.
        closing: seconds for a client to read the end of a response.
    """

    connections: int = 1000
    per_address: int = 256
    header: float = 10.0
    body: float = 10.0
    rate: int = 16 * 1024
    closing: float = 10.0


def bind_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address, so that an address that is taken is found before
    seconds go into loading weights.

    Raises:
        UsageError: the address cannot be bound.
    """
    bound = None
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        bound.bind(address)
    except OSError as error:
        if bound is not None:
            bound.close()
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return bound


def raise_open_files(target: int = 65536) -> int:
    """Raise the limit on open files of this process, and return the limit that holds then.

    Args:
        target: the limit that is wanted; the system may allow less.
    """
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return target
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return target
    wanted = target if hard == resource.RLIM_INFINITY else min(hard, target)
    if soft >= wanted:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # macOS allows less than the hard limit that it tells
        return soft
    return wanted


class Connections:
    """All connections of a server.

    Args:
        limits: limits on connections; the defaults if None.

    Attributes:
        by_address: connections of each address, the oldest first.
        count: number of all connections.
    """

    def __init__(self, limits: Limits | None = None):
        self.limits = limits or Limits()
        self.by_address: dict[str, dict[Connection, None]] = {}
        self.count = 0
        self._is_checking = False

    @property
    def protocol(self) -> type[asyncio.Protocol]:
        """The factory of protocols that uvicorn.Config takes as `http`."""
        return cast(type[asyncio.Protocol], partial(Connection, self))

    def __iter__(self) -> Iterator["Connection"]:
        for connections in self.by_address.values():
            yield from connections

    def add(self, connection: "Connection") -> bool:
        """Add a new connection, and abort an older one if there are too many.

        Returns:
            False if there are too many and requests are being answered on all of them.
        """
        siblings = self.by_address.get(connection.address, {})
        if len(siblings) >= self.limits.per_address and not _abort_oldest(siblings):
            return False
        if self.count >= self.limits.connections:
            largest = max(self.by_address.values(), key=len)
            if not _abort_oldest(largest) and not _abort_oldest(self):
                return False
        self.by_address.setdefault(connection.address, {})[connection] = None
        self.count += 1
        if not self._is_checking:
            self._is_checking = True
            connection.loop.call_later(_CHECK_INTERVAL, self._check_all, connection.loop)
        return True

    def remove(self, connection: "Connection") -> None:
        """Remove a connection that has ended. One that was removed before is ignored."""
        siblings = self.by_address.get(connection.address, {})
        if connection in siblings:
            del siblings[connection]
            self.count -= 1
            if not siblings:
                del self.by_address[connection.address]

    def _check_all(self, loop: asyncio.AbstractEventLoop) -> None:
        """Check the deadlines of all connections, again and again while there are any."""
        now = time.monotonic()
        for connection in list(self):
            connection.check_deadlines(now)
        self._is_checking = self.count > 0
        if self._is_checking:
            loop.call_later(_CHECK_INTERVAL, self._check_all, loop)


def _abort_oldest(connections: "Iterable[Connection]") -> bool:
    """Abort the oldest of some connections on which no request is being answered. Return whether
    there was one."""
    oldest = next((each for each in connections if not each.is_answering), None)
    if oldest is not None:
        oldest.abort()
    return oldest is not None


class Connection(H11Protocol):
    """One connection.

    Attributes:
        address: address of the client, as connections are counted by it.
        waiting_since: when the wait for the next part of a request began (time.monotonic).
        received: bytes that arrived since then.
    """

    def __init__(self, owner: Connections, *args: Any, **values: Any):
        super().__init__(*args, **values)
        self.owner = owner
        self.address = ""
        self.waiting_since = time.monotonic()
        self.received = 0
        self._waits_for: object = h11.IDLE
        self._closing_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the new connection, or refuse it."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=SEND_BUFFER // 4)
        self.address = _network(self.client[0] if self.client else "")
        if not self.owner.add(self):
            self._refuse(503, "there are too many connections: try again later")

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self.owner.remove(self)

    def data_received(self, data: bytes) -> None:
        """Count what arrives, and handle it."""
        if self.transport.is_closing():
            return
        self.received += len(data)
        super().data_received(data)
        self._note_state()

    def handle_events(self) -> None:
        """Handle what has arrived; the application can abort the connection by the scope."""
        super().handle_events()
        if self.cycle is not None:
            extensions = cast("dict[str, Any]", self.cycle.scope.setdefault("extensions", {}))
            extensions.setdefault("tts.abort", self.abort)

    def on_response_complete(self) -> None:
        """Go on with the next request."""
        super().on_response_complete()
        self._note_state()

    def _note_state(self) -> None:
        """Restart the deadline if another part of a request is waited for now."""
        state = self.conn.their_state
        if state is h11.IDLE and not self.is_answering and not self.conn.trailing_data[0]:
            self.waiting_since = time.monotonic()
            self._waits_for = None  # uvicorn's own keep-alive timer ends idle connections
        elif state is not self._waits_for:
            self.waiting_since, self.received = time.monotonic(), 0
            self._waits_for = state

    @property
    def is_answering(self) -> bool:
        """Whether a request has arrived completely and its response is not sent completely."""
        return (
            self.cycle is not None
            and not self.cycle.response_complete
            and not self.cycle.more_body
            and not self.transport.is_closing()
        )

    def check_deadlines(self, now: float) -> None:
        """End the connection if a deadline has passed.

        Args:
            now: the time (time.monotonic).
        """
        limits, waited = self.owner.limits, now - self.waiting_since
        if self.transport.is_closing():
            self._closing_since = self._closing_since or now
            if now - self._closing_since > limits.closing:
                self.abort()
        elif self._waits_for is h11.IDLE and waited > limits.header and not self.is_answering:
            self._refuse(408, "the head of the request took too long")
        elif self._waits_for is not h11.SEND_BODY:
            return
        elif self.cycle is not None and self.cycle.response_complete and waited > limits.closing:
            self.abort()  # the request was refused, and the client goes on sending its body
        elif waited > limits.body + self.received / limits.rate:
            self._refuse(408, "the body of the request took too long")

    def _refuse(self, status: int, message: str) -> None:
        """Send an error, unless a response has begun, and close the connection."""
        cycle = self.cycle
        has_begun = cycle is not None and cycle.response_started and not cycle.response_complete
        self._end_cycle()
        if not has_begun:
            body = json.dumps(error_body(message, status)).encode()
            retry = b"Retry-After: 1\r\n" if status == 503 else b""
            self.transport.write(
                b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nConnection: close\r\n%s"
                b"Content-Length: %d\r\n\r\n%s" % (status, _REASONS[status], retry, len(body), body)
            )
        self.transport.close()

    def _end_cycle(self) -> None:
        """Tell the application that the client of the request is gone."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def shutdown(self) -> None:
        """Prepare for the end of the server: a response that is being made is the last one, and a
        request that is still arriving is refused."""
        if self.cycle is not None and self.cycle.more_body and not self.cycle.response_complete:
            self.refuse_stopping()
        else:
            super().shutdown()

    def refuse_stopping(self) -> None:
        """Tell the client that the server stops, unless a response has begun, and close."""
        self._refuse(503, "the server is stopping")

    def abort(self) -> None:
        """End the connection at once, whatever is still to be sent."""
        self.owner.remove(self)
        self._end_cycle()
        self.transport.abort()


def _network(host: str) -> str:
    """Return what the addresses of one client have in common: the address of IPv4, the first half
    of IPv6, which one client has for itself."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False).network_address)
    return str(address)
