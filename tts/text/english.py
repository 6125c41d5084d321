"""Rules of English text normalization in the order in which they are applied.

Numbers, dates, units, abbreviations and symbols are verbalized. Earlier rules decide what later
ones would take for something else: a date is no fraction, and a score is no range. Every pattern
starts at a boundary and has bounded repeats, so that each pass is linear in the length of the text.
"""

import re

from tts.text import english_tables as tables
from tts.text.english_ambiguous_units import SENSES
from tts.text.english_amounts import AMOUNT_FORMS, AMOUNTS, INDIAN, SQUARES
from tts.text.english_capitals import CAPITALS
from tts.text.english_chat import CHAT
from tts.text.english_codes import ADDRESSES, CODES, FORMULAS
from tts.text.english_counts import COUNTS
from tts.text.english_dates import DATE_FORMS, DATES, DECADES, YEARS
from tts.text.english_fractions import FRACTION, FRACTION_AMOUNTS, SCORES
from tts.text.english_number_plurals import PLURALS
from tts.text.english_references import REFERENCES
from tts.text.english_scores import CRICKET, is_score
from tts.text.english_short_forms import SHORT_WORDS, WORDS
from tts.text.numbers import (
    LONG_NUMBER,
    NUMBER,
    cardinal,
    decimal,
    digits,
    minus,
    number,
    ordinal,
    year,
)
from tts.text.tracked import Rule, rule

__all__ = ["RULES"]

_Match = re.Match[str]
_RATIOS = "ratio|scale|split|mix|mixture|odds|dilution|blend|model|aspect"


def _divided(match: _Match) -> str:
    """Verbalize a division: "9/11", "2019/100", "12/4 = 3". Fractions are left to other rules."""
    top, bottom = int(match[1]), int(match[2])
    if (match[1], match[2]) in (("9", "11"), ("24", "7")) or top == bottom:
        return f"{cardinal(top)} {cardinal(bottom)}"
    if 1900 <= top < 2100 and bottom > 99:
        return f"{year(match[1])} slash {cardinal(bottom)}"
    if bottom and (top > bottom or match.string[match.end() :][:9].lstrip()[:1] == "="):
        return f"{cardinal(top)} divided by {cardinal(bottom)}"
    return match[0]


def _range(match: _Match) -> str:
    """Verbalize two numbers with a dash between them: a range, or a score ("won 3-1")."""
    first, second = match[1], match[2]
    if first == second:
        return f"{_bare(first)} {_bare(second)}"
    around = match.string[max(0, match.start() - 40) : match.end() + 20]
    small = len(first) <= 3 and len(second) <= 3 and "." not in first + second
    games = is_score(around)
    middle = " " if small and games else " to "
    return _bare(first) + middle + _bare(second)


def _bare(text: str) -> str:
    """Verbalize a number without a unit: a code with leading zeros, a year or an amount."""
    if len(text) > 1 and text[0] == "0" and text.isdecimal():
        return digits(text)
    if len(text) == 4 and text.isdecimal() and 1100 <= int(text) < 2100:
        return year(text)
    return number(text)


def _plain_number(match: _Match) -> str:
    """Verbalize a number that no earlier rule took."""
    sign, text = match[1], match[2]
    if "." in text:
        whole, _, part = text.replace(",", "").partition(".")
        return minus(sign) + decimal(whole, part)
    return minus(sign) + (cardinal(text.replace(",", "")) if "," in text else _bare(text))


def _dashes(match: _Match) -> str:
    """Make a dash between spaces a pause, and one within a word a hyphen."""
    return " — " if match[0] != match[0].strip() or "—" in match[0] else "-"


def _symbol(match: _Match) -> str:
    word = tables.SYMBOLS.get(match[0])
    return f" {word} " if word else " "


