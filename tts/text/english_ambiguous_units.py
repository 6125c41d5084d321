"""Disambiguation of English abbreviations that are units elsewhere: "pt", "K", "F" and others as
points of type, karats, degrees and the like.
"""

import re

from tts.text.numbers import cardinal, number, plural, three_figures
from tts.text.tracked import Rule, rule

__all__ = ["SENSES"]

_Match = re.Match[str]
_TYPE = r"font|fonts|type|typeface|text|Times|Arial|Helvetica|Calibri|line|shot|shots|shooter|lead"
_GOLD = r"(?:white |yellow |rose |solid )?gold|ring|necklace|bracelet|chain"
_GUNS = r"Magnum|magnum|ACP|cal|caliber|calibre|Colt|Winchester|rifle|pistol|revolver|rounds?|ammo"
_PINTS = r"(?:of )?(?:milk|cream|water|stock|broth|beer|ale|juice|ice|blood)\b"
_AGO = {"m": "minute", "mo": "month", "w": "week", "d": "day", "y": "year", "h": "hour"}
_RAN = r"ran|runs?|running|jog|jogs|jogged|raced?|finished|[Pp]arkrun"
_RACE = r"race|races|run|runs|walk|runner|runners|course"


def _counted(amount: str, name: str) -> str:
    return f"{amount} {name if amount == '1' else plural(name)}"


def _scale(match: _Match) -> str:
    return f"{match[1]} °{match[2]}"


def _caliber(match: _Match) -> str:
    return three_figures(match[1]) if len(match[1]) == 3 else cardinal(int(match[1]))


#: applied before the units
SENSES: tuple[Rule, ...] = (
    # averages of baseball
    rule(
        r"\b(batting|bats|batted|hitting|hits?|slugging|average of|avg\.?) \.(\d{3})"
        r"(?!\w|[.,]\d)",
        lambda m: f"{m[1]} {three_figures(m[2])}",
    ),
    rule(
        r"(?<![\w.,])([3-7])ft ?(1[01]|\d)(?!\w|[.,'\"]\d?| ?(?:in|by|x)\b)",
        lambda m: f"{cardinal(m[1])} foot {cardinal(m[2])}",
    ),
    rule(r"(?<=\d)\s?deg(?:\.(?= [a-zCF]\b| [a-z])|\b)", "°"),
    rule(
        rf"\b({_RAN}) ((?:a|the|my|his|her|our|their|that|this|first) )?(\d{{1,2}})[kK]\b"
        r"(?= (?:in|at|on|every|for|and|with|to|race|run|today|yesterday)\b|[.,;!?)]|\s*$)",
        lambda m: f"{m[1]} {m[2] or ''}{cardinal(m[3])} K",
    ),
    rule(rf"(?<![\w.,])(\d{{1,3}}(?:\.\d)?)([ -]?)pt(?= (?:{_TYPE})\b)", r"\1 point"),
    rule(
        r"(?<![\w.,'\"])(\d{1,3})' ?[xX×] ?(\d{1,3})'( [a-z])?(?!\d)",
        lambda m: f"{number(m[1])} by {number(m[2])} {'foot' if m[3] else 'feet'}{m[3] or ''}",
    ),
    rule(r"(?<![\w.,'\"])(\d{1,3})'(?= (?:deep|tall|high|wide|long|thick)\b)", r"\1 feet"),
    rule(rf"(?<![\w.,$£€])(\d{{1,2}})[kK](?= (?:{_GOLD})\b)", r"\1 karat"),
    rule(
        rf"(?<![\w.,$£€])(\d{{1,2}})K(?=(?: ?(?:/|and|or) ?\d{{1,2}}K)? (?:{_RACE})\b)",
        lambda m: f"{cardinal(m[1])} K",
    ),
    rule(
        r"(?<![\w.,])(\d{1,2}) ([A-F])(?='s\b|[ -](?:grades?|levels?|marks?)\b)",
        lambda m: f"{cardinal(m[1])} {m[2]}",
    ),
    rule(r"(?<![\w.,])(\d\d)([A-K])(?= (?:bras?|cups?)\b)", lambda m: f"{cardinal(m[1])} {m[2]}"),
    # "350 F"; before a C must stand words of temperature, or the other scale beside it
    rule(
        r"(?:(?<![\w.,$£€/-])|(?<=[CF]/))(-?\d{2,3}(?:\.\d)?) ?(F)"
        r"(?!\w|['/-]\w|\.\w| (?:bras?|cups?|[A-Z][a-z]))",
        _scale,
    ),
    rule(
        r"(?i:(?<=\bat )|(?<=\bto )|(?<=\bwas )|(?<=\bis )|(?<=\bhit )|(?<=bove )|(?<=elow )"
        r"|(?<=eached ))(-?\d{2,3}(?:\.\d)?) ?(C)(?!\w|['-]\w|\.\w| [A-Z][a-z])",
        _scale,
    ),
    rule(r"(?<![\w.,$£€/-])(-?\d{2,3}) ?(C)(?= ?[/(] ?\d{2,3} ?°?F\b)", _scale),
    rule(
        rf"(?<![\w.,])(\d[\d,]{{0,9}}(?:\.\d)?) ?pts\b(?! {_PINTS}|\. [a-z])",
        lambda m: _counted(m[1], "point"),
    ),
    rule(r"(?<![\w.,])(\d{1,3}) ?bps\b", lambda m: _counted(m[1], "basis point")),
    rule(r"(?<![\w.,])(\d{1,3}\.\d{1,2}) ?pp\b(?!\.)", r"\1 percentage points"),
    rule(
        r"(?<![\w.,$£€])(\d{1,3}) ?(mo?|w|d|y|h)(?= ago\b)",
        lambda m: _counted(m[1], _AGO[m[2]]),
    ),
    rule(r"(?<![\w.,$£€])(\d{1,3})d(?= ?\d{1,2}h\b)", lambda m: _counted(m[1], "day")),
    rule(rf"(?<![\w.])\.(\d{{2,3}})(?= (?:{_GUNS})\b)", _caliber),
    rule(r"(?<![\w/])f/(?=\d)", "f "),
)
