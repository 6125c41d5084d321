"""How the demo page is served, bounded and drawn, without a browser."""

import asyncio
import io
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

gr = pytest.importorskip("gradio")

from tts.cli.main import run  # noqa: E402
from tts_demo import limits, page  # noqa: E402
from tts_demo.app import build, close, launch  # noqa: E402
from tts_demo.picture import mel_image, waveform_path  # noqa: E402
from tts_demo.ready import ready_models  # noqa: E402
from tts_demo.sounds import Sounds  # noqa: E402
from tts_demo.studio import Studio  # noqa: E402

TEXT = "The birch canoe slid on the smooth planks."
Recording = Callable[..., Path]


@pytest.mark.parametrize("size", [1, 7, 600, 50_000])
def test_pictures_of_any_length(size: int) -> None:
    from PIL import Image

    rng = np.random.default_rng(size)
    samples = rng.normal(0, 0.1, size).astype(np.float32)
    path = waveform_path(samples)
    values = [float(v) for v in re.findall(r",([\d.]+)", path)]
    assert len(values) == 2 * min(600, size) and 0 <= min(values) and max(values) <= 2
    with Image.open(io.BytesIO(mel_image(samples, 16000))) as image:
        assert image.height == 80 and 1 <= image.width <= 1200


def test_low_tones_are_at_the_bottom_of_the_picture() -> None:
    from PIL import Image

    t = np.arange(16000) / 16000
    tone = (0.5 * np.sin(2 * np.pi * 200 * t)).astype(np.float32)
    with Image.open(io.BytesIO(mel_image(tone, 16000))) as image:
        loud = np.asarray(image).mean(1)
    assert loud[-15:].max() == loud.max() and loud[:40].max() < loud.max() / 2


def test_every_event_of_the_page_is_bounded(tiny_home: Path) -> None:
    """Work waits in a queue, and no handler is an open door for scripts."""
    blocks = build(Studio(ready_models(), "cpu"))
    assert blocks.delete_cache == (limits.SWEEP, limits.KEPT)
    assert not blocks.analytics_enabled
    assert blocks._queue.max_size == limits.QUEUE
    named = {each.name: each for each in blocks.fns.values()}
    assert {"run", "stop", "left", "warm_up"} <= set(named)
    for each in blocks.fns.values():
        if each.name == "run":
            assert each.queue is not False and each.concurrency_limit in (1, limits.SPOKEN)
        if each.name in ("run", "stop", "warm_up"):
            assert each.api_visibility == "private"


