"""Lines in capitals, put into the letters that they would have among others.

Units, chemistry, numerals, months and initialisms are told by their case; a heading or a shout
hides it. Nothing changes its length, so that words stay where they were written.
"""

import re

from tts.text import english_tables as tables
from tts.text.capital_words import INITIALISMS
from tts.text.english_capitals import is_word, names_the_country
from tts.text.english_codes import pronounceable
from tts.text.numbers import roman

__all__ = ["without_shouting"]

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
#: three words or more in capitals among others are a shout
_RUN = re.compile(r"(?:\b[A-Z][A-Z']{1,20}\b[ ,!?-]{1,3}){2,40}\b[A-Z][A-Z']{1,20}\b|[A-Z]{400,}")
#: a short month beside its day: "by DEC 25"
_MONTH = "JAN|FEB|MAR|APR|JUN|JUL|AUG|SEPT?|OCT|NOV|DEC"
_DAY = re.compile(rf"\b(?:{_MONTH})(?=\.? \d{{1,2}}(?!\w))|(?<=\d )(?:{_MONTH})\b")
_UNITS = {unit.upper(): unit for unit in reversed(tables.UNITS) if unit.isalpha()}
_TITLED = frozenset(name[:3].upper() for name in (*tables.MONTHS, *tables.WEEKDAYS)) | frozenset(
    "SEPT TUES THURS THUR MR MRS MS DR ST MT PROF SGT CAPT GEN COL REV BLVD AVE RD HWY JR SR INC "
    "LTD CORP NO VOL FIG VS ETC EST DEPT APPROX".split()
)
_BEFORE_NAME = frozenset("MR MRS MS DR ST MT PROF SGT CAPT GEN COL REV KING QUEEN POPE".split())
_SCALES = frozenset("MILLION BILLION TRILLION THOUSAND".split())


def without_shouting(text: str) -> str:
    """`text` with its shouted lines and runs of words in mixed case; same length."""
    if not re.search(r"[A-Z]{2}", text):
        return text
    out = []
    for line in text.splitlines(keepends=True):
        if line.isupper() and len(line.lower()) == len(line):
            words = [m[0] for m in _WORD.finditer(line) if not _glued(line, m)]
            # A word alone may be an initialism, but not beside a number that it measures.
            beside = len(words) == 1 and len(words[0]) > 3 and len(_WORD.findall(line)) > 1
            alone = len(words) == 1 and (words[0] in _TITLED | _SCALES or words[0] in _UNITS)
            shout = len(words) > 1 and not (len(words) > 2 and _listed(words))
            out.append(_quiet(line) if shout or alone or beside else line)
        else:
            line = _DAY.sub(lambda m: m[0].title(), line)
            out.append(_RUN.sub(_run, line))
    return "".join(out)


def _glued(line: str, match: re.Match[str]) -> bool:
    """Whether letters are a part of a code: "1AA", "AT&T", "TL;DR"."""
    left, right = line[max(0, match.start() - 1) : match.start()], line[match.end() :][:1]
    known = match[0] in _UNITS or match[0] in ("AM", "PM", "ST", "ND", "RD", "TH")
    if left == ";" or right == ";" and line[match.end() + 1 :][:1].isalpha():
        return True
    return left == "&" or right in ("&", "$") or right.isdigit() or (left.isdigit() and not known)


def _run(match: re.Match[str]) -> str:
    words = _WORD.findall(match[0])
    return match[0] if _listed(words) else _quiet(match[0])


def _listed(words: list[str]) -> bool:
    """Whether most of the words are initialisms: a list of them is no shout."""
    known = sum(
        word in INITIALISMS
        or not re.search("[AEIOUY]", word)
        or (len(word) < 5 and not is_word(word) and "'" not in word)
        for word in words
        if word.isascii()
        and word not in _TITLED
        and word != "US"  # as often the pronoun
        and word not in _UNITS
        and not re.fullmatch("[IVXLC]+", word)
    )
    return 2 * known > len(words)


def _quiet(line: str) -> str:
    out: list[str] = []
    at = 0
    matches = list(_WORD.finditer(line))
    for n, match in enumerate(matches):
        before = matches[n - 1][0] if n else ""
        after = matches[n + 1][0] if n + 1 < len(matches) else ""
        out += [line[at : match.start()], _word(line, match, before, after)]
        at = match.end()
    out.append(line[at:])
    return "".join(out)


def _word(line: str, match: re.Match[str], before: str, after: str) -> str:
    word = match[0]
    bare = word.removesuffix("'S")
    left, right = (
        line[max(0, match.start() - 2) : match.start()],
        line[match.end() : match.end() + 2],
    )
    if right[:1] == "." and right[1:].isalpha() or left[-1:] == "." and left[:1].isalpha():
        return word
    if _glued(line, match):
        return word
    if left[-1:].isdigit() and word in ("ST", "ND", "RD", "TH"):
        return word.lower()
    if any(c.isdigit() for c in left):
        if word in ("AM", "PM"):
            return word.lower()
        if word in _UNITS and not (
            word in ("A", "M", "IN", "BAR", "MIN") and after and word != "MIN"
        ):
            return _UNITS[word]
    tail = "'s" if bare != word else ""
    if _numeral(bare, before):
        return bare + tail
    if (
        bare in _TITLED
        and (bare != "NO" or right[:1] == ".")
        and bare not in ("MAY", "SUN", "SAT", "MAR")
    ):
        return bare.title() + tail
    if bare.title() in tables.MONTHS or bare.title() in tables.WEEKDAYS:
        return bare.title() + tail
    if bare in ("MAR", "SAT", "SUN") and (
        right[:1] == "-" or left[-1:] == "-" or left[-1:].isdigit()
    ):
        return bare.title() + tail
    if (
        bare in ("WWII", "WWI")
        or bare in tables.STATE_NAMES
        and re.match(r" \d{5}", line[match.end() :][:6])
    ):
        return bare + tail
    if bare == "US":
        return bare + tail if names_the_country(before) else "us"
    spelled = bare in INITIALISMS or not re.search("[AEIOUY]", bare) and bare.isascii()
    if len(bare) in (3, 4) and before not in _BEFORE_NAME:
        spelled = spelled or not (is_word(bare) or pronounceable(bare))
    if (
        len(bare) == 1
        or bare in tables.CURRENCIES
        and (left.strip()[-1:].isdigit() or right.strip()[:1].isdigit())
    ):
        return (
            bare + tail if bare not in ("A", "T", "S") or left[-1:] == "&" else bare.lower() + tail
        )
    if spelled and bare not in tables.HUSHED:
        return bare + tail
    named = before in _BEFORE_NAME or after in ("ST", "AVE", "RD", "BLVD")
    if named or _numeral(after.removesuffix("'S"), word):
        return word[0] + word[1:].lower()
    return word.lower()


def _numeral(word: str, before: str) -> bool:
    """Whether letters are a Roman numeral of the word before."""
    if not before or not re.fullmatch("[IVXLC]+", word) or roman(word) is None:
        return False
    if len(word) > 1:
        return word not in ("MIX", "DI", "LI", "CC", "CD", "CI", "LL", "VI") or word == "VI"
    return before in tables.PART_WORDS or before.title() in tables.REGNAL and word != "I"
