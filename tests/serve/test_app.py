"""The HTTP server: OpenAI's client, formats, voices, limits, queues, clients that leave."""

import asyncio
import base64
import io
import json
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

pytest.importorskip("fastapi")
pytest.importorskip("multipart")

import uvicorn  # noqa: E402
from fastapi.testclient import TestClient  # noqa: E402

from tts import TTS  # noqa: E402
from tts.audio.containers import ContainerSource  # noqa: E402
from tts.audio.decode import decode_source  # noqa: E402
from tts.audio.encoder import STREAMED, StreamEncoder  # noqa: E402
from tts.cli.main import run  # noqa: E402
from tts.errors import UsageError  # noqa: E402
from tts.serve.aliases import Aliases  # noqa: E402
from tts.serve.app import ServeSettings, create_app  # noqa: E402
from tts.serve.guard import check_access, check_origin  # noqa: E402
from tts.serve.job import Job
from tts.serve.scheduler import Full, Scheduler  # noqa: E402
from tts.types import Chunk, Options  # noqa: E402

TEXT = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."
SPEECH = "/v1/audio/speech"
VOICES = "/v1/audio/voices"
Recording = Callable[..., Path]


@pytest.fixture
def tts(tiny_home: Path) -> TTS:
    return TTS.load("default", device="cpu")


@pytest.fixture
def client(tts: TTS, tmp_path: Path) -> Iterator[TestClient]:
    app = create_app([tts], ServeSettings(voices=tmp_path / "voices", max_queue=2, max_batch=4))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as made:
        yield made


