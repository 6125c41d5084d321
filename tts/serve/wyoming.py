"""The Wyoming protocol, by which Home Assistant asks for speech: text in, 16-bit sound out.

Events are lines of JSON with lengths of what follows; the package `wyoming` (the extra of that
name) knows them. Text may come whole (`synthesize`) or while it is written (`synthesize-start`,
`synthesize-chunk`, `synthesize-stop`): then each sentence is spoken as soon as it is complete.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, async_write_event
from wyoming.info import Attribution, Describe, Info, TtsProgram, TtsVoice
from wyoming.ping import Ping, Pong
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
)

from tts.audio.formats import to_pcm16
from tts.errors import TextError, TTSError, UsageError, VoiceError
from tts.facade import TTS
from tts.provenance import Watermark, marker
from tts.serve.job import Job
from tts.serve.scheduler import Scheduler
from tts.text.sentences import complete_end
from tts.types import Chunk, Options
from tts.voice.voice import Voice

PORT = 10200
#: bytes of an event; characters of a request, which assistants write sentence by sentence
MAX_EVENT = 64 * 1024
MAX_TEXT = 20_000
MAX_CONNECTIONS = 64
_BY = Attribution("tts", "")


class Assistants:
    """Serves assistants that connect.

    Args:
        model: that speaks; voice: gives a voice by name, voices: lists them (id, name).
        timeout: seconds for one event to come; stall: for what is sent to be taken.
        reading: how many texts may be read at a time.

    Attributes:
        idle: connections for which nothing is being done, the one that waits for longest first.
    """

    def __init__(
        self,
        model: TTS,
        scheduler: Scheduler,
        voice: Callable[[str], Voice],
        voices: Callable[[], Sequence[dict[str, Any]]],
        timeout: float = 300.0,
        watermark: Watermark | None = None,
        stall: float = 60.0,
        reading: asyncio.Semaphore | None = None,
    ):
        self.model, self.scheduler = model, scheduler
        self.voice, self.voices = voice, voices
        self.timeout, self.watermark, self.stall = timeout, watermark, stall
        self.reading = reading or asyncio.Semaphore(4)
        self.connections = 0
        self.idle: dict[asyncio.StreamWriter, None] = {}

    def info(self) -> Info:
        """What can be asked for."""
        code = self.model.config.language
        base, _, region = code.partition("-")
        languages = [base, *([f"{base}_{region.upper()}"] if region else [])]
        listed = [
            TtsVoice(
                name=voice["id"],
                attribution=_BY,
                installed=True,
                description=voice["name"],
                version=None,
                languages=languages,
            )
            for voice in self.voices()
        ]
        listed.sort(key=lambda voice: (voice.name != "default", voice.name))
        return Info(
            tts=[
                TtsProgram(
                    name=f"tts {self.model.config.name}",
                    attribution=_BY,
                    installed=True,
                    description="Zero-shot text to speech",
                    version=None,
                    voices=listed,
                    supports_synthesize_streaming=True,
                )
            ]
        )

    async def said(self, seconds: float = 2.0) -> None:
        """Wait until what was computed has been sent, at most so long."""
        end = time.monotonic() + seconds
        while self.connections > len(self.idle) and time.monotonic() < end:
            await asyncio.sleep(0.02)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection, from its first event to its end."""
        self.connections += 1
        try:
            if self.connections > MAX_CONNECTIONS:
                if not self.idle:
                    raise UsageError("too many connections")
                oldest = next(iter(self.idle))
                del self.idle[oldest]
                oldest.transport.abort()
            talk = _Talk(self, writer)
            while True:
                self.idle[writer] = None
                event = await asyncio.wait_for(read_event(reader), self.timeout)
                self.idle.pop(writer, None)
                if event is None:
                    break
                await talk.take(event)
        except TTSError as error:
            with suppress(OSError, asyncio.TimeoutError):
                told = Error(" ".join(str(error).split()), type(error).__name__)
                await asyncio.wait_for(async_write_event(told.event(), writer), 5)
        except asyncio.TimeoutError:
            writer.transport.abort()  # it does not go on, or does not read
        except (OSError, EOFError):
            pass  # the assistant has left
        finally:
            self.connections -= 1
            self.idle.pop(writer, None)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def read_event(reader: asyncio.StreamReader) -> Event | None:
    """The next event, None at the end; the library's own reader knows no limits.

    Raises:
        UsageError: not an event, or too large.
    """
    try:
        line = await reader.readline()
        if not line:
            return None
        head = json.loads(line)
        data, kind = head.get("data") or {}, head["type"]
        sizes = [head.get(name) or 0 for name in ("data_length", "payload_length")]
        if not all(isinstance(size, int) and 0 <= size <= MAX_EVENT for size in sizes):
            raise UsageError(f"an event is larger than {MAX_EVENT} bytes")
        if sizes[0]:
            data = {**data, **json.loads(await reader.readexactly(sizes[0]))}
        payload = await reader.readexactly(sizes[1]) if sizes[1] else None
        if not isinstance(kind, str) or not isinstance(data, dict):
            raise TypeError("type, data")
    except asyncio.IncompleteReadError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UsageError("that is not an event of the Wyoming protocol") from error
    return Event(kind, data, payload)


