"""A server on a port of this process, and what is said to it."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("fastapi")

from tts.facade import TTS  # noqa: E402
from tts.serve.connections import Limits, bind_socket  # noqa: E402
from tts.serve.shutdown import make_server  # noqa: E402

LONG = "The birch canoe slid on the smooth planks. " * 40
SPEECH = "/v1/audio/speech"
VOICES = "/v1/audio/voices"
TEXT = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."


class Gate:
    """Holds the generator before its next evaluations until it is opened."""

    def __init__(self, tts: TTS):
        self.open, self.reached = threading.Event(), threading.Event()
        self.rows: list[int] = []
        tts.acoustic.generator.backbone.blocks[0].register_forward_pre_hook(self)

    def __call__(self, _: object, inputs: tuple[Any, ...]) -> None:
        self.rows.append(len(inputs[0]))
        self.reached.set()
        assert self.open.wait(60)


@contextmanager
def serving(app: Any, limits: Limits | None = None, grace: float = 5) -> Iterator[int]:
    """The real server on a free port, in a thread; when it stops, clients have `grace` s."""
    sock = bind_socket("127.0.0.1", 0)
    server = make_server(app, limits, grace, app.state.scheduler.abort_all)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    try:
        until(lambda: server.started)
        yield int(sock.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


def until(done: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def connect(port: int, buffer: int | None = None) -> socket.socket:
    sock = socket.socket()
    if buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.settimeout(30)
    sock.connect(("127.0.0.1", port))
    return sock


def asking(text: str, extra: str = "", version: str = "1.1") -> bytes:
    body = json.dumps({"input": text, "response_format": "pcm"}).encode()
    return b"POST /v1/audio/speech HTTP/%s\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n%s" % (
        version.encode(),
        extra.encode(),
        len(body),
        body,
    )


def everything(sock: socket.socket) -> bytes:
    parts = []
    try:
        while part := sock.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def get(port: int, path: str = "/health") -> bytes:
    with connect(port) as sock:
        sock.sendall(
            b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % path.encode()
        )
        return everything(sock)
