"""The Wyoming protocol as Home Assistant speaks it, with the client of its package."""

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("wyoming")

from fastapi import FastAPI  # noqa: E402
from wyoming.audio import AudioChunk, AudioStart, AudioStop  # noqa: E402
from wyoming.client import AsyncTcpClient  # noqa: E402
from wyoming.event import Event  # noqa: E402
from wyoming.info import Describe, Info  # noqa: E402
from wyoming.tts import (  # noqa: E402
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
    SynthesizeVoice,
)

from tts import TTS  # noqa: E402
from tts.serve.app import ServeSettings, create_app  # noqa: E402
from tts.serve.wyoming import MAX_EVENT, MAX_TEXT, WyomingConnection  # noqa: E402
from tts.text.sentences import split_complete  # noqa: E402

TEXT = "The birch canoe slid. Glue the sheet to the dark."


def talk(tts: TTS, folder: Path, with_client: Callable[[int, FastAPI], Awaitable[None]]) -> None:
    """Run a client against a server of its own."""
    sock = socket.create_server(("127.0.0.1", 0))
    app = create_app([tts], ServeSettings(voices=folder / "voices", wyoming=sock))

    async def run() -> None:
        async with app.router.lifespan_context(app):
            await asyncio.wait_for(with_client(int(sock.getsockname()[1]), app), 60)

    asyncio.run(run())


async def heard(client: AsyncTcpClient, last: Any = AudioStop) -> tuple[list[str], np.ndarray]:
    """Kinds of events up to the last one, and the sound in them."""
    kinds, sound = [], b""
    while (event := await client.read_event()) is not None:
        kinds.append(event.type)
        if AudioChunk.is_type(event.type):
            chunk = AudioChunk.from_event(event)
            assert (chunk.rate, chunk.width, chunk.channels) == (16000, 2, 1)
            sound += chunk.audio
        if last.is_type(event.type):
            break
    return kinds, np.frombuffer(sound, "<i2") / 32767


def test_voices_and_whole_texts(tts: TTS, tmp_path: Path) -> None:
    expected = tts.synthesize(TEXT).samples

    async def client(port: int, app: FastAPI) -> None:
        async with AsyncTcpClient("127.0.0.1", port) as talk:
            await talk.write_event(Describe().event())
            event = await talk.read_event()
            assert event is not None
            (program,) = Info.from_event(event).tts
            assert program.installed and program.supports_synthesize_streaming
            assert program.voices[0].name == "default" and "en" in program.voices[0].languages
            for voice in (None, "default", "deleted"):
                name = SynthesizeVoice(name=voice) if voice else None
                await talk.write_event(Synthesize(text=TEXT, voice=name).event())
                kinds, sound = await heard(talk)
                assert kinds[0] == AudioStart(16000, 2, 1).event().type
                np.testing.assert_allclose(sound, expected, atol=2e-4)
        assert app.state.scheduler.load == (0, 0)

    talk(tts, tmp_path, client)


def test_text_that_is_still_written(tts: TTS, tmp_path: Path) -> None:
    async def client(port: int, app: FastAPI) -> None:
        async with AsyncTcpClient("127.0.0.1", port) as talk:
            for _ in range(2):
                await talk.write_event(SynthesizeStart().event())
                await talk.write_event(SynthesizeChunk("The birch canoe slid. Glue").event())
                event = await talk.read_event()  # before the text is whole
                assert event is not None and AudioStart.is_type(event.type)
                await talk.write_event(SynthesizeChunk(" the sheet to the dark.").event())
                await talk.write_event(Synthesize(text=TEXT).event())  # for older servers
                await talk.write_event(SynthesizeStop().event())
                kinds, sound = await heard(talk, SynthesizeStopped)
                assert kinds.count("audio-start") == 0 and kinds.count("audio-stop") == 1
                parts = ["The birch canoe slid.", "Glue the sheet to the dark."]
                expected = np.concatenate([tts.synthesize(part).samples for part in parts])
                np.testing.assert_allclose(sound, expected, atol=2e-4)
            await talk.write_event(SynthesizeStart().event())
            await talk.write_event(SynthesizeStop().event())
            assert (await heard(talk, SynthesizeStopped))[0][-1] == "synthesize-stopped"

    talk(tts, tmp_path, client)


