"""Python as people write it: any recording, mixtures, memory, event loops, a model's life."""

import ast
import asyncio
import concurrent.futures
import io
import logging
import math
import queue
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch

from tts import TTS, Options
from tts.aio import AsyncStream
from tts.cancel import Cancellation
from tts.errors import AudioError, ConfigError, OutputError, TextError, TTSError, UsageError
from tts.types import Audio, Chunk, Stream

ROOT = Path(__file__).parent.parent
TEXT = "The birch canoe slid. It was smooth. It was blue."


@pytest.fixture
def tts(tiny_home: Path) -> TTS:
    return TTS.load("default", device="cpu")


def test_one_recording_in_every_form(tts: TTS, recording: Callable[..., Path]) -> None:
    path = recording("ref.wav", subtype="FLOAT")
    samples, rate = sf.read(path, dtype="float32")
    expected = tts.voice(path)
    forms: list[Any] = [
        (samples, rate), (rate, samples), (samples.tolist(), np.int64(rate)),
        (torch.from_numpy(samples), float(rate)), torch.from_numpy(samples)[None], samples[:, None],
        path.read_bytes(), bytearray(path.read_bytes()), memoryview(path.read_bytes()),
        io.BytesIO(path.read_bytes()), Audio(samples, rate), [path], ((samples, rate),),
        {"array": samples, "sampling_rate": rate}, samples.tolist(),
        torch.from_numpy(samples).double().requires_grad_(),
    ]  # fmt: skip
    for form in forms:
        found = tts.voice(form)
        torch.testing.assert_close(found.features, expected.features, atol=1e-5, rtol=0)


def test_rate_of_an_array_counts(tts: TTS, recording: Callable[..., Path]) -> None:
    samples, rate = sf.read(recording("high.wav", rate=48000), dtype="int16")
    assert abs(tts.voice((samples, rate)).meta["seconds"] - 3) < 0.01
    both = tts.voice([(samples, rate), (samples, rate)])
    assert abs(both.meta["seconds"] - 6) < 0.01


@pytest.mark.parametrize(
    "source",
    [
        (np.zeros(16000), 0), (np.zeros(16000), -1), (np.zeros(16000), math.nan),
        (np.zeros(16000), 16000.5), (np.zeros(16000), 10**12), (16000, 16000), None, 5, [], [None],
        b"", b"RIFF", {"array": [0.0]}, {}, (np.array(["a"]), 16000), torch.zeros(2, 2, 16000),
        (torch.zeros(16000), True), [[[]]], object(), (np.zeros(0), 16000),
        torch.zeros(16000, dtype=torch.complex64), torch.zeros(16000).to_sparse(),
        torch.zeros(16000, device="meta"), (torch.zeros(16000, device="meta"), 16000),
    ],
)  # fmt: skip
def test_what_is_no_recording(tts: TTS, source: Any) -> None:
    with pytest.raises(TTSError):
        tts.voice(source)


def test_what_is_no_transcript(tts: TTS, recording: Callable[..., Path]) -> None:
    for wrong in (5, b"Hello.", ["Hello."]):
        with pytest.raises(UsageError, match="transcript"):
            tts.voice(recording(), wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="closed"), open(recording(), "rb") as file:
        file.close()
        tts.voice(file)


