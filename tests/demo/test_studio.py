"""The demo page without a browser: what its handlers show, stop and refuse, on tiny models."""

import asyncio
import html
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

gr = pytest.importorskip("gradio")

from tts.cli.main import run  # noqa: E402
from tts.errors import UsageError  # noqa: E402
from tts.facade import TTS  # noqa: E402
from tts.types import Options, Span  # noqa: E402
from tts_demo import limits, page  # noqa: E402
from tts_demo.app import build, launch  # noqa: E402
from tts_demo.batch import batch, checked_rows  # noqa: E402
from tts_demo.compare import compare  # noqa: E402
from tts_demo.picture import mel_image, waveform_path  # noqa: E402
from tts_demo.ready import ready_codecs, ready_models  # noqa: E402
from tts_demo.sounds import Sounds  # noqa: E402
from tts_demo.speak import options_of, speak  # noqa: E402
from tts_demo.studio import Studio  # noqa: E402
from tts_demo.wish import Wish  # noqa: E402

TEXT = "The birch canoe slid on the smooth planks."
Recording = Callable[..., Path]


@pytest.fixture
def studio(tiny_home: Path) -> Iterator[Studio]:
    made = Studio(["default"], "cpu")
    yield made
    made.close()


def options() -> Options:
    return Options(seed=3)


def refusal(steps: Iterator[Any]) -> str:
    """The one line of the error that a handler ends with."""
    with pytest.raises(gr.Error) as caught:
        list(steps)
    message = str(caught.value.message)
    assert "\n" not in message and message
    return message


def test_limits_are_those_of_the_other_surfaces() -> None:
    from tts.config import PARTS
    from tts.serve.decode import MAX_BYTES, MAX_SECONDS
    from tts.serve.schema import MAX_CHARACTERS
    from tts.types import RANGES

    assert RANGES["speed"] == limits.SPEED and RANGES["pitch"] == limits.PITCH
    assert limits.PARTS == PARTS
    assert limits.MAX_CHARACTERS == MAX_CHARACTERS
    assert (limits.MAX_BYTES, limits.MAX_SECONDS) == (MAX_BYTES, MAX_SECONDS)


