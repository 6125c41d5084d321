"""What clients send: the request of OpenAI's speech endpoint and a few fields more."""

import json
from typing import Annotated, Any, Literal

from pydantic import Field

from tts.audio.encoder import STREAMED
from tts.config import Strict, parse
from tts.errors import UsageError
from tts.speech import RANGES, Options

MAX_CHARACTERS = 4096
MEDIA_TYPES = {
    "wav": "audio/wav", "pcm": "audio/pcm", "flac": "audio/flac", "opus": "audio/ogg",
    "mp3": "audio/mpeg",
}  # fmt: skip
assert set(MEDIA_TYPES) <= set(STREAMED)


def _between(name: str) -> Any:
    low, high = RANGES[name]
    return Field(ge=low, le=high)


class VoiceId(Strict):
    """A voice as newer clients name it."""

    id: str


class SpeechRequest(Strict):
    """POST /v1/audio/speech.

    `seed`, `language`, `pitch`, `steps`, `guidance` and `temperature` are additions to OpenAI's
    request (its client sends them as `extra_body`).
    """

    model: str = "default"
    input: Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS)]
    voice: str | VoiceId = "default"
    response_format: Literal["mp3", "opus", "flac", "wav", "pcm"] = "mp3"
    stream_format: Literal["audio", "sse"] = "audio"
    speed: Annotated[float, _between("speed")] = 1.0
    instructions: None | Literal[""] = None
    seed: Annotated[int, _between("seed")] = 0
    language: Annotated[str, Field(max_length=32)] | None = None
    pitch: Annotated[float, _between("pitch")] = 1.0
    steps: Annotated[int, _between("steps")] | None = None
    guidance: Annotated[float, _between("guidance")] | None = None
    temperature: Annotated[float, _between("temperature")] | None = None

    @property
    def voice_name(self) -> str:
        """The id of the voice."""
        return self.voice if isinstance(self.voice, str) else self.voice.id

    def options(self) -> Options:
        """Checked options.

        Raises:
            UsageError: out of range.
        """
        options = Options(
            self.seed, self.speed, self.pitch, self.steps, self.guidance, self.temperature,
            self.language,
        )  # fmt: skip
        options.check()
        return options


def parse_speech(body: bytes) -> SpeechRequest:
    """A request from JSON.

    Raises:
        UsageError: not JSON, an unknown field (telling the nearest) or a wrong value.
    """
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UsageError("the body is not valid JSON") from error
    return parse(SpeechRequest, values, "request")
