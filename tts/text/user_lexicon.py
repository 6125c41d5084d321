"""Pronunciation lexicon of the user, one file per language, applied to every text.

Each line of the file `LANGUAGE.tsv` in the user's data folder has a word, a tab and how the word is
said: as other words ("jif"), or as phones in IPA between double brackets ("[[dʒˈɪf]]").
"""

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

from tts.audio.files import atomic_output, write_all
from tts.errors import OutputError, TextError, UsageError
from tts.folders import alone_in, xdg_folder
from tts.resources import nearest
from tts.text.symbols import encode_phones, unknown_signs
from tts.text.tracked import Tracked

__all__ = ["UserLexicon", "add_word", "check_said", "check_word", "lexicon_path", "read_lexicon",
           "remove_word", "respelt"]  # fmt: skip

LONGEST, MOST = 200, 50_000  # characters of an entry, entries of a file
_INLINE = r"\[\[[^\[\]]*\]\]"
_MARK = "['’ʼ]"
_APOSTROPHES, _HYPHENS = re.compile(_MARK), re.compile("[-‐‑]")
# Letters of scripts without spaces between words: Han, Kana, Thai, Lao, Khmer and Burmese.
_SPACELESS_LETTERS = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff\u0e00-\u0eff\u1780-\u17ff\u1000-\u109f"
)
_SPACELESS = re.compile(f"[{_SPACELESS_LETTERS}]")
_LETTER = rf"[^\W{_SPACELESS_LETTERS}]"
_DOTTED = str.maketrans("İı", "ii")
_SIBILANT, _VOICELESS = "szʃʒ", "ptkfθ"


def lexicon_path(language: str) -> Path:
    """Return the path of the lexicon of a language; the file need not exist."""
    folder = xdg_folder("XDG_DATA_HOME", ".local/share") / "tts" / "lexicon"
    return folder / f"{language}.tsv"


def read_lexicon(language: str) -> dict[str, str]:
    """Read the lexicon of a language: words and how each is said. It is empty without a file.

    Raises:
        UsageError: the file cannot be read, or a line of it, which is named, is damaged.
    """
    path = lexicon_path(language)
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the lexicon {path} cannot be read: {error}") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        word, tab, said = line.partition("\t")
        try:
            if not tab:
                raise UsageError("a word, a tab and how it is said are expected")
            found[check_word(word)] = check_said(said)
        except UsageError as error:
            raise UsageError(f"{path}, line {number}: {error}") from error
    if len(found) > MOST:
        raise UsageError(f"{path} holds {len(found):,} words; {MOST:,} are the most")
    return found


def add_word(language: str, word: str, said: str, replace: bool = False) -> Path:
    """Add a word to the lexicon of a language and return the path of the file.

    Args:
        language: espeak code.
        word: one word or several. With a capital the entry holds for that spelling only, without
            one for any.
        said: other words, or IPA between double brackets.
        replace: whether an entry of the same word is replaced.

    Raises:
        UsageError: the word or how it is said cannot be used, or the word has an entry already.
        OutputError: the file cannot be written.
    """
    word, said = check_word(word), check_said(said)
    with alone_in(_folder_for(language)):
        known = read_lexicon(language)
        if word in known and not replace:
            told = f"{word!r} is said as {known[word]!r} already"
            raise UsageError(f"{told}: replace it with --force")
        return _write(language, known | {word: said})


def remove_word(language: str, word: str) -> Path:
    """Remove a word from the lexicon of a language and return the path of the file.

    Raises:
        UsageError: the word has no entry; the message names the nearest one.
        OutputError: the file cannot be written.
    """
    word = " ".join(word.split())
    with alone_in(lexicon_path(language).parent):
        known = read_lexicon(language)
        if word not in known:
            hint = nearest(word, known) if known else ": it is empty"
            raise UsageError(f"no {word[:40]!r} in the lexicon of {language}{hint}")
        return _write(language, {each: said for each, said in known.items() if each != word})


def _folder_for(language: str) -> Path:
    """Return the folder of the lexicon of a language, and make it if needed."""
    folder = lexicon_path(language).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}") from error
    return folder


def _write(language: str, entries: dict[str, str]) -> Path:
    path = lexicon_path(language)
    text = "".join(f"{word}\t{said}\n" for word, said in sorted(entries.items()))
    with atomic_output(path) as file:
        write_all(file, text.encode())
    return path


def check_word(text: str) -> str:
    """Return a word as it is written to a lexicon.

    Raises:
        UsageError: it is no word that an entry can have.
    """
    word = " ".join(text.split())
    if not any(c.isalnum() for c in word) or any(c in word for c in "[]<>"):
        raise UsageError(f"{word[:40]!r} is not a word: letters or digits, no brackets")
    if word.startswith("#"):
        raise UsageError(f"{word[:40]!r} begins with #, which marks comments of a lexicon")
    return _checked(word)


def check_said(text: str) -> str:
    """Return how a word is said as it is written to a lexicon.

    Raises:
        UsageError: it has nothing to say, or is not IPA.
    """
    said = " ".join(text.split())
    if said.startswith("[[") and said.endswith("]]"):
        inside = said[2:-2]
        ids, _ = encode_phones(inside)
        unknown = unknown_signs(inside)
        if not ids or unknown or "[" in inside or "]" in inside:
            wrong = f" ({', '.join(unknown)})" if unknown else ""
            raise UsageError(f"{inside[:40]!r} is not IPA{wrong}")
    elif not any(c.isalnum() for c in said) or any(c in said for c in "[]<>"):
        raise UsageError(f"{said[:40]!r} is nothing to say: words, or IPA in [[ ]]")
    return _checked(said)