def test_the_page_needs_no_torch_to_start(tiny_home: Path) -> None:
    """Else it would not be usable within seconds."""
    code = (
        "import sys; from tts_demo.app import build; from tts_demo.ready import ready_models; "
        "from tts_demo.studio import Studio; build(Studio(ready_models())); "
        "sys.exit('torch was imported' if 'torch' in sys.modules else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr


def test_only_models_with_weights_are_offered(
    tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tiny_home / "configs" / "models"
    plain = (models / "default.yaml").read_text()
    (models / "absent.yaml").write_text(plain.replace("generator: flow", "generator: gone"))
    (models / "broken.yaml").write_text("name: [")
    (models / "another.yaml").write_text(plain)
    assert ready_models() == ["default", "another"]
    (models / "other.yaml").write_text(f"{plain}published: others\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert ready_models() == ["default", "another"]
    (tmp_path / "cache" / "tts" / "models" / "others-0123abcd").mkdir(parents=True)
    assert ready_models() == ["default", "another", "other"]


def test_codecs_are_found_without_pytorch(tiny_home: Path) -> None:
    from tts_codecs import names
    from tts_codecs.registry import KINDS

    assert set(limits.CODECS) == set(KINDS)
    assert ready_codecs() == names() == ["vocoder"]
    (tiny_home / "checkpoints/vocoder/model.safetensors").unlink()
    assert ready_codecs() == []


def sound(studio: Studio, html: str, kind: str = "wav") -> tuple[np.ndarray, int]:
    """The audio that a piece of the page names, by its kind of file."""
    url = re.search(rf"'(sounds/[^']*\.{kind})'", html)
    assert url, html
    found = studio.sounds.find(url[1])
    assert found is not None and found.finished
    samples, rate = sf.read(found.path, dtype="float32")
    return samples * (32768 / 32767), rate


def test_speaking_shows_words_and_ends_with_the_audio_of_the_api(studio: Studio) -> None:
    steps = list(speak(studio, "s", Wish(TEXT, "default"), options))
    status, shown = zip(*steps, strict=True)
    assert "Loading" in status[0] and "Done" in status[-1] and "First audio" in status[-1]
    audio = TTS.load("default", "cpu").synthesize(TEXT, "default", seed=3)
    samples, rate = sound(studio, status[-1])
    assert rate == audio.sample_rate
    np.testing.assert_allclose(samples, audio.samples, atol=1 / 32767)
    # It could be heard before all of it was there, at the address that the end has too.
    live = re.search("data-sound='([^']*)'", status[-1])
    assert live and sum(live[1] in each for each in status[:-1]) >= 2
    heard, _ = sound(studio, status[-1], "mp3")
    assert len(heard) / rate == pytest.approx(audio.seconds, abs=0.2)
    take = json.loads(html.unescape(re.search("data-take='([^']*)'", status[-1])[1]))  # type: ignore[index]
    assert (take["text"], take["seed"], take["model"]) == (TEXT, 3, "default")
    for word in ("birch", "canoe", "planks"):
        assert f">{word}</span>" in shown[-1]
    assert "data:image/png" in shown[-1] and "<path" in shown[-1]
    again = next(speak(studio, "s", Wish(TEXT, "default"), options))
    assert "Loading" not in again[0]


def test_a_recording_is_encoded_once_for_a_session(
    studio: Studio, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    encode = TTS.voice
    monkeypatch.setattr(TTS, "voice", lambda *a, **k: calls.append(1) or encode(*a, **k))
    wish = Wish(TEXT, "default", None, str(recording()), "seven words")
    first, second, built_in = (
        sound(studio, list(speak(studio, "a", each, options))[-1][0])[0]
        for each in (wish, wish, Wish(TEXT, "default"))
    )
    assert len(calls) == 1 + 0 + 1
    np.testing.assert_array_equal(first, second)
    assert first.shape != built_in.shape or not np.array_equal(first, built_in)
    studio.forget("a")
    assert not studio._voices


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text": ""}, ["empty"]),
        ({"text": "  \n"}, ["empty"]),
        ({"text": None}, ["empty"]),
        ({"text": "..."}, ["nothing"]),
        ({"text": "a" * 4097}, ["4,097", "4,096"]),
        ({"voice": None}, ["no voice"]),
        ({"voice": "nobody"}, ["nobody"]),
        ({"voice": "../../etc/passwd"}, ["unknown voice"]),
        ({"voice": "/tmp/x.safetensors"}, ["unknown voice"]),
        ({"model": "nothing"}, ["unknown model"]),
        ({"model": None}, ["choose a model"]),
    ],
)
def test_wrong_requests_are_one_clear_line(
    change: dict[str, Any], words: list[str], studio: Studio
) -> None:
    wish = Wish(**{"text": TEXT, "model": "default", **change})
    message = refusal(speak(studio, "s", wish, options))
    for word in words:
        assert word in message


def test_bad_recordings_are_told_without_folders(
    studio: Studio, tmp_path: Path, recording: Recording
) -> None:
    text = tmp_path / "notes.wav"
    text.write_text("not audio")
    for path, word in (
        (text, "not audio"),
        (recording("short.wav", seconds=0.4), "short.wav"),
        (recording("quiet.wav", gain=0.0), "silent"),
        (recording("long.wav", seconds=61), "61 s"),
        (tmp_path / "gone.wav", "not there any more"),
    ):
        message = refusal(speak(studio, "s", Wish(TEXT, "default", None, str(path)), options))
        assert word in message and str(tmp_path) not in message


def test_markup_in_text_and_errors_is_not_taken_as_such(studio: Studio) -> None:
    shown = page.words([Span("<img src=x onerror=alert(1)>", 0, 1)])
    assert "<img" not in shown and "&lt;img" in shown
    assert "<b>" not in page.status("<b>")
    message = refusal(speak(studio, "s", Wish(TEXT, "<i>x"), options))
    assert "<i>" not in message and "&lt;i&gt;" in message


def test_options_of_the_fields() -> None:
    assert options_of(1.2, 7, 0.9, None, None, None) == Options(7, 1.2, 0.9)
    assert options_of(1, None, 1, "4", " 2.5", "0") == Options(0, 1.0, 1.0, 4, 2.5, 0.0)
    assert options_of(1, 0, 1, "", " ", None) == Options()
    for values, word in (((3, 0, 1), "speed"), ((1, -1, 1), "seed"), ((1, 0, 9), "pitch")):
        with pytest.raises(UsageError, match=word):
            options_of(*values, None, None, None)
    for fields, word in (
        (("2.5", "", ""), "steps '2.5' is not a whole"),
        (("", "x", ""), "guidance"),
        (("", "", "nan"), "temperature"),
    ):
        with pytest.raises(UsageError, match=word):
            options_of(1, 0, 1, *fields)


def test_unexpected_errors_say_no_more_than_their_kind(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("/secret/folder")

    monkeypatch.setattr(TTS, "voice", broken)
    message = refusal(speak(studio, "s", Wish(TEXT, "default"), options))
    assert message == "unexpected ZeroDivisionError"


def test_stopping_ends_the_session_that_asked_and_no_other(studio: Studio) -> None:
    long = " ".join([TEXT] * 90)
    mine = speak(studio, "mine", Wish(long, "default"), options)
    other = speak(studio, "other", Wish(TEXT, "default"), options)
    for _ in range(4):
        next(mine)
        next(other)
    assert studio.stop("mine") == 1
    rest = list(mine)
    assert len(rest) <= 2 and "Stopped" in rest[-1][0]
    assert "Done" in list(other)[-1][0]
    assert studio.stop("mine") == 0 and not studio._tickets
    assert "Done" in list(speak(studio, "mine", Wish(TEXT, "default"), options))[-1][0]


def test_stopping_from_another_thread_while_it_computes(studio: Studio) -> None:
    steps = speak(studio, "s", Wish(" ".join([TEXT] * 90), "default"), options)
    for _ in range(3):
        next(steps)
    seen: list[Any] = []
    thread = threading.Thread(target=lambda: seen.extend(steps))
    thread.start()
    studio.stop("s")
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert "Stopped" in seen[-1][0] and "Done" not in seen[-1][0]


def test_a_request_that_is_dropped_leaves_nothing(studio: Studio) -> None:
    steps = speak(studio, "s", Wish(TEXT, "default"), options)
    for _ in range(3):
        next(steps)
    steps.close()
    assert not studio._tickets
    # Stopped before it began: no sound is made.
    steps = speak(studio, "s", Wish(TEXT, "default"), options)
    next(steps)
    studio.stop("s")
    assert not [step for step in steps if "data-sound" in step[0]]


def test_models_are_compared_side_by_side(tiny_home: Path) -> None:
    models = tiny_home / "configs" / "models"
    plain = (models / "default.yaml").read_text()
    (models / "other.yaml").write_text(plain.replace("steps: 2", "steps: 3"))
    (models / "gone.yaml").write_text(plain.replace("generator: flow", "generator: gone"))
    studio = Studio(["default", "gone", "other"], "cpu")
    steps = list(compare(studio, "s", Wish(TEXT, ""), studio.models, 3))
    assert "1 of 3" in steps[1][0] and "Done" in steps[-1][0]

    def columns(steps: list[Any]) -> list[str]:
        """What each model shows in the end; each is drawn when it is made and then left alone."""
        return [[s[1 + n] for s in steps if isinstance(s[1 + n], str)][-1] for n in range(3)]

    first, gone, last = columns(steps)
    for name, column, count in (("default", first, 2), ("other", last, 3)):
        assert "Done" in column and "data:image/png" in column
        assert f"<dt>Steps</dt><dd>{count}</dd>" in column
        audio = TTS.load(name, "cpu").synthesize(TEXT, "default", seed=3)
        np.testing.assert_allclose(sound(studio, column)[0], audio.samples, atol=1 / 32767)
    assert "gone" in gone and "<audio" not in gone
    only = columns(list(compare(studio, "s", Wish(TEXT, ""), ["other"], 3)))
    assert only[:2] == ["", ""] and "<audio" in only[2]
    assert "at least one" in refusal(compare(studio, "s", Wish(TEXT, ""), [], 0))
    assert "empty" in refusal(compare(studio, "s", Wish(" ", ""), ["default"], 0))


def test_stopping_a_comparison_skips_the_models_that_are_left(tiny_home: Path) -> None:
    models = tiny_home / "configs" / "models"
    shutil.copy(models / "default.yaml", models / "other.yaml")
    studio = Studio(["default", "other"], "cpu")
    steps = compare(studio, "s", Wish(TEXT, ""), studio.models, 0)
    next(steps)
    studio.stop("s")
    assert "Stopped" in list(steps)[-1][0]
    assert not studio.is_loaded("other")


def table(tmp_path: Path, *lines: str) -> str:
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_a_table_becomes_a_zip(studio: Studio, tmp_path: Path, recording: Recording) -> None:
    rows = table(
        tmp_path,
        "id,text,voice,seed,speed",
        f"one,{TEXT},default,3,",
        "two,Hello there.,,,0.9",
        "three,,,,",
        "four,Hi.,/etc/passwd,,",
        "five,Hi.,voice.safetensors,,",
    )
    wish = Wish("", "default", "default", None)
    last = list(batch(studio, "s", rows, wish, "flac"))[-1]
    assert "2 of 5 rows, 3 failed" in last[0]
    failed, said = last[1].split("<h3>Said: 2</h3>")
    assert "<h3>Failed: 3</h3>" in failed and failed.count("names of voices") == 2
    assert "empty" in failed and "<audio" not in failed and said.count("<audio") == 2
    assert "row one" in said and "row two" in said
    archived = studio.sounds.find(re.search("href='([^']*zip)'", failed)[1])  # type: ignore[index]
    assert archived is not None
    with zipfile.ZipFile(archived.path) as archive:
        assert sorted(archive.namelist()) == ["manifest.jsonl", "one.flac", "two.flac"]
        samples, rate = sf.read(io.BytesIO(archive.read("one.flac")), dtype="float32")
    audio = TTS.load("default", "cpu").synthesize(TEXT, "default", seed=3)
    assert rate == audio.sample_rate and len(samples) == len(audio.samples)
    assert not studio._tickets


def test_tables_that_cannot_be_used(studio: Studio, tmp_path: Path) -> None:
    wish = Wish("", "default")

    def told(rows: str | None, form: str = "wav") -> str:
        message = refusal(batch(studio, "s", rows, wish, form))
        assert str(tmp_path) not in message
        return message

    assert "no table" in told(None)
    assert "no column 'text'" in told(table(tmp_path, "id,speed", "a,1"))
    assert "holds no rows" in told(table(tmp_path, "id,text"))
    assert "201 rows" in told(table(tmp_path, "text", *["Hi."] * 201))
    assert "same id" in told(table(tmp_path, "id,text", "a,Hi.", "a,Ho."))
    assert "unknown format" in told(table(tmp_path, "text", "Hi."), "exe")
    (tmp_path / "rows.csv").write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in told(str(tmp_path / "rows.csv"))


def test_rows_reach_no_files_and_no_other_models(tmp_path: Path, tiny_home: Path) -> None:
    rows = table(
        tmp_path,
        "id,text,voice,model",
        "a,Hi.,anna,",
        "b,Hi.,,other",
        "c,Hi.,,default",
        f"d,{'x' * 4097},,",
    )
    found = {row.id: row for row in checked_rows(rows, "default", "chosen")}
    assert found["a"].voice == "anna" and found["c"].voice == "chosen" and not found["c"].problem
    assert "model" in found["b"].problem and "4,096" in found["d"].problem
    refs = table(tmp_path, "id,text,ref", "a,Hi.,/etc/passwd")
    assert "names of voices" in checked_rows(refs, "default", "chosen")[0].problem


def test_stopping_a_batch(studio: Studio, tmp_path: Path) -> None:
    rows = table(tmp_path, "text", *[" ".join([TEXT] * 20)] * 40)
    steps = batch(studio, "s", rows, Wish("", "default"), "wav")
    next(steps)
    next(steps)
    studio.stop("s")
    assert not [step for step in steps if step[1]]
    assert not studio._tickets


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
    studio.close()
    blocks.close(verbose=False)


def test_the_page_is_private(address: str) -> None:
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

    async def ask(hosts: tuple[str, ...], host: bytes, origin: bytes = b"") -> int:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", host), *([(b"origin", origin)] if origin else [])]
        scope = {"type": "http", "method": "POST", "path": "/gradio_api/upload", "headers": headers}
        await Private(app, hosts)(scope, None, send)  # type: ignore[arg-type]
        return int(sent[0]["status"])

    local = ("127.0.0.1", "localhost")
    assert asyncio.run(ask(local, b"localhost:7860")) == 200
    assert asyncio.run(ask(local, b"127.0.0.1")) == 200
    assert asyncio.run(ask(local, b"evil.example:7860")) == 403
    assert asyncio.run(ask((), b"lab.example")) == 200
    # What a page of another site sends is refused, under any name.
    assert asyncio.run(ask(local, b"localhost:7860", b"http://localhost:7860")) == 200
    for hosts in (local, ()):
        for origin in (b"http://evil.example", b"null", b"http://[", b"http://localhost:1"):
            assert asyncio.run(ask(hosts, b"localhost:7860", origin)) == 403


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
        with app.open("speech.mp3") as growing:
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
    url = old.add("a.mp3", b"x")
    assert old.find(url) is not None
    old.add("b.mp3", b"y")
    assert old.find(url) is None, "nobody used it for long"
    old.close()