@pytest.fixture
def address(tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    studio = Studio(ready_models(), "cpu")
    blocks = build(studio)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    yield launch(blocks, studio, port=port)
    begin = time.monotonic()
    close(blocks, studio)
    assert time.monotonic() - begin < 4


def test_the_page_is_private(address: str) -> None:
    # A page that is open holds a connection, which the end of `address` must not wait for.
    urllib.request.urlopen(address + "gradio_api/heartbeat/abc", timeout=30).readline()
    with urllib.request.urlopen(address, timeout=30) as reply:
        body, policy = reply.read().decode(), reply.headers["content-security-policy"]
    assert "default-src 'self'" in policy and "http" not in policy
    assert page.TITLE in body
    for source in re.findall(r"<(?:script|link)[^>]*(?:src|href)=[\"']([^\"']+)", body):
        assert not source.startswith(("http", "//")), source
    strange = urllib.request.Request(address, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(strange, timeout=30)
    assert caught.value.code == 403
    for path in ("monitoring/summary", "gradio_api/file=/etc/passwd"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(address + path, timeout=30)
        assert caught.value.code in (403, 404)


def test_the_command_refuses_what_it_cannot_do(
    tiny_home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["demo", "--model", "defualt"]) == 2
    assert "'default'" in capfd.readouterr().err
    assert run(["demo", "--device", "tpu"]) == 2
    assert run(["demo", "--port", "0"]) == 2
    capfd.readouterr()
    (tiny_home / "checkpoints" / "flow" / "model.safetensors").unlink()
    assert run(["demo"]) == 1
    err = capfd.readouterr().err
    assert len(err.splitlines()) == 1 and "tts models" in err


def test_foreign_hosts_are_let_in_only_where_wanted() -> None:
    from tts_demo.app import Private

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def ask(
        hosts: tuple[str, ...], host: bytes, *origins: bytes, method: str = "POST", **more: bytes
    ) -> int:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"Host", host), *((b"Origin", origin) for origin in origins)]
        headers += [(name.replace("_", "-").encode(), value) for name, value in more.items()]
        scope = {"type": "http", "method": method, "path": "/gradio_api/upload", "headers": headers}
        await Private(app, hosts)(scope, None, send)  # type: ignore[arg-type]
        return int(sent[0]["status"])

    local = ("127.0.0.1", "localhost")
    assert asyncio.run(ask(local, b"localhost:7860")) == 200
    assert asyncio.run(ask(local, b"127.0.0.1")) == 200
    for name in (b"evil.example:7860", b"localhost/x", b"x@localhost", b"localhost#x", b""):
        assert asyncio.run(ask(local, name)) == 403
    assert asyncio.run(ask((), b"lab.example")) == 200
    # What a page of another site sends is refused, under any name.
    assert asyncio.run(ask(local, b"localhost:7860", b"http://localhost:7860")) == 200
    for hosts in (local, ()):
        for origin in (b"http://evil.example", b"null", b"http://[", b"http://localhost:1"):
            assert asyncio.run(ask(hosts, b"localhost:7860", origin)) == 403
        both = (b"http://evil.example", b"http://localhost:7860")
        for pair in (both, both[::-1]):
            assert asyncio.run(ask(hosts, b"localhost:7860", *pair)) == 403
        for site in (b"cross-site", b"same-site", b"Cross-Site"):
            for mode, method, status in (
                (b"no-cors", "GET", 403),
                (b"navigate", "GET", 200),  # a link to the page
                (b"navigate", "POST", 403),
            ):
                told = {"sec_fetch_site": site, "sec_fetch_mode": mode}
                assert asyncio.run(ask(hosts, b"localhost:7860", method=method, **told)) == status


def test_sounds_are_served_while_they_are_made() -> None:
    app = Sounds()

    async def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, bytes, list[float]]:
        status, body, times = 0, b"", []

        async def receive() -> Any:
            await asyncio.sleep(30)

        async def send(message: Any) -> None:
            nonlocal status, body
            status = message.get("status", status)
            body += message.get("body", b"")
            times.append(time.monotonic())

        head = [(k.encode(), v.encode()) for k, v in headers.items()]
        scope = {"type": "http", "method": method, "path": f"/{url}", "headers": head}
        await app(scope, receive, send)
        return status, body, times

    async def growing() -> None:
        with app.open("s", "speech.mp3") as growing:
            growing.write(b"one")
            asking = asyncio.create_task(ask(growing.url))
            await asyncio.sleep(0.2)
            assert not asking.done()
            growing.write(b"two")
        assert (await asking)[:2] == (200, b"onetwo")
        assert (await ask(growing.url, range="bytes=1-3"))[:2] == (206, b"net")
        assert (await ask(growing.url, "POST"))[0] == 405
        for wrong in ("sounds/x/speech.mp3", growing.url + "x", "sounds/../limits.py", "sounds/"):
            assert (await ask(wrong))[0] == 404, wrong

    asyncio.run(growing())
    app.close()
    old = Sounds(kept=0)
    url = old.add("s", "a.mp3", b"x")
    assert old.find(url) is not None
    old.add("s", "b.mp3", b"y")
    assert old.find(url) is None, "nobody used it for long"
    old.close()


def test_sounds_are_deleted_also_while_nothing_is_made() -> None:
    app = Sounds(kept=0.05, every=0.05)
    url = app.add("s", "a.mp3", b"x")
    sound = app.find(url)
    assert sound is not None
    deadline = time.monotonic() + 10
    while sound.path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not sound.path.exists() and app.find(url) is None
    app.close()


def test_sounds_of_who_has_left_are_deleted() -> None:
    app = Sounds()
    left, stays = (app.find(app.add(session, "a.mp3", b"x")) for session in ("a", "b"))
    assert left is not None and stays is not None
    app.forget("a")
    assert not left.path.exists() and app.find(left.url) is None
    assert stays.path.exists() and app.find(stays.url) is stays
    app.close()
