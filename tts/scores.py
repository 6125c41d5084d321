"""Measurements of a model as words, for those who choose one. Nothing heavy is imported."""

from collections.abc import Mapping
from typing import Any


def quality(scores: Mapping[str, Any] | None) -> str:
    """What `tts eval` measured of the speech, in words; empty where nothing was."""
    if not scores:
        return ""
    wrong = scores["wer"]
    clear = f"1 word in {round(1 / wrong)} misheard" if wrong > 0.005 else "no word misheard"
    return (
        f"{clear}, likeness {_grade(scores['similarity'], 0.35, 0.5, 0.65)}, "
        f"sound {_grade(scores['quality'], 2.8, 3.2, 3.6)}"
    )


def speed(scores: Mapping[str, Any] | None) -> str:
    """How fast a model speaks on one CPU core; empty where it was not measured."""
    if not scores or not scores.get("rtf"):
        return ""
    return f"{1 / scores['rtf']:.2g} times as fast as speech on one core"


def first_audio(scores: Mapping[str, Any] | None) -> str:
    """How soon it is heard; empty where it was not measured."""
    seconds = scores.get("first_audio_seconds") if scores else None
    return f"heard after {seconds:.2g} s" if seconds else ""


def words(scores: Mapping[str, Any] | None) -> str:
    """All three in a line."""
    parts = (quality(scores), speed(scores), first_audio(scores))
    return "; ".join(filter(None, parts)) or "not measured"


def _grade(value: float, fair: float, good: float, great: float) -> str:
    """A measurement as a word."""
    names = ("poor", "fair", "good", "very good")
    return names[sum(value >= limit for limit in (fair, good, great))]
