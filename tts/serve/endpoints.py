"""Endpoints of the HTTP server, as routers of FastAPI. Their docstrings are the descriptions in
/openapi.json, which clients read."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from tts.errors import TTSError, UsageError, VoiceError
from tts.serve.adaptation import AdaptationQueue
from tts.serve.context import ServerContext
from tts.serve.decode import decode_upload
from tts.serve.editing import EditHandler
from tts.serve.errors import HTTPError, QueueFull, ServerStopping, json_response
from tts.serve.forms import read_voice_form
from tts.serve.job import Job
from tts.serve.schema import SpeechRequest, parse_speech
from tts.serve.speech_response import SpeechResponse
from tts.text.markup import unread_markup
from tts.voice.voice import Voice


def speech_router(context: ServerContext) -> APIRouter:
    """Return the endpoint that speaks a text."""
    router, settings, metrics = APIRouter(), context.settings, context.metrics

    async def speak(request: Request) -> Response:
        """Speech from text, sent while it is made."""
        body = await asyncio.wait_for(request.body(), settings.timeout)
        parsed = parse_speech(body)
        fields = parsed.request
        model, options = context.model(fields.model), fields.options()
        voice = await asyncio.to_thread(context.voice, fields.voice_name)
        loop = asyncio.get_running_loop()
        job = Job(model, fields.input, voice, options, loop, budget=settings.budget)
        try:
            await context.prepare(job)
        except TTSError as error:
            is_refusal = isinstance(error, (QueueFull, ServerStopping))
            metrics.count("tts_requests_total", outcome="refused" if is_refusal else "error")
            raise
        headers = parsed.headers
        told = [model.untuned(voice), unread_markup(fields.input, fields.markup)]
        if line := "; ".join(filter(None, told)):
            headers["X-TTS-Warning"] = line.encode("ascii", "backslashreplace").decode()
        response = SpeechResponse(job, context, fields, headers)
        try:
            context.scheduler.submit(job)
        except TTSError:
            response.encoder.close()
            metrics.count("tts_requests_total", outcome="refused")
            raise
        return response

    # The body is read by hand to bound it, so its schema is told by hand too.
    content = {"application/json": {"schema": SpeechRequest.model_json_schema()}}
    schema = {"requestBody": {"required": True, "content": content}}
    router.post("/v1/audio/speech", openapi_extra=schema)(speak)
    return router


def voice_router(context: ServerContext) -> APIRouter:
    """Return the endpoints that list, add and delete voices."""
    router, voices = APIRouter(), context.voices
    adaptations = AdaptationQueue()

    def save(name: str, voice: Voice) -> dict[str, Any]:
        voices.add(name, voice)
        context.metrics.count("tts_voices_added_total")
        return {"id": name, "name": name, "kind": "uploaded", "warnings": list(voice.warnings)}

    @router.get("/v1/audio/voices")
    async def list_voices() -> Response:
        """The voices that requests may name."""
        listed = await asyncio.to_thread(voices.describe)
        return json_response({"voices": context.aliases.add_to(listed)})

    @router.post("/v1/audio/voices")
    async def add_voice(request: Request) -> Response:
        """A voice from a recording: form fields `name`, `consent` ("true") and `audio_sample`,
        and `ref_text` (what it says) and `model`, where a model needs that. `enhance` ("false")
        leaves noise and room in it. With `adapt` ("true", or a strength from 0 to 1) the answer is
        a stream of events: `state`, then `voice` or `error`."""
        form = await asyncio.wait_for(read_voice_form(request), context.settings.timeout)
        name, model = form.name, context.model(form.model)
        model.config.check_transcript(form.ref_text)
        await asyncio.to_thread(voices.check_new, name)
        async with context.decoding:
            reference = await decode_upload(form.data, model.config.sample_rate)
            if form.adapt:
                adaptations.check_room()
                events = adaptations.events(
                    model,
                    reference,
                    form.ref_text,
                    form.adapt,
                    lambda voice: save(name, voice),
                    form.enhance,
                )
                return StreamingResponse(events, media_type="text/event-stream")
            voice = await asyncio.to_thread(
                model.voice, reference, form.ref_text or None, enhance=form.enhance
            )
        return json_response(await asyncio.to_thread(save, name, voice), 201)

    @router.delete("/v1/audio/voices/{name}")
    async def delete_voice(name: str) -> Response:
        """Delete an uploaded voice."""
        try:
            await asyncio.to_thread(voices.remove, name)
        except UsageError as error:
            status = 404 if isinstance(error, VoiceError) else 403
            raise HTTPError(status, str(error)) from error
        return json_response({"id": name, "deleted": True})

    return router


def edit_router(context: ServerContext) -> APIRouter:
    """Return the endpoints that edit and continue recordings."""
    router, handler = APIRouter(), EditHandler(context)

    @router.post("/v1/audio/edits")
    async def edit(request: Request) -> Response:
        """A recording that says other words: a form with the file `audio`, `from` (its words) and
        `to` (the words it is to say), and maybe `model`, `response_format`, `seed`, `speed`,
        `steps`, `guidance`, `temperature` and `language`."""
        return await handler.respond(request, ("from", "to"))

    @router.post("/v1/audio/continuations")
    async def continue_recording(request: Request) -> Response:
        """A recording that goes on with a text: a form as of edits, with `input` in place of `to`;
        `from` may be left out."""
        return await handler.respond(request, ("input",), ("from",))

    return router


def info_router(context: ServerContext) -> APIRouter:
    """Return the endpoints that list the models and tell how the server does."""
    router, models, aliases = APIRouter(), context.models, context.aliases

    @router.get("/v1/models")
    async def list_models() -> Response:
        """The models that requests may name, and the aliases: those with another `root`."""
        listed = [_model(name, name) for name in models]
        listed += [_model(name, root) for name, root in aliases.models.items()]
        return json_response({"object": "list", "data": listed})

    @router.get("/v1/audio/models")
    async def list_speech_models() -> Response:
        """The same for Open WebUI."""
        names = [*models, *aliases.models]
        return json_response({"models": [{"id": name, "name": name} for name in names]})

    @router.get("/v1/models/{name}")
    async def show_model(name: str) -> Response:
        """One of them."""
        return json_response(_model(name, context.model(name).config.name))

    @router.get("/health")
    async def health() -> Response:
        """Whether it works."""
        active, waiting = context.scheduler.load
        return json_response({"status": "ok", "active": active, "waiting": waiting})

    @router.get("/metrics")
    async def show_metrics() -> Response:
        """Figures for Prometheus."""
        return Response(context.metrics.text(), media_type="text/plain; version=0.0.4")

    return router


def _model(name: str, root: str) -> dict[str, Any]:
    """Return a model as OpenAI's API describes it; `root` is the model behind an alias."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "tts", "root": root}
