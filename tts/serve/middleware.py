"""ASGI middleware in front of the application: access, API key, and size of request bodies."""

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tts.serve.access import Access
from tts.serve.errors import HTTPError, error_response

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: largest body of a request in bytes: 4096 characters as JSON escapes, or 10 MB of audio in a form
MAX_JSON = 64 * 1024
MAX_FORM = 10_000_000 + 64 * 1024
#: paths whose bodies are forms with a recording
FORM_PATHS = ("/v1/audio/voices", "/v1/audio/edits", "/v1/audio/continuations")
#: requests with a recording that are received or computed at a time; each holds up to 10 MB
MAX_UPLOADS = 32
#: paths that need no API key, so that load balancers can look at them
_OPEN_PATHS = ("/health",)
_LOCAL_ONLY = Access()


class RequestGuard:
    """Middleware that refuses requests before the application reads their bodies.

    A request without access or API key gets status 403 or 401, one with too large a body 413, and
    one with a recording 503 while `MAX_UPLOADS` others are in work.

    Args:
        app: the application behind it.
        key: API key, which clients send as "Authorization: Bearer KEY"; "" asks for none.
        access: host names and origins that are answered.

    Attributes:
        uploads: requests with a recording that are in work.
    """

    def __init__(self, app: App, key: str = "", access: Access = _LOCAL_ONLY):
        self.app, self.key, self.access = app, key, access
        self.uploads = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_form = scope["path"] in FORM_PATHS
        max_bytes = MAX_FORM if is_form else MAX_JSON
        is_upload = is_form and scope["method"] == "POST"
        try:
            self._check_request(scope, max_bytes)
            if is_upload and self.uploads >= MAX_UPLOADS:
                raise HTTPError(503, "too many recordings are being sent: try again later")
        except HTTPError as error:
            await error_response(error)(scope, receive, send)
            return
        self.uploads += is_upload
        try:
            await self.app(scope, _limited(receive, max_bytes), send)
        finally:
            self.uploads -= is_upload

    def _check_request(self, scope: Scope, max_bytes: int) -> None:
        """Check what the head of a request tells.

        Raises:
            HTTPError: 403 without access, 401 without the API key, 413 with too large a body.
        """
        headers = {name.lower(): value for name, value in scope["headers"]}
        refusal = self.access.refusal(scope)
        if refusal:
            raise HTTPError(403, refusal)
        if self.key and scope["path"] not in _OPEN_PATHS:
            scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
            is_key = hmac.compare_digest(given.strip(), self.key.encode())
            if scheme.lower() != b"bearer" or not is_key:
                raise HTTPError(
                    401,
                    "a valid API key is needed: Authorization: Bearer KEY",
                    {"WWW-Authenticate": "Bearer"},
                )
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length[:12]) > max_bytes:
            raise _too_large(max_bytes)


def _limited(receive: Receive, max_bytes: int) -> Receive:
    """Return `receive` with a limit on the body, since chunked bodies do not tell their length."""
    size = 0

    async def receive_limited() -> MutableMapping[str, Any]:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > max_bytes:
            raise _too_large(max_bytes)
        return message

    return receive_limited


def _too_large(max_bytes: int) -> HTTPError:
    return HTTPError(413, f"the body is larger than {max_bytes:,} bytes")
