"""Errors of the server: their HTTP status codes and their JSON in the form of OpenAI's API."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from tts.errors import AlignmentError, AudioError, TextError, TTSError, UsageError, VoiceError

#: errors of the client's input, which it can mend: status 400
_BAD_REQUEST = (AlignmentError, AudioError, TextError, UsageError, VoiceError)
_ERROR_TYPES = {401: "authentication_error", 429: "rate_limit_error"}


class HTTPError(TTSError):
    """An error with an HTTP status of its own.

    Args:
        status: HTTP status code.
        message: one line for the client.
        headers: headers that the status asks for, such as `Allow` of a 405.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None):
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


class QueueFull(TTSError):
    """The queue of requests has no room: status 429."""


class ServerStopping(TTSError):
    """The server shuts down and takes no new requests: status 503."""


class ClientStalled(TTSError):
    """The client does not read the audio that was computed for it."""


def status_of(error: Exception) -> int:
    """Return the HTTP status code of an error; 500 for errors that were not foreseen."""
    if isinstance(error, HTTPError):
        return error.status
    if isinstance(error, QueueFull):
        return 429
    if isinstance(error, ServerStopping):
        return 503
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return 504
    return 400 if isinstance(error, _BAD_REQUEST) else 500


def json_response(
    content: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response of JSON in ASCII, since clients send text that UTF-8 cannot hold."""
    return Response(json.dumps(content), status, headers, "application/json")


def error_body(message: str, status: int) -> dict[str, Any]:
    """Return the JSON object by which OpenAI's API reports an error."""
    kind = _ERROR_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def error_message(error: Exception) -> str:
    """Return one line about an error. Of an error that was not foreseen only its class is told, as
    its text may reveal paths of the server."""
    if status_of(error) == 504:
        return "the request took too long"
    if isinstance(error, TTSError):
        return " ".join(str(error).split())
    return f"unexpected {type(error).__name__}"


def error_response(error: Exception) -> Response:
    """Return the response that reports an error."""
    status = status_of(error)
    headers = dict(error.headers) if isinstance(error, HTTPError) else {}
    if status in (429, 503):
        headers["Retry-After"] = "1"
    return json_response(error_body(error_message(error), status), status, headers)
