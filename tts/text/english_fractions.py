"""Verbalization of English fractions, alone, before a unit and in ranges, and of what only looks
like a fraction: scores ("7/10"), shares ("80/20") and blood pressure.
"""

import math
import re

from tts.text.english_amounts import DOTTED, UNIT_NAMES, unit_name
from tts.text.english_attributives import attributive, before_noun, in_quotes
from tts.text.english_sentence_ends import measure_end
from tts.text.numbers import cardinal, fraction, number, ordinal, three_figures
from tts.text.tracked import Rule, rule

__all__ = ["FRACTION", "FRACTION_AMOUNTS", "JUDGED", "SCORES"]

_Match = re.Match[str]
_MIXED = r"(?<![\w/.,])(\d{1,4}(?:\s{1,2}|-))?(\d{1,3})/(\d{1,4})"
_MEASURED = rf"{UNIT_NAMES}|cups?\b|inch(?:es)?\b|miles?\b|hours?\b|pounds?\b|teaspoons?\b|tablesp"
#: text before a score: "rated it", "a"
JUDGED = re.compile(
    r"\b(?:rat(?:e|es|ed|ing|ings)|scor(?:e|es|ed|ing)|grad(?:e|ed)|mark|marks|review|gave|giv(?:e|es|"
    r"en|ing)|gets?|got|earn(?:s|ed)?|quiz|test|exam|solid|strong|perfect|easy|easily|definitely|"
    r"overall|pain)\b[^.!?\n]{0,24}$|\ban? $",
    re.I,
)
_PRAISED = re.compile(
    r",? (?:would|stars?|points?|rating|ratings|score|review|reviews|recommend|again|on the|on my|"
    r"on his|on her|on their)\b",
    re.I,
)
#: text after a fraction: "of", or a unit
_OF = re.compile(r" (?:of|cups?|miles?|hours?|pounds?|inch|inches|majority|share|chance)\b")
_PRESSURE = re.compile(r"\b(?:BP|bp|blood pressure|pressure)\b[^.!?\n]{0,40}$", re.I)
_SPLIT = re.compile(
    r"[ -](?:rule|split|mix|blend|ratio|principle|chance|odds|shot|balance|diet|fasting|custody|"
    r"power|perspective|weight)\b"
)


def _words(match: _Match) -> str:
    """Return the words of a fraction, also after a whole number: "one and a half"."""
    top, bottom = int(match[2]), int(match[3])
    if match[1]:
        part = fraction(top, bottom)
        if part.startswith("one "):
            vowel = part.startswith(("one eight", "one eleven"))
            part = f"a{'n' if vowel else ''}{part[3:]}"
        return f"{number(match[1].strip(' -'))} and {part}"
    if top >= bottom:
        return f"{cardinal(top)} {cardinal(bottom)}"
    return fraction(top, bottom)


def _with_suffix(match: _Match) -> str:
    """Verbalize a fraction with the suffix of an ordinal: "2/3rds", "1/4th"."""
    top, bottom = int(match[2]), int(match[3])
    if bottom < 2:
        return match[0]
    part = fraction(top, 2) if bottom == 2 else f"{cardinal(top)} {ordinal(bottom)}"
    if bottom > 2 and top > 1:
        part += "s"
    return f"{number(match[1].strip(' -'))} and {part}" if match[1] else part


def _score(match: _Match) -> str:
    """Verbalize "7/10" of a film or "95/100" of a test as a score, "seven out of ten"."""
    first, top, bottom = match[1], float(match[1]), int(match[2])
    before = match.string[max(0, match.start() - 40) : match.start()]
    after = match.string[match.end() : match.end() + 24]
    said = f"{number(first)} out of {cardinal(bottom)}"
    if top > bottom or bottom < 4 or _OF.match(after) or after.lstrip()[:1] == "=":
        return match[0]
    if "." in first or top == bottom and bottom in (5, 10, 100):
        return said
    judged = bottom in (5, 10, 20, 25, 30, 40, 50, 60, 100) and JUDGED.search(before)
    if top > 1 and (bottom == 100 and top + bottom != 100 or judged):
        return said
    return said if bottom in (5, 10, 100) and _PRAISED.match(after) else match[0]


