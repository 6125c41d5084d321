"""The HTTP server: OpenAI's speech endpoint, voices, models, health and metrics."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse

from tts.errors import TTSError, UsageError, VoiceError
from tts.facade import TTS
from tts.provenance import Watermark
from tts.resources import nearest
from tts.serve.adapting import AdaptationQueue
from tts.serve.aliases import Aliases
from tts.serve.budget import Budget
from tts.serve.decode import decode_upload
from tts.serve.editing import Editor
from tts.serve.forms import read_voice
from tts.serve.guard import LOCAL, Access
from tts.serve.http import Guard, HTTPError, error_reply, reply
from tts.serve.job import Job
from tts.serve.metrics import Metrics
from tts.serve.scheduler import Full, Scheduler, Stopping
from tts.serve.schema import SpeechRequest, parse_speech
from tts.serve.stream import STALL, SpeechResponse
from tts.serve.voices import VoiceShelf
from tts.voice.voice import Voice

#: of answers, which pages of other sites may read
HEADERS = ("X-Sample-Rate", "X-TTS-Ignored", "X-TTS-Changed", "X-TTS-Edits", "Retry-After")


@dataclass(frozen=True)
class ServeSettings:
    """How a server behaves.

    Attributes:
        key: API key, "" for none; hosts: names it answers to, empty for all.
        max_batch: requests spoken together; max_queue: that may wait.
        timeout: seconds for a request; stall: that a client may take nothing of what is sent.
        budget: what one text may cost.
        voices: folder of uploaded voices, None for that of the user.
        uploads: recordings decoded at a time.
        origins: sites whose pages may ask, "*" for all.
        aliases: other names of models and voices, see tts.serve.aliases.
        wyoming: a listening socket for the Wyoming protocol (tts.serve.wyoming).
    """

    key: str = ""
    hosts: tuple[str, ...] = LOCAL
    max_batch: int = 8
    max_queue: int = 32
    timeout: float = 300.0
    stall: float = STALL
    budget: Budget = Budget()
    voices: Path | None = None
    uploads: int = 2
    watermark: Watermark | None = None
    origins: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    wyoming: socket.socket | None = None


def create_app(models: Sequence[TTS], settings: ServeSettings | None = None) -> FastAPI:
    """The application for loaded models; the first answers to "default" too.

    Its `state` has `scheduler` and `metrics`.
    """
    settings = settings or ServeSettings()
    scheduler = Scheduler(settings.max_batch, settings.max_queue)
    metrics = Metrics(lambda: (*scheduler.load, scheduler.parked))
    shelf = VoiceShelf(settings.voices)
    by_name = {model.config.name: model for model in models}
    decoding = asyncio.Semaphore(settings.uploads)
    reading = asyncio.Semaphore(4)
    adaptations = AdaptationQueue()
    aliases = Aliases(by_name, settings.aliases)

    def voice_of(name: str) -> Voice:
        return shelf.get(aliases.voice(name, shelf.names()))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        assistants = None
        if settings.wyoming is not None:
            from tts.serve.wyoming import MAX_EVENT, Assistants

            talk = Assistants(
                models[0],
                scheduler,
                voice_of,
                shelf.list,
                settings.timeout,
                settings.watermark,
                settings.stall,
                reading,
            )
            assistants = await asyncio.start_server(talk, sock=settings.wyoming, limit=MAX_EVENT)
        yield
        if assistants is not None:
            assistants.close()
        await asyncio.to_thread(scheduler.stop, settings.timeout)
        if assistants is not None:
            await talk.said()

    app = FastAPI(title="tts", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.scheduler, app.state.metrics = scheduler, metrics
    app.add_middleware(Guard, key=settings.key, access=Access(settings.hosts, settings.origins))
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_headers=["*"],
            allow_methods=["GET", "POST", "DELETE"],
            expose_headers=HEADERS,
        )
    _add_errors(app)

    def model_of(name: str) -> TTS:
        meant = aliases.model(name.strip(), by_name)
        if meant not in by_name:
            known = [*by_name, *aliases.models]
            raise HTTPError(404, f"unknown model {name!r}{nearest(name, known)}")
        return by_name[meant]

    async def speak(request: Request) -> Response:
        """Speech from text, sent while it is made."""
        sent = parse_speech(await asyncio.wait_for(request.body(), settings.timeout))
        asked = sent.request
        model, options = model_of(asked.model), asked.options()
        voice = await asyncio.to_thread(voice_of, asked.voice_name)
        job = Job(
            model, asked.input, voice, options, asyncio.get_running_loop(), budget=settings.budget
        )
        try:
            with scheduler.place():
                async with reading:
                    await asyncio.to_thread(job.prepare)
        except TTSError as error:
            refused = isinstance(error, (Full, Stopping))
            metrics.count("tts_requests_total", outcome="refused" if refused else "error")
            raise
        response = SpeechResponse(
            job,
            scheduler,
            metrics,
            asked.response_format,
            asked.stream_format,
            settings.timeout,
            len(asked.input),
            settings.watermark,
            sent.headers,
            settings.stall,
        )
        try:
            scheduler.submit(job)
        except TTSError:
            response.encoder.close()
            metrics.count("tts_requests_total", outcome="refused")
            raise
        return response

    app.post("/v1/audio/speech", openapi_extra=_schema(SpeechRequest))(speak)

    def kept(name: str, voice: Voice) -> dict[str, Any]:
        shelf.add(name, voice)
        metrics.count("tts_voices_added_total")
        return {"id": name, "name": name, "kind": "uploaded", "warnings": list(voice.warnings)}

    @app.get("/v1/audio/voices")
    async def list_voices() -> Response:
        """The voices that requests may name."""
        return reply({"voices": aliases.listed(await asyncio.to_thread(shelf.list))})

    @app.post("/v1/audio/voices")
    async def add_voice(request: Request) -> Response:
        """A voice from a recording: form fields `name`, `consent` ("true") and `audio_sample`,
        and `ref_text` (what it says) and `model`, where a model needs that. `enhance` ("false")
        leaves noise and room in it. With `adapt` ("true", or a strength from 0 to 1) the answer is
        a stream of events (tts.serve.adapting)."""
        sent = await asyncio.wait_for(read_voice(request), settings.timeout)
        name, model = sent.name, model_of(sent.model)
        model.config.check_transcript(sent.ref_text)
        await asyncio.to_thread(shelf.check_new, name)
        async with decoding:
            reference = await decode_upload(sent.data, model.config.sample_rate)
            if sent.adapt:
                adaptations.check()
                return StreamingResponse(
                    adaptations.events(
                        model,
                        reference,
                        sent.ref_text,
                        sent.adapt,
                        lambda voice: kept(name, voice),
                        sent.enhance,
                    ),
                    media_type="text/event-stream",
                )
            voice = await asyncio.to_thread(
                model.voice, reference, sent.ref_text or None, enhance=sent.enhance
            )
        return reply(await asyncio.to_thread(kept, name, voice), 201)

    edits = Editor(decoding, settings.timeout, settings.watermark)

    @app.post("/v1/audio/edits")
    async def edit(request: Request) -> Response:
        """A recording that says other words: a form with the file `audio`, `from` (its words) and
        `to` (the words it is to say), and maybe `model`, `response_format`, `seed`, `speed`,
        `steps`, `guidance`, `temperature` and `language` (tts.serve.editing)."""
        return await edits.answer(request, model_of, ("from", "to"))

    @app.post("/v1/audio/continuations")
    async def go_on(request: Request) -> Response:
        """A recording that goes on with a text: a form as of edits, with `input` in place of `to`;
        `from` may be left out."""
        return await edits.answer(request, model_of, ("input",), ("from",))

    @app.delete("/v1/audio/voices/{name}")
    async def delete_voice(name: str) -> Response:
        """Delete an uploaded voice."""
        try:
            await asyncio.to_thread(shelf.remove, name)
        except UsageError as error:
            status = 404 if isinstance(error, VoiceError) else 403
            raise HTTPError(status, str(error)) from error
        return reply({"id": name, "deleted": True})

    @app.get("/v1/models")
    async def list_models() -> Response:
        """The models that requests may name, and the aliases: those with another `root`."""
        listed = [_model(name, name) for name in by_name]
        listed += [_model(name, root) for name, root in aliases.models.items()]
        return reply({"object": "list", "data": listed})

    @app.get("/v1/audio/models")
    async def list_speech_models() -> Response:
        """The same for Open WebUI."""
        names = [*by_name, *aliases.models]
        return reply({"models": [{"id": name, "name": name} for name in names]})

    @app.get("/v1/models/{name}")
    async def show_model(name: str) -> Response:
        """One of them."""
        return reply(_model(name, model_of(name).config.name))

    @app.get("/health")
    async def health() -> Response:
        """Whether it works."""
        active, waiting = scheduler.load
        return reply({"status": "ok", "active": active, "waiting": waiting})

    @app.get("/metrics")
    async def show_metrics() -> Response:
        """Figures for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    return app


def _model(name: str, root: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "tts", "root": root}


def _schema(model: type[SpeechRequest]) -> dict[str, Any]:
    """What the endpoint takes, for /openapi.json: the body is read by hand to bound it."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


def _add_errors(app: FastAPI) -> None:
    """Every error as JSON in OpenAI's form."""

    async def known(_: Request, error: Exception) -> Response:
        return error_reply(error)

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return error_reply(HTTPError(error.status_code, str(error.detail)))

    async def invalid(_: Request, error: Exception) -> Response:
        return error_reply(UsageError("the request is not valid"))

    for kind in (TTSError, asyncio.TimeoutError, Exception):
        app.add_exception_handler(kind, known)
    app.add_exception_handler(ClientDisconnect, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
