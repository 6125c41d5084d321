"""Verbalization of English dates, times of day, and years, with ranges of them."""

import re

from tts.text import english_tables as tables
from tts.text.english_decades import DECADES
from tts.text.english_fractions import JUDGED
from tts.text.english_sentence_ends import sentence_end
from tts.text.numbers import cardinal, number, ordinal, three_figures, year
from tts.text.tracked import Rule, rule

__all__ = ["DATES", "DATE_FORMS", "DECADES", "YEARS"]

_Match = re.Match[str]
_MONTH = (
    "|".join(rf"{name}|{name[:3]}\.?(?![a-z])" for name in tables.MONTHS) + r"|Sept\.?(?![a-z])"
)
_DAY = (
    "|".join(rf"{day}|{day[:3]}\.?(?![a-z])" for day in tables.WEEKDAYS)
    + r"|Tues\.?(?![a-z])|Thurs?\.?(?![a-z])"
)
_SHORT_DAY = "Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun"
_WEEKDAY = "|".join(tables.WEEKDAYS)
_CLOCK = r"(?:[01]?\d|2[0-4])(?:[:.][0-5]\d)?"
_HALF = r"\s?[ap](?:m\b|\.\s?m\.)"
_DASH = r"\s?[-–—]\s?"
_NTH = r"(?:st|nd|rd|th)"
_M_D = r"(1[0-2]|0?[1-9])/(\d{1,2})"
_NO_DATE = r" (?:of|cup|inch|mile|teaspoon|tablespoon|hour|pound|in\b|cm|mm|oz|tsp|tbsp)|\""
_DAYS = frozenset(day[:3] for day in tables.WEEKDAYS)
_DATED = frozenset(f"{word} " for word in "on due dated ends expires expired".split())
_YEAR = r"(?:,?\s(\d{4}))?(?![\d:])"


def _month(name: str) -> str:
    """Return the name of a month that may be abbreviated."""
    return next(month for month in tables.MONTHS if month[:3] == name[:3].title())


def _day(name: str) -> str:
    """Return the name of a day of the week that may be abbreviated."""
    return next(day for day in tables.WEEKDAYS if day[:3] == name[:3].title())


def _the(match: _Match) -> str:
    """Return "the " unless it stands before the match already."""
    before = match.string[max(0, match.start() - 4) : match.start()].lower()
    return "" if before.endswith(("the ", "this ")) else "the "


def _date(month: int, day: int, in_year: str | None) -> str:
    said = f"{tables.MONTHS[month - 1]} {ordinal(day)}"
    return f"{said}, {year(in_year)}" if in_year else said


def _numeric(match: _Match, in_year: str, month: int, day: int) -> str:
    """Verbalize a date in digits; a month above 12 changes places with the day."""
    if month > 12:
        month, day = day, month
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match[0]
    if len(in_year) == 2:
        in_year = ("20" if int(in_year) < 50 else "19") + in_year
    return _date(month, day, in_year)


def _iso_date(match: _Match) -> str:
    if int(match[3]) > 12:
        return match[0]
    return _numeric(match, match[1], int(match[3]), int(match[4]))


def _short_year(text: str) -> str:
    """Return the words of the last two digits of a year: "'08" is "oh eight"."""
    return f"oh {cardinal(int(text))}" if text[0] == "0" and int(text) else cardinal(int(text))


def _usual_fraction(top: int, bottom: int) -> bool:
    """Whether two numbers with a slash are more often a fraction than a date."""
    return top < bottom and bottom in (2, 3, 4, 5, 6, 8, 10, 12, 16)


def _short_range(match: _Match) -> str:
    """Verbalize a range of dates without a year: "3/1 to 3/15"; fractions are left alone."""
    days = [(int(match[1]), int(match[2])), (int(match[3]), int(match[4]))]
    # "3/16 to 5/16" and "1/2 to 3/4" are ranges of fractions.
    if not all(1 <= day <= 31 for _, day in days) or all(_usual_fraction(*day) for day in days):
        return match[0]
    return " to ".join(_date(month, day, None) for month, day in days)