def test_voices_in_memory(tts: TTS, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    voice = tts.voice("default")
    voice.save(buffer)
    (tmp_path / "a.safetensors").write_bytes(buffer.getvalue())
    assert tts.voice(tmp_path / "a.safetensors").sha256 == voice.sha256
    for wrong in (io.StringIO(), None, 5):
        with pytest.raises(UsageError, match="path or a binary file"):
            tts.voice("default").save(wrong)  # type: ignore[arg-type]


def test_objects_are_told_apart_and_told_in_a_line(tts: TTS) -> None:
    """As elements of lists and keys, though they hold arrays, and in a notebook."""
    for made in (lambda: tts.voice("default"), lambda: tts.synthesize("Hi.")):
        one, other = made(), made()
        assert one == one and one != other and other not in [one] and len({one, other}) == 2
        assert len(repr(one)) < 60
    chunks = list(tts.stream("Hi. You."))
    assert chunks[1] in chunks and len(set(chunks)) == len(chunks)
    assert repr(tts.voice("default")) == "<Voice 'default' of 2.0 s>"
    assert repr(tts) == "<TTS 'default' on cpu>"


def test_audio_in_memory(tts: TTS, tmp_path: Path) -> None:
    audio = tts.synthesize("Hello.", "default")
    for format in ("wav", "flac", "ogg", "mp3"):
        buffer = io.BytesIO()
        audio.save(buffer, format=format)
        assert buffer.getvalue() == audio.to_bytes(format) or format == "ogg"  # serial numbers
        buffer.seek(0)
        assert sf.info(buffer).samplerate == audio.sample_rate
    buffer = io.BytesIO()
    audio.save(buffer)
    audio.save(tmp_path / "a.wav")
    assert buffer.getvalue() == (tmp_path / "a.wav").read_bytes()
    with open(tmp_path / "b.flac", "wb") as file:  # its name tells
        audio.save(file)
    assert sf.info(tmp_path / "b.flac").format == "FLAC"
    for wrong in (io.StringIO(), None, 5):
        with pytest.raises(UsageError, match="path or a binary file"):
            audio.save(wrong)  # type: ignore[arg-type]
    for other in ("mp4", 5, b"wav"):
        with pytest.raises(UsageError, match="format"):
            audio.to_bytes(other)  # type: ignore[arg-type]
    closed = io.BytesIO()
    closed.close()
    with pytest.raises(OutputError):
        audio.save(closed)


def test_notebook(tts: TTS) -> None:
    audio = tts.synthesize("Hello <b>there</b> & so.", "default")
    page = audio._repr_html_()
    assert "<audio controls" in page and "base64," in page and "<b>" not in page
    assert "array" not in repr(audio) and f"{audio.seconds:.2f}" in repr(audio)
    long = Audio(np.zeros(16000 * 70, np.float32), 16000)
    assert "audio/mpeg" in long._repr_html_() and len(long._repr_html_()) < 2_000_000
    assert "no audio" in Audio(np.zeros(0, np.float32), 16000)._repr_html_()


def test_event_loop(tts: TTS) -> None:
    expected = tts.synthesize(TEXT, "default", seed=3).samples

    async def pieces() -> AsyncIterator[str]:
        for piece in (TEXT[:15], TEXT[15:40], TEXT[40:]):
            await asyncio.sleep(0)
            yield piece

    async def main() -> None:
        for text in (TEXT, iter([TEXT]), pieces()):
            found, beats = [], 0

            async def beat() -> None:
                nonlocal beats
                while True:
                    beats += 1
                    await asyncio.sleep(0)

            clock = asyncio.create_task(beat())
            async for chunk in tts.astream(text, "default", seed=3):
                found.append(chunk.samples)
            clock.cancel()
            np.testing.assert_array_equal(np.concatenate(found), expected)
            assert beats > 2, "the loop was blocked"
        audio = await tts.asynthesize(TEXT, "default", seed=3)
        np.testing.assert_array_equal(audio.samples, expected)
        one, two = await asyncio.gather(
            tts.asynthesize("One.", "default"), tts.asynthesize("Two.", "default")
        )
        assert one.seconds and two.seconds

    asyncio.run(main())


def test_event_loop_stops(tts: TTS) -> None:
    async def forever() -> AsyncIterator[str]:
        yield "Hello there. "
        yield "How "
        await asyncio.sleep(3600)

    async def main() -> None:
        async with tts.astream(TEXT * 50, "default") as stream:
            await anext(stream)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        await stream.aclose()

        async def listen() -> None:
            async for _ in tts.astream(forever(), "default"):
                pass

        task = asyncio.create_task(listen())
        await asyncio.sleep(0.5)
        task.cancel()  # while a thread waits for a piece that never comes
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(UsageError, match="speed"):
            tts.astream("Hello.", speed=9)
        with pytest.raises(TextError):
            await tts.asynthesize("")

    asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.parametrize("kind", ["awaited", "waited for"])
def test_texts_that_are_waited_for_leave_threads_to_others(kind: str) -> None:
    async def main() -> None:
        loop, listeners = asyncio.get_running_loop(), 12
        loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(2))

        def make(text: Any) -> Stream:
            empty = np.zeros(1, np.float32)
            return Stream((Chunk(empty, 24000, piece) for piece in text), Cancellation())

        async def awaited() -> AsyncIterator[str]:
            for piece in "ab":
                await asyncio.to_thread(int)  # as an address that is looked up
                yield piece

        async def listen() -> str:
            if kind == "awaited":
                return "".join(await _texts(AsyncStream(make, awaited())))
            given: queue.Queue[str] = queue.Queue()
            told = asyncio.create_task(_texts(AsyncStream(make, iter(given.get, ""))))
            async for piece in awaited():
                given.put(piece)
            given.put("")
            return "".join(await told)

        found = await asyncio.gather(*(listen() for _ in range(listeners)))
        assert found == ["ab"] * listeners

    asyncio.run(asyncio.wait_for(main(), 30))


