"""Who may use a server: pages of other sites, strangers, keys."""

import re
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("multipart")

from fastapi.testclient import TestClient  # noqa: E402

from tests.helpers.serving import SPEECH
from tts import TTS  # noqa: E402
from tts.cli.main import run  # noqa: E402
from tts.errors import UsageError  # noqa: E402
from tts.serve.access import check_access, check_origin  # noqa: E402
from tts.serve.app import ServeSettings, create_app  # noqa: E402


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
