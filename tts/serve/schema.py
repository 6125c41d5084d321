"""What clients send: the request of OpenAI's speech endpoint and a few fields more."""

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


#: fields of OpenAI's requests that change nothing here, which the answer tells in a header
IGNORED = ("instructions", "user", "metadata", "stream", "store")
#: speeds that OpenAI takes; ours are fewer, and the nearest is used
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
        """Checked options.

        Raises:
            UsageError: out of range.
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
class Asked:
    """A request, and what of it is told in the answer's headers: fields that change nothing here,
    and values that were brought into range."""

    request: SpeechRequest
    ignored: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def headers(self) -> dict[str, str]:
        """For the answer."""
        told = {"X-TTS-Ignored": self.ignored, "X-TTS-Changed": self.changed}
        return {name: ", ".join(values) for name, values in told.items() if values}


def parse_speech(body: bytes) -> Asked:
    """A request from JSON. null, and an empty string for what has a default, is the default.

    Raises:
        UsageError: not JSON, an unknown field (telling the nearest) or a wrong value.
    """
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UsageError("the body is not valid JSON") from error
    if not isinstance(values, dict):
        return Asked(parse(SpeechRequest, values, "request"))
    given = {
        name: value
        for name, value in values.items()
        if value is not None and (value != "" or name == "input")
    }
    ignored = tuple(name for name in IGNORED if name in given)
    changed: tuple[str, ...] = ()
    given = {name: value for name, value in given.items() if name not in ignored}
    speed, (low, high) = given.get("speed"), RANGES["speed"]
    if isinstance(speed, (int, float)) and not isinstance(speed, bool):
        least, most = SPEEDS
        if not least <= speed <= most:
            raise UsageError(
                f"request: speed: a number from {least:g} to {most:g}, not {speed!r:.20} (what is "
                f"below {low:g} or above {high:g} is brought to it)"
            )
        given["speed"] = min(max(speed, low), high)
        changed = (f"speed={given['speed']:g}",) if given["speed"] != speed else ()
    return Asked(parse(SpeechRequest, given, "request"), ignored, changed)