async def _texts(stream: AsyncStream) -> list[str]:
    return [chunk.text async for chunk in stream]


def test_progress(tts: TTS, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    audio = tts.synthesize(TEXT, "default", progress=lambda *at: told.append(at))
    assert told[0] == (0, len(TEXT)) and told[-1] == (len(TEXT), len(TEXT))
    done = [each[0] for each in told]
    assert len(done) == 4 and done == sorted(done), "one call a sentence, and the first"
    np.testing.assert_array_equal(audio.samples, tts.synthesize(TEXT, "default").samples)
    told.clear()
    list(tts.stream(iter([TEXT[:20], TEXT[20:]]), "default", progress=lambda *at: told.append(at)))
    assert told[-1] == (len(TEXT), len(TEXT))

    def stop(done: int, total: int) -> None:
        if done:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        tts.synthesize(TEXT, "default", progress=stop)
    told.clear()
    rows = [(f"r{n}", "Hello.", "default") for n in range(3)]
    tts.batch(rows, tmp_path / "out", progress=lambda *at: told.append(at))
    assert told[0] == (0, 3) and told[-1] == (3, 3)
    with pytest.raises(UsageError, match="progress"):
        tts.stream(TEXT, "default", progress=3)  # type: ignore[arg-type]


def test_life(tts: TTS) -> None:
    before = tts.synthesize("Hello.", "default").samples
    assert tts.warmup() > 0
    np.testing.assert_array_equal(tts.synthesize("Hello.", "default").samples, before)
    with tts as same:
        assert same is tts and not tts.closed
    tts.close()
    assert tts.closed and tts.config.name == "default" and tts.sample_rate == 16000
    for use in (
        tts.warmup,
        lambda: tts.synthesize("a"),
        lambda: tts.stream(TEXT),
        lambda: tts.phonemize("a"),
        lambda: tts.generator,
    ):
        with pytest.raises(UsageError, match="closed"):
            use()
    with pytest.raises(AttributeError):
        _ = TTS.load("default", "cpu").nothing  # type: ignore[attr-defined]


def test_lists(tts: TTS, recording: Callable[..., Path], tmp_path: Path) -> None:
    (model,) = TTS.models()
    assert model.name == "default" and model.ready and model.words == "not measured"
    folder = tmp_path / "data" / "tts" / "voices"
    folder.mkdir(parents=True)
    tts.voice(recording()).save(folder / "mine.safetensors")
    (folder / "bad.safetensors").write_bytes(b"no voice")
    bad, default, mine = TTS.voices()
    assert (default.kind, mine.kind, mine.seconds) == ("built-in", "added", 3.0)
    assert "damaged" in bad.problem and not mine.problem


def test_shipped_lists() -> None:
    for model in TTS.models():
        if model.scores:
            assert "misheard" in model.quality and "times" in model.speed and model.first_audio
    assert all(voice.sex and voice.accent for voice in TTS.voices() if voice.shipped)


def test_numbers_of_numpy(tts: TTS) -> None:
    expected = tts.synthesize("Hello.", "default", seed=3, speed=1.5, steps=2).samples
    given = dict(seed=np.int64(3), speed=np.float32(1.5), steps=np.uint8(2))
    found = tts.synthesize("Hello.", "default", **given)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.samples, expected)
    assert Options(takes=[np.array([2, 9])]).takes == ((2, 9),)  # type: ignore[arg-type]
    assert Options(seed=torch.tensor(3)) == Options(seed=np.array(3)) == Options(seed=3)  # type: ignore[arg-type]
    list(tts.stream("Hello.", "default", chunk_frames=np.int32(9)))  # type: ignore[arg-type]
    wrong: list[dict[str, Any]] = [
        {"seed": np.float64(3)}, {"seed": np.array([3])}, {"speed": np.bool_(True)},
        {"speed": np.nan}, {"chunk_frames": 0}, {"chunk_frames": 2.5}, {"steps": "8"},
        {"seed": np.int64(-1)}, {"chunk_frames": None}, {"seed": 10**400}, {"speed": -(10**400)},
        {"takes": None}, {"takes": 5}, {"takes": {1: 2}}, {"takes": "ab"}, {"takes": (1, 2)},
        {"takes": ((1, 2, 3),)}, {"options": {"seed": 1}},
    ]  # fmt: skip
    for values in wrong:
        with pytest.raises(UsageError):
            tts.stream("Hello.", "default", **values)


