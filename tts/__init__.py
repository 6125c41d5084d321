"""Text to speech in the voice of any recording of a few seconds.

    from tts import TTS

    tts = TTS.load("default")
    voice = tts.voice("ref.wav")
    tts.synthesize("Hello.", voice, seed=1).save("hello.wav")

Importing it is instant: the names below load what they need when they are first used.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tts.editing.edited import Edited as Edited
    from tts.facade import TTS as TTS
    from tts.types import Audio as Audio
    from tts.types import Chunk as Chunk
    from tts.types import Options as Options
    from tts.types import Span as Span
    from tts.types import Stream as Stream
    from tts.voice.voice import Voice as Voice

# Nothing is shown unless a program asks for it, as libraries do.
logging.getLogger("tts").addHandler(logging.NullHandler())

_NAMES = {
    "TTS": "tts.facade",
    "Audio": "tts.types",
    "Edited": "tts.editing.edited",
    "Chunk": "tts.types",
    "Options": "tts.types",
    "Span": "tts.types",
    "Stream": "tts.types",
    "Voice": "tts.voice.voice",
}

__all__ = ["TTS", "Audio", "Chunk", "Edited", "Options", "Span", "Stream", "Voice"]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'tts' has no attribute {name!r}")
    return getattr(import_module(_NAMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_NAMES])