def _pair(match: _Match) -> str:
    """Verbalize two shares of a whole ("80/20") or a blood pressure ("120/80")."""
    high, low = int(match[1]), int(match[2])
    before = match.string[max(0, match.start() - 60) : match.start()]
    after = match.string[match.end() : match.end() + 16]
    if high > low > 29 and high > 69 and _PRESSURE.search(before):
        return f"{three_figures(match[1]) if high > 99 else cardinal(high)} over {cardinal(low)}"
    shared = high + low == 100 and min(high, low) > 0 and (high > low or low < 90)
    if after.lstrip()[:1] != "=" and not _OF.match(after) and (shared or _SPLIT.match(after)):
        return f"{cardinal(high)} {cardinal(low)}"
    return match[0]


def _is_fraction(match: _Match) -> bool:
    """Whether two numbers before a unit are a fraction: "12/24 V" and "16/32 GB" are not."""
    top, bottom = int(match[2]), int(match[3])
    return 0 < top < bottom and (bottom == 10 or math.gcd(top, bottom) == 1)


def _with_unit(match: _Match) -> str:
    if not _is_fraction(match):
        return match[0]
    # Only with a whole number the unit is in the plural: "one half pound", "one and a half pounds".
    many = match[1] is not None and match[4] != "-" and not attributive(match)
    return f"{_words(match)} {unit_name(match[5], many)}{measure_end(match, match[5])}"


def _in_inches(match: _Match) -> str:
    if not _is_fraction(match) or match[0][-1] == '"' and in_quotes(match):
        return match[0]
    many = match[1] is not None and not before_noun(match) and not attributive(match)
    many = many and match.string[match.end() :][:1] != "-"
    if match["by"]:
        return f"{_words(match)} by "
    end = measure_end(match, "in") if match.string[match.end() :][:2].strip() else ""
    return f"{_words(match)} {'inches' if many else 'inch'}{end}"


def _range(match: _Match) -> str:
    return f"{_words(match)} to " if _is_fraction(match) else match[0]


#: applied before the units and divisions: scores, shares and fractions with a suffix
SCORES: tuple[Rule, ...] = (
    rule(rf"{_MIXED}(?:st|nd|rd|th)s?\b", _with_suffix),
    rule(
        r"(?<![\w/.,$£€-])(\d{1,3})/(\d{1,3})(?![\w/]|[.,]\d|\s?(?:mmHg\b|[%°]))",
        _pair,
    ),
    rule(r"(?<![\w/.,$£€-])(\d{1,3}(?:\.\d{1,2})?)/(\d{1,3})(?![\w/-]|[.,]\d|\s?[%°])", _score),
)
#: applied before the units, which would take the denominator for the whole amount
FRACTION_AMOUNTS: tuple[Rule, ...] = (
    rule(
        rf"{_MIXED}\s?[-–]\s?(?=(?:\d{{1,4}}\s{{1,2}})?\d{{1,3}}/\d{{1,4}}(?![\w/])"
        rf"|\d{{1,4}}(?:\.\d{{1,3}})?\s?(?:{_MEASURED})(?!\w))",
        _range,
    ),
    rule(
        r"(?<![\w/.,-])(\d{1,4})\s?[-–]\s?(?=\d{1,4}\s{1,2}\d{1,3}/\d{1,4}(?![\w/]))",
        lambda m: f"{cardinal(m[1])} to ",
    ),
    rule(r"(?<![\w/.,])(\d{2,3})/(\d{2,3})(?=\s?mmHg\b)", r"\1 over \2"),
    rule(rf"{_MIXED}(\s?|-)({UNIT_NAMES}){DOTTED}(?![\w^])", _with_unit),
    rule(
        r"(?<![\w.,'])(?:(\d{1,2})')\s?(?=\d{1,2}\s{1,2}\d/\d{1,2}(?:\"|''))",
        lambda m: f"{cardinal(m[1])} foot ",
    ),
    rule(
        rf"{_MIXED}(?:\s?\"(?!\w)|\s?in\.(?= [A-Za-z]|\s*$|[,;)])"
        r"|in\b(?!\.\w)(?P<by>\s?[xX×]\s?(?=\d))?"
        r"|\s?in(?= (?:wide|long|deep|tall|thick|high|across|square|[x×])\b))",
        _in_inches,
    ),
)
#: a fraction without a unit
FRACTION: Rule = rule(rf"{_MIXED}(?![\w/])", _words)