class _Talk:
    """One connection: what has been written and is not yet spoken."""

    def __init__(self, owner: Assistants, writer: asyncio.StreamWriter):
        self.owner, self.writer = owner, writer
        self.text, self.length = "", 0
        self.streaming = self.started = False
        self.name = "default"

    async def _send(self, event: Event) -> None:
        await asyncio.wait_for(async_write_event(event, self.writer), self.owner.stall)

    async def take(self, event: Event) -> None:
        """Act on an event; kinds that mean nothing here are passed over."""
        if Describe.is_type(event.type):
            await self._send((await asyncio.to_thread(self.owner.info)).event())
        elif Ping.is_type(event.type):
            await self._send(Pong(text=event.data.get("text")).event())
        elif SynthesizeStart.is_type(event.type):
            self.text, self.length, self.streaming, self.started = "", 0, True, False
            self._choose(event)
        elif SynthesizeChunk.is_type(event.type):
            if self.streaming:
                self.text = (self.text + self._text(event)).lstrip()
                language = self.owner.model.config.language
                end, _ = complete_end(self.text, language) or (0, 0.0)
                ready, self.text = self.text[:end], self.text[end:].lstrip()
                await self._say(ready)
        elif SynthesizeStop.is_type(event.type):
            await self._say(self.text)
            await self._stop()
            await self._send(SynthesizeStopped().event())
            self.text, self.streaming = "", False
        elif Synthesize.is_type(event.type) and not self.streaming:
            # While text is streamed it comes once more as a whole, for servers that cannot do that.
            self.length, self.started = 0, False
            self._choose(event)
            text = self._text(event)
            if not await self._say(text):
                raise TextError("there is nothing to say")
            await self._stop()

    def _choose(self, event: Event) -> None:
        voice = event.data.get("voice") or {}
        name = voice.get("name") if isinstance(voice, dict) else None
        self.name = name if isinstance(name, str) and name else "default"

    def _text(self, event: Event) -> str:
        text = event.data.get("text")
        if not isinstance(text, str):
            raise UsageError("an event has no text")
        self.length += len(text)
        if self.length > MAX_TEXT:
            raise TextError(f"the text is longer than {MAX_TEXT:,} characters")
        return text

    async def _say(self, text: str) -> bool:
        """Speak a part; whether there was something to say."""
        if not any(character.isalnum() for character in text):
            return False
        owner = self.owner
        try:
            voice = await asyncio.to_thread(owner.voice, self.name)
        except VoiceError:
            voice = await asyncio.to_thread(owner.voice, "default")  # one that was deleted since
        mark = marker(owner.watermark, owner.model.sample_rate)
        job = Job(owner.model, text, voice, Options(), asyncio.get_running_loop())
        job.cut = lambda: job.loop.call_soon_threadsafe(self.writer.transport.abort)
        try:
            with owner.scheduler.place():
                async with owner.reading:
                    await asyncio.to_thread(job.prepare)
        except TextError:
            if self.streaming:
                return False
            raise
        owner.scheduler.submit(job)
        try:
            while (item := await asyncio.wait_for(job.chunks.get(), owner.timeout)) is not None:
                if isinstance(item, TextError) and self.streaming:
                    return False
                if isinstance(item, Exception):
                    raise item if isinstance(item, TTSError) else TTSError("it cannot be spoken")
                assert isinstance(item, Chunk)
                owner.scheduler.taken(job, item)
                await self._start(item.sample_rate)
                sound = to_pcm16(mark(item.samples))
                await self._send(AudioChunk(item.sample_rate, 2, 1, sound).event())
        finally:
            owner.scheduler.cancel(job)
        return True

    async def _start(self, rate: int) -> None:
        if not self.started:
            self.started = True
            await self._send(AudioStart(rate, 2, 1).event())

    async def _stop(self) -> None:
        await self._start(self.owner.model.sample_rate)
        await self._send(AudioStop().event())
