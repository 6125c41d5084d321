"""Requests that are malformed in some way never end in an error of the server."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("multipart")

from fastapi.testclient import TestClient  # noqa: E402

from tests.helpers.serving import (
    SPEECH,
    VOICES,
)
from tts import TTS  # noqa: E402
from tts.serve.app import ServeSettings, create_app  # noqa: E402
from tts.types import Chunk  # noqa: E402


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


@pytest.mark.parametrize("streamed", ["audio", "sse"])
def test_a_take_of_a_sentence_that_is_not_there_is_told_before_audio(
    tts: TTS, tmp_path: Path, streamed: str
) -> None:
    app = create_app([tts], ServeSettings(voices=tmp_path))
    with TestClient(app, base_url="http://localhost") as client:
        asked = {"input": "Hello. Once more.", "response_format": "wav", "stream_format": streamed}
        assert client.post(SPEECH, json={**asked, "takes": [[2, 77]]}).status_code == 200
        answer = client.post(SPEECH, json={**asked, "takes": [[3, 77]]})
    assert answer.status_code == 400 and "sentence" in answer.json()["error"]["message"]


def test_hundreds_of_malformed_requests(
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
        for number in range(400):
            method, path, headers, body = malformed(random.Random(number))
            encoded = {name: value.encode("latin-1") for name, value in headers.items()}
            answer = client.request(method, path, headers=encoded, content=body)
            codes[answer.status_code] = codes.get(answer.status_code, 0) + 1
            assert answer.status_code < 500, (number, method, path, headers, body, answer.text)
        assert client.get("/health").json() == {"status": "ok", "active": 0, "waiting": 0}
    assert codes[200] > 15 and codes[400] > 80 and codes[405] > 8, codes
