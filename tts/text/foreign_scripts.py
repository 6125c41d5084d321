"""Pronunciation of words in another script than that of the text, by the language of the script."""

import unicodedata
import warnings
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby

from tts.text.phonemes import Phonemizer, languages

__all__ = ["phonemize"]

#: languages in the Latin script, in whose texts words in other scripts are foreign
_LATIN = frozenset("en de fr es it pt nl pl".split())
#: scripts, as the Unicode names of letters begin, and the language that each is read in
_SCRIPTS = {
    "CYRILLIC": "ru", "GREEK": "el", "CJK": "cmn", "HIRAGANA": "ja", "KATAKANA": "ja",
    "HANGUL": "ko", "HEBREW": "he", "ARABIC": "ar", "DEVANAGARI": "hi", "BENGALI": "bn",
    "TAMIL": "ta", "TELUGU": "te", "KANNADA": "kn", "MALAYALAM": "ml", "GUJARATI": "gu",
    "GURMUKHI": "pa", "GEORGIAN": "ka", "ARMENIAN": "hy", "THAI": "th", "KHMER": "km",
    "LAO": "lo", "MYANMAR": "my", "ETHIOPIC": "am", "SINHALA": "si", "TIBETAN": "bo",
}  # fmt: skip


def phonemize(base: Phonemizer, words: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pronunciations of a clause, each word in the language of its script.

    Args:
        base: the phonemizer of the language of the text.
        words: words of the clause.

    Returns:
        (word, IPA) as of `Phonemizer.phonemize_words`. Words in a script that espeak-ng cannot
        read have an empty IPA, and a warning names the script.
    """
    if base.lang.split("-")[0] not in _LATIN or all(word.isascii() for word in words):
        return base.phonemize_words(" ".join(words))
    out: list[tuple[str, str]] = []
    for script, run in groupby(words, _script):
        part = list(run)
        speaker = base if script is None else _speaker(_SCRIPTS[script])
        if speaker is None:
            warnings.warn(f"{script} letters are left out: espeak cannot say them", stacklevel=2)
            out += [(word, "") for word in part]
        else:
            out += speaker.phonemize_words(" ".join(part))
    return out


def _script(word: str) -> str | None:
    """Return the script of a word's first letter; None for Latin and for scripts not listed."""
    found = [unicodedata.name(char, "").split(" ")[0] for char in word if char.isalpha()]
    if "HIRAGANA" in found or "KATAKANA" in found:
        return "HIRAGANA"
    return found[0] if found and found[0] in _SCRIPTS else None


@lru_cache(maxsize=32)
def _speaker(language: str) -> Phonemizer | None:
    return Phonemizer(language) if language in languages() else None
