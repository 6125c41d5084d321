"""Recordings that clients have edited or continued: one at a time, given up when the client leaves.

The answer is a file of audio. Its header X-TTS-Edits tells in JSON what was changed, which samples
are those of the recording, and what speaks against it, such as noise.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from tts.audio.decode import Decoded
from tts.errors import UsageError
from tts.provenance import Watermark, marker
from tts.serve.budget import Budget, phones_of
from tts.serve.decode import decode_whole
from tts.serve.forms import bytes_of, check_fields, form_of
from tts.serve.http import HTTPError
from tts.serve.schema import MAX_CHARACTERS, MEDIA_TYPES
from tts.types import Options, options_of

if TYPE_CHECKING:
    from tts.editing.edit import Edited
    from tts.facade import TTS

MAX_WAITING = 4
#: formats of the answer; those that keep the samples of the recording come first
FORMATS = ("wav", "flac", "mp3", "opus")
_NUMBERS: dict[str, type[int] | type[float]] = {
    "seed": int,
    "speed": float,
    "steps": int,
    "guidance": float,
    "temperature": float,
}
_COMMON = ("audio", "model", "response_format", "language", *_NUMBERS)
_TOLD, _MOST_TOLD = 60, 8  # characters of a change, and changes, in a header
_WARNED = 200  # characters of a warning there
_LOOK = 0.2  # seconds between looks whether the client is still there


@dataclass(frozen=True)
class SentEdit:
    """A form that asks for an edit.

    Attributes:
        data: the recording as it was sent; texts: by the name of the field.
    """

    data: bytes
    texts: dict[str, str]
    model: str
    format: str
    options: Options


async def read_edit(
    request: Request, needed: Sequence[str], allowed: Sequence[str] = ()
) -> SentEdit:
    """The form of a request.

    Args:
        needed, allowed: fields with words that there have to be, and that there may be.

    Raises:
        UsageError: a field that is missing, unknown or wrong.
    """
    fields = ", ".join(("audio", *needed))
    async with form_of(request, f"send a form: multipart/form-data with {fields}") as form:
        check_fields(form, (*_COMMON, *needed, *allowed))
        values = dict(form)
        file = values.pop("audio", None)
        if not isinstance(file, UploadFile):
            raise UsageError(f"the form needs the file audio and the fields {', '.join(needed)}")
        if not all(isinstance(value, str) for value in values.values()):
            raise UsageError("only audio is a file; the others are fields")
        given = {name: str(value) for name, value in values.items() if str(value).strip()}
        for name in needed:
            if name not in given:
                raise UsageError(f"the form needs the field {name}")
        texts = {name: given[name] for name in (*needed, *allowed) if name in given}
        for name, text in texts.items():
            if len(text) > MAX_CHARACTERS:
                raise UsageError(f"{name} is longer than {MAX_CHARACTERS:,} characters")
        format = given.get("response_format", "wav")
        if format not in FORMATS:
            raise UsageError(f"response_format is {', '.join(FORMATS)}, not {format[:20]!r}")
        options = options_of(None, _numbers(given) | _language(given))
        return SentEdit(await bytes_of(file), texts, given.get("model", "default"), format, options)


def _numbers(given: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, kind in _NUMBERS.items():
        if name in given:
            try:
                found[name] = kind(given[name])
            except ValueError:
                what = "a whole number" if kind is int else "a number"
                raise UsageError(f"{name} must be {what}, not {given[name][:20]!r}") from None
    return found


def _language(given: dict[str, str]) -> dict[str, str]:
    return {"language": given["language"]} if "language" in given else {}


class Editor:
    """Answers requests for edits.

    Args:
        decoding: how many recordings may be decoded at a time; timeout: seconds for a request.
    """

    def __init__(
        self, decoding: asyncio.Semaphore, timeout: float, watermark: Watermark | None = None
    ):
        self._decoding, self._timeout, self._watermark = decoding, timeout, watermark
        self._free = asyncio.Lock()
        self._asked = 0

    async def answer(
        self,
        request: Request,
        model_of: Callable[[str], "TTS"],
        needed: Sequence[str],
        allowed: Sequence[str] = (),
    ) -> Response:
        """The edited recording that a request asks for.

        Raises:
            HTTPError: 404 an unknown model, 413 too large, 503 too many wait.
            UsageError, TextError, AudioError, AlignmentError: what is wrong with it.
            TimeoutError: it took too long.
        """
        sent = await asyncio.wait_for(read_edit(request, needed, allowed), self._timeout)
        model = model_of(sent.model)
        if self._asked > MAX_WAITING:
            raise HTTPError(503, "too many recordings wait to be edited: try again later")
        self._asked += 1
        warnings: list[str] = []
        try:
            async with self._decoding:
                found = await decode_whole(sent.data, warnings, entire=True)
            async with self._free:
                edited = await self._edited(request, model, found, sent)
        finally:
            self._asked -= 1
        data = await asyncio.to_thread(self._encoded, edited, sent.format)
        warnings += edited.warnings
        about = told(edited, warnings)
        headers = {"X-Sample-Rate": str(edited.sample_rate), "X-TTS-Edits": about}
        return Response(data, 200, headers, MEDIA_TYPES[sent.format])

    async def _edited(
        self, request: Request, model: "TTS", found: Decoded, sent: SentEdit
    ) -> "Edited":
        """Compute it in a thread, until nobody wants it any more."""
        unwanted = threading.Event()

        def work() -> "Edited":
            with model.cancellation.watching(unwanted.is_set):
                said, options = sent.texts.get("from"), sent.options
                for text in sent.texts.values():
                    phones_of(model, text, options, Budget())
                if "to" in sent.texts:
                    return model.edit(
                        found.samples,
                        said or "",
                        sent.texts["to"],
                        options,
                        sample_rate=found.rate,
                    )
                text = sent.texts["input"]
                return model.extend(found.samples, text, said, options, sample_rate=found.rate)

        async def leaving() -> None:
            while not await request.is_disconnected():
                await asyncio.sleep(_LOOK)

        working = asyncio.ensure_future(asyncio.to_thread(work))
        left = asyncio.ensure_future(leaving())
        try:
            await asyncio.wait(
                (working, left), timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if not working.done():
                unwanted.set()
                with suppress(Exception):
                    await working
                raise asyncio.TimeoutError
            return await working
        finally:
            unwanted.set()
            left.cancel()

    def _encoded(self, edited: "Edited", format: str) -> bytes:
        """A file of it; without a watermark what is kept has its values in WAV and FLAC."""
        if self._watermark is not None:
            edited.samples = marker(self._watermark, edited.sample_rate)(edited.samples)
        if format in ("wav", "flac"):
            return edited.exact_bytes(format)
        return edited.to_bytes(format)


def told(edited: "Edited", warnings: Sequence[str]) -> str:
    """What was done to a recording and what speaks against it, as JSON in ASCII; of much, as much
    as a header holds."""
    rate = edited.sample_rate
    changes = [[" ".join(each.old)[:_TOLD], " ".join(each.new)[:_TOLD]] for each in edited.changes]
    return json.dumps(
        {
            "seconds": round(edited.seconds, 3),
            "kept_seconds": round(sum(each.end - each.source for each in edited.kept) / rate, 3),
            "kept": [[each.source, each.end, each.out] for each in edited.kept[:_MOST_TOLD]],
            "changes": changes[:_MOST_TOLD],
            "warnings": [line[:_WARNED] for line in warnings[:_MOST_TOLD]],
        }
    )
