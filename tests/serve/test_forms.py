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