def _short_date(match: _Match) -> str:
    """Verbalize a date without a year after a word such as "on"; a fraction is left alone."""
    before, month, day = match[1], int(match[2]), int(match[3])
    sure = before[0].isupper() and before[:3] in _DAYS or before.lower() in _DATED
    # A fraction of one has the smaller number first.
    sure = sure or month >= day and before.lower() not in ("of ", "for ")
    if not 1 <= day <= 31 or not sure and (day <= 12 or _usual_fraction(month, day)):
        return match[0]
    # "an area of 1/16": after "of" only these are dates.
    text = match.string[max(0, match.start() - 8) : match.start()].lower()
    if before.lower() == "of " and not text.endswith(("week ", "as ", "weekend ", "night ")):
        return match[0]
    return f"{before}{_date(month, day, None)}"


def _date_before_time(match: _Match) -> str:
    """Verbalize a date without a year before a weekday or a time: "9/10 on Friday"."""
    month, day = int(match[1]), int(match[2])
    before = match.string[max(0, match.start() - 40) : match.start()]
    if not 1 <= day <= 31 or day in (2, 3, 4) and month < day or JUDGED.search(before):
        return match[0]
    return _date(month, day, None)


def _american(match: _Match) -> str:
    return _numeric(match, match[4], int(match[1]), int(match[3]))


def _european(match: _Match) -> str:
    return _numeric(match, match[3], int(match[2]), int(match[1]))


def _month_day(match: _Match) -> str:
    if not 1 <= int(match[2]) <= 31:
        return match[0]
    said = f"{_month(match[1])} {ordinal(match[2])}"
    return f"{said}, {year(match[3])}" if match[3] else said


def _day_month(match: _Match) -> str:
    if not 1 <= int(match[1]) <= 31:
        return match[0]
    said = f"{_the(match)}{ordinal(match[1])} of {_month(match[2])}"
    return f"{said}, {year(match[3])}" if match[3] else said


def _half_of_day(letter: str | None) -> str:
    return f" {letter.upper()} M" if letter else ""


def _time(match: _Match) -> str:
    """Verbalize a time of day with minutes, of 12 hours or 24."""
    hour, minute, second = int(match[1]), int(match[2]), match[3]
    half = _half_of_day(match[4])
    if match[0] == "00:00":
        return "midnight"
    said = cardinal(hour)
    if minute:
        said += (" oh " if minute < 10 else " ") + cardinal(minute)
    elif not half and not second:
        said += " o'clock" if 1 <= hour <= 12 else " hundred"
    if second and int(second):
        said += f" and {cardinal(int(second))} seconds"
    return said + half + sentence_end(match)


def _hour(match: _Match) -> str:
    return cardinal(int(match[1])) + _half_of_day(match[2]) + sentence_end(match)


def _timestamp(match: _Match) -> str:
    """Rewrite a timestamp of ISO 8601, whose date and time other rules verbalize."""
    zone = match[3] or ""
    said = " U T C" if zone else ""
    if zone and zone.upper() != "Z":
        minutes = int(zone[-2:])
        said += f" {'plus' if zone[0] == '+' else 'minus'} {cardinal(int(zone[1:3]))}"
        said += f" {cardinal(minutes)}" if minutes else ""
    clock = re.sub(r":00$", "", match[2]) if match[2].count(":") == 2 else match[2]
    return f"{match[1]} at {clock}{said}"


def _exact_time(match: _Match) -> str:
    hour, minute = int(match[1]), int(match[2])
    said = cardinal(hour) + (" oh " if 0 < minute < 10 else " ")
    return f"{said}{cardinal(minute)} and {number(match[3])} seconds"


def _zone(match: _Match) -> str:
    minutes = f" {cardinal(match[4])}" if match[4] and int(match[4]) else ""
    sign = "plus" if match[2] == "+" else "minus"
    return f"{' '.join(match[1])} {sign} {cardinal(int(match[3]))}{minutes}"


def _day_range(match: _Match) -> str:
    in_year = f", {year(match[4])}" if match[4] else ""
    return f"{_month(match[1])} {ordinal(match[2])} to {ordinal(match[3])}{in_year}"


def _day_range_before(match: _Match) -> str:
    in_year = f", {year(match[4])}" if match[4] else ""
    days = f"{ordinal(match[1])} to {ordinal(match[2])}"
    return f"{_the(match)}{days} of {_month(match[3])}{in_year}"


