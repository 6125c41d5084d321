"""Words in another script inside of a text: said in their own language where that is clear."""

import unicodedata
import warnings
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby

from tts.text.phonemes import Phonemizer, languages

__all__ = ["phonemize"]

#: languages in whose texts other scripts are foreign
_LATIN = frozenset("en de fr es it pt nl pl".split())
#: the script of a letter, by its Unicode name, and the language that it is taken for
_SCRIPTS = {
    "CYRILLIC": "ru", "GREEK": "el", "CJK": "cmn", "HIRAGANA": "ja", "KATAKANA": "ja",
    "HANGUL": "ko", "HEBREW": "he", "ARABIC": "ar", "DEVANAGARI": "hi", "BENGALI": "bn",
    "TAMIL": "ta", "TELUGU": "te", "KANNADA": "kn", "MALAYALAM": "ml", "GUJARATI": "gu",
    "GURMUKHI": "pa", "GEORGIAN": "ka", "ARMENIAN": "hy", "THAI": "th", "KHMER": "km",
    "LAO": "lo", "MYANMAR": "my", "ETHIOPIC": "am", "SINHALA": "si", "TIBETAN": "bo",
}  # fmt: skip


def phonemize(base: Phonemizer, words: Sequence[str]) -> list[tuple[str, str]]:
    """`Phonemizer.phonemize_words` of a clause. Words of a script that espeak cannot say have an
    empty IPA, and a warning names the script."""
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
    """The script of a word's first letter; None for Latin and what is not known."""
    found = [unicodedata.name(char, "").split(" ")[0] for char in word if char.isalpha()]
    if "HIRAGANA" in found or "KATAKANA" in found:
        return "HIRAGANA"
    return found[0] if found and found[0] in _SCRIPTS else None


@lru_cache(maxsize=32)
def _speaker(language: str) -> Phonemizer | None:
    return Phonemizer(language) if language in languages() else None
