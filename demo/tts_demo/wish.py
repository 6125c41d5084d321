"""What a visitor asks for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wish:
    """What a visitor asks for.

    Attributes:
        voice: name of a stored voice; recording: a file that is used instead; transcript: what it
            says, for models that need that.
        adapt: fit the model to the voice of the recording (tts.tuning.adaptation).
        enhance: take noise and the room out of the recording (tts.voice.enhancer).
    """

    text: str
    model: str
    voice: str | None = "default"
    recording: str | None = None
    transcript: str = ""
    adapt: bool = False
    enhance: bool = True