def _split_year(match: _Match) -> str:
    """Verbalize "2020/21" as a season and "2024/05" as a month; all else is a division."""
    first, second = int(match[1]), int(match[2])
    if len(match[2]) == 2 and second == (first + 1) % 100:
        # Over the turn of a century: "ninety-nine to two thousand".
        low = ("oh " if second < 10 else "") + cardinal(second) if second else year(first + 1)
        return f"{year(first)} to {low}"
    if len(match[2]) == 4:
        return f"{year(first)} to {year(second)}" if second > first else match[0]
    return f"{tables.MONTHS[second - 1]} {year(first)}" if 1 <= second <= 12 else match[0]


def _old_year(match: _Match) -> str:
    text = match[2]
    return f"{match[1]}{three_figures(text) if len(text) == 3 else year(text)}"


#: applied before the amounts: dates and times that look like a range or a decimal
DATE_FORMS: tuple[Rule, ...] = (
    rule(
        r"(?<![\w-])(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(?:[.,]\d{1,9})?"
        r"(Z|[+-]\d{2}:?\d{2})?(?![\w:])",
        _timestamp,
    ),
    rule(r"(?<![\d:.])([01]?\d|2[0-4]):([0-5]\d):([0-5]\d\.\d{1,9})(?![\d:])", _exact_time),
    rule(r"\b(UTC|GMT)\s?([+-])(\d{1,2})(?::(\d\d))?\b", _zone),
    # "8a-6p", "6:30P", but "5p-10p" is money
    rule(
        r"(?<![\w:.$£€-])((?:1[0-2]|0?[1-9])(?::[0-5]\d)?a)(\s?(?:[-–—]|to)\s?)"
        r"((?:1[0-2]|0?[1-9])(?::[0-5]\d)?p)(?!\w|\.\s?m\b)",
        r"\1m\2\3m",
        re.I,
    ),
    rule(r"(?<![\w:.-])((?:1[0-2]|0?[1-9]):[0-5]\d[ap])(?!\w|\.\s?m\b)", r"\1m", re.I),
    rule(rf"(?<![\d:.$£€])(1[0-2]|0?[1-9])\.([0-5]\d)(?={_HALF})", r"\1:\2", re.I),
    rule(
        rf"(?<![\w:.$£€-])({_CLOCK})({_HALF})?{_DASH}(?={_CLOCK}{_HALF})",
        lambda m: f"{m[1]}{m[2] or ''} to ",
        re.I,
    ),
    rule(
        rf"(?<![\w:.$£€-])({_CLOCK}{_HALF}){_DASH}(?=noon\b|midnight\b|late\b|close\b|{_CLOCK})",
        r"\1 to ",
        re.I,
    ),
    rule(rf"\b(noon|midnight){_DASH}(?={_CLOCK})", r"\1 to ", re.I),
    rule(
        r"(?<![\w:.-])((?:[01]?\d|2[0-4]):[0-5]\d)\s?[-–—]\s?(?=(?:[01]?\d|2[0-4]):[0-5]\d(?!\d))",
        r"\1 to ",
    ),
    rule(
        rf"(?<![\w-])(\d{{1,2}})-({_MONTH})-(\d{{4}}|\d\d)(?![\w-])",
        lambda m: f"{m[1]} {_month(m[2])} {m[3] if len(m[3]) == 4 else '20' + m[3]}",
        re.I,
    ),
    rule(rf"\b({_MONTH}) (\d{{1,2}}{_NTH}?){_DASH}({_MONTH}) (?=\d{{1,2}}(?!\d))", r"\1 \2 to \3 "),
    rule(
        rf"(?<![\w.-])(\d{{1,2}}{_NTH}? (?:{_MONTH})){_DASH}(?=\d{{1,2}}{_NTH}? (?:{_MONTH}))",
        r"\1 to ",
    ),
    rule(
        rf"\b({_MONTH}) (\d{{1,2}}){_NTH}?{_DASH}(\d{{1,2}}){_NTH}?\b"
        r"(?!\s?[:/])(?:,? (\d{4})\b)?",
        _day_range,
    ),
    rule(
        rf"(?<![\w.-])(\d{{1,2}}){_NTH}?{_DASH}(\d{{1,2}}){_NTH}? (?:of )?({_MONTH})(?!\w)"
        r"(?:,? (\d{4})\b)?",
        _day_range_before,
    ),
    rule(
        rf"\b({_MONTH})(?: (\d{{4}}))?{_DASH}({_MONTH})(?!\w)",
        lambda m: f"{_month(m[1])}{' ' + year(m[2]) if m[2] else ''} to {_month(m[3])}",
    ),
    rule(rf"\b({_DAY}){_DASH}({_DAY})(?!\w)", lambda m: f"{_day(m[1])} to {_day(m[2])}"),
    rule(
        rf"\b(Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)\b\.?(?=,? (?:{_MONTH}|\d{{1,2}}\b))",
        lambda m: _day(m[1]),
    ),
    rule(r"\b(Mon|Tues?|Wed|Thurs?|Fri|Sat)\.(?=,? [a-z])", lambda m: _day(m[1])),
    rule(r"\bSun\.(?= (?:morning|afternoon|evening|night|at|from|only|through)\b)", "Sunday"),
    rule(
        rf"\b({_SHORT_DAY})\b\.?(\s?(?:[/,&]|and|or)\s?)(?=(?:{_SHORT_DAY}|{_WEEKDAY})\b)",
        lambda m: _day(m[1]) + (", " if m[2] == "/" else m[2]),
    ),
    rule(
        rf"(?<=[yY][,&/ ])( ?(?:and |or |& )?)({_SHORT_DAY})\b(?:\.(?=,| [a-z\d]))?",
        lambda m: m[1] + _day(m[2]),
    ),
    rule(r"\b(Tues?|Thu|Thurs?|Fri)\b", lambda m: _day(m[1])),
    rule(r"\b(Feb|Apr|Aug|Sept?|Oct|Nov|Dec)\b(?!\.)", lambda m: _month(m[1])),
    rule(
        rf"\b((?:{_MONTH}) \d{{1,2}}{_NTH}?(?:, \d{{4}})?){_DASH}"
        rf"(?=(?:{_MONTH}) \d{{1,2}}(?!\d))",
        r"\1 to ",
    ),
    rule(r"(?<![\w.,])(\d{2,4}'?s)\s?[-–—]\s?(?='?\d{2,4}'?s\b)", r"\1 to "),
    rule(r"(?<=:\d\d)\s?h(?:rs?)?\b", " hours"),
    # "Jan '21" is a year and no day of January
    rule(
        rf"\b({_MONTH}),? '(\d\d)(?![\w'])",
        lambda m: f"{_month(m[1])} {_short_year(m[2])}",
    ),
    rule(r"(?<!\w)'(\d\d)(?![\w'])", lambda m: _short_year(m[1]) if m[1][0] == "0" else m[1]),
    rule(
        rf"(?<![\w/.,$£€-]){_M_D}(?:{_DASH}| (?:to|through|thru|until|and) ){_M_D}"
        rf"(?![\w/]|{_NO_DATE})",
        _short_range,
    ),
    rule(
        rf"\b((?:{_DAY}),?(?: the)? |(?i:on|by|until|since|before|after|due|from|for|dated|of|till|"
        rf"ends?|ending|ended|starts?|starting|started|begins?|beginning|began|opens?|opening|"
        rf"closes?|through|thru|effective|expires?|expired) ){_M_D}(?![\w/]|{_NO_DATE})",
        _short_date,
    ),
    rule(
        rf"(?<![\w/.,$£€-]){_M_D}(?=,? (?:on |this |next |last )?(?:{_WEEKDAY})\b"
        rf"|,? (?:at|@) (?:noon\b|midnight\b|{_CLOCK}{_HALF}|\d{{1,2}}:\d\d))",
        _date_before_time,
    ),
    rule(
        r"(?<![\w/.,$£€-])(1[1-9]\d\d|20\d\d)/(\d\d|1[1-9]\d\d|20\d\d)(?![\w/]|[.,-]\d|\s?[=%])",
        _split_year,
    ),
    rule(
        r"(?<![\w/.,$£€-])(0?[1-9]|1[0-2])/(19\d\d|20\d\d)(?![\w/]|[.,-]\d)",
        lambda m: f"{tables.MONTHS[int(m[1]) - 1]} {year(m[2])}",
    ),
    rule(r"(?<![\w.])(\d{1,2})h(\d{2})(?!\w)", r"\1 h \2"),
    rule(r"(?<=\dh)(\s?\d{1,2})m\b", r"\1 min"),
    rule(r"(?<=\dh)(?=\d)", " "),
)
#: applied after the amounts: years that are not read like other numbers
YEARS: tuple[Rule, ...] = (
    rule(r"\b(?:c|ca)\. ?(?=\d{3,4}\b)|\bca (?=\d{4}\b)", "circa "),
    rule(r"(?<![\w.])b\. (?=\d{4}\b)", "born "),
    rule(r"(?<![\w.])d\. (?=\d{4}\b)", "died "),
    rule(
        r"\b((?i:in|since|until|till|by|from|before|after|around|circa|of) )(1\d{3})\b"
        r"(?![,.:/-]\d|\s?%|\s(?!AD|BC|CE)[a-z])",
        _old_year,
    ),
    rule(r"\b((?i:the year|in the year|circa|anno|AD|A\.D\.) )(\d{3,4})\b(?![,.]\d)", _old_year),
    rule(r"\b(In )(\d{3})(?=, )", _old_year),
    rule(r"(?<![\w.,])()(\d{3,4})(?= ?(?:AD|BC|BCE|CE|B\.C\.|A\.D\.)(?!\w))", _old_year),
    # "ten sixty-six", but "one thousand sixty-six people"
    rule(
        rf"(?<![\w.,:/$£€#+-])()(10[1-9]\d)\b(?![,.:/-]\d|\s?[%°]| (?:{tables.COUNTED})\b)",
        _old_year,
    ),
    rule(
        rf"(?<!the )(?<![\w.,:/$£€#+-])(1[01]\d\d|1[2-9]\d\d|20\d\d)(?<!00)"
        rf"(?= (?:{tables.COUNTED})\b)",
        lambda m: cardinal(m[1]),
    ),
    rule(
        r"\b((?i:summer|winter|spring|fall|autumn|class|back|season)(?: of| in)? )'(\d\d)\b",
        lambda m: f"{m[1]}{'oh ' if m[2][0] == '0' else ''}{cardinal(int(m[2]))}",
    ),
    rule(
        r"(?<![\w.,-])(1[1-9]\d\d|20\d\d)\s?[-–]\s?(\d\d)(?![\w-]|[.,:/]\d)",
        lambda m: (
            f"{year(m[1])} to {'oh ' if m[2][0] == '0' else ''}{cardinal(int(m[2]))}"
            if int(m[2]) > int(m[1][2:]) or int(m[1][2:]) > 89
            else m[0]
        ),
    ),
)
#: dates and times of day
DATES: tuple[Rule, ...] = (
    rule(r"(?<![\w/.-])(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?![\w/-])", _iso_date),
    rule(r"(?<![\w/.-])(\d{1,2})([/-])(\d{1,2})\2(\d{4})(?![\w/-])", _american),
    rule(r"(?<![\w/])(\d{1,2})(/)(\d{1,2})/(\d{2})(?![\w/])", _american),
    rule(r"(?<![\w/.-])(\d{1,2})\.(\d{1,2})\.(\d{4})(?![\w/-]|\.\d)", _european),
    rule(rf"\b({_MONTH}) (\d{{1,2}}){_NTH}?\b{_YEAR}", _month_day),
    rule(rf"\b(\d{{1,2}}){_NTH}? (?:of )?({_MONTH})(?!\w){_YEAR}", _day_month),
    rule(rf"\b({_MONTH}),? (\d{{4}})(?!\w)", lambda m: f"{_month(m[1])} {year(m[2])}"),
    rule(
        r"(?<![\d:.])([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?:\s?([ap])(?:m\b|\.\s?m(?:\.|\b)))?"
        r"(?!\d|:\d)",
        _time,
        re.I,
    ),
    rule(r"(?<![\w.:])(1[0-2]|[1-9])\s?([ap])(?:m\b|\.\s?m(?:\.|\b))", _hour, re.I),
)