def _checked(text: str) -> str:
    if len(text) > LONGEST:
        raise UsageError(f"{text[:20]!r}... is longer than {LONGEST} characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise TextError(f"{text[:20]!r} is not valid Unicode") from error
    return text


class UserLexicon:
    """Lexicon of one language, which is read again whenever its file has changed.

    Args:
        language: espeak code.
    """

    def __init__(self, language: str):
        self.language = language
        self._state: tuple[int, int] | None = None
        self._pattern: re.Pattern[str] | None = None
        self._replace: Callable[[re.Match[str]], str] = lambda match: match[0]

    def __call__(self, text: Tracked) -> None:
        """Replace words of a text by how they are said, in place; inline phones are left alone.

        Raises:
            UsageError: the file is damaged.
        """
        try:
            stat = lexicon_path(self.language).stat()
            state = (stat.st_mtime_ns, stat.st_size)
        except OSError:
            state = None
        if state != self._state:
            entries = read_lexicon(self.language)
            self._pattern = _pattern(entries, self.language)
            self._replace = _replacer(entries)
            self._state = state
        if self._pattern is not None:
            text.compose()
            text.sub(self._pattern, self._replace, whole=True)


def respelt(text: str, language: str) -> str:
    """Return a text with words of the lexicon replaced, for models that read letters.

    Entries that are phones are not used.
    """
    known = read_lexicon(language)
    entries = {word: said for word, said in known.items() if not said.startswith("[[")}
    pattern = _pattern(entries, language)
    text = unicodedata.normalize("NFC", text)
    return pattern.sub(_replacer(entries), text) if pattern else text


def _pattern(entries: dict[str, str], language: str) -> re.Pattern[str] | None:
    """Return the pattern of the words of a lexicon, the longest first; None without any."""
    if not entries:
        return None
    english = language.startswith("en")
    # A possessive "'s" is matched with its word, or it would be read alone.
    tail = f"{_MARK}s" if english else ""
    # Words are grouped by the border before them: no two groups match at the same place.
    parts: dict[str, list[str]] = {}
    for word in sorted(entries, key=lambda each: (-len(each), each)):
        alike = _alike(word)
        spelled = r"\s+".join(_spelled(part) for part in alike.split())
        spelled = spelled if word != word.lower() else f"(?i:{spelled})"
        before, after = _borders(alike, english)
        if after:
            spelled += f"(?=(?:{tail})?{after})"
        parts.setdefault(before, []).append(spelled)
    words = "|".join(f"{before}(?:{'|'.join(each)})" for before, each in parts.items())
    return re.compile(rf"{_INLINE}|(?P<word>{words})(?P<s>{tail})?")


def _borders(word: str, english: bool) -> tuple[str, str]:
    """Return patterns of what must not stand before and after a word for it to be a whole word.

    In English an apostrophe may be a part of a word ("don't", "o'clock"); in French and Italian it
    separates two words.
    """
    before = after = ""
    if not _SPACELESS.match(word):
        before = f"(?<!{_LETTER})" + (f"(?<!{_LETTER}{_MARK})" if english else "")
    if word[0].isdecimal():
        before += r"(?<!\d[.,:/])"
    if not _SPACELESS.match(word[-1]):
        after = f"(?!{_MARK}?{_LETTER})" if english else f"(?!{_LETTER})"
    if word[-1].isdecimal():
        after += r"(?![.,:/]\d)"
    return before, after


def _alike(word: str) -> str:
    """Return a word in NFC with plain apostrophes and hyphens."""
    return _APOSTROPHES.sub("'", _HYPHENS.sub("-", unicodedata.normalize("NFC", word)))


def _spelled(part: str) -> str:
    """Return a pattern of a part of a word with any apostrophes and hyphens."""
    marks = {"'": _APOSTROPHES.pattern, "-": _HYPHENS.pattern}
    return "".join(marks.get(each) or re.escape(each) for each in part)


def _lower(word: str) -> str:
    """Return a word in lower case as patterns ignore case: they take both i of Turkish for one."""
    return word.translate(_DOTTED).lower()


def _replacer(entries: dict[str, str]) -> Callable[[re.Match[str]], str]:
    """Return a function from a match of `_pattern` to how its word is said."""
    exact = {_alike(word): said for word, said in entries.items()}
    any_case = {_lower(word): said for word, said in exact.items() if word == word.lower()}

    def replace(match: re.Match[str]) -> str:
        if not match["word"]:
            return match[0]
        word = _alike(" ".join(match["word"].split()))
        said = exact.get(word) or any_case.get(_lower(word))
        if said is None:  # letters that only a pattern takes for the same
            return match[0]
        if not match["s"]:
            return said
        if not said.startswith("[["):
            return said + match["s"]
        last = said[-3]
        ending = "ɪz" if last in _SIBILANT else "s" if last in _VOICELESS else "z"
        return f"{said[:-2]}{ending}]]"

    return replace
