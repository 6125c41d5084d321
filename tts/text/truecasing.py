"""Truecasing of English lines in capitals: each word gets the case that it has in a sentence.

Units, chemical formulas, numerals, months and initialisms are recognized by their case, which a
headline or a shouted line hides. A line keeps its length, so that the spans of words stay valid.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from tts.text import english_tables as tables
from tts.text.capital_words import INITIALISMS
from tts.text.english_capitals import is_word, names_the_country
from tts.text.english_codes import pronounceable
from tts.text.numbers import roman

__all__ = ["truecase"]

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
#: three words or more in capitals within a line in mixed case, or a single very long one
_RUN = re.compile(r"(?:\b[A-Z][A-Z']{1,20}\b[ ,!?-]{1,3}){2,40}\b[A-Z][A-Z']{1,20}\b|[A-Z]{400,}")
#: an abbreviated month beside its day: "by DEC 25"
_MONTH = "JAN|FEB|MAR|APR|JUN|JUL|AUG|SEPT?|OCT|NOV|DEC"
_MONTH_AND_DAY = re.compile(rf"\b(?:{_MONTH})(?=\.? \d{{1,2}}(?!\w))|(?<=\d )(?:{_MONTH})\b")
_UNITS = {unit.upper(): unit for unit in reversed(tables.UNITS) if unit.isalpha()}
#: units that are more often words where another word follows them
_DOUBTFUL_UNITS = frozenset("A M IN BAR".split())
_ORDINAL_SUFFIXES = frozenset("ST ND RD TH".split())
_ABBREVIATIONS = frozenset(
    name[:3].upper() for name in (*tables.MONTHS, *tables.WEEKDAYS)
) | frozenset(
    "SEPT TUES THURS THUR MR MRS MS DR ST MT PROF SGT CAPT GEN COL REV BLVD AVE RD HWY JR SR INC "
    "LTD CORP NO VOL FIG VS ETC EST DEPT APPROX".split()
)
#: of these, what is more often a word, a verb or a name
_DOUBTFUL_DAYS = frozenset("MAR SAT SUN".split())
_BEFORE_NAME = frozenset("MR MRS MS DR ST MT PROF SGT CAPT GEN COL REV KING QUEEN POPE".split())
_SCALES = frozenset("MILLION BILLION TRILLION THOUSAND".split())
#: Roman numerals that are more often words or initialisms
_NO_NUMERALS = frozenset("MIX DI LI CC CD CI LL".split())


@dataclass(frozen=True)
class _Capitals:
    """A word in capitals in its context.

    Attributes:
        word: as it is written; base: without a possessive "'S".
        left, right: up to two characters before and after it.
        before, after: the words beside it, "" at the ends of the line.
        zip_code: whether a ZIP code follows.
        in_code: whether it belongs to a code such as "1AA" or "AT&T".
    """

    word: str
    base: str
    left: str
    right: str
    before: str
    after: str
    zip_code: bool
    in_code: bool

    @property
    def ending(self) -> str:
        """The possessive ending in small letters, or nothing."""
        return "'s" if self.base != self.word else ""

    @property
    def upper(self) -> str:
        """The word in capitals but for a possessive ending."""
        return self.base + self.ending

    @property
    def title(self) -> str:
        """The word with a first capital."""
        return self.base.title() + self.ending


def truecase(text: str) -> str:
    """Return a text whose lines and longer runs of words in capitals are in mixed case.

    The result has the same length. Lists of initialisms and single initialisms stay as they are.
    """
    if not re.search(r"[A-Z]{2}", text):
        return text
    out = []
    for line in text.splitlines(keepends=True):
        if line.isupper() and len(line.lower()) == len(line):
            out.append(_mixed_case(line) if _is_sentence(line) else line)
        else:
            line = _MONTH_AND_DAY.sub(lambda m: m[0].title(), line)
            out.append(_RUN.sub(_run, line))
    return "".join(out)


def _is_sentence(line: str) -> bool:
    """Whether a line in capitals holds words rather than initialisms and codes alone."""
    words = [m[0] for m in _WORD.finditer(line) if not _in_code(line, m)]
    if len(words) != 1:
        return len(words) == 2 or len(words) > 2 and not _are_initialisms(words)
    # A single word may be an initialism, but not where it has an abbreviation's or a unit's form,
    # nor beside a number that it measures.
    known = words[0] in _ABBREVIATIONS | _SCALES or words[0] in _UNITS
    return known or len(words[0]) > 3 and len(_WORD.findall(line)) > 1


def _in_code(line: str, match: re.Match[str]) -> bool:
    """Whether letters are a part of a code: "1AA", "AT&T", "TL;DR"."""
    left, right = line[max(0, match.start() - 1) : match.start()], line[match.end() :][:1]
    known = match[0] in _UNITS or match[0] in ("AM", "PM") or match[0] in _ORDINAL_SUFFIXES
    if left == ";" or right == ";" and line[match.end() + 1 :][:1].isalpha():
        return True
    return left == "&" or right in ("&", "$") or right.isdigit() or (left.isdigit() and not known)


def _run(match: re.Match[str]) -> str:
    words = _WORD.findall(match[0])
    return match[0] if _are_initialisms(words) else _mixed_case(match[0])


def _are_initialisms(words: list[str]) -> bool:
    """Whether most of the words are initialisms, so that they are a list and no shouting."""
    known = sum(
        word in INITIALISMS
        or not re.search("[AEIOUY]", word)
        or (len(word) < 5 and not is_word(word) and "'" not in word)
        for word in words
        if word.isascii()
        and word not in _ABBREVIATIONS
        and word != "US"  # as often the pronoun
        and word not in _UNITS
        and not re.fullmatch("[IVXLC]+", word)
    )
    return 2 * known > len(words)


def _mixed_case(line: str) -> str:
    """Return a line in capitals with each word in its case."""
    out: list[str] = []
    at = 0
    matches = list(_WORD.finditer(line))
    for n, match in enumerate(matches):
        capitals = _Capitals(
            word=match[0],
            base=match[0].removesuffix("'S"),
            left=line[max(0, match.start() - 2) : match.start()],
            right=line[match.end() : match.end() + 2],
            before=matches[n - 1][0] if n else "",
            after=matches[n + 1][0] if n + 1 < len(matches) else "",
            zip_code=re.match(r" \d{5}", line[match.end() : match.end() + 6]) is not None,
            in_code=_in_code(line, match),
        )
        out += [line[at : match.start()], _cased(capitals)]
        at = match.end()
    out.append(line[at:])
    return "".join(out)


def _cased(capitals: _Capitals) -> str:
    """Return a word in the case that the first fitting rule gives, or else in small letters."""
    for case in _CASES:
        if (found := case(capitals)) is not None:
            return found
    return capitals.word.lower()


def _code(at: _Capitals) -> str | None:
    """Leave letters of a code and letters with dots as they are: "1AA", "U.S."."""
    dotted = (
        at.right[:1] == "."
        and at.right[1:].isalpha()
        or at.left[-1:] == "."
        and at.left[:1].isalpha()
    )
    return at.word if dotted or at.in_code else None


def _beside_digits(at: _Capitals) -> str | None:
    """Case what belongs to a number: the suffix of an ordinal, AM or PM, or a unit."""
    if at.left[-1:].isdigit() and at.word in _ORDINAL_SUFFIXES:
        return at.word.lower()
    if not any(c.isdigit() for c in at.left):
        return None
    if at.word in ("AM", "PM"):
        return at.word.lower()
    if at.word in _UNITS and not (at.word in _DOUBTFUL_UNITS and at.after):
        return _UNITS[at.word]
    return None


def _roman_numeral(at: _Capitals) -> str | None:
    """Leave a Roman numeral that counts the word before in capitals."""
    return at.upper if _is_numeral(at.base, at.before) else None


def _abbreviation(at: _Capitals) -> str | None:
    """Case titles and other abbreviations that begin with a capital: "MR", "DEC"."""
    if at.base in _DOUBTFUL_DAYS or at.base not in _ABBREVIATIONS:
        return None
    number = at.base != "NO" or at.right[:1] == "."
    return at.title if number and at.base != "MAY" else None


def _calendar(at: _Capitals) -> str | None:
    """Case months and days of the week."""
    if at.base.title() in tables.MONTHS or at.base.title() in tables.WEEKDAYS:
        return at.title
    joined = at.right[:1] == "-" or at.left[-1:] == "-" or at.left[-1:].isdigit()
    return at.title if at.base in _DOUBTFUL_DAYS and joined else None


def _war_or_state(at: _Capitals) -> str | None:
    """Leave world wars, and the code of a state before a ZIP code, in capitals."""
    state = at.base in tables.STATE_NAMES and at.zip_code
    return at.upper if at.base in ("WWII", "WWI") or state else None


def _country(at: _Capitals) -> str | None:
    """Case "US" as the country or as the pronoun."""
    if at.base != "US":
        return None
    return at.upper if names_the_country(at.before) else "us"


def _letter_or_currency(at: _Capitals) -> str | None:
    """Case single letters and codes of currencies beside an amount."""
    beside_amount = at.left.strip()[-1:].isdigit() or at.right.strip()[:1].isdigit()
    if len(at.base) != 1 and not (at.base in tables.CURRENCIES and beside_amount):
        return None
    # "A" is the article, "S" and "T" are left of contracted words.
    small = at.base in ("A", "T", "S") and at.left[-1:] != "&"
    return at.base.lower() + at.ending if small else at.upper


def _initialism(at: _Capitals) -> str | None:
    """Leave initialisms in capitals: known ones, and letters that cannot be pronounced."""
    spelled = at.base in INITIALISMS or not re.search("[AEIOUY]", at.base) and at.base.isascii()
    if len(at.base) in (3, 4) and at.before not in _BEFORE_NAME:
        spelled = spelled or not (is_word(at.base) or pronounceable(at.base))
    return at.upper if spelled and at.base not in tables.HUSHED else None


def _name(at: _Capitals) -> str | None:
    """Case names: after a title, before a kind of street, or before a Roman numeral."""
    named = at.before in _BEFORE_NAME or at.after in ("ST", "AVE", "RD", "BLVD")
    if named or _is_numeral(at.after.removesuffix("'S"), at.word):
        return at.word[0] + at.word[1:].lower()
    return None


#: rules from the surest on; each returns the word in its case, or None where it does not apply
_CASES: tuple[Callable[[_Capitals], str | None], ...] = (
    _code, _beside_digits, _roman_numeral, _abbreviation, _calendar, _war_or_state, _country,
    _letter_or_currency, _initialism, _name,
)  # fmt: skip


def _is_numeral(word: str, before: str) -> bool:
    """Whether letters are a Roman numeral that counts the word before: "HENRY VIII"."""
    if not before or not re.fullmatch("[IVXLC]+", word) or roman(word) is None:
        return False
    if len(word) > 1:
        return word not in _NO_NUMERALS
    return before in tables.PART_WORDS or before.title() in tables.REGNAL and word != "I"
