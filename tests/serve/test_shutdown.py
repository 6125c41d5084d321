"""How a server ends: what clients get, and how soon it is gone."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from tests.helpers.serving import LONG, Gate, asking, connect, everything, serving, until  # noqa: E402
from tts import TTS  # noqa: E402
from tts.serve.app import ServeSettings, create_app  # noqa: E402
from tts.serve.connections import bind_socket  # noqa: E402


def test_what_is_left_after_the_grace_is_told(tts: TTS, tmp_path: Path) -> None:
    app = create_app([tts], ServeSettings(voices=tmp_path, max_batch=1))
    gate = Gate(tts)
    with serving(app, grace=0.3) as port:
        waiting = [connect(port) for _ in range(2)]
        for sock in waiting:
            sock.sendall(asking(LONG))
        coming = connect(port)
        coming.sendall(b"POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\n")
        coming.sendall(b"Content-Length: 50\r\n\r\n{")
        until(lambda: sum(app.state.scheduler.load) == 2)
        threading.Timer(2.0, gate.open.set).start()
    for sock in (*waiting, coming):
        head, _, body = everything(sock).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503") and b"retry-after: 1" in head.lower()
        assert json.loads(body)["error"]["message"] == "the server is stopping"
        sock.close()


def test_streams_that_are_cut_are_seen_to_be_cut(tts: TTS, tmp_path: Path) -> None:
    app = create_app([tts], ServeSettings(voices=tmp_path))
    begin = 0.0
    with serving(app, grace=0.3) as port:
        slow = connect(port, 4096)
        slow.sendall(asking(LONG * 2))
        assert slow.recv(100).startswith(b"HTTP/1.1 200")
        idle = connect(port)
        begin = time.monotonic()
    # Neither a client that takes nothing nor one that asks nothing holds it up.
    assert time.monotonic() - begin < 5
    assert not everything(slow).endswith(b"0\r\n\r\n") and everything(idle) == b""


def test_assistants_hear_the_end(tts: TTS, tmp_path: Path) -> None:
    pytest.importorskip("wyoming")
    import asyncio

    listening = bind_socket("127.0.0.1", 0)
    listening.listen()
    app = create_app([tts], ServeSettings(voices=tmp_path, wyoming=listening))
    client = connect(listening.getsockname()[1])

    async def run() -> None:
        async with app.router.lifespan_context(app):
            event = {"type": "synthesize", "data": {"text": LONG[:200]}}
            client.sendall(json.dumps(event).encode() + b"\n")
            while not sum(app.state.scheduler.load):
                await asyncio.sleep(0.01)

    asyncio.run(run())
    assert b"audio-stop" in everything(client)
    client.close()


@pytest.mark.skipif(os.name == "nt", reason="no signals")
def test_signals(tiny_home: Path, tmp_path: Path) -> None:
    """One signal lets a stream go on and takes nobody new, the next ends all at once."""
    command = [sys.executable, "-m", "tts", "serve", "--port", "0", "-q", "--grace", "60"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        port = int(process.stderr.readline().split(":")[2].split("/")[0])
        slow = connect(port, 4096)
        slow.sendall(asking(LONG * 2))
        assert slow.recv(100).startswith(b"HTTP/1.1 200")
        process.send_signal(signal.SIGTERM)

        def refused() -> bool:
            try:
                connect(port).close()
            except ConnectionRefusedError:
                return True
            return False

        until(refused)
        assert len(slow.recv(65536)) > 0 and process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143
        slow.close()
    finally:
        process.kill()
        process.communicate()