@contextmanager
def serving(app: Any) -> Iterator[int]:
    """A real server on a free port, in a thread."""
    sock = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=60))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    try:
        yield int(sock.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


def until(done: Callable[[], bool]) -> None:
    for _ in range(600):
        if done():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen in a minute")


def read(data: bytes, format: str, count: int = 0) -> np.ndarray:
    """Samples of a stream; `count` of them for FLAC, whose header does not know it."""
    if format in ("pcm", "wav"):
        return np.frombuffer(data[44 if format == "wav" else 0 :], "<i2") / 32768
    if format == "flac":
        bits = int.from_bytes(data[18:26], "big")
        assert bits & ((1 << 36) - 1) == 0
        data = data[:18] + (bits | count).to_bytes(8, "big") + data[26:]
    if format == "aac":
        found = decode_source(
            ContainerSource(io.BytesIO(data), "it", "aac", "AAC"), "it", 0, 60, []
        )
        assert found.rate == 16000
        return found.samples
    samples, rate = sf.read(io.BytesIO(data))
    assert rate == 16000
    return samples


@pytest.mark.parametrize("format", STREAMED)
def test_streamed_encodings_hold_the_sound(format: str) -> None:
    if format == "aac":
        pytest.importorskip("av")
    t = np.arange(48000) / 16000
    tone = (0.3 * np.sin(2 * np.pi * 220 * t) * np.sin(np.pi * t)).astype(np.float32)
    encoder = StreamEncoder(format, 16000)
    parts = [encoder.encode(tone[at : at + 4000]) for at in range(0, len(tone), 4000)]
    if format in ("wav", "pcm", "flac", "mp3"):
        assert all(parts), "bytes come with every chunk"
    heard = read(b"".join([*parts, encoder.finish()]), format, len(tone))
    encoder.close()
    assert len(heard) >= len(tone)
    # The delay of MP3 and AAC coders is not told in a stream.
    delays = range(0, 2100) if format in ("mp3", "aac") else [0]
    errors = [np.abs(heard[d : d + 40000] - tone[:40000]).max() for d in delays]
    assert min(errors) < (1e-4 if format in ("wav", "pcm", "flac") else 0.05)


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
    pytest.importorskip("av")
    answer = client.post(SPEECH, json={**base, "response_format": "aac"})
    assert answer.headers["content-type"] == "audio/aac" and answer.content[:1] == b"\xff"
    assert len(read(answer.content, "aac")) >= len(expected)


def test_clients_see_the_aliases(client: TestClient, tts: TTS, tmp_path: Path) -> None:
    # Open WebUI asks for both lists without a key, and takes ids and names from them.
    models = client.get("/v1/audio/models").json()["models"]
    assert {"tts-1", "default"} <= {m["id"] for m in models} == {m["name"] for m in models}
    voices = {v["id"]: v for v in client.get(VOICES).json()["voices"]}
    assert voices["shimmer"]["voice"] == "default" and voices["shimmer"]["name"]
    assert client.get("/v1/models/tts-1").json()["root"] == "default"
    settings = ServeSettings(
        voices=tmp_path / "own", aliases=("nova=", "gpt-4o-mini-tts=", "Max=default")
    )
    with TestClient(create_app([tts], settings), base_url="http://localhost") as other:
        assert other.post(SPEECH, json={"input": "Hi.", "voice": "max"}).status_code == 200
        assert "nova" in other.post(SPEECH, json={"input": "Hi.", "voice": "nova"}).text
        ids = [m["id"] for m in other.get("/v1/models").json()["data"]]
        assert ids == ["default", "tts-1", "tts-1-hd", "max"]


def test_aliases() -> None:
    known = Aliases(["ar", "flow"], ["tts-1=flow", "boss=anna"])
    assert [known.model(n, ["ar", "flow"]) for n in ("default", "TTS-1", "tts-1-hd", "x")] == [
        "ar",
        "flow",
        "ar",
        "x",
    ]
    # A voice of that name wins over the alias.
    assert known.voice("nova", {"nova", "elena"}) == "nova"
    assert known.voice("Nova", {"elena"}) == "elena" and known.voice("boss", {"anna"}) == "anna"
    known.check({"anna"})
    with pytest.raises(UsageError, match="'anna'.*'anne'"):
        known.check({"anne"})
    for wrong in ("boss", "=anna"):
        with pytest.raises(UsageError, match="NAME=TARGET"):
            Aliases(["ar"], [wrong])


def test_pages_of_allowed_sites(tts: TTS, tmp_path: Path) -> None:
    site = "https://chat.example.org"
    for origins, good, bad in (
        ((site,), site, "https://evil.example.org"),
        (("*",), "https://any.example.org", None),
    ):
        settings = ServeSettings(key="secret", voices=tmp_path / "voices", origins=origins)
        with TestClient(create_app([tts], settings), base_url="http://localhost") as client:
            ask = {
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization, content-type",
            }
            answer = client.options(SPEECH, headers={"Origin": good, **ask})
            assert answer.status_code == 200
            assert "authorization" in answer.headers["access-control-allow-headers"].lower()
            own = {"Origin": good, "Authorization": "bearer secret"}
            answer = client.post(SPEECH, json={"input": "Hi."}, headers=own)
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] in (good, "*")
            assert "X-Sample-Rate" in answer.headers["access-control-expose-headers"]
            # Errors can be read by the page too.
            answer = client.post(SPEECH, json={"input": "Hi."}, headers={"Origin": good})
            assert answer.status_code == 401
            assert answer.headers["access-control-allow-origin"] in (good, "*")
            if bad is not None:
                for origin in (bad, "http://[", "null"):
                    headers = {"Origin": origin, "Authorization": "Bearer secret"}
                    answer = client.post(SPEECH, json={"input": "Hi."}, headers=headers)
                    assert answer.status_code == 403, origin
                    assert "access-control-allow-origin" not in answer.headers
    for wrong in ("chat.example.org", "https://a.org/x", "", "https://[", "http://a:x"):
        with pytest.raises(UsageError, match="origin"):
            check_origin(wrong)
    assert check_origin("HTTPS://Chat.example.org/") == site


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


def upload(client: TestClient, path: Path, name: str = "anna", **fields: str) -> Any:
    with path.open("rb") as file:
        return client.post(
            VOICES, data={"name": name, "consent": "true", **fields}, files={"audio_sample": file}
        )


def test_voices_come_and_go(
    client: TestClient, tts: TTS, tmp_path: Path, recording: Recording
) -> None:
    path = recording("anna.flac")
    assert "owner agreed" in upload(client, path, consent="no").json()["error"]["message"]
    answer = upload(client, path)
    assert answer.status_code == 201 and answer.json()["id"] == "anna"
    voices = client.get(VOICES).json()["voices"]
    listed = {v["id"]: v["kind"] for v in voices if v["kind"] != "alias"}
    assert listed == {"anna": "uploaded", "default": "built-in"}
    said = client.post(SPEECH, json={"input": TEXT, "voice": "anna", "response_format": "pcm"})
    expected = tts.synthesize(TEXT, tmp_path / "voices" / "anna.safetensors").samples
    np.testing.assert_allclose(read(said.content, "pcm"), expected, atol=2e-4)
    assert upload(client, path).status_code == 400
    assert upload(client, path, "bob", model="nobody").status_code == 404
    for name in ("../x", "a b", "", "x" * 65, "default"):
        assert upload(client, path, name).status_code == 400
    assert client.delete(f"{VOICES}/default").status_code == 403
    assert client.delete(f"{VOICES}/bob").status_code == 404
    assert client.delete(f"{VOICES}/..%2Fanna").status_code == 404
    assert client.delete(f"{VOICES}/anna").json() == {"id": "anna", "deleted": True}
    assert client.post(SPEECH, json={"input": "Hi.", "voice": "anna"}).status_code == 400


