"""English fractions: alone, before a unit, in inches and in ranges of them."""

import math
import re

from tts.text.english_amounts import (
    DOTTED,
    UNIT_NAMES,
    attributive,
    before_noun,
    in_quotes,
    unit_name,
)
from tts.text.numbers import cardinal, fraction, number
from tts.text.tracked import Rule, rule

__all__ = ["FRACTION", "FRACTION_AMOUNTS"]

_Match = re.Match[str]
_MIXED = r"(?<![\w/.,])(\d{1,4}(?:\s{1,2}|-))?(\d{1,3})/(\d{1,4})"
_MEASURE = rf"{UNIT_NAMES}|cups?\b|inch(?:es)?\b|miles?\b|hours?\b|pounds?\b|teaspoons?\b|tablesp"


def _words(match: _Match) -> str:
    top, bottom = int(match[2]), int(match[3])
    if match[1]:
        part = fraction(top, bottom)
        part = "a" + part[3:] if part.startswith("one ") else part
        return f"{number(match[1].strip(' -'))} and {part}"
    if top >= bottom:
        return f"{cardinal(top)} {cardinal(bottom)}"
    return fraction(top, bottom)


def _is_part(match: _Match) -> bool:
    """Whether it is a part of one: "12/24 V" and "16/32 GB" name two amounts."""
    top, bottom = int(match[2]), int(match[3])
    return 0 < top < bottom and (bottom == 10 or math.gcd(top, bottom) == 1)


def _with_unit(match: _Match) -> str:
    if not _is_part(match):
        return match[0]
    # A part of one unit is not many of them: "one half pound", "one and a half pounds".
    many = match[1] is not None and match[4] != "-" and not attributive(match)
    return f"{_words(match)} {unit_name(match[5], many)}"


def _in_inches(match: _Match) -> str:
    if not _is_part(match) or match[0][-1] == '"' and in_quotes(match):
        return match[0]
    many = match[1] is not None and not before_noun(match)
    return f"{_words(match)} {'inches' if many else 'inch'}"


def _range(match: _Match) -> str:
    return f"{_words(match)} to " if _is_part(match) else match[0]


#: before the units, which would take the lower number for the whole amount
FRACTION_AMOUNTS: tuple[Rule, ...] = (
    rule(
        rf"{_MIXED}\s?[-–]\s?(?=(?:\d{{1,4}}\s{{1,2}})?\d{{1,3}}/\d{{1,4}}(?![\w/])"
        rf"|\d{{1,4}}(?:\.\d{{1,3}})?\s?(?:{_MEASURE})(?!\w))",
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
    rule(rf"{_MIXED}(?:\s?\"(?!\w)|\s?in\.(?= [a-z]|\s*$|[,;)]))", _in_inches),
)
#: a fraction that measures nothing
FRACTION: Rule = rule(rf"{_MIXED}(?![\w/])", _words)
