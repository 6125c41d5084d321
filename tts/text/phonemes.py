"""Words to IPA through espeak-ng (phonemizer with the library of espeakng-loader).

Both packages are GPL-3 and are imported only when the first text is phonemized.
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
# Listed by the loader's espeak, but their dictionaries are not in its data.
_NO_DICTIONARY = frozenset({"fo", "kaa", "xex"})
_SHORT = {"en": "en-us", "fr": "fr-fr", "zh": "cmn", "no": "nb", "en-uk": "en-gb"}
_FLAG = re.compile(r"\([a-z][a-z0-9-]{0,30}\)")
_RETROFLEX = str.maketrans("tdsznlri", "ʈɖʂʐɳɭɽɨ")
_DOTTED = re.compile(r"([tdsznlri])\.")
_TONE3 = re.compile(r"(?<=[a-zɐ-ʯᵻæœøŋː\u0303])ɜ(?=_|$)")
# Letters with marks that English espeak says by their names.
_UNREAD = re.compile("[Ā-ɏḀ-ỿ]")
#: single letters that are words as well
_LETTERS = {"A": "ˈeɪ", "I": "ˈaɪ"}
_MAX_WORDS = 60
# espeak cuts off words near 160 letters.
_MAX_LETTERS = 100
# Speech without spaces or of spelled names; aligning would cost more than context is worth.
_MAX_ALIGNED = 800
_CACHE_WORDS = 50_000


def languages() -> list[str]:
    """Language codes that can be phonemized, sorted."""
    return sorted(_voices())


class Phonemizer:
    """espeak-ng for one language. Thread-safe: espeak has one global state, calls take a lock.

    Args:
        lang: espeak code such as "en-us", "de", "fr-fr", "es", "cmn".

    Raises:
        UsageError: unknown language, naming the nearest known one.
        MissingDependencyError: phonemizer or espeakng-loader is not installed.
    """

    def __init__(self, lang: str = "en-us") -> None:
        self.lang = check_language(lang)
        self._words: dict[str, str] = {}

    def phonemize_words(self, text: str) -> list[tuple[str, str]]:
        """(word, IPA) for the white-space separated words of one clause, in its context.

        A word that cannot be spoken has an empty IPA.
        """
        return self.batch_words([text])[0]

    def batch_words(self, texts: Sequence[str]) -> list[list[tuple[str, str]]]:
        """`phonemize_words` for many texts with one espeak start."""
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
            _letters(out)
        return out

    def _clause(self, words: list[str]) -> list[tuple[str, str]]:
        spoken = self._espeak(" ".join(words))
        if len(spoken) == len(words) and all(map(_plain, words)):
            return list(zip(words, spoken, strict=True))
        # espeak joins some pairs ("of the") and reads a number as many words: find each
        # word's share by aligning with the words said alone.
        alone = [self._alone(word) for word in words]
        joined = "".join(spoken)
        if len(joined) > _MAX_ALIGNED:
            return list(zip(words, alone, strict=True))
        return list(zip(words, _share(joined, alone), strict=True))

    def _alone(self, word: str) -> str:
        if word not in self._words:
            if len(self._words) >= _CACHE_WORDS:
                self._words.clear()
            self._words[word] = "".join(self._espeak(word))
        return self._words[word]

    def _espeak(self, text: str) -> list[str]:
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


def _letters(words: list[tuple[str, str]]) -> None:
    """A capital A or I beside another single capital is the letter, with its stress, not the
    article or the pronoun."""
    for at, (word, _) in enumerate(words):
        if word not in _LETTERS:
            continue
        before, after = (
            words[at - 1][0] if at else "",
            words[at + 1][0] if at + 1 < len(words) else "",
        )
        if _initial(before) or _initial(after):
            words[at] = (word, _LETTERS[word])


def _initial(word: str) -> bool:
    return word[:1].isupper() and (len(word) == 1 or word[1:] == "'s")


def _plain(word: str) -> bool:
    """Whether espeak reads the word as one word: no digits, hyphens or initials."""
    return word.replace("'", "").isalpha() and not (len(word) > 1 and word.isupper())


def _tonal(lang: str, word: str) -> bool:
    tones = ("cmn", "vi", "yue", "th", "hak", "shn", "my")
    return lang.split("-")[0] in tones or any(c in "124567" for c in word)


def _share(spoken: str, alone: list[str]) -> list[str]:
    """Cut `spoken` into one piece per entry of `alone`, following a common-block alignment."""
    joined = "".join(alone)
    # where[i]: position in `spoken` that corresponds to position i of `joined`
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
    """A line where a model speaks languages that it was not trained in; None for none.

    Args:
        model: its name; own: the language it was trained in; languages: of texts, None for that.

    Raises:
        UsageError: a language that nobody speaks.
    """
    base = own.split("-")[0]
    asked = {each.strip().replace("_", "-").lower(): each for each in languages if each}
    # Its own needs no look at those of espeak.
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
    """The espeak code that a code means ("en" is "en-us"); UsageError naming the nearest."""
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
        hint = names[difflib.get_close_matches(code, names, n=1, cutoff=0.0)[0]]
    raise UsageError(f"unknown language {lang[:40]!r}; did you mean {hint!r}?")
