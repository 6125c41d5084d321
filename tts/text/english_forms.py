"""English forms that are put into their plain writing before the numerals are read.

Ranges, currencies after or before the amount, clock times glued to dates, powers, telephone
numbers and codes: each becomes words or a form that `tts.text.english` knows.
"""

import re

from tts.text import lexicon
from tts.text.numbers import cardinal, digits, number, ordinal, year
from tts.text.tracked import Rule, rule

__all__ = ["FORMS", "MONTH", "month"]

_Match = re.Match[str]
_N = r"(?:\d{1,3}(?:,\d{3}){1,6}|\d{1,15})(?:\.\d{1,15})?"
MONTH = "|".join(f"{name}|{name[:3]}\\.?" for name in lexicon.MONTHS) + r"|Sept\.?"
_DAY = "|".join(rf"{day}|{day[:3]}\.?" for day in lexicon.WEEKDAYS) + r"|Tues\.?|Thurs?\.?"
_UNIT = "|".join(sorted(map(re.escape, lexicon.UNITS), key=len, reverse=True))
_SIGNS = "|".join(
    sorted(map(re.escape, (c for c in lexicon.CURRENCIES if not c.isalpha())), key=len)[::-1]
)
_CODES = "|".join(c for c in lexicon.CURRENCIES if c.isalpha() and c.isupper())
_AFTER = "|".join(re.escape(c) for c in lexicon.CURRENCIES if len(c) == 1 or c.islower())
_SCALE = r"thousand|million|billion|trillion|bn|tn|mn|k|K|m|M|b|B"
_CLOCK = r"(?:[01]?\d|2[0-4])(?:[:.][0-5]\d)?"
_HALF = r"\s?[ap](?:m\b|\.\s?m\.)"
_PER = "second|minute|hour|day|night|week|month|year|person|unit|item|page|head|mile|mo|yr|hr"
_DASH = r"\s?[-–—]\s?"


def month(name: str) -> int:
    """1 to 12 of a name or its first three letters."""
    return [m[:3] for m in lexicon.MONTHS].index(name[:3].title()) + 1


def _day(name: str) -> str:
    return next(day for day in lexicon.WEEKDAYS if day[:3] == name[:3])


def _decimal_comma(match: _Match) -> str:
    return match[1] + match[2].replace(".", "") + "." + match[3]


def _power(match: _Match) -> str:
    base, sign, exponent = match[1], match[2], match[3]
    said = number(base) if base[0].isdigit() else base
    if not sign and exponent in ("2", "3"):
        return f"{said} {'squared' if exponent == '2' else 'cubed'}"
    minus = "minus " if sign in ("-", "−", "–") else ""
    power = cardinal(exponent) if exponent.isdigit() else exponent
    return f"{said} to the power of {minus}{power}"


def _exponent(match: _Match) -> str:
    minus = "minus " if match[2] == "-" else ""
    return f"{number(match[1])} times ten to the power of {minus}{cardinal(match[3])}"


_UP = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
_DOWN = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-")
#: before the clean-up, which takes raised figures for note marks
RAISED: tuple[Rule, ...] = (
    rule(
        r"(?:(?<=[\d)])|(?<=(?<![^\W\d_])[A-Za-z])|(?<=[kcmd]m))[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹ⁿ]{1,9}",
        lambda m: "^" + m[0].translate(_UP),
    ),
    rule(r"[₀-₉]{1,9}", lambda m: m[0].translate(_DOWN)),
)


def _stamp(match: _Match) -> str:
    zone = match[3] or ""
    if zone.upper() == "Z":
        said = " U T C"
    elif zone:
        sign = "plus" if zone[0] == "+" else "minus"
        minutes = int(zone[-2:])
        said = f" U T C {sign} {cardinal(int(zone[1:3]))}"
        said += f" {cardinal(minutes)}" if minutes else ""
    else:
        said = ""
    clock = re.sub(r":00$", "", match[2]) if match[2].count(":") == 2 else match[2]
    return f"{match[1]} at {clock}{said}"


def _exact_time(match: _Match) -> str:
    hour, minute = int(match[1]), int(match[2])
    said = cardinal(hour) + (" oh " if 0 < minute < 10 else " ")
    return f"{said}{cardinal(minute)} and {number(match[3])} seconds"


def _money_range(match: _Match) -> str:
    first, sign, second = match[2], match[1], match[4]
    scale = match[3] or ""
    middle = f" {lexicon.SCALES.get(scale, scale)}" if scale else ""
    return f"{number(first)}{middle} to {sign}{second}"


def _money_range_after(match: _Match) -> str:
    return f"{number(match[1])} to {match[3]}{match[2]}"


