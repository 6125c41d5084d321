"""The server and clients that mean it ill: who read or write nothing, who come in crowds."""

import asyncio
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")

from tests.helpers.serving import LONG, asking, connect, everything, get, serving, until
from tts import TTS  # noqa: E402
from tts.cancel import Cancellation  # noqa: E402
from tts.pipeline.ports import Capabilities
from tts.serve.app import ServeSettings, create_app  # noqa: E402
from tts.serve.connections import Limits, raise_open_files  # noqa: E402
from tts.serve.errors import ClientStalled, QueueFull  # noqa: E402
from tts.serve.job import Job  # noqa: E402
from tts.serve.logs import RateLimit  # noqa: E402
from tts.serve.scheduler import Scheduler  # noqa: E402
from tts.text.symbols import Phones  # noqa: E402
from tts.types import Chunk, Options  # noqa: E402


@pytest.fixture(autouse=True)
def little_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less is computed for who does not read, which is the same in less time."""
    monkeypatch.setattr("tts.serve.scheduler.MAX_BUFFERED_SECONDS", 2.0)
    monkeypatch.setattr("tts.serve.connections.SEND_BUFFER", 8192)


def test_stalled_clients_stop_nobody(tts: TTS, tmp_path: Path) -> None:
    """Eight ask for a long text and read nothing: a ninth is served as if it were alone."""
    app = create_app([tts], ServeSettings(voices=tmp_path, max_batch=2, max_queue=8))
    scheduler: Scheduler = app.state.scheduler
    with serving(app) as port, ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(connect(port, 4096)).sendall(asking(LONG))
        until(lambda: scheduler.parked_count == 8)
        assert scheduler.load == (0, 0)
        with connect(port) as ninth:
            ninth.sendall(asking("Hello there.", "Connection: close\r\n"))
            answer = everything(ninth)
        assert answer.startswith(b"HTTP/1.1 200") and len(answer) > 4000
        assert scheduler.parked_count == 8 and scheduler.load == (0, 0)
    until(lambda: scheduler.parked_count == 0)


def test_who_does_not_read_is_cut_off(tts: TTS, tmp_path: Path) -> None:
    app = create_app([tts], ServeSettings(voices=tmp_path, stall=0.5))
    with serving(app) as port, connect(port, 4096) as stalled:
        stalled.sendall(asking(LONG))
        until(lambda: 'outcome="stalled"} 1' in app.state.metrics.text())
        # It was reset: what comes is what had been sent by then, not the end of the body.
        assert not everything(stalled).endswith(b"0\r\n\r\n")
        assert app.state.scheduler.load == (0, 0) and app.state.scheduler.parked_count == 0


def test_too_many_stalled_clients_give_way(tts: TTS) -> None:
    async def main() -> None:
        loop, voice = asyncio.get_running_loop(), tts.voice("default")
        scheduler = Scheduler(max_batch=1, max_queue=0)
        jobs: list[Job] = []
        cut: list[int] = []
        for number in range(4):
            job = Job(tts, LONG[:400], voice, Options(), loop)
            job.disconnect = lambda n=number: cut.append(n)  # type: ignore[misc]
            scheduler.submit(job)
            jobs.append(job)
            if number == 0:
                with pytest.raises(QueueFull):
                    scheduler.submit(Job(tts, LONG, voice, Options(), loop))
            while job.parked_since is None:
                await asyncio.sleep(0.01)
            assert 2 <= job.buffered_seconds < 8
        assert cut == [0, 1] and scheduler.parked_count == 2
        items = [jobs[0].chunks.get_nowait() for _ in range(jobs[0].chunks.qsize())]
        assert isinstance(items[-1], ClientStalled)
        # One that goes on gets the rest.
        while (item := await jobs[3].chunks.get()) is not None:
            assert isinstance(item, Chunk)
            scheduler.acknowledge(jobs[3], item)
        for job in jobs:
            scheduler.cancel(job)
        await asyncio.to_thread(scheduler.stop, 5)

    asyncio.run(main())


class Script:
    """A model that says phones as pieces of silence, one a phone, and writes down whose."""

    device, sample_rate = "cpu", 1000
    capabilities = Capabilities(1000, 1000, batching=False)

    def __init__(self) -> None:
        self.said: list[str] = []
        self.go = threading.Event()
        self.cancellation = Cancellation()
        self.then: Callable[[], object] = int

    def sentences(self, text: str, *_: Any) -> Iterator[Phones]:
        for sentence in text.split("."):
            yield Phones([1] * len(sentence), [0] * len(sentence), text=sentence)

    utterances_of = TTS.utterances_of

    def phrased(self, phones: Phones, *_: Any) -> Phones:
        return phones

    def say(self, phones: Phones, *_: Any) -> Iterator[Chunk]:
        for _ in phones.ids:
            assert self.go.wait(60)
            self.said.append(phones.text[0])
            self.then()
            yield Chunk(np.zeros(10, np.float32), self.sample_rate)


def told(texts: list[str], late: list[str]) -> str:
    """Whose pieces were computed in which order; one of `late` comes while each is computed."""

    async def main() -> str:
        model, loop, coming = Script(), asyncio.get_running_loop(), iter(late)
        scheduler = Scheduler(max_batch=8, max_queue=8)
        voice: Any = None
        make: Any = Job

        def submit(text: str | None) -> None:
            if text:
                job = make(model, text, voice, Options(), loop)
                job.next_utterance()
                scheduler.submit(job)

        with scheduler._condition:
            for text in texts:
                submit(text)
        model.then = lambda: submit(next(coming, None))
        model.go.set()
        while scheduler.load != (0, 0):
            await asyncio.sleep(0.01)
        await asyncio.to_thread(scheduler.stop, 5)
        return "".join(model.said)

    return asyncio.run(main())


def test_all_are_heard_the_shortest_first_then_the_shortest_rest_goes_on() -> None:
    order = told(["aaaaaa.aa", "bbb.bb", "cccc"], [])
    assert order[0] == "b" and order.index("c") < order.index("a") < 6, order
    assert sorted(order) == sorted("aaaaaaaabbbbbcccc")
    # What is left of c ends before b goes on, and that before a does.
    assert order.rindex("c") < order.rindex("b") < order.rindex("a"), order


def test_newcomers_are_heard_before_long_texts_go_on() -> None:
    order = told(["a" * 40], ["bbb", "cc"])
    assert order.index("c") < 5, order
    # And newcomers without end do not stop who was there before.
    crowd = told(["a" * 10], [letter for letter in "bcdefghijklmnopqrstuvwxyz" * 2])
    assert "a" in crowd[1:12] and crowd.index("d") < 8, crowd
    assert crowd[:40].count("a") >= 4, crowd


def test_slow_heads_and_bodies_end(tts: TTS, tmp_path: Path) -> None:
    limits = Limits(header=0.3, body=0.3, closing=0.3)
    with serving(create_app([tts], ServeSettings(voices=tmp_path)), limits) as port:
        for sent in (
            b"",
            b"GET / HT",
            b"GET / HTTP/1.1\r\nX-A: b\r\n",
            asking("Hello.")[:-5],
            asking("Hello.")[:90],
            b"POST /v1/audio/voices HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n",
        ):
            with connect(port) as sock:
                sock.sendall(sent)
                answer = everything(sock)
                assert answer.startswith(b"HTTP/1.1 408"), (sent, answer)
                assert b"took too long" in answer
        # A trickle does not prolong it.
        with connect(port) as sock:
            begin = time.monotonic()
            with pytest.raises(OSError):
                while time.monotonic() < begin + 30:
                    sock.sendall(b"G")
                    time.sleep(0.1)
            assert time.monotonic() - begin < 20
        # What was refused before its body came ends too.
        with connect(port) as sock:
            sock.sendall(
                b"POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Length: 99999999\r\n\r\n"
            )
            assert everything(sock).startswith(b"HTTP/1.1 413")
        # One that keeps the connection may rest, and begin anew.
        with connect(port) as sock:
            for _ in range(3):
                sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = b""
                while not answer.endswith(b"}"):
                    answer += sock.recv(65536)
                assert answer.startswith(b"HTTP/1.1 200")
                time.sleep(0.8)


def test_pipelining_http10_and_resets(tts: TTS, tmp_path: Path) -> None:
    app = create_app([tts], ServeSettings(voices=tmp_path))
    with serving(app) as port:
        with connect(port) as sock:
            sock.sendall(
                b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20
                + asking("Hi.", "Connection: close\r\n")
            )
            answer = everything(sock)
            assert answer.count(b"HTTP/1.1 200") == 21 and answer.endswith(b"0\r\n\r\n")
        with connect(port) as sock:
            sock.sendall(asking("Hi.", version="1.0"))
            answer = everything(sock)
            head, _, sound = answer.partition(b"\r\n\r\n")
            assert b"200" in head and b"chunked" not in head.lower()
            assert len(sound) == 2 * len(tts.synthesize("Hi.").samples)
        for sent in (asking(LONG), asking(LONG)[:200], b"\x16\x03\x01" * 50, b"GET /health"):
            for _ in range(5):
                sock = connect(port)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.sendall(sent)
                time.sleep(0.01)
                sock.close()
        until(lambda: app.state.scheduler.load == (0, 0) and app.state.scheduler.parked_count == 0)
        assert get(port).startswith(b"HTTP/1.1 200")


def test_half_open_connections_give_way(tts: TTS, tmp_path: Path) -> None:
    """As many as can be, and more than there may be: whoever asks is still answered."""
    limits = Limits(connections=40, per_address=40, header=30)
    with serving(create_app([tts], ServeSettings(voices=tmp_path)), limits) as port:
        with ExitStack() as stack:
            for _ in range(120):
                sock = stack.enter_context(connect(port))
                sock.sendall(b"GET /health HTTP/1.1\r\nX: ")
            begin = time.monotonic()
            for _ in range(5):
                assert get(port).startswith(b"HTTP/1.1 200")
            assert time.monotonic() - begin < 5
            # Oldest first: the newest of the attack is still there.
            sock.sendall(b"y\r\nHost: localhost\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 200")


def test_a_text_that_costs_too_much_is_refused(tts: TTS, tmp_path: Path) -> None:
    app = create_app([tts], ServeSettings(voices=tmp_path))
    with serving(app) as port:
        with connect(port) as sock:
            sock.sendall(asking("\ufdfa" * 200, "Connection: close\r\n"))
            answer = everything(sock)
        assert answer.startswith(b"HTTP/1.1 400") and b"phones" in answer


def test_log_lines_are_limited() -> None:
    limit = RateLimit(rate=10, burst=5)
    records = [logging.LogRecord("a", 30, "f", 1, "line %d", (n,), None) for n in range(50)]
    passed = [record for record in records if limit.filter(record)]
    assert len(passed) == 5 and limit.dropped == 45
    limit._last -= 1
    last = logging.LogRecord("a", 30, "f", 1, "line %d", (99,), None)
    assert limit.filter(last) and last.getMessage() == "line 99 (45 lines before it were left out)"


def test_a_limit_on_files_that_cannot_be_raised_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS tells no hard limit, and refuses what is above its own."""
    resource = pytest.importorskip("resource")

    def refuse(*_: object) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert raise_open_files() == 256
