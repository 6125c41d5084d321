"""The computing thread of the server: queue, batches, who leaves, who waits."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("multipart")

from fastapi.testclient import TestClient  # noqa: E402

from tests.helpers.audio import read
from tests.helpers.serving import SPEECH, TEXT, Gate, serving, until
from tts import TTS  # noqa: E402
from tts.serve.app import ServeSettings, create_app  # noqa: E402
from tts.serve.errors import QueueFull, ServerStopping  # noqa: E402
from tts.serve.job import Job
from tts.serve.scheduler import Scheduler  # noqa: E402
from tts.types import Chunk, Options  # noqa: E402


@pytest.fixture
def client(tts: TTS, tmp_path: Path) -> Iterator[TestClient]:
    app = create_app([tts], ServeSettings(voices=tmp_path / "voices", max_queue=2, max_batch=4))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as made:
        yield made


def test_full_queue_and_micro_batches(
    tts: TTS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tts.serve.scheduler.FIRST_BATCH_SECONDS", 60)
    gate = Gate(tts)
    app = create_app([tts], ServeSettings(voices=tmp_path, max_batch=3, max_queue=1))
    body = {"input": TEXT, "response_format": "pcm"}
    answers: list[Any] = []
    with TestClient(app, base_url="http://localhost") as client:

        def ask(seed: int) -> None:
            answers.append((seed, client.post(SPEECH, json={**body, "seed": seed})))

        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
        threads[0].start()
        assert gate.reached.wait(60)
        for thread in threads[1:]:
            thread.start()
        until(lambda: app.state.scheduler.load == (3, 1))
        refused = client.post(SPEECH, json=body)
        assert refused.status_code == 429 and refused.headers["retry-after"] == "1"
        gate.open.set()
        for thread in threads:
            thread.join(60)
        assert app.state.scheduler.load == (0, 0)
    assert len(answers) == 4
    for seed, answer in answers:
        expected = tts.synthesize(TEXT, seed=seed).samples
        np.testing.assert_allclose(read(answer.content, "pcm"), expected, atol=2e-4)
    # Guidance doubles the rows: one alone first, later three at a time.
    assert gate.rows[0] == 2 and max(gate.rows) == 6


def test_models_that_cannot_batch_take_turns(
    tts: TTS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tts, "capabilities", replace(tts.capabilities, batching=False))
    gate = Gate(tts)
    app = create_app([tts], ServeSettings(voices=tmp_path))
    body = {"input": f"{TEXT} {TEXT}", "response_format": "pcm"}
    answers: dict[int, Any] = {}
    with TestClient(app, base_url="http://localhost") as client:

        def ask(seed: int) -> None:
            answers[seed] = client.post(SPEECH, json={**body, "seed": seed})

        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        assert gate.reached.wait(60)
        until(lambda: app.state.scheduler.load == (3, 0))
        gate.open.set()
        for thread in threads:
            thread.join(60)
    assert max(gate.rows) == 2, "a sentence with its unconditional branch"
    for seed, answer in answers.items():
        expected = tts.synthesize(body["input"], seed=seed).samples
        np.testing.assert_allclose(read(answer.content, "pcm"), expected, atol=2e-4)


def test_client_that_leaves_frees_its_place(tts: TTS, tmp_path: Path) -> None:
    gate = Gate(tts)
    app = create_app([tts], ServeSettings(voices=tmp_path))
    with serving(app, grace=60) as port:
        body = json.dumps({"input": TEXT * 20, "response_format": "pcm"}).encode()
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(
                b"POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            assert gate.reached.wait(60)
            assert app.state.scheduler.load == (1, 0)
        # While the network is still held, in the middle of a sentence.
        until(lambda: app.state.scheduler.load == (0, 0))
        evaluations = len(gate.rows)
        gate.open.set()
        with TestClient(app, base_url="http://localhost") as client:
            assert client.post(SPEECH, json={"input": "Hi.", "response_format": "pcm"}).content
        # Only those of the second request, which is one short sentence of two steps.
        assert len(gate.rows) <= evaluations + 2
        assert 'outcome="client_gone"} 1' in app.state.metrics.text()


def test_of_a_crowd_only_some_are_read() -> None:
    """A thousand dear texts at once would be read for minutes, and refused afterwards."""
    scheduler = Scheduler(max_batch=2, max_queue=1)
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(scheduler.reserve())
        with pytest.raises(QueueFull), scheduler.reserve():
            pass
    with scheduler.reserve():
        pass
    scheduler.stop(0)
    with pytest.raises(ServerStopping), scheduler.reserve():
        pass


def test_requests_time_out(tts: TTS, tmp_path: Path) -> None:
    gate = Gate(tts)
    app = create_app([tts], ServeSettings(voices=tmp_path, timeout=0.5))
    with TestClient(app, base_url="http://localhost") as client:
        answer = client.post(SPEECH, json={"input": TEXT})
        assert answer.status_code == 504 and "too long" in answer.json()["error"]["message"]
        assert app.state.scheduler.load == (0, 0)
        gate.open.set()


def test_stopping_finishes_what_runs(tts: TTS, tmp_path: Path) -> None:
    app = create_app([tts], ServeSettings(voices=tmp_path))
    gate = Gate(tts)
    got: list[bytes] = []

    def ask(port: int) -> None:
        import urllib.request

        body = json.dumps({"input": TEXT, "response_format": "pcm"}).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{SPEECH}", body, 60) as answer:
            got.append(answer.read())

    with serving(app, grace=60) as port:
        thread = threading.Thread(target=ask, args=(port,))
        thread.start()
        assert gate.reached.wait(60)
        threading.Timer(0.5, gate.open.set).start()
    thread.join(60)
    np.testing.assert_allclose(read(got[0], "pcm"), tts.synthesize(TEXT).samples, atol=2e-4)
    assert not [t for t in threading.enumerate() if t.name == "tts-scheduler"]


def test_scheduler_waits_for_slow_listeners_and_isolates_errors(tts: TTS) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        scheduler = Scheduler(max_batch=4, max_queue=0)
        voice = tts.voice("default")
        broken = tts.voice("default")
        broken.features = broken.features[:, :5]
        jobs = [
            Job(tts, TEXT * 20, voice, Options(), loop),
            Job(tts, TEXT, broken, Options(), loop),
        ]
        for job in jobs:
            scheduler.submit(job)
        while True:
            item = await jobs[1].chunks.get()
            if isinstance(item, Exception):
                break
        # Parked is told before the last piece is handed over.
        while not scheduler.parked_count or jobs[0].delivered_samples < int(
            jobs[0].buffered_seconds * tts.sample_rate
        ):
            await asyncio.sleep(0.01)
        held = jobs[0].delivered_samples
        await asyncio.sleep(0.2)
        assert jobs[0].delivered_samples == held, "it went on for a listener who takes nothing"
        seconds = 0
        while (chunk := await jobs[0].chunks.get()) is not None:
            assert isinstance(chunk, Chunk)
            seconds += len(chunk.samples)
            scheduler.acknowledge(jobs[0], chunk)
        assert seconds > held
        with pytest.raises(QueueFull):
            for _ in range(5):
                scheduler.submit(Job(tts, TEXT * 20, voice, Options(), loop))
        await asyncio.to_thread(scheduler.stop, 0)
        assert scheduler.load == (0, 0)

    asyncio.run(main())


class Said(Job):
    """So many pieces of so many seconds, and the order in which they were asked for."""

    seconds, pieces = 1.0, 1
    order: list["Said"]

    def next_utterance(self) -> Any:
        return self.pieces or None

    def next_chunk(self) -> Chunk:
        self.pieces -= 1
        self.order.append(self)
        rate = self.model.sample_rate
        return Chunk(np.zeros(int(self.seconds * rate), np.float32), rate)


@pytest.fixture
def one_by_one(tts: TTS, monkeypatch: pytest.MonkeyPatch) -> TTS:
    monkeypatch.setattr(tts, "capabilities", replace(tts.capabilities, batching=False))
    return tts


def said_in_order(tts: TTS, *jobs: dict[str, Any]) -> list[int]:
    """Which of the jobs each step of a scheduler went to, when all came at once."""

    async def main() -> list[int]:
        loop, scheduler, order = asyncio.get_running_loop(), Scheduler(), []
        made = [Said(tts, TEXT, tts.voice("default"), Options(), loop) for _ in jobs]
        with scheduler._condition:
            for job, values in zip(made, jobs, strict=True):
                vars(job).update(values, order=order)
                scheduler.submit(job)
        await asyncio.to_thread(until, lambda: not scheduler.load[0])
        await asyncio.to_thread(scheduler.stop, 0)
        return [made.index(job) for job in order]

    return asyncio.run(main())


def test_who_is_ahead_waits_for_who_would_run_dry(one_by_one: TTS) -> None:
    ahead, short = {"seconds": 3.9, "pieces": 2}, {"seconds": 0.3, "pieces": 8}
    order = said_in_order(one_by_one, ahead, short)
    assert order.count(0) == 2 and order.count(1) == 8
    assert order[-1] == 0, "it went on for who was seconds ahead"


def test_of_those_who_would_run_dry_the_shortest_rest_comes_first(one_by_one: TTS) -> None:
    long, short = ({"seconds": 0.01, "pieces": 12, "remaining_phones": left} for left in (90, 20))
    order = said_in_order(one_by_one, long, short)
    assert order.count(0) == order.count(1) == 12
    ended = order[: len(order) - order[::-1].index(1)]
    # Every fourth step they come in turn.
    assert 2 <= ended.count(0) <= 7 and set(order[len(ended) :]) == {0}


def test_newcomers_and_who_would_run_dry_share_the_steps(one_by_one: TTS) -> None:
    begun = {"seconds": 0.002, "pieces": 20, "delivered_samples": 1}
    order = said_in_order(one_by_one, begun, *[{"seconds": 0.002} for _ in range(10)])
    first = order[:20]
    assert 9 <= first.count(0) <= 11, "one of them had all steps"
