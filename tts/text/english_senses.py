"""English short forms that are units elsewhere: points of type, karats, letters, calibers."""

import re

from tts.text.numbers import cardinal, number, three_figures
from tts.text.tracked import Rule, rule

__all__ = ["SENSES"]

_Match = re.Match[str]
_TYPE = r"font|fonts|type|typeface|text|Times|Arial|Helvetica|Calibri|line|shot|shots|shooter|lead"
_GOLD = r"(?:white |yellow |rose |solid )?gold|ring|necklace|bracelet|chain"
_GUNS = r"Magnum|magnum|ACP|cal|caliber|calibre|Colt|Winchester|rifle|pistol|revolver|rounds?|ammo"
_RACE = r"race|races|run|runs|walk|runner|runners|course"


def _caliber(match: _Match) -> str:
    return three_figures(match[1]) if len(match[1]) == 3 else cardinal(int(match[1]))


#: before the units
SENSES: tuple[Rule, ...] = (
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
    rule(rf"(?<![\w.])\.(\d{{2,3}})(?= (?:{_GUNS})\b)", _caliber),
    rule(r"(?<![\w/])f/(?=\d)", "f "),
)
