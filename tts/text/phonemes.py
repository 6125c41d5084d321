"""Grapheme-to-phoneme conversion by espeak-ng: the words of a clause to IPA.

The library is that of the package espeakng-loader, called by the package phonemizer. Both are
GPL-3 and are imported only when the first text is phonemized.
"""

import difflib
import functools
import re
import threading
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tts.errors import MissingDependencyError, TextError, UsageError
from tts.text.foreign_names import plain_letters

__all__ = ["Phonemizer", "check_language", "languages"]

_LOCK = threading.RLock()
# Languages that espeakng-loader lists without having their dictionaries.
_NO_DICTIONARY = frozenset({"fo", "kaa", "xex"})
_SHORT = {"en": "en-us", "fr": "fr-fr", "zh": "cmn", "no": "nb", "en-uk": "en-gb"}
_FLAG = re.compile(r"\([a-z][a-z0-9-]{0,30}\)")
_RETROFLEX = str.maketrans("tdsznlri", "ʈɖʂʐɳɭɽɨ")
_DOTTED = re.compile(r"([tdsznlri])\.")
_TONE3 = re.compile(r"(?<=[a-zɐ-ʯᵻæœøŋː\u0303])ɜ(?=_|$)")
# Letters with marks, which espeak-ng reads by their names in English.
_UNREAD = re.compile("[Ā-ɏḀ-ỿ]")
#: pronunciations of single letters that are words as well
_LETTERS = {"A": "ˈeɪ", "I": "ˈaɪ"}
_MAX_WORDS = 60  # words that espeak-ng gets at once
# espeak-ng cuts off words near 160 letters.
_MAX_LETTERS = 100
# Characters of IPA above which words are read without their context, as aligning takes too long.
_MAX_ALIGNED = 800
_CACHE_WORDS = 50_000


def languages() -> list[str]:
    """Return the codes of all languages that can be phonemized, sorted."""
    return sorted(_voices())


class Phonemizer:
    """Grapheme-to-phoneme converter of one language. It is safe to use from several threads: calls
    take a lock, as espeak-ng has one global state.

    Args:
        lang: espeak code such as "en-us", "de", "fr-fr", "es" or "cmn".

    Raises:
        UsageError: the language is not known; the message names the nearest one.
        MissingDependencyError: phonemizer or espeakng-loader is not installed.
    """

    def __init__(self, lang: str = "en-us") -> None:
        self.lang = check_language(lang)
        self._words: dict[str, str] = {}

    def phonemize_words(self, text: str) -> list[tuple[str, str]]:
        """Return (word, IPA) of the words of a clause, which are pronounced in its context.

        Args:
            text: the clause, with white space between its words.

        Returns:
            Words in order. One that cannot be spoken has an empty IPA, and one of over a hundred
            letters comes in parts.

        Raises:
            TextError: the text is not valid Unicode.
        """
        return self.batch_words([text])[0]

    def batch_words(self, texts: Sequence[str]) -> list[list[tuple[str, str]]]:
        """Return `phonemize_words` of many clauses under one lock."""
        with _LOCK:
            return [self._text(text) for text in texts]

    def _text(self, text: str) -> list[tuple[str, str]]:
        words = [
            w[i : i + _MAX_LETTERS] for w in text.split() for i in range(0, len(w), _MAX_LETTERS)
        ]
        out: list[tuple[str, str]] = []
        for first in range(0, len(words), _MAX_WORDS):
            out.extend(self._clause(words[first : first + _MAX_WORDS]))
        if self.lang.startswith("en"):
            _stress_letters(out)
        return out

    def _clause(self, words: list[str]) -> list[tuple[str, str]]:
        """Pronounce words together and return the pronunciation of each."""
        spoken = self._espeak(" ".join(words))
        if len(spoken) == len(words) and all(map(_is_one_word, words)):
            return list(zip(words, spoken, strict=True))
        # espeak-ng joins some pairs ("of the") and reads a number as many words. The share of each
        # word is found by alignment with its pronunciation alone.
        alone = [self._alone(word) for word in words]
        joined = "".join(spoken)
        if len(joined) > _MAX_ALIGNED:
            return list(zip(words, alone, strict=True))
        return list(zip(words, _divide(joined, alone), strict=True))

    def _alone(self, word: str) -> str:
        """Return the pronunciation of a word without context, from a cache."""
        if word not in self._words:
            if len(self._words) >= _CACHE_WORDS:
                self._words.clear()
            self._words[word] = "".join(self._espeak(word))
        return self._words[word]

    def _espeak(self, text: str) -> list[str]:
        """Return the IPA of each word that espeak-ng makes of a text."""
        if self.lang.startswith("en"):
            text = _UNREAD.sub(lambda m: plain_letters(m[0]), text)
        try:
            raw = _wrapper(self.lang).text_to_phonemes(text)
        except UnicodeEncodeError as error:
            raise TextError(f"text has a character that is not Unicode: {error.reason}") from error
        raw = _FLAG.sub("", raw)
        words = [_TONE3.sub("3", word) if _tonal(self.lang, word) else word for word in raw.split()]
        words = [_DOTTED.sub(lambda m: m[1].translate(_RETROFLEX), word) for word in words]
        words = [re.sub(r"[_.\x00-\x1f]+", "", word) for word in words]
        return [word for word in words if any(unicodedata.category(c)[0] == "L" for c in word)]