@pytest.mark.parametrize(
    "data",
    [
        b"hello\n",
        b"[1]\n",
        b'{"type": 3}\n',
        b'{"type": "synthesize"}\n',
        b'{"type": "synthesize", "data": {"text": "..."}}\n',
        b'{"type": "synthesize", "data_length": 1000000000}\n',
        b'{"type": "synthesize", "data_length": -1}\n',
        b'{"type": "x", "data_length": 2}\n[]',
        b"[" * 60000 + b"\n",
        b"x" * (2 * MAX_EVENT),
        json.dumps({"type": "synthesize", "data": {"text": "a " * MAX_TEXT}}).encode() + b"\n",
        json.dumps({"type": "synthesize", "data": {"text": "\ufdfa" * 4000}}).encode() + b"\n",
        b'{"type": "ping", "data": ["text"]}\n',
    ],
)
def test_strangers_get_an_error_and_the_door(data: bytes, tts: TTS, tmp_path: Path) -> None:
    async def client(port: int, app: FastAPI) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        answer = await reader.read()
        assert json.loads(answer.splitlines()[0])["type"] == "error"
        writer.close()
        # It goes on with others.
        async with AsyncTcpClient("127.0.0.1", port) as talk:
            await talk.write_event(Synthesize(text="Hello.").event())
            assert (await heard(talk))[0][-1] == "audio-stop"

    talk(tts, tmp_path, client)


def test_connections_that_say_nothing_give_way(
    tts: TTS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tts.serve.wyoming.MAX_CONNECTIONS", 3)

    async def client(port: int, app: FastAPI) -> None:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        async with AsyncTcpClient("127.0.0.1", port) as talk:
            await talk.write_event(Synthesize(text="Hello.").event())
            assert (await heard(talk))[0][-1] == "audio-stop"
        with suppress(ConnectionResetError):
            assert await silent[0][0].read() == b""
        for _, writer in silent:
            writer.transport.abort()

    talk(tts, tmp_path, client)


def test_texts_are_read_beside_the_computing_thread(
    tts: TTS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()
    whole = tts.sentences

    def seen(*given: Any, **named: Any) -> Any:
        threads.add(threading.current_thread().name)
        return whole(*given, **named)

    monkeypatch.setattr(tts, "sentences", seen)

    async def client(port: int, app: FastAPI) -> None:
        async with AsyncTcpClient("127.0.0.1", port) as talk:
            await talk.write_event(Synthesize(text="Hello.").event())
            await heard(talk)

    talk(tts, tmp_path, client)
    assert threads and "tts-scheduler" not in threads


def test_assistant_that_leaves_frees_its_place(tts: TTS, tmp_path: Path) -> None:
    async def client(port: int, app: FastAPI) -> None:
        async with AsyncTcpClient("127.0.0.1", port) as talk:
            await talk.write_event(Synthesize(text=TEXT * 60).event())
            await talk.read_event()
            await talk.write_event(Event("nonsense"))
        for _ in range(300):
            if app.state.scheduler.load == (0, 0):
                return
            await asyncio.sleep(0.1)
        raise AssertionError("it goes on")

    talk(tts, tmp_path, client)


@pytest.mark.parametrize("size", [1, 9, 1000])
@pytest.mark.parametrize("text", [
    "Dr. Smith lives at No. 7 St. James Street. He left at 5 p.m. on Jan. 3. So it goes.",
    "One line\nis a sentence. The first paragraph.\n\nThe second, e.g. this one.",
    "これは一つ。それは二つ。",
    "no end at all",
])  # fmt: skip
def test_streamed_text_is_cut_where_sentences_end(text: str, size: int) -> None:
    said = []

    class Said(WyomingConnection):
        async def _speak(self, text: str) -> bool:
            said.append(text)
            return True

        async def _send(self, event: Event) -> None:
            pass

        async def _send_audio_stop(self) -> None:
            pass

    async def main() -> None:
        owner = SimpleNamespace(model=SimpleNamespace(config=SimpleNamespace(language="en-us")))
        talk = Said(owner, None)  # type: ignore[arg-type]
        await talk.handle(SynthesizeStart().event())
        for at in range(0, len(text), size):
            await talk.handle(SynthesizeChunk(text[at : at + size]).event())
        await talk.handle(SynthesizeStop().event())

    asyncio.run(main())
    parts = [text[at : at + size] for at in range(0, len(text), size)]
    expected = [part for part, _ in split_complete(parts)]
    assert [part.rstrip() for part in said if part] == [part.rstrip() for part in expected]