#: minus signs of equations
_MINUS: tuple[Rule, ...] = (
    rule(rf"(?<=[\d)])\s?[-–]\s?(?=\(?-?{NUMBER}\)?\s{{0,2}}=)", " minus "),
    rule(rf"(?<==)(\s?{NUMBER})\s?[-–]\s?(?=\d)", r"\1 minus "),
    rule(r"(?<=\d)\s-\s?(?=-\d)", " minus "),
    rule(r"\b([a-z])\s?[-–]\s?(?=\d{1,9}\s?=)", r"\1 minus "),
)
#: other signs of arithmetic, ratios and times of races
_MATHS: tuple[Rule, ...] = (
    rule(r"(?<!\w)≈\s?(?=[\d$£€])", "approximately "),
    rule(r"(?<!\w)~\s?(?=[\d$£€])", "about "),
    rule(r"(?<=\d)\+(?!\s?[\d(a-z=])", " plus"),
    # ratios and scales; "1:50" may also be a time
    rule(r"(?<![\d:.])(\d{1,3}):(\d)(?![\d:])", r"\1 to \2"),
    rule(r"(?<![\d:.])(\d{1,2}):(\d):(\d{1,2})(?![\d:])", r"\1 to \2 to \3"),
    rule(
        r"(?<![\w:.,])(\d{1,3}):(?=(?:\d{3,7}|\d{1,3}(?:,\d{3}){1,3}|[6-9]\d)(?!\w|[:.,]\d))",
        r"\1 to ",
    ),
    rule(
        rf"(?<![\w:.,])(\d{{1,3}}):(?=\d\d(?!\w|[:.,]\d)[ -](?:{_RATIOS})\b)",
        r"\1 to ",
    ),
    rule(rf"\b((?:{_RATIOS})(?: (?:is|was|of))? \d{{1,3}}):(?=\d\d(?!\w|[:.,]\d))", r"\1 to "),
    # the time of a race, "4:05.3"
    rule(
        r"(?<![\w:.,])(\d{1,2}):([0-5]\d)\.(\d{1,3})(?![\w:]|[.,]\d)",
        lambda m: (
            f"{int(m[1])} {'oh ' if m[2][0] == '0' else ''}"
            f"{cardinal(int(m[2]))} point {digits(m[3])}"
        ),
    ),
    # past the hours of a day, "35:20": minutes and seconds
    rule(
        r"(?<![\w:.,])(2[5-9]|[3-9]\d):([0-5]\d)(?<!00)(?!\w|[:.,]\d)",
        lambda m: f"{m[1]} {'oh ' if m[2][0] == '0' else ''}{int(m[2])}",
    ),
    rule(r"(?<![\w/.,$])(\d{1,4})\s?/\s?(\d{1,4})(?![\w/])", _divided),
)
#: fractions, ranges and ordinals
_NUMBERS: tuple[Rule, ...] = (
    FRACTION,
    rule(
        r"(?<![\w.,-])(\d{1,9}(?:st|nd|rd|th))\s?[-–]\s?(?=\d{1,9}(?:st|nd|rd|th)\b)",
        r"\1 to ",
    ),
    # "5-10-year-olds"
    rule(
        r"(?<![\w.,–-])(\d{1,4})\s?[-–]\s?(?=\d{1,4}-(?:year|month|week|day|hour|minute|second|mile|"
        r"foot|inch|point|page|man|person|member|percent|piece)\b)",
        r"\1 to ",
    ),
    rule(rf"(?<![\w.,–-])({NUMBER})\s?–\s?({NUMBER})(?![\w-]|[.,]\d)", _range),
    rule(rf"(?<![\w.,–-])({NUMBER})-({NUMBER})(?![\w–-]|[.,]\d)", _range),
    rule(r"(?<![\w.,–-])((?:1\d|20)\d\d)\s-\s((?:1\d|20)\d\d)(?![\w-]|[.,]\d)", _range),
    rule(
        r"(?<![\w.,])(\d{1,3}(?:,\d{3}){0,10}|\d{1,36})(?:st|nd|rd|th)\b",
        lambda m: ordinal(m[1].replace(",", "")),
    ),
)
#: all rules, each of which is applied to the whole text
RULES: tuple[Rule, ...] = (
    rule(r"\d{37,}", lambda m: f" {digits(m[0])} "),
    *ADDRESSES,
    INDIAN,
    *CHAT,
    *SHORT_WORDS,
    *REFERENCES,
    *CRICKET,
    *COUNTS,
    *DATE_FORMS,
    *PLURALS,
    *SENSES,
    *CODES,
    *SQUARES,
    *FORMULAS,
    *SCORES,
    *_MINUS,
    *FRACTION_AMOUNTS,
    *AMOUNT_FORMS,
    *_MATHS,
    *DATES,
    *DECADES,
    *AMOUNTS,
    *YEARS,
    *_NUMBERS,
    *WORDS,
    *CAPITALS,
    rule(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[^\W\d_])", " "),
    rule(
        r"(?<![^\W\d_])[α-ωΑ-Ω](?![^\W\d_])",
        lambda m: tables.GREEK["αβγδεζηθικλμνξοπρςστυφχψω".index(m[0].lower())],
    ),
    rule(
        r"\d{1,9}(?:\.\d{1,9}){2,9}(?!\w)",
        lambda m: " point ".join(cardinal(part) for part in m[0].split(".")),
    ),
    rule(r"(?<=\d)-(?=\d)", " "),
    rule(rf"((?<![\w)])-(?=[\d.]))?({LONG_NUMBER})", _plain_number),
    rule(r"(?<!\w)([CFcf])#", r"\1 sharp"),
    rule(r"(?i:\band/or\b)", "and or"),
    rule(r"(?<=[A-Za-z])/(?=[A-Za-z])", " slash "),
    rule(r"(?<!\s)\s[–-]{1,3}(?!\S)|-{2,3}|–", _dashes),
    rule(r"(?<!\w)-(?=\w)|(?<=\w)-(?!\w)", " "),
    rule(r"[+×÷=&@%§°~<>±^*#_\\|{}\[\]/$£€¥₹₽₩≤≥≠≈√∞∑¶©]", _symbol),
)
