"""The prompt of F5-TTS: a recording that is continued and its words, and how long a text takes."""

from dataclasses import dataclass

from torch import Tensor

from tts.errors import UsageError


@dataclass(frozen=True)
class F5Prompt:
    """The recording to continue.

    Attributes:
        features: [P, 100] log-mel frames (see `F5Generator.prompt`).
        text: its words, ending as the model expects it.
        gain: what the loudness of the output has to be multiplied by.
    """

    features: Tensor
    text: str
    gain: float = 1.0


def closed(transcript: str) -> str:
    """A transcript that ends in a full stop and two spaces, which sets off what follows.

    Raises:
        UsageError: no words.
    """
    text = transcript.strip()
    if not text:
        raise UsageError("f5-base needs the words spoken in the reference")
    if text.endswith("。"):
        return text
    return text + ("  " if text.endswith(".") else ".  ")


def speech_frames(prompt: F5Prompt, text: str, speed: float = 1.0) -> int:
    """Frames for a text: it takes as long per byte (UTF-8) as the prompt does.

    Under 10 bytes it takes 0.3 of that speed, whatever was asked for.
    """
    size = len(text.encode())
    rate = len(prompt.features) / len(prompt.text.encode())
    return max(1, int(rate * size / (0.3 if size < 10 else speed)))