@pytest.mark.parametrize("text", [None, 5, b"Hello.", True, 1.5, object()])
def test_what_is_no_text(tts: TTS, text: Any) -> None:
    for use in (tts.synthesize, tts.stream):
        with pytest.raises(TextError):
            use(text, "default")


def test_pieces_that_are_no_text(tts: TTS) -> None:
    for pieces in (["Hello. ", None], [1, 2], [b"Hello."]):
        with pytest.raises(TextError, match="piece"):
            tts.synthesize(pieces, "default")  # type: ignore[arg-type]


def test_wrong_models_and_devices(tiny_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"TTS.load\('default'\)"):
        TTS("default")  # type: ignore[arg-type]
    for wrong in (None, 5, {}):
        with pytest.raises(ConfigError):
            TTS(wrong)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="name or path"):
            TTS.load(wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="did you mean 'cuda'"):
        TTS.load("default", "gpu")
    for device in ("cuda:x", "cpu:1", "", None, 0, "cuda:-1", "CPU!"):
        with pytest.raises(UsageError, match="unknown device"):
            TTS.load("default", device)  # type: ignore[arg-type]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="no CUDA device"):
        TTS.load("default", "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="cuda:3"):
        TTS.load("default", "cuda:3")
    assert TTS.load("default", torch.device("cpu")).device == "cpu"  # type: ignore[arg-type]


def test_logging_and_no_prints(
    tts: TTS, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    quiet = np.random.default_rng(0).normal(0, 0.001, 32000).astype(np.float32)
    with caplog.at_level(logging.DEBUG, "tts"):
        voice = tts.voice((quiet, 16000))
        tts.synthesize("Hello.", voice)
    assert any("quiet" in line.getMessage() for line in caplog.records)
    assert capfd.readouterr().out == ""
    for path in (ROOT / "tts").rglob("*.py"):
        if "cli" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            assert not (isinstance(called, ast.Name) and called.id == "print"), path
    assert isinstance(logging.getLogger("tts").handlers[0], logging.NullHandler)


def test_errors_have_types() -> None:
    assert issubclass(AudioError, TTSError) and issubclass(TextError, UsageError)
    for package in ("tts", "codecs/tts_codecs", "demo/tts_demo"):
        assert (ROOT / package / "py.typed").is_file()
