"""The HTTP application: OpenAI's speech endpoint, voices, edits, models, health and metrics."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from tts.errors import TTSError, UsageError
from tts.facade import TTS
from tts.serve.access import Access
from tts.serve.context import ServerContext
from tts.serve.endpoints import edit_router, info_router, speech_router, voice_router
from tts.serve.errors import HTTPError, error_response
from tts.serve.middleware import RequestGuard
from tts.serve.settings import ServeSettings
from tts_codecs.errors import nearest

__all__ = ["ServeSettings", "create_app"]

#: headers of responses that pages of other sites may read (CORS)
EXPOSED_HEADERS = (
    "X-Sample-Rate", "X-TTS-Ignored", "X-TTS-Changed", "X-TTS-Warning", "X-TTS-Edits",
    "Retry-After",
)  # fmt: skip


def create_app(models: Sequence[TTS], settings: ServeSettings | None = None) -> FastAPI:
    """Return the ASGI application of a server.

    Args:
        models: loaded models; the first answers to "default" too.
        settings: settings of the server; the defaults if None.

    Returns:
        The application. Its `state` has `scheduler` (tts.serve.scheduler.Scheduler) and `metrics`
        (tts.serve.metrics.Metrics).
    """
    settings = settings or ServeSettings()
    context = ServerContext(models, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with _serving_wyoming(context):
            yield

    app = FastAPI(title="tts", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.scheduler, app.state.metrics = context.scheduler, context.metrics
    access = Access(settings.hosts, settings.origins)
    app.add_middleware(RequestGuard, key=settings.key, access=access)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_headers=["*"],
            allow_methods=["GET", "POST", "DELETE"],
            expose_headers=EXPOSED_HEADERS,
        )
    _add_error_handlers(app)
    for router in (speech_router, voice_router, edit_router, info_router):
        app.include_router(router(context))
    return app


@asynccontextmanager
async def _serving_wyoming(context: ServerContext) -> AsyncIterator[None]:
    """Serve the Wyoming protocol, if the settings ask for it, and stop the scheduler at the end."""
    wyoming = server = None
    if context.settings.wyoming is not None:
        from tts.serve.wyoming import MAX_EVENT, WyomingServer

        wyoming = WyomingServer(context)
        server = await asyncio.start_server(wyoming, sock=context.settings.wyoming, limit=MAX_EVENT)
    yield
    if server is not None:
        server.close()
    await asyncio.to_thread(context.scheduler.stop, context.settings.timeout)
    if wyoming is not None:
        await wyoming.drain()


def _add_error_handlers(app: FastAPI) -> None:
    """Make every error JSON in the form of OpenAI's API."""

    async def report(_: Request, error: Exception) -> Response:
        return error_response(error)

    async def report_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        message = str(error.detail)
        path, method = request.scope["path"], request.method
        if error.status_code == 404:
            message = f"there is no {path[:80]!r} here{nearest(path, app.openapi()['paths'])}"
        elif error.status_code == 405:
            message = f"{path} takes {(error.headers or {}).get('Allow', 'another method')}, "
            message += f"not {method}"
        return error_response(HTTPError(error.status_code, message, error.headers))

    async def report_invalid(_: Request, error: Exception) -> Response:
        return error_response(UsageError("the request is not valid"))

    for kind in (TTSError, asyncio.TimeoutError, Exception):
        app.add_exception_handler(kind, report)
    app.add_exception_handler(ClientDisconnect, report_invalid)
    app.add_exception_handler(HTTPException, report_http)
    app.add_exception_handler(RequestValidationError, report_invalid)
