"""Names of models and voices that clients of OpenAI send."""

from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("multipart")

from fastapi.testclient import TestClient  # noqa: E402

from tests.helpers.serving import SPEECH, VOICES
from tts import TTS  # noqa: E402
from tts.errors import UsageError  # noqa: E402
from tts.serve.aliases import Aliases  # noqa: E402
from tts.serve.app import ServeSettings, create_app  # noqa: E402


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
