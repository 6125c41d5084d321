"""How errors are told: status, headers and JSON, also to clients that do not read."""

import asyncio
import time
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient  # noqa: E402

from tests.helpers.serving import SPEECH, TEXT, until  # noqa: E402
from tts import TTS  # noqa: E402
from tts.serve.app import ServeSettings, create_app  # noqa: E402
from tts.serve.context import ServerContext  # noqa: E402
from tts.serve.job import Job  # noqa: E402
from tts.serve.schema import SpeechRequest  # noqa: E402
from tts.serve.speech_response import SpeechResponse  # noqa: E402
from tts.types import Chunk, Options  # noqa: E402


def test_a_wrong_method_is_told_the_right_ones(client: TestClient) -> None:
    """RFC 9110, 15.5.6: a 405 must have `Allow`."""
    answer = client.put(SPEECH, json={})
    assert answer.status_code == 405 and answer.headers["allow"] == "POST"
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_missing_key_is_told_the_scheme(tts: TTS) -> None:
    """RFC 9110, 15.5.2: a 401 must have `WWW-Authenticate`."""
    with TestClient(create_app([tts], ServeSettings(key="k")), base_url="http://localhost") as made:
        answer = made.post(SPEECH, json={"input": TEXT})
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"


def test_a_batch_of_which_one_is_not_finite_fails_for_that_one(
    tts: TTS, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheduler's thread went on with nobody's requests after such a batch."""
    whole = tts.renderer.render_batch

    def poisoned(utterances: Any) -> list[Chunk]:
        chunks = list(whole(utterances))
        chunks[0].samples = np.full_like(chunks[0].samples, np.nan)
        return chunks

    monkeypatch.setattr(tts.renderer, "render_batch", poisoned)

    async def main() -> None:
        context = ServerContext([tts], ServeSettings())
        scheduler, loop = context.scheduler, asyncio.get_running_loop()
        jobs = [Job(tts, "Hi there.", tts.voice("default"), Options(), loop) for _ in range(2)]
        monkeypatch.setattr("tts.serve.scheduler.FIRST_BATCH_SECONDS", 60)
        with scheduler._condition:
            for job in jobs:
                job.prepare()
                scheduler.submit(job)
        await asyncio.to_thread(until, lambda: not scheduler.load[0], 20)
        assert scheduler._thread.is_alive()
        await asyncio.to_thread(scheduler.stop, 5)
        items = [job.chunks.get_nowait() for job in jobs]
        assert [isinstance(item, Exception) for item in items] == [True, False]
        assert "not finite" in str(items[0])

    asyncio.run(main())


def test_a_stream_of_events_that_nobody_reads_ends_in_time(tts: TTS) -> None:
    """When the time of a request was over while its client read nothing, the error was sent to it
    for ever, and the request kept its place."""
    aborted: list[bool] = []

    async def main() -> None:
        context = ServerContext([tts], ServeSettings(stall=1.5))
        loop = asyncio.get_running_loop()
        job = Job(tts, TEXT * 20, tts.voice("default"), Options(), loop)
        fields = SpeechRequest(input=job.text, response_format="pcm", stream_format="sse")
        response = SpeechResponse(job, context, fields)
        context.scheduler.submit(job)

        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()
            return {}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.body":
                await asyncio.Event().wait()
            response.deadline = time.perf_counter() + 0.2

        scope: Any = {"extensions": {"tts.abort": lambda: aborted.append(True)}}
        await asyncio.wait_for(response(scope, receive, send), 60)
        assert context.scheduler.load == (0, 0) and context.scheduler.parked_count == 0
        assert 'outcome="timeout"} 1' in context.metrics.text()
        await asyncio.to_thread(context.scheduler.stop, 0)

    asyncio.run(main())
    assert aborted == [True]


def test_a_path_that_is_not_there_names_the_nearest(client: TestClient) -> None:
    for path, near in (("/v1/audio/speach", "/v1/audio/speech"), ("/v1/model", "/v1/models")):
        answer = client.post(path, json={"input": "Hello."})
        message = answer.json()["error"]["message"]
        assert answer.status_code == 404 and path in message and repr(near) in message
    assert "/v1/audio/speech" in client.get("/").json()["error"]["message"]
    wrong = client.get("/v1/audio/speech").json()["error"]["message"]
    assert "takes POST" in wrong and "not GET" in wrong


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "it is empty"),
        (b'{"input": "Hello.",}', "line 1, column"),
        (b'{"input":\n Hello}', "line 2, column 2"),
        (b"[" * 60_000, "not valid JSON"),
        (b"\xff\xfe{}", "not valid JSON"),
    ],
)
def test_a_body_that_is_not_json_is_told_where(client: TestClient, body: bytes, told: str) -> None:
    answer = client.post("/v1/audio/speech", content=body)
    assert answer.status_code == 400 and told in answer.json()["error"]["message"]
