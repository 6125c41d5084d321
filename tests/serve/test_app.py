"""The HTTP server: requests of OpenAI's clients, formats, events, errors and metrics."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("multipart")

from fastapi.testclient import TestClient  # noqa: E402

from tests.helpers.audio import read
from tests.helpers.serving import SPEECH, TEXT, serving, until
from tts import TTS  # noqa: E402
from tts.serve.app import ServeSettings, create_app  # noqa: E402


def test_speech_equals_the_model(client: TestClient, tts: TTS) -> None:
    for text, extra in ((TEXT, {}), ("Hello.", {"seed": 3, "speed": 1.5})):
        voice = {"id": "default"} if extra else "default"
        body = {"input": text, "response_format": "pcm", "voice": voice, **extra}
        answer = client.post(SPEECH, json=body)
        assert answer.status_code == 200 and answer.headers["content-type"] == "audio/pcm"
        assert answer.headers["x-sample-rate"] == "16000"
        expected = tts.synthesize(text, **extra).samples
        np.testing.assert_allclose(read(answer.content, "pcm"), expected, atol=2e-4)
    answer = client.post(SPEECH, json={"input": "Hello."})
    assert answer.headers["content-type"] == "audio/mpeg" and len(answer.content) > 500


def test_what_clients_of_openai_send(client: TestClient, tts: TTS) -> None:
    expected = tts.synthesize("Hello.").samples
    base = {"input": "Hello.", "response_format": "pcm"}
    nothing = dict.fromkeys(("voice", "speed", "seed", "language", "instructions", "stream_format"))
    for extra, told in (
        ({"model": "tts-1", "voice": "alloy"}, {}),
        ({"model": "TTS-1-HD", "voice": " Nova "}, {}),
        (
            {"model": "gpt-4o-mini-tts", "voice": {"id": "cedar"}, "instructions": "Be calm."},
            {"x-tts-ignored": "instructions"},
        ),
        ({"model": None, **nothing}, {}),
        ({"model": "", "voice": "", "instructions": "", "language": ""}, {}),
        ({"user": "me", "stream": True}, {"x-tts-ignored": "user, stream"}),
    ):
        answer = client.post(SPEECH, json={**base, **extra})
        assert answer.status_code == 200, (extra, answer.text)
        np.testing.assert_allclose(read(answer.content, "pcm"), expected, atol=2e-4)
        found = {name: text for name, text in answer.headers.items() if name.startswith("x-tts")}
        assert found == told
    for speed, used in ((0.25, 0.5), (4, 2.0)):
        answer = client.post(SPEECH, json={**base, "speed": speed})
        assert answer.headers["x-tts-changed"] == f"speed={used:g}"
        assert len(read(answer.content, "pcm")) == len(tts.synthesize("Hello.", speed=used).samples)
    for speed in (99, 0, -1):
        told = client.post(SPEECH, json={**base, "speed": speed})
        assert told.status_code == 400 and "from 0.25 to 4, not" in told.text
    pytest.importorskip("av")
    answer = client.post(SPEECH, json={**base, "response_format": "aac"})
    assert answer.headers["content-type"] == "audio/aac" and answer.content[:1] == b"\xff"
    assert len(read(answer.content, "aac")) >= len(expected)


def test_flac_is_whole_unless_a_stream_is_asked_for(client: TestClient, tts: TTS) -> None:
    base = {"input": TEXT, "response_format": "flac"}
    expected = tts.synthesize(TEXT).samples
    answer = client.post(SPEECH, json=base)
    assert int(answer.headers["content-length"]) == len(answer.content)
    np.testing.assert_allclose(read(answer.content, "flac"), expected, atol=2e-4)
    answer = client.post(SPEECH, json={**base, "stream_format": "audio"})
    assert "content-length" not in answer.headers
    heard = read(answer.content, "flac", len(expected))
    np.testing.assert_allclose(heard, expected, atol=2e-4)


def test_events(client: TestClient) -> None:
    body = {"input": TEXT, "response_format": "wav"}
    whole = client.post(SPEECH, json=body).content
    answer = client.post(SPEECH, json={**body, "stream_format": "sse"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[6:]) for line in answer.text.split("\n\n") if line]
    assert [e["type"] for e in events] == ["speech.audio.delta"] * (len(events) - 1) + [
        "speech.audio.done"
    ]
    assert len(events) > 3 and events[-1]["usage"]["input_tokens"] == len(TEXT)
    assert b"".join(base64.b64decode(e["audio"]) for e in events[:-1]) == whole


def test_models_health_and_metrics(client: TestClient) -> None:
    listed = client.get("/v1/models").json()["data"]
    assert [m["id"] for m in listed] == ["default", "tts-1", "tts-1-hd", "gpt-4o-mini-tts"]
    assert {m["root"] for m in listed} == {"default"}
    assert client.get("/v1/models/default").json()["object"] == "model"
    assert client.get("/v1/models/other").status_code == 404
    assert client.get("/health").json() == {"status": "ok", "active": 0, "waiting": 0}
    client.post(SPEECH, json={"input": "Hello."})
    client.post(SPEECH, json={"input": "..."})
    until(lambda: 'outcome="error"} 1' in client.get("/metrics").text)
    text = client.get("/metrics").text
    assert 'tts_requests_total{outcome="ok"} 1' in text
    assert "tts_characters_total 6" in text and "tts_active_requests 0" in text
    assert 'tts_first_audio_seconds_bucket{le="+Inf"} 1' in text
    families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families)) == 8
    for line in text.splitlines():
        assert line.startswith("# TYPE ") or float(line.rsplit(" ", 1)[1]) >= 0


def test_errors_are_told(client: TestClient) -> None:
    for body, status, words in (
        ({"input": ""}, 400, "input"),
        ({"input": "x" * 4097}, 400, "4096"),
        ({"input": "Hello.", "speed": 4.1}, 400, "speed"),
        ({"input": None}, 400, "input"),
        ({"input": "Hello.", "sped": 1}, 400, "'speed'"),
        ({"input": "Hello.", "voice": "defualt"}, 400, "'default'"),
        ({"input": "Hello.", "voice": "../default"}, 400, "letters"),
        ({"input": "Hello.", "model": "../x"}, 404, "model"),
        ({"input": "Hello.", "response_format": "wma"}, 400, "mp3"),
        ({"input": "Hello.", "instruction": "cheerful"}, 400, "instruction"),
        ({"input": "Hello.", "language": "xx-yy"}, 400, "language"),
        ({"input": "..."}, 400, "nothing to say"),
        ({"input": "\ud800"}, 400, ""),
        ([], 400, "mapping"),
    ):
        answer = client.post(SPEECH, content=json.dumps(body))
        assert answer.status_code == status, (body, answer.text)
        assert words in answer.json()["error"]["message"] and "\n" not in answer.text
    for content in (b"", b"{", b"\xff", b"[" * 60000, b'{"input": ' + b"9" * 5000 + b"}"):
        assert client.post(SPEECH, content=content).status_code == 400
    assert client.post(SPEECH, content=b" " * 70000).status_code == 413
    assert client.get(SPEECH).status_code == 405
    assert client.get("/nothing").json()["error"]["type"] == "invalid_request_error"


def test_official_client(tts: TTS, tmp_path: Path) -> None:
    openai = pytest.importorskip("openai")
    app = create_app([tts], ServeSettings(key="secret", voices=tmp_path))
    with serving(app, grace=60) as port:
        url = f"http://127.0.0.1:{port}/v1"
        client = openai.OpenAI(base_url=url, api_key="secret", max_retries=0)
        speech = client.audio.speech.create(
            model="default",
            voice="default",
            input=TEXT,
            response_format="wav",
            speed=1.5,
            extra_body={"seed": 5},
        )
        expected = tts.synthesize(TEXT, speed=1.5, seed=5).samples
        np.testing.assert_allclose(read(speech.content, "wav"), expected, atol=2e-4)
        with client.audio.speech.with_streaming_response.create(
            model="default", voice="default", input=TEXT, response_format="pcm"
        ) as answer:
            pieces = list(answer.iter_bytes(1024))
        assert len(pieces) > 4
        assert [model.id for model in client.models.list()][:2] == ["default", "tts-1"]
        with pytest.raises(openai.BadRequestError, match="speed"):
            client.audio.speech.create(model="default", voice="default", input="Hi.", speed=5)
        with pytest.raises(openai.NotFoundError, match="unknown model"):
            client.audio.speech.create(model="tts-9", voice="default", input="Hi.")
        wrong = openai.OpenAI(base_url=url, api_key="guess", max_retries=0)
        with pytest.raises(openai.AuthenticationError):
            wrong.models.list()
