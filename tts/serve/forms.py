"""Multipart forms with a recording: parsing, and errors for forms that cannot be used."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from tts.errors import UsageError
from tts.resources import nearest
from tts.serve.decode import MAX_BYTES
from tts.serve.errors import HTTPError
from tts.tuning.adaptation import parse_strength
from tts.types import flag_of

CONSENT = "only upload a voice whose owner agreed, and send consent=true to say so"
#: fields of a form of which a voice is made
_VOICE_FIELDS = ("name", "consent", "audio_sample", "ref_text", "model", "adapt", "enhance")
_MAX_FIELDS = 16
#: bytes of a text of 4096 characters, and one more
_MAX_PART = 4 * 4096 + 1


@asynccontextmanager
async def parse_form(request: Request, usage: str) -> AsyncIterator[FormData]:
    """Parse the form of a request. Its files are deleted at the end of the block.

    Args:
        request: the request.
        usage: message that tells the client what to send, if the body is not a form.

    Raises:
        UsageError: the body is not a form, or the form cannot be read.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise UsageError(usage)
    try:
        form = await request.form(max_files=1, max_fields=_MAX_FIELDS, max_part_size=_MAX_PART)
    except (MultiPartException, HTTPException, UnicodeError, ValueError, KeyError) as error:
        reason = getattr(error, "message", "") or getattr(error, "detail", "")
        raise UsageError(f"the form cannot be read{f': {reason}' if reason else ''}") from error
    try:
        yield form
    finally:
        await form.close()


def check_fields(form: FormData, known: Collection[str]) -> None:
    """Check the names of the fields of a form. A misspelt optional field would go unnoticed, and of
    a field that is sent twice all values but the last would be lost.

    Raises:
        UsageError: a field is not known, or was sent more than once.
    """
    seen: set[str] = set()
    for name, _ in form.multi_items():
        if name not in known:
            raise UsageError(f"unknown field {name[:40]!r} in the form{nearest(name[:40], known)}")
        if name in seen:
            raise UsageError(f"the form has the field {name} more than once")
        seen.add(name)


async def read_file(file: UploadFile) -> bytes:
    """Return the bytes of an uploaded file.

    Raises:
        HTTPError: 413, the file is too large.
    """
    data = await file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise HTTPError(413, f"the recording is larger than {MAX_BYTES // 1_000_000} MB")
    return data


@dataclass(frozen=True)
class VoiceForm:
    """A form with a recording of which a voice is made.

    Attributes:
        name: id of the new voice.
        data: the recording as it was sent.
        ref_text: words of the recording, for models that need them.
        model: name of the model that the voice is made for.
        adapt: strength of the adaptation; 0 makes an instant voice.
        enhance: whether noise and reverberation are removed from the recording.
    """

    name: str
    data: bytes
    ref_text: str
    model: str
    adapt: float = 0.0
    enhance: bool = True


async def read_voice_form(request: Request) -> VoiceForm:
    """Read the form of which a voice is made.

    Raises:
        UsageError: a field is missing, unknown, sent twice or too large.
        HTTPError: 413, the recording is too large.
    """
    usage = "send a form: multipart/form-data with name, consent and audio_sample"
    async with parse_form(request, usage) as form:
        check_fields(form, _VOICE_FIELDS)
        name, consent, file = form.get("name"), form.get("consent"), form.get("audio_sample")
        if consent != "true":
            raise UsageError(CONSENT)
        if not isinstance(name, str) or not isinstance(file, UploadFile):
            raise UsageError("the form needs the field name and the file audio_sample")
        ref_text, model = form.get("ref_text", ""), form.get("model", "default")
        adapt, enhance = form.get("adapt", ""), form.get("enhance", "")
        if not all(isinstance(each, str) for each in (ref_text, model, adapt, enhance)):
            raise UsageError("ref_text, model, adapt and enhance are fields, not files")
        strength, is_enhanced = parse_strength(adapt), flag_of("enhance", enhance, True)
        data = await read_file(file)
        return VoiceForm(name, data, str(ref_text), str(model), strength, is_enhanced)
