"""Edits and continuations of uploaded recordings, of which one is computed at a time.

The response is an audio file. Its header X-TTS-Edits tells in JSON what was changed, which samples
are those of the recording, and faults of the recording such as noise. The computation stops when
the client leaves.
"""

import asyncio
import json
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from tts.audio.decode import Decoded
from tts.errors import UsageError
from tts.provenance import marker
from tts.serve.budget import sentences_within
from tts.serve.context import ServerContext
from tts.serve.decode import decode_recording
from tts.serve.errors import HTTPError
from tts.serve.forms import check_fields, parse_form, read_file
from tts.serve.schema import MAX_CHARACTERS, MEDIA_TYPES
from tts.types import Options, options_of

if TYPE_CHECKING:
    from tts.editing.edited import Edited
    from tts.facade import TTS

#: requests that may wait behind the one that is computed
MAX_WAITING = 4
#: formats of the response; those that keep the samples of the recording come first
FORMATS = ("wav", "flac", "mp3", "opus")
_NUMBERS: dict[str, type[int] | type[float]] = {
    "seed": int,
    "speed": float,
    "steps": int,
    "guidance": float,
    "temperature": float,
}
_COMMON_FIELDS = ("audio", "model", "response_format", "language", *_NUMBERS)
#: limits on the header X-TTS-Edits: characters of a change and of a warning, and how many of each
_CHANGE_CHARACTERS, _WARNING_CHARACTERS, _MAX_ITEMS = 60, 200, 8
#: seconds between two checks whether the client is still connected
_POLL_INTERVAL = 0.2


@dataclass(frozen=True)
class EditForm:
    """A form that asks for an edit or a continuation.

    Attributes:
        data: the recording as it was sent.
        texts: texts by the name of their field: "from", "to" and "input".
        model: name of the model.
        format: audio format of the response.
        options: options of synthesis.
    """

    data: bytes
    texts: dict[str, str]
    model: str
    format: str
    options: Options


async def read_edit_form(
    request: Request, required: Sequence[str], optional: Sequence[str] = ()
) -> EditForm:
    """Read the form of a request.

    Args:
        request: the request.
        required: names of text fields that have to be there.
        optional: names of text fields that may be there.

    Raises:
        UsageError: a field is missing, unknown or wrong.
        HTTPError: 413, the recording is too large.
    """
    fields = ", ".join(("audio", *required))
    async with parse_form(request, f"send a form: multipart/form-data with {fields}") as form:
        check_fields(form, (*_COMMON_FIELDS, *required, *optional))
        values = dict(form)
        file = values.pop("audio", None)
        if not isinstance(file, UploadFile):
            raise UsageError(f"the form needs the file audio and the fields {', '.join(required)}")
        if not all(isinstance(value, str) for value in values.values()):
            raise UsageError("only audio is a file; the others are fields")
        given = {name: str(value) for name, value in values.items() if str(value).strip()}
        texts = _texts(given, required, optional)
        format = given.get("response_format", "wav")
        if format not in FORMATS:
            raise UsageError(f"response_format is {', '.join(FORMATS)}, not {format[:20]!r}")
        options = options_of(None, _option_values(given))
        model = given.get("model", "default")
        return EditForm(await read_file(file), texts, model, format, options)


def _texts(
    given: dict[str, str], required: Sequence[str], optional: Sequence[str]
) -> dict[str, str]:
    for name in required:
        if name not in given:
            raise UsageError(f"the form needs the field {name}")
    texts = {name: given[name] for name in (*required, *optional) if name in given}
    for name, text in texts.items():
        if len(text) > MAX_CHARACTERS:
            raise UsageError(f"{name} is longer than {MAX_CHARACTERS:,} characters")
    return texts


def _option_values(given: dict[str, str]) -> dict[str, Any]:
    """Return the options among the fields of a form as numbers and words."""
    values: dict[str, Any] = {"language": given["language"]} if "language" in given else {}
    for name, kind in _NUMBERS.items():
        if name in given:
            try:
                values[name] = kind(given[name])
            except ValueError:
                what = "a whole number" if kind is int else "a number"
                raise UsageError(f"{name} must be {what}, not {given[name][:20]!r}") from None
    return values


