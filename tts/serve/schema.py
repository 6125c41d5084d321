"""JSON of the speech endpoint: the request of OpenAI's API with some fields more."""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from tts.audio.encoder import STREAMED
from tts.config import Strict, parse
from tts.errors import UsageError
from tts.types import RANGES, Options

MAX_CHARACTERS = 4096
MEDIA_TYPES = {
    "wav": "audio/wav",
    "pcm": "audio/pcm",
    "flac": "audio/flac",
    "opus": "audio/ogg",
    "mp3": "audio/mpeg",
    "aac": "audio/aac",
}
assert set(MEDIA_TYPES) <= set(STREAMED)

#: fields of OpenAI's requests that have no effect here, which a header of the response tells
IGNORED = ("instructions", "user", "metadata", "stream", "store")
#: speeds that OpenAI's API takes. The range here is smaller, and the nearest speed of it is used
SPEEDS = (0.25, 4.0)


def _between(name: str) -> Any:
    low, high = RANGES[name]
    return Field(ge=low, le=high)


class VoiceId(Strict):
    """A voice as newer clients name it."""

    id: str


class SpeechRequest(Strict):
    """POST /v1/audio/speech.

    `seed`, `language`, `pitch`, `steps`, `guidance`, `temperature`, `markup`, `emoji` and `takes`
    are additions to OpenAI's request (its client sends them as `extra_body`).
    """

    model: str = "default"
    input: Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS)]
    voice: str | VoiceId = "default"
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    stream_format: Literal["audio", "sse"] | None = None
    speed: Annotated[float, _between("speed")] = 1.0
    seed: Annotated[int, _between("seed")] = 0
    language: Annotated[str, Field(max_length=32)] | None = None
    pitch: Annotated[float, _between("pitch")] = 1.0
    steps: Annotated[int, _between("steps")] | None = None
    guidance: Annotated[float, _between("guidance")] | None = None
    temperature: Annotated[float, _between("temperature")] | None = None
    markup: Literal["none", "plain", "pauses", "ssml"] = "none"
    emoji: bool = False
    takes: Annotated[list[tuple[int, int]], Field(max_length=1000)] = []

    @property
    def voice_name(self) -> str:
        """The id of the voice."""
        return (self.voice if isinstance(self.voice, str) else self.voice.id).strip()

    def options(self) -> Options:
        """Return the options of synthesis.

        Raises:
            UsageError: a value is out of range.
        """
        options = Options(
            self.seed,
            self.speed,
            self.pitch,
            self.steps,
            self.guidance,
            self.temperature,
            self.language,
            self.markup,
            self.emoji,
            tuple(self.takes),
        )
        options.check()
        return options


@dataclass(frozen=True)
class ParsedRequest:
    """A request, and what the client is told about it in headers of the response.

    Attributes:
        request: the request.
        ignored: names of fields that were sent and have no effect.
        changed: values that were brought into range, as NAME=VALUE.
    """

    request: SpeechRequest
    ignored: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the response."""
        values = {"X-TTS-Ignored": self.ignored, "X-TTS-Changed": self.changed}
        return {name: ", ".join(each) for name, each in values.items() if each}


def parse_speech(body: bytes) -> ParsedRequest:
    """Parse the JSON of a request. A null, and an empty string for a field with a default, stands
    for the default.

    Raises:
        UsageError: not JSON, an unknown field (with the nearest name), or a wrong value.
    """
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the body is not valid JSON{_wrong_json(error)}") from error
    if not isinstance(values, dict):
        return ParsedRequest(parse(SpeechRequest, values, "request"))
    given = {
        name: value
        for name, value in values.items()
        if value is not None and (value != "" or name == "input")
    }
    ignored = tuple(name for name in IGNORED if name in given)
    fields = {name: value for name, value in given.items() if name not in ignored}
    changed: tuple[str, ...] = ()
    speed = fields.get("speed")
    if isinstance(speed, (int, float)) and not isinstance(speed, bool):
        fields["speed"] = _speed_in_range(speed)
        if fields["speed"] != speed:
            changed = (f"speed={fields['speed']:g}",)
    return ParsedRequest(parse(SpeechRequest, fields, "request"), ignored, changed)


def _wrong_json(error: Exception) -> str:
    """Return where a body stops to be JSON, and what is expected there, as far as it is known."""
    if not isinstance(error, json.JSONDecodeError):
        return ""
    if not error.doc.strip():
        return ': it is empty, where {"input": "Hello."} is the least'
    return f": {error.msg[0].lower()}{error.msg[1:]} in line {error.lineno}, column {error.colno}"


def _speed_in_range(speed: float) -> float:
    """Return the nearest speed that the models have.

    Raises:
        UsageError: a speed that OpenAI's API does not take either.
    """
    low, high = RANGES["speed"]
    least, most = SPEEDS
    if not least <= speed <= most:
        raise UsageError(
            f"request: speed: a number from {least:g} to {most:g}, not {speed!r:.20} (what is "
            f"below {low:g} or above {high:g} is brought to it)"
        )
    return min(max(speed, low), high)