def _unit_range(match: _Match) -> str:
    sign = "minus " if match[1] else ""
    return f"{sign}{number(match[2])} to {match[3]}"


def _day_range(match: _Match) -> str:
    name = lexicon.MONTHS[month(match[1]) - 1]
    in_year = f", {year(match[4])}" if match[4] else ""
    return f"{name} {ordinal(match[2])} to {ordinal(match[3])}{in_year}"


def _day_range_before(match: _Match) -> str:
    name = lexicon.MONTHS[month(match[3]) - 1]
    in_year = f", {year(match[4])}" if match[4] else ""
    the = "" if match.string[: match.start()].lower().endswith("the ") else "the "
    return f"{the}{ordinal(match[1])} to {ordinal(match[2])} of {name}{in_year}"


def _spelled(text: str) -> str:
    return " ".join(cardinal(c) if c.isdigit() else c.upper() for c in text if c.isalnum())


def _groups(match: _Match) -> str:
    groups = re.findall(r"\+?\d+", match[0])
    said = []
    for group in groups:
        if group == "800" and groups[0] in ("1", "+1", "800"):
            said.append("eight hundred")
        else:
            said.append("plus " + digits(group) if group[0] == "+" else digits(group))
    return ", ".join(said)


def _divided(match: _Match) -> str:
    top, bottom = int(match[1]), int(match[2])
    if (match[1], match[2]) in (("9", "11"), ("24", "7")) or top == bottom:
        return f"{cardinal(top)} {cardinal(bottom)}"
    if bottom and (top > bottom or match.string[match.end() :].lstrip()[:1] == "="):
        return f"{cardinal(top)} divided by {cardinal(bottom)}"
    return match[0]