class EditHandler:
    """Handles requests for edits and continuations.

    Args:
        context: state of the server.
    """

    def __init__(self, context: ServerContext):
        self._context = context
        self._lock = asyncio.Lock()
        self._requests = 0

    async def respond(
        self, request: Request, required: Sequence[str], optional: Sequence[str] = ()
    ) -> Response:
        """Return the response with the edited recording.

        Args:
            request: the request.
            required, optional: text fields of its form (`read_edit_form`).

        Raises:
            HTTPError: 404 unknown model, 413 too large a recording, 503 too many requests wait.
            UsageError, TextError, AudioError, AlignmentError: the recording cannot be edited so.
            TimeoutError: it took too long.
        """
        deadline = time.monotonic() + self._context.settings.timeout
        form = await _before(deadline, read_edit_form(request, required, optional))
        model = self._context.model(form.model)
        if self._requests > MAX_WAITING:
            raise HTTPError(503, "too many recordings wait to be edited: try again later")
        self._requests += 1
        warnings: list[str] = []
        try:
            async with self._context.decoding:
                recording = await decode_recording(form.data, warnings, entire=True)
            await _before(deadline, self._lock.acquire())
            try:
                edited = await self._compute(request, model, recording, form, deadline)
            finally:
                self._lock.release()
        finally:
            self._requests -= 1
        data = await asyncio.to_thread(self._encode, edited, form.format)
        summary = edit_summary(edited, [*warnings, *edited.warnings])
        headers = {"X-Sample-Rate": str(edited.sample_rate), "X-TTS-Edits": summary}
        return Response(data, 200, headers, MEDIA_TYPES[form.format])

    async def _compute(
        self, request: Request, model: "TTS", recording: Decoded, form: EditForm, deadline: float
    ) -> "Edited":
        """Edit a recording in a thread, which stops when the client leaves or the time is over."""
        cancelled = threading.Event()

        def work() -> "Edited":
            with model.cancellation.watching(cancelled.is_set):
                return self._edit(model, recording, form)

        async def wait_for_disconnect() -> None:
            while not await request.is_disconnected():
                await asyncio.sleep(_POLL_INTERVAL)

        working = asyncio.ensure_future(asyncio.to_thread(work))
        leaving = asyncio.ensure_future(wait_for_disconnect())
        try:
            await asyncio.wait(
                (working, leaving),
                timeout=max(0.0, deadline - time.monotonic()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not working.done():
                cancelled.set()
                with suppress(Exception):
                    await working
                raise asyncio.TimeoutError
            return await working
        finally:
            cancelled.set()
            leaving.cancel()

    def _edit(self, model: "TTS", recording: Decoded, form: EditForm) -> "Edited":
        """Edit or continue a recording, by the texts of the form."""
        texts, options, rate = form.texts, form.options, recording.rate
        for text in texts.values():
            sentences_within(model, text, options, self._context.settings.budget)
        said = texts.get("from")
        if "to" in texts:
            return model.edit(recording.samples, said or "", texts["to"], options, sample_rate=rate)
        return model.extend(recording.samples, texts["input"], said, options, sample_rate=rate)

    def _encode(self, edited: "Edited", format: str) -> bytes:
        """Return an audio file. WAV and FLAC hold the very samples of the recording where it was
        not changed, unless there is a watermark."""
        watermark = self._context.settings.watermark
        if watermark is not None:
            edited.samples = marker(watermark, edited.sample_rate)(edited.samples)
        return edited.to_bytes(format)


async def _before(deadline: float, work: Any) -> Any:
    """Return the result of an awaitable.

    Raises:
        TimeoutError: it took longer than until the deadline (time.monotonic).
    """
    return await asyncio.wait_for(work, max(0.0, deadline - time.monotonic()))


def edit_summary(edited: "Edited", warnings: Sequence[str]) -> str:
    """Return the header X-TTS-Edits: changes, kept stretches and warnings as JSON in ASCII, cut to
    what a header holds."""
    rate = edited.sample_rate
    changes = [
        [" ".join(words)[:_CHANGE_CHARACTERS] for words in (each.old, each.new)]
        for each in edited.changes[:_MAX_ITEMS]
    ]
    kept_samples = sum(each.end - each.source for each in edited.kept)
    return json.dumps(
        {
            "seconds": round(edited.seconds, 3),
            "kept_seconds": round(kept_samples / rate, 3),
            "kept": [[each.source, each.end, each.out] for each in edited.kept[:_MAX_ITEMS]],
            "changes": changes,
            "warnings": [line[:_WARNING_CHARACTERS] for line in warnings[:_MAX_ITEMS]],
        }
    )
