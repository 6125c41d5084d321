"""The edges of the server: errors as OpenAI's clients read them, limits, who may ask."""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import Response

from tts.errors import AlignmentError, AudioError, TextError, TTSError, UsageError, VoiceError
from tts.serve.guard import Access
from tts.serve.scheduler import Full, Stopping

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: bytes of a request's body: 4096 characters as JSON escapes, or 10 MB of audio with its form
MAX_JSON = 64 * 1024
MAX_FORM = 10_000_000 + 64 * 1024
#: whose bodies are forms with a recording
FORMS = ("/v1/audio/voices", "/v1/audio/edits", "/v1/audio/continuations")
#: recordings that may be on their way or in work: each takes up to 10 MB
MAX_UPLOADS = 32
_OPEN_PATHS = ("/health",)
LOCAL_ONLY = Access()


class HTTPError(TTSError):
    """An error with its status."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


def status_of(error: Exception) -> int:
    """The status that tells an error."""
    if isinstance(error, HTTPError):
        return error.status
    if isinstance(error, Full):
        return 429
    if isinstance(error, Stopping):
        return 503
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return 504
    if isinstance(error, (AlignmentError, AudioError, TextError, UsageError, VoiceError)):
        return 400
    return 500


def reply(values: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON in ASCII: text of clients may hold what UTF-8 cannot."""
    return Response(json.dumps(values), status, headers, "application/json")


def error_body(error: Exception, status: int) -> dict[str, Any]:
    """{"error": {...}} with one clear line; of what was not foreseen only its kind."""
    known = isinstance(error, TTSError)
    kind = {401: "authentication_error", 429: "rate_limit_error"}.get(
        status, "invalid_request_error" if status < 500 else "server_error"
    )
    message = " ".join(str(error).split()) if known else f"unexpected {type(error).__name__}"
    if status == 504:
        message = "the request took too long"
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def error_reply(error: Exception) -> Response:
    """The response that tells an error."""
    status = status_of(error)
    headers = {"Retry-After": "1"} if status in (429, 503) else None
    return reply(error_body(error, status), status, headers)


class Guard:
    """Before a request reaches the application: its key, its origin, and the size of its body; of
    recordings also how many there are.

    Args:
        key: what "Authorization: Bearer KEY" has to say; "" lets everybody in.
        access: by which names, and pages of which sites, it may be asked.
    """

    def __init__(self, app: App, key: str = "", access: Access = LOCAL_ONLY):
        self.app, self.key, self.access = app, key, access
        self.uploads = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        try:
            self._check(scope, headers)
        except HTTPError as error:
            await error_reply(error)(scope, receive, send)
            return
        limit = MAX_FORM if scope["path"] in FORMS else MAX_JSON
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length[:12]) > limit:
            large = HTTPError(413, f"the body is larger than {limit:,} bytes")
            await error_reply(large)(scope, receive, send)
            return
        size = 0

        async def counted() -> MutableMapping[str, Any]:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                raise HTTPError(413, f"the body is larger than {limit:,} bytes")
            return message

        if scope["path"] not in FORMS or scope["method"] != "POST":
            await self.app(scope, counted, send)
            return
        if self.uploads >= MAX_UPLOADS:
            busy = HTTPError(503, "too many recordings are being sent: try again later")
            await error_reply(busy)(scope, receive, send)
            return
        self.uploads += 1
        try:
            await self.app(scope, counted, send)
        finally:
            self.uploads -= 1

    def _check(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        refused = self.access.refusal(scope)
        if refused:
            raise HTTPError(403, refused)
        if self.key and scope["path"] not in _OPEN_PATHS:
            scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
            known = hmac.compare_digest(given.strip(), self.key.encode())
            if scheme.lower() != b"bearer" or not known:
                raise HTTPError(401, "a valid API key is needed: Authorization: Bearer KEY")
