"""Verbalization of English numbers in the plural: "747s", "three 6s", but not the time "5s"."""

import re

from tts.text import english_tables as tables
from tts.text.numbers import cardinal, plural, three_figures, year
from tts.text.tracked import Rule, rule

__all__ = ["PLURALS"]

_Match = re.Match[str]
#: nouns whose kinds have numbers
_KINDS = (
    "iPhone|iPad|Galaxy|Pixel|PlayStation|Xbox|Windows|Boeing|Airbus|Cessna|Porsche|Ferrari|Peugeot|"
    "BMW|Form|Forms|Model|Jordan|Air Force|Formula|Level|Grade|Year|Size|number|numbers"
)
_SPOKEN_COUNT = (
    r"(?:two|three|four|five|six|seven|eight|nine|ten|both|several|many|few|of|pair of|couple of)"
)
#: text before the number that only a noun follows
_BEFORE_NOUN = re.compile(
    rf"(?:\b(?:{_KINDS}|{_SPOKEN_COUNT}|(?:count|counts|counted|counting|go|went) (?:up )?by|"
    r"rolled|rolling|straight|double|triple|pocket|trailing|leading|all|no|old|new|flew|flying|"
    r"the|these|those|your|my|our|their|his|her|some|more)|\d) $"
)
_BITS = re.compile(r"\b(?:with|to|all|only|just|of|in|are|as|the) $", re.I)
#: text before an age, but not "in under 5s"
_AGES = re.compile(
    r"(?:(?:^|[.,;:(!?\n]\s?|\b(?:the|for|and|with|all|no|only|free for) )(?:under|over) "
    r"|\b(?:under|over)-)$",
    re.I,
)
_PLANE = re.compile(r"7[0-8]7")
_AND = r"(?:and|or|&)"
_TOLD = re.compile(r" (?:are|were|have)\b")
_NOUN = re.compile(r"[ -](?!(?:" + tables.FUNCTION + r"|due|left)\b)[a-z]{2}")


def _many(figures: str) -> str:
    """Return the plural of a number of a model, a form or a card: "seven forty-sevens", "sixes"."""
    if figures[0] == "0" or len(figures) < 3:
        said = cardinal(figures)
    elif len(figures) == 3:
        said = three_figures(figures)
    else:
        said = year(figures)
    return plural(said)


def _is_decade(figures: str) -> bool:
    """Whether a number with an s is one that the rules of decades verbalize."""
    return len(figures) in (2, 4) and figures[-1] == "0" and figures[:2] != "10"


def _single(match: _Match) -> str:
    """Verbalize one number with an s, if the text around it shows a plural."""
    figures = match[1]
    before = match.string[max(0, match.start() - 24) : match.start()]
    after = match.string[match.end() : match.end() + 24]
    if _AGES.search(before):
        return _many(figures)
    counted = re.search(rf"\b{_SPOKEN_COUNT} $", before)
    if _is_decade(figures) and not counted:
        return match[0]
    told = bool(_PLANE.fullmatch(figures) or len(figures) > 2 and _TOLD.match(after))
    if figures in "01" and _BITS.search(before):
        told = not _NOUN.match(after)
    if told or _BEFORE_NOUN.search(before) and not _NOUN.match(after):
        return _many(figures)
    return match[0]


def _pair(match: _Match) -> str:
    """Verbalize two plurals, "1s and 0s", unless they are the ends of a time or decades."""
    first, joined, second = match.groups()
    before = match.string[max(0, match.start() - 24) : match.start()]
    if first[-1] == "0" != first or second[-1] == "0" != second or first == second:
        return match[0]
    if re.search(r"(?i)\b(?:between|from|after|for|took|takes|lasts|every|wait|either) $", before):
        return match[0]
    return f"{_many(first)}{joined}{_many(second)}"


#: applied before the units, which would take the s for seconds
PLURALS: tuple[Rule, ...] = (
    # models of telephones whose names end with an s
    rule(r"\b(iPhone [3456])s\b", r"\1 S"),
    rule(
        r"(?<![^\W_])([A-Z]{1,5}-?)(?<!T-)(\d{1,4})s\b(?!-)",
        lambda m: f"{m[1]}{'' if m[1][-1] == '-' else ' '}{_many(m[2])}",
    ),
    rule(rf"(?<![\w.,:$£€'-])(\d{{1,4}})s( {_AND} )(\d{{1,4}})s\b(?![-'])", _pair),
    rule(r"(?<![\w.,:$£€'/])(?<!\d-)(?<!--)(\d{1,4})s\b(?![-'/]|\s?[-–]\s?\d)", _single),
)
