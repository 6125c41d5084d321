"""Text as written to text as spoken."""

import re
import unicodedata

from tts.errors import TextError

__all__ = ["clean", "normalize"]


def clean(text: str) -> str:
    """Unicode clean-up that holds for every language; one pass.

    Raises:
        TextError: a lone surrogate, naming its position.
    """
    for match in re.finditer("[\ud800-\udfff]", text):
        raise TextError(f"text has a lone surrogate at character {match.start()}; re-encode it")
    return unicodedata.normalize("NFC", text)


def normalize(text: str, lang: str = "en") -> str:
    """Spoken form of `text`."""
    return clean(text)
