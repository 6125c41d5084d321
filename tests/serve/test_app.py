"""The HTTP server: OpenAI's client, formats, voices, limits, queues, clients that leave."""

import asyncio
import base64
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

pytest.importorskip("fastapi")
pytest.importorskip("multipart")

from fastapi.testclient import TestClient  # noqa: E402

from tests.helpers.serving import SPEECH, TEXT, VOICES, read, serving, until
from tts import TTS  # noqa: E402
from tts.audio.encoder import STREAMED, StreamEncoder  # noqa: E402
from tts.audio.writer import encode_audio  # noqa: E402
from tts.cli.main import run  # noqa: E402
from tts.errors import UsageError  # noqa: E402
from tts.serve.aliases import Aliases  # noqa: E402
from tts.serve.app import ServeSettings, create_app  # noqa: E402
from tts.serve.guard import check_access, check_origin  # noqa: E402
from tts.serve.http import MAX_UPLOADS, Guard  # noqa: E402

Recording = Callable[..., Path]


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
    whole = bytearray(b"".join([*parts, encoder.finish()]))
    heard = read(bytes(whole), format, len(tone))
    encoder.close()
    for offset, correct in encoder.corrections():
        whole[offset : offset + len(correct)] = correct
    if format in ("wav", "flac"):
        assert bytes(whole) == encode_audio(tone, 16000, format), "who keeps them has a whole file"
    else:
        assert not encoder.corrections()
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
    folder = tmp_path / "voices"
    (folder / "folder.safetensors").mkdir()
    (folder / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    (folder / "no id.safetensors").write_bytes(b"")
    (folder / "broken.safetensors").write_bytes(b"x" * 100)
    names = {v["id"] for v in client.get(VOICES).json()["voices"] if v["kind"] == "uploaded"}
    assert names == {"anna", "broken"}
    answer = client.post(SPEECH, json={"input": "Hi.", "voice": "broken"})
    assert answer.status_code == 400 and str(tmp_path) not in answer.text
    assert client.delete(f"{VOICES}/anna").json() == {"id": "anna", "deleted": True}
    assert client.post(SPEECH, json={"input": "Hi.", "voice": "anna"}).status_code == 400


def test_a_voice_that_cannot_be_written(
    client: TestClient, tmp_path: Path, recording: Recording
) -> None:
    """Who sends it is told, but not where the server has its files."""
    (tmp_path / "voices").write_bytes(b"a file where the folder should be")
    answer = upload(client, recording("anna.flac"))
    assert answer.status_code == 500 and "cannot be kept" in answer.json()["error"]["message"]
    assert str(tmp_path) not in answer.text


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


def test_only_so_many_recordings_at_a_time() -> None:
    """A thousand of 10 MB would be held in memory while they wait to be decoded."""
    statuses: list[int] = []

    async def main() -> None:
        free = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == VOICES and scope["method"] == "POST":
                await free.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        def ask(method: str, path: str) -> Any:
            scope = {"type": "http", "method": method, "path": path,
                     "headers": [(b"host", b"localhost")]}  # fmt: skip
            return guard(scope, receive, send)

        guard = Guard(app)
        held = [asyncio.create_task(ask("POST", VOICES)) for _ in range(MAX_UPLOADS)]
        await asyncio.sleep(0)
        for method, path in (("POST", VOICES), ("GET", VOICES), ("POST", SPEECH)):
            await ask(method, path)
        free.set()
        await asyncio.gather(*held)
        await ask("POST", VOICES)

    asyncio.run(main())
    assert statuses == [503, 200, 200, *[200] * MAX_UPLOADS, 200]


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