def test_bad_uploads(client: TestClient, tmp_path: Path, recording: Recording) -> None:
    long = recording("long.flac", seconds=61)
    short = recording("short.wav", seconds=0.5)
    noise = tmp_path / "noise.bin"
    noise.write_bytes(random.Random(0).randbytes(5000))
    silence = tmp_path / "silence.flac"
    sf.write(silence, np.zeros((3600 * 8000, 1), dtype=np.int16), 8000)  # an hour in 50 kB
    for path, word in ((long, "61 s"), (short, "0.50"), (noise, "not audio"), (silence, "minutes")):
        answer = upload(client, path)
        assert answer.status_code == 400 and word in answer.json()["error"]["message"], answer.text
    large = tmp_path / "large.wav"
    large.write_bytes(short.read_bytes() + bytes(10_000_000))
    assert upload(client, large).status_code == 413
    assert not (tmp_path / "voices").exists()


def test_official_client(tts: TTS, tmp_path: Path) -> None:
    openai = pytest.importorskip("openai")
    app = create_app([tts], ServeSettings(key="secret", voices=tmp_path))
    with serving(app) as port:
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


def test_strangers_are_refused(client: TestClient) -> None:
    for headers, status in (
        ({"Origin": "http://evil.example"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Host": "[::1]:8000"}, 200),
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "http://["}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "["}, 403),
        ({"Host": "LOCALHOST:80"}, 200),
        ({"Host": "localhost.evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
    ):
        answer = client.post(SPEECH, json={"input": "Hello."}, headers=headers)
        assert answer.status_code == status


def test_a_server_that_others_reach_needs_names_and_a_key(
    tts: TTS, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for options in ([], ["--api-key", "k"], ["--allowed-host", "lab"], ["--allowed-host", "a b"]):
        assert run(["serve", "--host", "0.0.0.0", "--port", "0", *options]) == 2
        assert re.search("allowed.host|TTS_API_KEY", capfd.readouterr().err)
    assert run(["demo", "--host", "0.0.0.0"]) == 2
    assert "--insecure" in capfd.readouterr().err
    assert check_access("127.0.0.1", ()) == ("localhost", "127.0.0.1", "::1")
    assert check_access("0.0.0.0", ["Lab.example"], "k")[-1] == "lab.example"
    assert check_access("10.0.0.5", ["[fe80::1]"], "k")[-2:] == ("10.0.0.5", "fe80::1")
    assert check_access("0.0.0.0", [], insecure=True) == check_access("::", ["*"], "k") == ()
    settings = ServeSettings(voices=tmp_path, hosts=("lab.example",))
    with TestClient(create_app([tts], settings), base_url="http://lab.example:8000") as client:
        assert client.get("/health").status_code == 200
        assert client.get("/health", headers={"Host": "localhost"}).status_code == 403
        own = {"Origin": "http://lab.example:8000"}
        assert client.get("/health", headers=own).status_code == 200
        assert client.get("/health", headers={"Origin": "http://lab.example"}).status_code == 403


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


def test_full_queue_and_micro_batches(
    tts: TTS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tts.serve.scheduler.FIRST_STEP", 60)
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
    with serving(app) as port:
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

    with serving(app) as port:
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
        while not scheduler.parked:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        held = jobs[0].samples
        await asyncio.sleep(0.2)
        assert jobs[0].samples == held, "it went on for a listener who takes nothing"
        seconds = 0
        while (chunk := await jobs[0].chunks.get()) is not None:
            assert isinstance(chunk, Chunk)
            seconds += len(chunk.samples)
            scheduler.taken(jobs[0], chunk)
        assert seconds > held
        with pytest.raises(Full):
            for _ in range(5):
                scheduler.submit(Job(tts, TEXT * 20, voice, Options(), loop))
        await asyncio.to_thread(scheduler.stop, 0)
        assert scheduler.load == (0, 0)

    asyncio.run(main())


def malformed(rng: random.Random) -> tuple[str, str, dict[str, str], bytes]:
    """A request that is wrong somewhere, or right by chance: method, path, headers, body."""
    good = {"input": "Hi.", "voice": "default", "model": "default", "response_format": "pcm"}
    odd: list[Any] = [
        None, True, -1, 1e308, 10**400, "", "\x00", "\ud800", "x" * 5000, [], {}, [[]], {"id": 1},
        "../../etc/passwd", "http://169.254.169.254/", "%00", "default\n", "𝒳" * 99, "\u202e",
        "e\u0301" * 2000, "[[", "]]", "[[ˈ]]", "<speak>", -0.0, 0.1, 2**63, 2**64, "nan",
    ]  # fmt: skip
    keys = [*good, "speed", "seed", "steps", "pitch", "guidance", "temperature", "language",
            "stream_format", "instructions", "extra", "__proto__", ""]  # fmt: skip
    body = {**good}
    for _ in range(rng.choice([0, 1, 1, 2, 5])):
        body[rng.choice(keys)] = rng.choice(odd)
    raw = json.dumps(body).encode()
    kind = rng.randrange(8)
    if kind == 0:
        raw = bytes(b ^ (rng.random() < 0.02) * rng.randrange(256) for b in raw)
    elif kind == 1:
        raw = raw[: rng.randrange(len(raw))]
    elif kind == 2:
        raw = rng.randbytes(rng.choice([0, 1, 100, 3000]))
    boundary = rng.choice(["b", "b", "", '"', "x" * 200, "b\u00e9"])
    form = "".join(
        f"--{boundary}\r\nContent-Disposition: form-data; name={rng.choice(['name', '', chr(34)])}"
        f"{rng.choice(['', '; filename=x', ';;', chr(0)])}\r\n{rng.choice(['', chr(13)])}\n"
        f"{rng.choice(odd)}\r\n"
        for _ in range(rng.choice([0, 1, 3, 12]))
    ) + rng.choice(["", f"--{boundary}--", "--"])
    paths = [SPEECH] * 4 + [
        VOICES, VOICES, f"{VOICES}/%00", f"{VOICES}/" + "a" * 300, f"{VOICES}/..%2f",
        "/v1/models/%ff", "/metrics?x=%", "/v1/audio",
    ]  # fmt: skip
    path = rng.choice(paths)
    headers = {"content-type": "application/json"}
    if path == VOICES and rng.random() < 0.8:
        raw = form.encode("utf-8", "replace")
        headers["content-type"] = f"multipart/form-data; boundary={boundary}"
    if rng.random() < 0.2:
        name = rng.choice(["content-type", "accept", "origin", "authorization", "range", "te"])
        headers[name] = rng.choice(
            ["", "\xe9", "multipart/form-data", "a" * 5000, "bytes=0-", "text/plain"]
        )
    method = rng.choice(["POST"] * 30 + ["GET", "DELETE", "PUT", "HEAD", "OPTIONS", "PATCH"])
    return method, path, headers, raw


def test_a_thousand_malformed_requests(
    tts: TTS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None may end in an error of the server. What would be spoken is not: only how it is asked
    for is tried here."""

    def said(self: TTS, phones: Any, *_: Any) -> Iterator[Chunk]:
        yield Chunk(np.zeros(100, np.float32), self.sample_rate)

    monkeypatch.setattr(TTS, "say", said)
    app = create_app([tts], ServeSettings(voices=tmp_path))
    codes: dict[int, int] = {}
    with TestClient(app, base_url="http://localhost") as client:
        for number in range(1000):
            method, path, headers, body = malformed(random.Random(number))
            encoded = {name: value.encode("latin-1") for name, value in headers.items()}
            answer = client.request(method, path, headers=encoded, content=body)
            codes[answer.status_code] = codes.get(answer.status_code, 0) + 1
            assert answer.status_code < 500, (number, method, path, headers, body, answer.text)
        assert client.get("/health").json() == {"status": "ok", "active": 0, "waiting": 0}
    assert codes[200] > 40 and codes[400] > 200 and codes[405] > 20, codes
