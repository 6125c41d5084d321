"""Server of the Wyoming protocol, by which Home Assistant asks for speech.

A client sends events with text and gets events with 16-bit PCM. An event is a line of JSON, which
tells the lengths of the data and the payload that follow it; the package `wyoming` (the extra of
that name) has their types. Text comes whole (`synthesize`) or while it is written
(`synthesize-start`, `synthesize-chunk`, `synthesize-stop`); then each sentence is spoken as soon as
it is complete.
"""

import asyncio
import json
import time
from contextlib import suppress

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
from tts.provenance import marker
from tts.serve.context import ServerContext
from tts.serve.job import Job
from tts.text.sentences import complete_end
from tts.types import Chunk, Options

PORT = 10200
#: largest event in bytes
MAX_EVENT = 64 * 1024
#: most characters of a request, whose sentences assistants send one by one
MAX_TEXT = 20_000
MAX_CONNECTIONS = 64
#: seconds to send an error, and then for the client to read it, before the connection is closed
_ERROR_TIMEOUT, _READING_TIMEOUT = 5.0, 1.0
_ATTRIBUTION = Attribution("tts", "")


class WyomingServer:
    """Handles connections of Wyoming clients; given to asyncio.start_server as its callback.

    The first model of the server speaks.

    Args:
        context: state of the server. A client has `settings.timeout` seconds for its next event,
            and `settings.stall` seconds to read one.

    Attributes:
        connections: number of connections.
        idle: connections for which nothing is computed, the one that is idle for longest first.
    """

    def __init__(self, context: ServerContext):
        self.context, self.model = context, context.default_model
        self.connections = 0
        self.idle: dict[asyncio.StreamWriter, None] = {}

    def info(self) -> Info:
        """Return the description of the server: its model and voices."""
        code = self.model.config.language
        base, _, region = code.partition("-")
        languages = [base, *([f"{base}_{region.upper()}"] if region else [])]
        voices = [
            TtsVoice(
                name=voice["id"],
                attribution=_ATTRIBUTION,
                installed=True,
                description=voice["name"],
                version=None,
                languages=languages,
            )
            for voice in self.context.voices.describe()
        ]
        voices.sort(key=lambda voice: (voice.name != "default", voice.name))
        program = TtsProgram(
            name=f"tts {self.model.config.name}",
            attribution=_ATTRIBUTION,
            installed=True,
            description="Zero-shot text to speech",
            version=None,
            voices=voices,
            supports_synthesize_streaming=True,
        )
        return Info(tts=[program])

    async def drain(self, seconds: float = 2.0) -> None:
        """Wait until what was computed has been sent, at most for some seconds."""
        end = time.monotonic() + seconds
        while self.connections > len(self.idle) and time.monotonic() < end:
            await asyncio.sleep(0.02)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle a connection from its first event to its end."""
        self.connections += 1
        try:
            self._make_room()
            await self._handle_events(reader, writer)
        except TTSError as error:
            with suppress(OSError, asyncio.TimeoutError):
                event = Error(" ".join(str(error).split()), type(error).__name__).event()
                await asyncio.wait_for(async_write_event(event, writer), _ERROR_TIMEOUT)
                writer.write_eof()
                await asyncio.wait_for(_discard(reader), _READING_TIMEOUT)
        except asyncio.TimeoutError:
            writer.transport.abort()  # the client sends nothing, or does not read
        except (OSError, EOFError):
            pass  # the client has left
        finally:
            self.connections -= 1
            self.idle.pop(writer, None)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _make_room(self) -> None:
        """End the connection that is idle for longest, if there are too many.

        Raises:
            UsageError: there are too many, and none is idle.
        """
        if self.connections > MAX_CONNECTIONS:
            if not self.idle:
                raise UsageError("too many connections")
            oldest = next(iter(self.idle))
            del self.idle[oldest]
            oldest.transport.abort()

    async def _handle_events(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connection = WyomingConnection(self, writer)
        while True:
            self.idle[writer] = None
            event = await asyncio.wait_for(read_event(reader), self.context.settings.timeout)
            self.idle.pop(writer, None)
            if event is None:
                return
            await connection.handle(event)


async def _discard(reader: asyncio.StreamReader) -> None:
    """Read until the client closes the connection. If it were closed before all is read, it would
    be reset, and the client might not get what was sent last."""
    while await reader.read(MAX_EVENT):
        pass


async def read_event(reader: asyncio.StreamReader) -> Event | None:
    """Read the next event; None at the end of the connection. The reader of the package `wyoming`
    has no limits.

    Raises:
        UsageError: what was sent is not an event, or one that is too large.
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


