"""Sentences of a text with the pause that follows each."""

import re
from dataclasses import dataclass

__all__ = ["Sentence", "split_sentences"]


@dataclass(frozen=True)
class Sentence:
    """A sentence and the silence after it in seconds."""

    text: str
    pause_after: float


def split_sentences(text: str, max_chars: int = 220) -> list[Sentence]:
    """Sentences in order."""
    return [Sentence(s, 0.3) for s in re.split(r"(?<=[.!?])\s+", text) if s]
