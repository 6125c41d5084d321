"""What a visitor is told before anything is spoken: what a model is like, and what a text takes."""

from html import escape
from typing import Any

from tts import scores
from tts.catalog import model_info
from tts.errors import TTSError
from tts.resources import model_names
from tts_demo.limits import MAX_CHARACTERS

#: characters of English said in a second, measured on the examples of the page
CHARACTERS_A_SECOND = 15.0


def measured(model: str) -> dict[str, Any] | None:
    """What `tts eval` measured of a shipped model, read without PyTorch; None where nothing."""
    try:
        return model_info(model).scores if model in model_names() else None
    except (OSError, ValueError, KeyError, TypeError, TTSError):
        return None


def about(model: str | None) -> str:
    """HTML of a model's quality, speed and first audio in words."""
    told = scores.words(measured(model)) if model else "choose a model"
    return f"<p class='about'>{escape(told)}</p>"


def estimate(text: str | None, model: str | None, speed: float = 1.0) -> str:
    """HTML of the length of a text, and of about how much audio and computing it takes."""
    count = len(text or "")
    if count > MAX_CHARACTERS:
        over = f"{count:,} characters: {count - MAX_CHARACTERS:,} too many"
        return f"<p class='estimate over'>{over}</p>"
    seconds = len((text or "").strip()) / CHARACTERS_A_SECOND / max(speed, 0.1)
    told = f"{count:,} of {MAX_CHARACTERS:,} characters"
    if seconds:
        told += f", about {_time(seconds)} of audio"
        found = measured(model) if model else None
        if found and found.get("rtf"):
            told += f", ready in about {_time(found['rtf'] * seconds)} on a free core"
    return f"<p class='estimate'>{escape(told)}</p>"


def _time(seconds: float) -> str:
    """Seconds or minutes, as exact as an estimate is."""
    if seconds < 1:
        return "a second"
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
