"""The form of a voice: what is refused before the recording is looked at."""

from typing import Any

import pytest

pytest.importorskip("fastapi")

from tests.helpers.cli import Recording  # noqa: E402
from tests.helpers.serving import VOICES  # noqa: E402


def test_slips_and_taken_names(client: Any, recording: Recording) -> None:
    data = recording("anna.flac").read_bytes()

    def refused(name: str, **fields: str) -> str:
        form = {"name": name, "consent": "true", **fields}
        answer = client.post(VOICES, data=form, files={"audio_sample": data})
        assert answer.status_code == 400
        return str(answer.json()["error"]["message"])

    assert "unknown field 'adpat'" in refused("anna", adpat="true")
    assert "choose another name" in refused("default")
    form = {"name": "anna", "consent": "true"}
    assert client.post(VOICES, data=form, files={"audio_sample": data}).status_code == 201
    assert "delete it first" in refused("anna")


def test_a_field_that_is_sent_twice_is_not_taken_once(client: Any, recording: Recording) -> None:
    file = ("a.flac", recording("anna.flac").read_bytes())
    once: list[tuple[str, Any]] = [("name", (None, "anna")), ("consent", (None, "true"))]
    for name, value in (("name", "berta"), ("consent", "true"), ("enhance", "no")):
        twice = [*once, (name, (None, value)), (name, (None, value)), ("audio_sample", file)]
        answer = client.post(VOICES, files=twice)
        assert answer.status_code == 400
        assert f"the field {name} more than once" in answer.json()["error"]["message"]
    for address in ("/v1/audio/edits", "/v1/audio/continuations"):
        fields = [(name, (None, "a")) for name in ("from", "from")]
        answer = client.post(address, files=[*fields, ("audio", file)])
        assert answer.status_code == 400
        assert "from more than once" in answer.json()["error"]["message"]
    assert "anna" not in {each["id"] for each in client.get(VOICES).json()["voices"]}
