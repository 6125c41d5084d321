"""Voices of a server: uploads, and what is refused of them."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

pytest.importorskip("fastapi")
pytest.importorskip("multipart")

from fastapi.testclient import TestClient  # noqa: E402

from tests.helpers.audio import read
from tests.helpers.serving import SPEECH, TEXT, VOICES
from tts import TTS  # noqa: E402
from tts.serve.middleware import MAX_UPLOADS, RequestGuard  # noqa: E402

Recording = Callable[..., Path]


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

        guard = RequestGuard(app)
        held = [asyncio.create_task(ask("POST", VOICES)) for _ in range(MAX_UPLOADS)]
        await asyncio.sleep(0)
        for method, path in (("POST", VOICES), ("GET", VOICES), ("POST", SPEECH)):
            await ask(method, path)
        free.set()
        await asyncio.gather(*held)
        await ask("POST", VOICES)

    asyncio.run(main())
    assert statuses == [503, 200, 200, *[200] * MAX_UPLOADS, 200]
