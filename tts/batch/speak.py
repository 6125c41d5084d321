"""Sentences of many texts and voices in one batch, as the renderer says them."""

from collections.abc import Sequence

from tts.pipeline.render import MAX_TURNS as MAX_TURNS
from tts.pipeline.render import Turn as Turn
from tts.speech import Chunk
from tts.synthesizer import TTS


def batches(model: TTS, turns: Sequence[Turn]) -> list[list[int]]:
    """See Renderer.batches."""
    return model.renderer.batches(turns)


def say_all(model: TTS, turns: Sequence[Turn]) -> list[Chunk]:
    """See Renderer.all."""
    return model.renderer.all(turns)


def say_together(model: TTS, turns: Sequence[Turn]) -> list[Chunk]:
    """See Renderer.together."""
    return model.renderer.together(turns)
