"""Edits and continuations over HTTP; tiny random models."""

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient  # noqa: E402

from tests.helpers.edited import SAID, hearing, spoken, unlike  # noqa: E402
from tests.helpers.serving import until  # noqa: E402
from tts import TTS  # noqa: E402
from tts.serve.app import ServeSettings, create_app  # noqa: E402

EDITS, GOING_ON = "/v1/audio/edits", "/v1/audio/continuations"


@pytest.fixture
def tts(profiled_home: Path, monkeypatch: pytest.MonkeyPatch) -> TTS:
    return hearing(monkeypatch)


@pytest.fixture
def client(tts: TTS, tmp_path: Path) -> Iterator[TestClient]:
    app = create_app([tts], ServeSettings(voices=tmp_path / "voices"))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as made:
        yield made


@pytest.fixture
def recording() -> bytes:
    buffer = io.BytesIO()
    sf.write(buffer, spoken(), 16000, "PCM_16", format="WAV")
    return buffer.getvalue()


def post(client: TestClient, recording: bytes, path: str = EDITS, **fields: Any) -> Any:
    return client.post(path, data=fields, files={"audio": ("me.wav", recording)})


def read(data: bytes) -> tuple[np.ndarray, int]:
    samples, rate = sf.read(io.BytesIO(data), dtype="int16")
    return samples, rate


def test_an_edit_is_that_of_python(client: TestClient, tts: TTS, recording: bytes) -> None:
    wanted = SAID.replace("two", "seven")
    reply = post(client, recording, **{"from": SAID, "to": wanted, "seed": "3"})
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "audio/wav"
    samples, rate = read(reply.content)
    edited = tts.edit(io.BytesIO(recording), SAID, wanted, seed=3)
    assert rate == edited.sample_rate == int(reply.headers["x-sample-rate"])
    expected = np.clip(np.rint(edited.samples * 32768), -32768, 32767)
    np.testing.assert_array_equal(samples, expected)
    told = json.loads(reply.headers["x-tts-edits"])
    assert told["changes"] == [["two", "seven"]]
    assert told["kept"] == [[each.source, each.end, each.out] for each in edited.kept]
    before, _ = read(recording)
    for source, end, out in told["kept"]:
        np.testing.assert_array_equal(samples[out : out + end - source], before[source:end])
    again = post(client, recording, **{"from": SAID, "to": SAID, "response_format": "flac"})
    np.testing.assert_array_equal(read(again.content)[0], before)


def test_a_recording_goes_on(client: TestClient, tts: TTS, recording: bytes) -> None:
    reply = post(client, recording, GOING_ON, **{"input": "two three.", "from": SAID})
    assert reply.status_code == 200, reply.text
    assert len(read(reply.content)[0]) > len(read(recording)[0])
    mp3 = post(client, recording, GOING_ON, **{"input": "one.", "response_format": "mp3"})
    assert mp3.headers["content-type"] == "audio/mpeg" and len(mp3.content) > 1000


@pytest.mark.parametrize(
    ("path", "fields"), [(EDITS, {"from": SAID, "to": "one two"}), (GOING_ON, {"input": "one."})]
)
def test_what_speaks_against_a_recording_is_told(
    client: TestClient,
    recording: bytes,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    fields: dict[str, str],
) -> None:
    monkeypatch.setattr(
        "tts.pipeline.prompt_encoder.warnings_about", lambda *_: ["odd \n" + "é" * 300]
    )
    unlike(monkeypatch)
    # What the file itself has is told too: this one is cut off.
    buffer = io.BytesIO()
    sf.write(buffer, *read(recording), format="MP3")
    reply = post(client, buffer.getvalue()[:-500], path, **fields, language="de")
    warnings = json.loads(reply.headers["x-tts-edits"])["warnings"]
    assert any("trained in de" in line for line in warnings)
    assert any(line.startswith("odd") and len(line) == 200 for line in warnings)
    assert any("ends early" in line for line in warnings)
    monkeypatch.setattr("tts.editing.recording.speaks", lambda *_: False)
    reply = post(client, recording, path, **fields)
    assert reply.status_code == 400 and "no speech" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"from": SAID}, 400, "field to"),
        ({"to": SAID}, 400, "field from"),
        ({"from": SAID, "to": "  "}, 400, "field to"),
        ({"from": SAID, "to": "one", "seed": "x"}, 400, "seed must be a whole number"),
        ({"from": SAID, "to": "one", "speed": "9"}, 400, "speed 9 is out of range"),
        ({"from": SAID, "to": "one", "colour": "red"}, 400, "unknown field"),
        ({"from": SAID, "to": "one", "response_format": "exe"}, 400, "response_format"),
        ({"from": SAID, "to": "one", "model": "nothing"}, 404, "unknown model"),
        ({"from": SAID, "to": "a" * 4097}, 400, "4,096"),
        ({"from": SAID, "to": "\ufdfa" * 4096}, 400, "phones"),
        ({"from": "\ufdfa" * 4096, "to": SAID}, 400, "phones"),
        ({"from": SAID, "to": SAID + " and nothing else" * 200}, 400, "an edit has at most 60"),
        ({"from": "nine nine nine nine nine", "to": "one"}, 400, ""),
    ],
)
def test_wrong_forms_are_one_clear_line(
    client: TestClient, recording: bytes, fields: dict[str, str], status: int, words: str
) -> None:
    reply = post(client, recording, **fields)
    message = reply.json()["error"]["message"]
    assert reply.status_code == status and words in message and "\n" not in message


def test_what_is_no_recording_is_refused(client: TestClient, recording: bytes) -> None:
    fields = {"from": SAID, "to": "one"}
    assert post(client, b"not audio", **fields).status_code == 400
    assert client.post(EDITS, data=fields).status_code == 400
    assert client.post(EDITS, json=fields).status_code == 400
    twice = [("audio", ("a.wav", recording)), ("audio", ("b.wav", recording))]
    assert client.post(EDITS, data=fields, files=twice).status_code == 400
    large = client.post(EDITS, data=fields, files={"audio": ("a.wav", b"x" * 10_000_001)})
    assert large.status_code == 413
    foreign = client.post(EDITS, data=fields, headers={"Origin": "http://evil.example"})
    assert foreign.status_code == 403


def test_the_key_is_asked_for(tts: TTS, recording: bytes) -> None:
    with TestClient(create_app([tts], ServeSettings(key="k")), base_url="http://localhost") as made:
        assert post(made, recording, **{"from": SAID, "to": "one"}).status_code == 401


def test_the_time_to_wait_for_others_counts(tts: TTS, recording: bytes) -> None:
    """A request had all of its time again once the ones before it were done."""
    begun, hold = threading.Event(), threading.Event()
    app = create_app([tts], ServeSettings(timeout=4.0))

    def edit(*_: Any, **__: Any) -> None:
        begun.set()
        hold.wait(60)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tts, "edit", edit)
        with TestClient(app, base_url="http://localhost") as made:
            answers: list[Any] = []
            fields = {"from": SAID, "to": "one"}
            threads = [
                threading.Thread(target=lambda: answers.append(post(made, recording, **fields)))
                for _ in range(2)
            ]
            threads[0].start()
            assert begun.wait(60)
            threads[1].start()
            until(lambda: answers)  # of the second: the first ends with its edit
            hold.set()
            for thread in threads:
                thread.join(60)
    assert [answer.status_code for answer in answers] == [504, 504]
