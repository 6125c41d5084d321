"""Verbalization of English counts whose abbreviations mean something else elsewhere: stone, types
of aircraft, millions of people, races, hours of the military clock, and stars.
"""

import re

from tts.text import english_tables as tables
from tts.text.numbers import cardinal, three_figures
from tts.text.tracked import Rule, rule

__all__ = ["COUNTS", "STARS"]

_Match = re.Match[str]
_NUM = r"\d{1,3}(?:\.\d{1,2})?"
#: nouns that are counted in millions, before which "m" is no length in meters
_COUNTED_IN_MILLIONS = (
    "people|persons|men|women|children|kids|adults|adolescents|teenagers|babies|pensioners|users|"
    "votes|voters|jobs|workers|employees|staff|members|customers|clients|subscribers|followers|"
    "fans|viewers|listeners|readers|players|visitors|tourists|passengers|travellers|travelers|"
    "students|pupils|teachers|patients|doctors|nurses|refugees|migrants|immigrants|soldiers|"
    "citizens|residents|inhabitants|households|families|homes|houses|businesses|companies|firms|"
    "accounts|views|hits|clicks|likes|downloads|installs|copies|tickets|records|shares|cars|"
    "vehicles|phones|devices|units sold|deaths|cases|infections|doses|jabs|vaccinations|tests|"
    "animals|birds|cattle|chickens|trees|meals|books|songs|albums|words|tweets|posts|messages|"
    "emails|dollars|pounds|euros|tonnes|tons|barrels|acres|hectares|years|speakers|believers|"
    "Americans|Britons|Canadians|Germans|Chinese|Indians|Europeans|Africans|Muslims|Christians|"
    "Catholics|Jews|Ukrainians|Russians|Syrians"
)
_QUALITY = rf"(?:(?!(?:{tables.FUNCTION})\b)[a-z]{{3,14}} )?"
_RUN = (
    "race|races|run|runs|walk|walks|fun run|course|event|events|distance|swim|training|time|"
    "charity|PB|pb|personal best|record|medal|route|marathon|parkrun|obstacle"
)
_OWN = "a|another|my|your|his|her|our|their|first|second|third|last|next|the|this|that"
_KILOMETERS = "1|3|5|8|10|12|15|20|21|25|30|42|50|100"
_AT = (
    "at|by|until|till|from|before|after|since|around|about|approximately|between|and|no later than"
)
_CLOCK = r"([01]\d|2[0-4])([0-5]\d)"
_PLANES = "jet|jets|aircraft|airliner|airliners|plane|planes|Dreamliner|freighter|freighters"


def _is_stone(amount: str) -> bool:
    """Whether a number with "st" is no ordinal: 11st and 12st, but not 21st."""
    return amount[-1] != "1" or amount.endswith("11")


def _stone(match: _Match) -> str:
    """Verbalize the weight of a person in stone."""
    pounds = match[2]
    if not (_is_stone(match[1]) or pounds and int(match[1]) > 1):
        return match[0]
    # The number stays in digits, which show the dot of a unit before them to be no end.
    return f"{match[1]} stone{pounds or ''}"


def _aircraft(match: _Match) -> str:
    maker, model, series, kind, many = match.groups()
    said = f"{maker + ' ' if maker else ''}{three_figures(model)} {cardinal(series)}{many or ''}"
    return said + (" " + " ".join(kind) if kind else "")


def _hours(match: _Match) -> str:
    """Verbalize a time of the military clock: "0630 hours" is "oh six thirty hours"."""
    before, hour, minute = match.groups()
    said = cardinal(hour) if hour[0] != "0" else f"oh {cardinal(hour[1])}"
    if hour == "00":
        said = "zero" if minute == "00" else "oh oh"
    if minute == "00":
        said += " hundred"
    elif minute[0] == "0":
        said += f" oh {cardinal(minute[1])}"
    else:
        said += f" {cardinal(minute)}"
    return f"{before or ''}{said} hours"


def _millions(match: _Match) -> str:
    return f"{match[1] + ' to ' if match[1] else ''}{match[2]} million"


def _stars(match: _Match) -> str:
    noun = re.match(rf"[ -](?!(?:{tables.FUNCTION})\b)[a-z]", match.string[match.end() :][:16])
    return f"{match[1]} star{'' if match[1] == '1' or noun else 's'}"


#: applied before the clean-up, which removes the star
STARS: tuple[Rule, ...] = (rule(r"(?<![\w.,])(\d(?:\.\d)?)[ -]?★(?![★☆\w])\ufe0f?", _stars),)
#: applied before the dates and units
COUNTS: tuple[Rule, ...] = (
    # the weight of a person: "11st 4lb"
    rule(r"(?<![\w.,/])(\d{1,2}) 1/2 ?st\b(?!\.)", r"\1 and a half stone"),
    rule(
        r"(?<![\w.,/$£€#+-])(?<!\+ )([1-9]\d?)st\b(?!\.\w|-| (?:century|centuries|floor|place|"
        r"time|year|day|edition|grade|anniversary|birthday|street|avenue|of|in|and|one|century's)\b)"
        r"(,? ?\d{1,2}(?=\s?lbs?\b))?",
        _stone,
    ),
    # "Boeing 747-400", "a 737-800", "A320-200"
    rule(
        r"(?<![\w.,$£€+/-])()(7[0-8]7)-([1-9]00)(ER|LR|SP|F)?(s)?(?![\w-]|[.,]\d)",
        _aircraft,
    ),
    rule(r"\b(Boeing) (7[0-8]7)-(\d{1,2})()(s)?(?![\w-]|[.,]\d)", _aircraft),
    rule(
        rf"(?<![\w.,$£€+/-])()(7[0-8]7)-(8|9|10)()()(?= (?:{_PLANES})\b)",
        _aircraft,
    ),
    rule(r"\b(A)(3[1-8]0)-([1-9]00)()(s)?(?![\w-]|[.,]\d)", _aircraft),
    # "at 1330 hours"; with a zero at the beginning also without a preposition
    rule(
        rf"\b((?i:from|between|at) ){_CLOCK}(?= (?:to|and|until|till|or) \d{{4}} ?(?:hours|hrs)\b)",
        lambda m: _hours(m).removesuffix(" hours"),
    ),
    rule(
        rf"(?<![\w.,])((?i:\b(?:{_AT})) ){_CLOCK} ?(?:hours|hrs)\b(?! of\b)",
        _hours,
    ),
    rule(rf"(?<![\w.,:-])()(?=0){_CLOCK} ?(?:hours|hrs)\b(?! of\b)", _hours),
    rule(
        rf"(?<=hours)( to | until | and ){_CLOCK} ?(?:hours|hrs)\b(?! of\b)",
        _hours,
    ),
    # "6m people", "1.5m new jobs"
    rule(
        rf"(?<![\w.,$£€¥-])(?:({_NUM})m?[-–])?({_NUM})m(?= {_QUALITY}(?:{_COUNTED_IN_MILLIONS})\b)",
        _millions,
    ),
    # "a 5k run", "my first 10k"
    rule(
        rf"(?<![\w.,$£€-])({_KILOMETERS})k(?=[ -](?:{_RUN})\b)",
        lambda m: f"{cardinal(m[1])} K",
    ),
    rule(
        rf"\b((?i:{_OWN}) )(5|10)k(?=[.,;:!?)]|\s*$| (?:and|on|for|this|next|last|today|tomorrow|"
        r"yesterday|every|or|then|with|without|is|was|took|went|felt|starts|started|will)\b)(?![.,]\d)",
        lambda m: f"{m[1]}{cardinal(m[2])} K",
    ),
)
