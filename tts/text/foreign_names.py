"""Pronunciation lexicon of American English for words that espeak-ng gets far off, most of them
names and dishes of other languages.

The entries are in foreign_names.tsv. An entry with a capital holds for words with that capital
only. An entry without accents holds for the spelling with accents too, one with accents only for
itself.
"""

import functools
import unicodedata
from pathlib import Path

from tts.text.homograph_readings import with_s

__all__ = ["plain_letters", "said_abroad"]

_TABLE = Path(__file__).with_name("foreign_names.tsv")
# Letters that Unicode does not decompose into a letter and a mark.
_OTHERS = str.maketrans({"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "œ": "oe"})


def said_abroad(word: str) -> str | None:
    """Return the IPA of a word of the lexicon, also with "'s" or "s" at its end, else None."""
    if found := _find(word):
        return found
    for end in ("'s", "s"):
        stem = word.removesuffix(end)
        # "grass" is no plural.
        if stem != word and (end != "s" or stem[-1:] != "s") and (found := _find(stem)):
            return with_s(found)
    return None


def plain_letters(word: str) -> str:
    """Return a word with its letters without their marks."""
    if word.isascii():
        return word
    letters = unicodedata.normalize("NFD", word.translate(_OTHERS))
    return unicodedata.normalize("NFC", "".join(c for c in letters if not unicodedata.combining(c)))


def _find(word: str) -> str | None:
    table = _table()
    for spelling in (word, plain_letters(word)):
        for form in (spelling, spelling.lower()):
            if form in table:
                return table[form]
    return None


@functools.lru_cache(maxsize=1)
def _table() -> dict[str, str]:
    lines = _TABLE.read_text(encoding="utf-8").splitlines()[1:]
    return dict(line.split("\t", 1) for line in lines)  # type: ignore[misc]