#: in this order
FORMS: tuple[Rule, ...] = (
    # times and dates
    rule(
        r"(?<![\w-])(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.\d{1,9})?"
        r"(Z|[+-]\d{2}:?\d{2})?(?![\w:])",
        _stamp,
    ),
    rule(r"(?<![\d:.])([01]?\d|2[0-4]):([0-5]\d):([0-5]\d\.\d{1,9})(?![\d:])", _exact_time),
    rule(rf"(?<![\d:.$£€])(1[0-2]|0?[1-9])\.([0-5]\d)(?={_HALF})", r"\1:\2", re.I),
    rule(
        rf"(?<![\w:.$£€-])({_CLOCK})({_HALF})?{_DASH}(?={_CLOCK}{_HALF})",
        lambda m: f"{m[1]}{m[2] or ''} to ",
        re.I,
    ),
    rule(
        r"(?<![\w:.-])((?:[01]?\d|2[0-4]):[0-5]\d)\s?[-–—]\s?(?=(?:[01]?\d|2[0-4]):[0-5]\d(?!\d))",
        r"\1 to ",
    ),
    rule(rf"\b({MONTH}) (\d{{1,2}}){_DASH}(\d{{1,2}})\b(?!\s?[:/])(?:,? (\d{{4}})\b)?", _day_range),
    rule(
        rf"(?<![\w.-])(\d{{1,2}}){_DASH}(\d{{1,2}}) ({MONTH})(?!\w)(?: (\d{{4}})\b)?",
        _day_range_before,
    ),
    rule(
        rf"\b({MONTH}){_DASH}({MONTH})(?!\w)",
        lambda m: f"{lexicon.MONTHS[month(m[1]) - 1]} to {lexicon.MONTHS[month(m[2]) - 1]}",
    ),
    rule(rf"\b({_DAY}){_DASH}({_DAY})(?!\w)", lambda m: f"{_day(m[1])} to {_day(m[2])}"),
    rule(
        rf"\b(Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)\b\.?(?=,? (?:{MONTH}|\d{{1,2}}\b))",
        lambda m: _day(m[1]),
    ),
    # currencies
    rule(
        rf"(?<!\w)({_SIGNS})\s?(\d{{1,3}}(?:\.\d{{3}}){{0,4}}|\d{{1,9}}),(\d\d)\b(?![,.]?\d)",
        _decimal_comma,
    ),
    rule(r"(?<![\w.,])()(\d{1,3}(?:\.\d{3}){0,4}|\d{1,9}),(\d\d)(?=\s?[€])", _decimal_comma),
    rule(rf"(?<!\w)({_SIGNS})\s?-\s?(?=\d)", r"-\1"),
    rule(
        rf"(?<!\w)({_SIGNS})({_N})\s?({_SCALE})?\s?(?:-|–|—|to)\s?(?:\1)?({_N})(?![\d%])",
        _money_range,
    ),
    rule(rf"(?<![\w.,])({_N}){_DASH}({_N})\s?({_AFTER})(?![\w$€£])", _money_range_after),
    rule(
        rf"(?<![\w.,$£€])({_N})(?:\s?({_SCALE})\b)?\s?({_AFTER})(?![\w$€£])(?!\s?\d)",
        lambda m: f"{m[3]}{m[1]}{m[2] or ''}",
    ),
    rule(
        rf"(?<![\w.,])({_CODES})\s?({_N})(?:\s?({_SCALE})\b)?",
        lambda m: f"{m[2]} {lexicon.SCALES.get(m[3], m[3]) + ' ' if m[3] else ''}{m[1]}",
    ),
    # units
    rule(
        rf"(?<![\w.,–-])(-)?({_N})\s?(?:{_UNIT})?{_DASH}(-?{_N}\s?(?:{_UNIT}))(?![\w^])",
        _unit_range,
    ),
    rule(rf"(?<=[A-Za-z]{{2}})/(?={_PER}\b)|(?<=\d)\s?/(?=(?:{_PER})\b)", " per "),
    # powers
    rule(rf"(?<![\w.,])({_N})[eE]([+-]?)(\d{{1,3}})(?![\w.])", _exponent),
    rule(
        rf"(?<![\w.,])({_N})(?:\^|\*\*)[{{(]?([+-]?)(\d{{1,4}}|[a-z])\b[}})]?",
        _power,
    ),
    rule(r"(?<=\d)\s?[x×]\s?(?=ten to the power|\d{1,6}\^)", " times "),
    rule(r"(?<=\d)\s?[*×·]\s?(?=\d)", " times "),
    rule(r"(?<=\d) [xX] (?=\d)|(?<=\d)[x](?=\d{1,5}\b)", " by "),
    rule(r"(?<![\w/.,$])(\d{1,4})\s?/\s?(\d{1,4})(?![\w/])", _divided),
    # telephone numbers and codes
    rule(r"(?<![\w+.-])\+?1[- ](?:\(\d{3}\)|\d{3})[- ]\d{3}[- ]\d{4}(?![\w-])", _groups),
    rule(r"(?<![\w+.-])(?:\(0\d{2,4}\) ?|0\d{2,4} )\d{3,4} ?\d{3,4}(?![\w-])", _groups),
    rule(
        r"(?i)\b(call|calls|called|calling|dial|dialed|dialled|ring|phone|text|emergency|extension|"
        r"ext\.|room|flight|PIN|code is|pin is)(:? )(\d{3,4})\b(?![-,.:]\d)",
        lambda m: f"{m[1]}{m[2]}{digits(m[3])}",
    ),
    rule(
        r"\b([A-Z]{1,2}\d[A-Z\d]?) (\d[A-Z]{2})\b",
        lambda m: f"{_spelled(m[1])}, {_spelled(m[2])}",
    ),
    rule(
        rf"\b((?i:zip(?: code)?|postcode|postal code)|{lexicon.STATES})(:? )(\d{{5}})"
        r"(?:-(\d{4}))?\b(?![,.]\d)",
        lambda m: (
            f"{lexicon.STATE_NAMES.get(m[1], m[1])}{m[2]}{digits(m[3])}"
            + (f", {digits(m[4])}" if m[4] else "")
        ),
    ),
    # years
    rule(
        r"\b((?i:in|since|until|till|by|from|before|after|around|circa|year|of)) (1\d{3})\b"
        r"(?![,.:/-]\d|\s?%|\s(?!AD|BC|CE)[a-z])",
        lambda m: f"{m[1]} {year(m[2])}",
    ),
    rule(
        r"(?<![\w.,])(\d{3,4})(?= ?(?:AD|BC|BCE|CE)\b)",
        lambda m: year(m[1]) if len(m[1]) == 4 else _old_year(m[1]),
    ),
    # short words
    rule(r"(?i)(?<![\w/])w/o\b", "without"),
    rule(r"(?<![\w/])w/(?=\s?\w)", "with "),
    rule(r"\b(pp?)\. ?(?=\d)", lambda m: "page " if m[1] == "p" else "pages "),
    rule(
        r"(?<=[a-z] )(Blvd|Ave|Rd|Hwy|Ln|Pkwy|Sq)\b\.?(?=\s|[,;:!?)]|$)",
        lambda m: lexicon.STREETS[m[1]],
    ),
    rule(r"(?<=\d )([A-Z][a-z]{1,20}) St\b(?!\.)(?! [A-Z])", r"\1 street"),
    rule(r"(?<![\w.])([A-Za-z])\.(?=\d)", r"\1 point "),
)


def _old_year(text: str) -> str:
    high, low = divmod(int(text), 100)
    if low == 0:
        return f"{cardinal(high)} hundred"
    return f"{cardinal(high)} {'oh ' if low < 10 else ''}{cardinal(low)}"