def _stress_letters(words: list[tuple[str, str]]) -> None:
    """Pronounce a capital A or I beside another single capital as the letter, in place, and not as
    the article or the pronoun."""
    for at, (word, _) in enumerate(words):
        if word not in _LETTERS:
            continue
        before, after = (
            words[at - 1][0] if at else "",
            words[at + 1][0] if at + 1 < len(words) else "",
        )
        if _is_letter(before) or _is_letter(after):
            words[at] = (word, _LETTERS[word])


def _is_letter(word: str) -> bool:
    """Whether a word is a single capital, also with "'s"."""
    return word[:1].isupper() and (len(word) == 1 or word[1:] == "'s")


def _is_one_word(word: str) -> bool:
    """Whether espeak-ng reads a word as one: it has no digits or hyphens and is no initialism."""
    return word.replace("'", "").isalpha() and not (len(word) > 1 and word.isupper())


def _tonal(lang: str, word: str) -> bool:
    """Whether an "ɜ" of a pronunciation may be the third tone, which espeak-ng writes so."""
    tones = ("cmn", "vi", "yue", "th", "hak", "shn", "my")
    return lang.split("-")[0] in tones or any(c in "124567" for c in word)


def _divide(spoken: str, alone: list[str]) -> list[str]:
    """Divide the pronunciation of several words into that of each.

    Args:
        spoken: IPA of the words in their context.
        alone: IPA of each word without context, with which `spoken` is aligned by the blocks that
            both have in common.
    """
    joined = "".join(alone)
    # where[i] is the position in `spoken` that corresponds to position i of `joined`.
    where = [0] * (len(joined) + 1)
    matcher = difflib.SequenceMatcher(None, joined, spoken, autojunk=False)
    for _, a0, a1, b0, b1 in matcher.get_opcodes():
        for i in range(a0, a1):
            where[i] = b0 + (i - a0) * (b1 - b0) // max(1, a1 - a0)
    where[-1] = len(spoken)
    cuts = [0]
    for piece in alone:
        cuts.append(cuts[-1] + len(piece))
    bounds = [where[cut] for cut in cuts]
    bounds[0] = 0
    # A combining or length mark stays with the phone before it.
    for n in range(1, len(bounds) - 1):
        while 0 < bounds[n] < len(spoken) and (
            spoken[bounds[n]] == "ː" or unicodedata.combining(spoken[bounds[n]])
        ):
            bounds[n] += 1
        while bounds[n] > bounds[n - 1] and spoken[bounds[n] - 1] in "ˈˌ":
            bounds[n] -= 1
    return [spoken[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]


def _load() -> Any:
    """Return the class of phonemizer that calls espeak-ng, with the library of espeakng-loader."""
    try:
        import espeakng_loader
        from phonemizer.backend.espeak.wrapper import EspeakWrapper
    except ImportError as error:
        raise MissingDependencyError(
            "phonemes need phonemizer and espeakng-loader: pip install phonemizer espeakng-loader"
        ) from error
    library = Path(espeakng_loader.get_library_path())
    if not library.is_file():
        raise MissingDependencyError(
            "espeakng-loader has no library here: pip install --force-reinstall espeakng-loader"
        )
    EspeakWrapper.set_library(str(library))
    EspeakWrapper.set_data_path(str(espeakng_loader.get_data_path()))
    return EspeakWrapper


@functools.lru_cache(maxsize=1)
def _voices() -> dict[str, str]:
    with _LOCK:
        voices = _load()().available_voices()
    return {v.language: v.name for v in voices if v.language not in _NO_DICTIONARY}


@functools.lru_cache(maxsize=8)
def _wrapper(lang: str) -> Any:
    wrapper = _load()()
    wrapper.set_voice(lang)
    return wrapper


def accent_warning(model: str, own: str, languages: Iterable[str | None]) -> str | None:
    """Return a warning where a model speaks languages that it was not trained in, else None.

    Args:
        model: the name of the model.
        own: the language that it was trained in.
        languages: languages of texts; None stands for that of the model.

    Raises:
        UsageError: a language is not known.
    """
    base = own.split("-")[0]
    asked = {each.strip().replace("_", "-").lower(): each for each in languages if each}
    # The languages of espeak-ng are not looked up for that of the model.
    foreign = sorted(
        {check_language(each) for code, each in asked.items() if code.split("-")[0] != base}
    )
    if not foreign:
        return None
    return (
        f"{model} has no voice trained in {', '.join(foreign)}: it was trained in {own}, so expect "
        "a strong accent and unclear words"
    )


def check_language(lang: str) -> str:
    """Return the espeak code of a language code; "en" stands for "en-us".

    Raises:
        UsageError: the language is not known; the message names the nearest one, if one is near.
    """
    if not isinstance(lang, str):
        raise UsageError(f"a language is a code such as 'en-us', not {lang!r:.40}")
    code = lang.strip().lower().replace("_", "-")
    code = _SHORT.get(code, code)
    known = {voice.lower(): voice for voice in _voices()}
    if code in known:
        return known[code]
    base = code.split("-")[0]
    if base in known or base in _SHORT:
        hint = _SHORT.get(base, base)
    else:
        # People also write names ("german"), so the nearest code may be that of a name.
        names = dict(known)
        for voice, name in sorted(_voices().items(), reverse=True):
            names[name.lower().split(" (")[0]] = voice
        close = difflib.get_close_matches(code, names, n=1, cutoff=0.5)
        hint = names[close[0]] if close else ""
        if close and close[0] not in known:  # a name, of which there may be several kinds
            hint = _SHORT.get(hint.split("-")[0], hint)
    told = (
        f"; did you mean {hint!r}?" if hint else ": give an espeak code such as en-us, de or fr-fr"
    )
    raise UsageError(f"unknown language {lang[:40]!r}{told}")