class WyomingConnection:
    """One connection: the text that has arrived and is not yet spoken.

    Args:
        server: the server.
        writer: sends to the client.
    """

    def __init__(self, server: WyomingServer, writer: asyncio.StreamWriter):
        self.server, self.writer = server, writer
        self.text, self.characters = "", 0
        self.is_streaming = self.has_started_audio = False
        self.voice_name = "default"

    async def handle(self, event: Event) -> None:
        """Act on an event. Events of other types are ignored.

        Raises:
            TTSError: the text or the voice cannot be used.
            TimeoutError: the client does not read.
            OSError: the client has left.
        """
        if Describe.is_type(event.type):
            await self._send((await asyncio.to_thread(self.server.info)).event())
        elif Ping.is_type(event.type):
            await self._send(Pong(text=event.data.get("text")).event())
        elif SynthesizeStart.is_type(event.type):
            self._begin(event)
            self.text, self.is_streaming = "", True
        elif SynthesizeChunk.is_type(event.type):
            if self.is_streaming:
                await self._speak_complete(self._text_of(event))
        elif SynthesizeStop.is_type(event.type):
            await self._speak(self.text)
            await self._send_audio_stop()
            await self._send(SynthesizeStopped().event())
            self.text, self.is_streaming = "", False
        elif Synthesize.is_type(event.type) and not self.is_streaming:
            # A streamed text comes once more as a whole, for servers that cannot stream.
            self._begin(event)
            if not await self._speak(self._text_of(event)):
                raise TextError("there is nothing to say")
            await self._send_audio_stop()

    def _begin(self, event: Event) -> None:
        """Begin a request in the voice that an event names."""
        self.characters, self.has_started_audio = 0, False
        voice = event.data.get("voice") or {}
        name = voice.get("name") if isinstance(voice, dict) else None
        self.voice_name = name if isinstance(name, str) and name else "default"

    def _text_of(self, event: Event) -> str:
        """Return the text of an event, and count its characters."""
        text = event.data.get("text")
        if not isinstance(text, str):
            raise UsageError("an event has no text")
        self.characters += len(text)
        if self.characters > MAX_TEXT:
            raise TextError(f"the text is longer than {MAX_TEXT:,} characters")
        return text

    async def _speak_complete(self, text: str) -> None:
        """Add to the text, and speak the sentences that are complete."""
        self.text = (self.text + text).lstrip()
        end, _ = complete_end(self.text, self.server.model.config.language) or (0, 0.0)
        complete, self.text = self.text[:end], self.text[end:].lstrip()
        await self._speak(complete)

    async def _speak(self, text: str) -> bool:
        """Speak a part of the text. Return whether there was something to say."""
        if not any(character.isalnum() for character in text):
            return False
        job = await self._job(text)
        context = self.server.context
        try:
            await context.prepare(job)
        except TextError:
            if self.is_streaming:
                return False
            raise
        context.scheduler.submit(job)
        try:
            return await self._send_audio(job)
        finally:
            context.scheduler.cancel(job)

    async def _job(self, text: str) -> Job:
        context, model = self.server.context, self.server.model
        try:
            voice = await asyncio.to_thread(context.voice, self.voice_name)
        except VoiceError:  # deleted since the client was set up
            voice = await asyncio.to_thread(context.voice, "default")
        loop = asyncio.get_running_loop()
        job = Job(model, text, voice, Options(), loop, budget=context.settings.budget)
        job.disconnect = lambda: loop.call_soon_threadsafe(self.writer.transport.abort)
        return job

    async def _send_audio(self, job: Job) -> bool:
        """Send the audio of a job. Return whether there was something to say."""
        context = self.server.context
        watermark = marker(context.settings.watermark, job.model.sample_rate)
        while True:
            item = await asyncio.wait_for(job.chunks.get(), context.settings.timeout)
            if item is None:
                return True
            if isinstance(item, TextError) and self.is_streaming:
                return False
            if isinstance(item, Exception):
                raise item if isinstance(item, TTSError) else TTSError("it cannot be spoken")
            assert isinstance(item, Chunk)
            context.scheduler.acknowledge(job, item)
            await self._send_audio_start(item.sample_rate)
            pcm = to_pcm16(watermark(item.samples))
            await self._send(AudioChunk(item.sample_rate, 2, 1, pcm).event())

    async def _send_audio_start(self, sample_rate: int) -> None:
        if not self.has_started_audio:
            self.has_started_audio = True
            await self._send(AudioStart(sample_rate, 2, 1).event())

    async def _send_audio_stop(self) -> None:
        await self._send_audio_start(self.server.model.sample_rate)
        await self._send(AudioStop().event())

    async def _send(self, event: Event) -> None:
        stall = self.server.context.settings.stall
        await asyncio.wait_for(async_write_event(event, self.writer), stall)
