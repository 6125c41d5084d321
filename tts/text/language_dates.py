"""Verbalization of dates, times of day and their ranges in the languages of tts.text.languages."""

import re

from tts.text.language_numbers import COUNTED, Numbers, dot_stays
from tts.text.language_ordinals import german_ending
from tts.text.polish_inflection import (
    inflected_ordinal,
    ordinal_genitive,
    year_genitive,
    year_rules,
)
from tts.text.tracked import Rule, rule

__all__ = ["date_rules", "time_rules"]

_Match = re.Match[str]
_HOUR = r"(?:[01]?\d|2[0-4])"
# Two digits of a year belong to the last century from here on.
_CENTURY = 50
# Text before the number of a section or an amount, which looks like a day and a month.
_SECTION = re.compile(
    r"(?i)\b(?:version|kapitel|abschnitt|ziffer|punkt|nr|art|artikel|abb|tab|abbildung|tabelle|"
    r"rozdział|pkt|wersja|ust|artykuł|ustęp|numer|pozycja|tabela|rysunek|nummer|seite|absatz|"
    r"kurs)\.? ?$|[§€$£] ?$"
)
# Words before a date.
_DATED = re.compile(
    r"(?i)\b(?:am|vom|zum|bis|ab|seit|den|dem|der|dnia|dniu|od|do|na|dzień|z|und|i|"
    r"il|dal|el|del|le|du|op|em|dia) ?$"
)
# Words before a day and a month with a slash, which are fractions or scores elsewhere. After those
# of the second list the month must have two digits.
_BEFORE_SLASHED = {
    "fr": ("le|du|au|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche", "et|dès"),
    "es": ("el|del|al|día|lunes|martes|miércoles|jueves|viernes|sábado|domingo",
           "de|a|hasta|desde"),
    "it": ("il|del|dal|al|lunedì|martedì|mercoledì|giovedì|venerdì|sabato|domenica", "di|entro"),
    "pt": ("dia|(?:segunda|terça|quarta|quinta|sexta)(?:-feira)?|sábado|domingo",
           "em|de|do|no|ao|até|desde|o|a"),
    "nl": ("op|vanaf|(?:maan|dins|woens|donder|vrij|zater|zon)dag", "van|tot|tot en met|en|t/m"),
}  # fmt: skip
_ELIDED = "l|dell|all|dall|nell|sull"
_DENOMINATORS = (2, 3, 4, 5, 8, 10)


class _Dates:
    """Verbalizer of the dates of one language. Each method returns the words of a match, or the
    match itself where it is no date."""

    def __init__(self, numbers: Numbers):
        self.numbers, self.words, self.lang = numbers, numbers.words, numbers.lang

    def iso(self, m: _Match) -> str:
        """Verbalize a date of ISO 8601: "2024-05-03"."""
        if not (1 <= int(m[2]) <= 12 and 1 <= int(m[3]) <= 31):
            return m[0]
        return _date(self.numbers, str(int(m[3])), int(m[2]), m[1])

    def numeric(self, m: _Match) -> str:
        """Verbalize a date in digits with its year: "3.5.2024", "3/5/24"."""
        day, month, year = int(m[1]), int(m[3]), m[4]
        if not (1 <= day <= 31 and 1 <= month <= 12):
            return m[0]
        before = _before(m)
        if len(year) == 2:
            # "1.2.24" is a section or a version as often.
            if not (len(m[1]) == len(m[3]) == 2 or _DATED.search(before)):
                return m[0]
            year = ("19" if int(year) >= _CENTURY else "20") + year
        return _date(self.numbers, str(day), month, year, before)

    def short(self, m: _Match) -> str:
        """Verbalize a German or Polish date in digits without a year: "3.5."."""
        before = _before(m)
        valid = 1 <= int(m[1]) <= 31 and 1 <= int(m[2]) <= 12
        if not valid or _SECTION.search(before) or not (m[3] or _DATED.search(before)):
            return m[0]
        stays = m[3] and dot_stays(self.lang, m.string, m.end())
        said = _date(self.numbers, str(int(m[1])), int(m[2]), None, before)
        return said + ("." if stays else "")

    def named(self, m: _Match) -> str:
        """Verbalize a date with the name of its month: "3. Mai 2024"."""
        if not 1 <= int(m[1]) <= 31:
            return m[0]
        month = [each.lower() for each in self.words.months].index(m[2].lower()) + 1
        return _date(self.numbers, m[1], month, m[3], _before(m))

    def first(self, m: _Match) -> str:
        """Verbalize the first day of a range within a month: "3.-5. Mai"."""
        if not 1 <= int(m[1]) <= 31:
            return m[0]
        between = f" {self.words.to} " if m[2].strip() in ("-", "–") else m[2]
        if self.lang == "pl" and m[2].strip() not in ("-", "–"):
            return ordinal_genitive(self.numbers.ordinal(m[1])) + between
        if self.lang == "pl":
            # "1-3 maja" says its "od", unless it is there.
            start = "" if re.search(r"(?i)\bod ?$", _before(m)) else "od "
            return start + ordinal_genitive(self.numbers.ordinal(m[1])) + between
        return _day(self.numbers, m[1], _before(m)) + between

    def elided(self, m: _Match) -> str:
        """Verbalize an Italian first day after an elided article: "l'1 maggio"."""
        article = {"l": "il", "L": "Il"}.get(m[1], m[1][:-1])
        return f"{article} {self.words.first} "

    def slashed(self, m: _Match) -> str:
        """Verbalize a day and a month with a slash, after a word that shows a date."""
        day, month = int(m[1]), int(m[2])
        if not (1 <= day <= 31 and 1 <= month <= 12):
            return m[0]
        padded = len(m[2]) == 2
        surely, often = _BEFORE_SLASHED[self.lang]
        dated = rf"(?i)\b(?:{surely}{'|' + often if padded else ''}),? ?$"
        fraction = m[2][0] != "0" and day < month and month in _DENOMINATORS
        if fraction or not re.search(dated, _before(m)):
            return m[0]
        return _date(self.numbers, str(day), month, None)


def date_rules(numbers: Numbers) -> tuple[Rule, ...]:
    """Return the rules of dates, in digits and with names of months."""
    w, lang = numbers.words, numbers.lang
    dates = _Dates(numbers)
    names = "|".join(w.months)
    full = r"\d{1,2}([./])\d{1,2}[./](?:\d{4}|\d\d)?"
    short_form = {
        "de": r"(?<![\w.,/:-])(\d{1,2})\.(\d{1,2})(\.?)(?![\w/-]|\.\d|,\d| ?(?:%|°|Uhr\b))",
        "pl": r"(?<![\w.,/:-])(\d{1,2})\.(0[1-9]|1[0-2])(\.?)(?![\w/-]|\.\d|,\d| ?(?:%|°|zł))",
    }
    return (
        rule(
            r"(?<![\w./-])(\d{4})-(\d{2})-(\d{2})(?![\w/-])",
            dates.iso,
        ),
        rule(
            rf"(?<![\w./-])({full})\s?[-–]\s?(?=\d{{1,2}}\2\d{{1,2}}(?:\2\d\d|\.(?!\d)))",
            lambda m: f"{m[1]} {w.to} ",
        ),
        *(
            (rule(r"(?<![\w./-])(\d{1,2})\.(\s?[-–]\s?)(?=\d{1,2}\.\d{1,2}\.)", dates.first),)
            if lang == "de"
            else ()
        ),
        rule(
            r"(?<![\w./-])(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d\d)(?![\w/-]|[.,]\d)",
            dates.numeric,
        ),
        *((rule(short_form[lang], dates.short),) if lang in short_form else ()),
        *(
            (rule(r"(?<![\w.,/:–-])(\d{1,2})/(\d{1,2})(?![\w/-]|[.,]\d|\s?%)", dates.slashed),)
            if lang in _BEFORE_SLASHED
            else ()
        ),
        # "l'1 maggio" has another article than "il primo".
        *(
            (rule(rf"\b({_ELIDED})'1[°o]? (?=(?:{names})\b)", dates.elided, re.I),)
            if lang == "it"
            else ()
        ),
        rule(
            r"(?<![\w.,/:–-])(\d{1,2})"
            + {"de": r"\.(\s?[-–]\s?| bis | und )", "pl": r"(\s?[-–]\s?| do | i )"}.get(
                lang, r"(\s?[-–]\s?)"
            )
            + rf"(?=\d{{1,2}}(?:\.|º|°|o)?(?: ?de)? ?(?:{names})\b)",
            dates.first,
            re.I,
        ),
        rule(
            rf"(?<![\w.,])(\d{{1,2}})(?:\.|º|°|er|o|e|de|ste)? ?(?:de )?({names})\b"
            r"(?:(?: de)? (\d{4})\b)?",
            dates.named,
            re.I,
        ),
        *(year_rules(numbers.ordinal) if lang == "pl" else ()),
    )


def _before(m: _Match) -> str:
    """Return the text before a match."""
    return m.string[max(0, m.start() - 40) : m.start()]


def _day(numbers: Numbers, day: str, before: str) -> str:
    """Return the words of the day of a date, inflected after the text before it."""
    w = numbers.words
    if numbers.lang == "de":
        inflected = re.search(
            r"(?i)\b(?:am|vom|zum|dem|den|des|(?<!ter )bis|ab|seit|beim|im|"
            r"(?:vom|am|zum) \w+ten und)(?: \w+tag,)? ?$",
            before,
        )
        ending = "n" if inflected else german_ending(before, " Tag")
        return numbers.ordinal(day) + ("r" if ending is None else ending)
    if numbers.lang == "pl":
        return ordinal_genitive(numbers.ordinal(day))
    if int(day) == 1 and w.first:
        return w.first
    return numbers.whole(str(int(day)))


def _date(numbers: Numbers, day: str, month: int, year: str | None, before: str = "") -> str:
    """Return the words of a date after a text."""
    w = numbers.words
    said = f"{_day(numbers, day, before)} {w.of}{w.months[month - 1]}"
    if not year:
        return said
    if numbers.lang == "pl":
        return f"{said} {year_genitive(numbers.ordinal(year))}"
    return f"{said} {w.of}{numbers.year(year)}"


def time_rules(numbers: Numbers) -> tuple[Rule, ...]:
    """Return the rules of times of day. Those of units read hours that are counted ("8 horas")."""
    w, lang = numbers.words, numbers.lang
    counted = "|".join(sorted(map(re.escape, w.units), key=len, reverse=True))
    what = rf"(?!\s?(?:{counted}|{COUNTED})(?!\w))"

    def single(m: _Match) -> str:
        hour, minute, clock = m.groups()
        if clock and not w.oclock:
            # In Spanish and Italian the word for hours is said only where it is written.
            if minute is None:
                return m[0]
            if not int(minute):
                return numbers.counted(str(int(hour)), *w.units["h"])
            if lang == "es":
                return f"{_time(numbers, hour, minute)} horas"
        return _time(numbers, hour, minute or "0")

    def first(m: _Match) -> str:
        hour, minute, clock = m.groups()
        if minute or (clock and w.oclock):
            said = _time(numbers, hour, minute or "0")
        else:
            said = numbers.whole(str(int(hour)), w.hour_gender if lang != "de" else "")
        return f"{said} {w.to} "

    start = rf"(?<![\w:.,–-])({_HOUR})"
    timed = rf"{_HOUR}(?:[:hH][0-5]\d(?![\w:])|(?:\.[0-5]\d)?\s?(?:{w.clock})(?!\w))"
    return (
        *(_polish(numbers) if lang == "pl" else ()),
        rule(rf"{start}(?:[:.hH]([0-5]\d))?(?:\s?({w.clock}))?\s?[-–]\s?(?={timed})", first),
        rule(
            rf"(?<![\w:.,–-])({_HOUR})\.([0-5]\d)\s?[-–]\s?({_HOUR})\.([0-5]\d)(?![\w:%]|[.,-]\d)"
            + what,
            lambda m: (
                f"{_time(numbers, m[1], m[2])} {w.to} {_time(numbers, m[3], m[4])}"
                if lang != "fr"
                else m[0]
            ),
        ),
        rule(
            rf"(?<![\w:.,/])({_HOUR})[:hH]([0-5]\d)(?![\w:])(?: ?({w.clock})\b)?",
            single,
        ),
        rule(
            rf"(?<![\w:.,/])({_HOUR})(?:\.([0-5]\d))? ?({w.clock})\b(?!\d)",
            single,
        ),
        rule(
            rf"\b((?i:{w.at or '(?!)'})) ({_HOUR})\.([0-5]\d)(?![\w:%]|[.,]\d){what}",
            lambda m: f"{m[1]} {_time(numbers, m[2], m[3])}",
        ),
    )


def _time(numbers: Numbers, hour: str, minute: str, ending: str = "a") -> str:
    """Return the words of a time of day.

    Args:
        ending: the ending of the ordinal that a Polish hour is.
    """
    w, hours = numbers.words, str(int(hour))
    if numbers.lang == "pl":
        said = inflected_ordinal(numbers.ordinal(hours) if int(hours) else "zerowy", ending)
        return said + (f" {numbers.whole(str(int(minute)))}" if int(minute) else "")
    between = w.oclock_one if hours == "1" else w.oclock
    said = f"{numbers.whole(hours, w.hour_gender)} {between}".rstrip()
    if not int(minute):
        return said
    return f"{said} {w.minutes}{numbers.whole(str(int(minute)))}"


_LOCATIVE = ("godzinie", "ej")
_POLISH_CASES = {
    **dict.fromkeys(("o", "po"), _LOCATIVE),
    **dict.fromkeys(("od", "do", "około", "koło"), ("godziny", "ej")),
    **dict.fromkeys(("przed", "między"), ("godziną", "ą")),
    "na": ("godzinę", "ą"),
}
_POLISH_FORMS = {"godzina": "a", "godzinie": "ej", "godziny": "ej", "godzinę": "ą", "godziną": "ą"}


def _polish(numbers: Numbers) -> tuple[Rule, ...]:
    """Return the rules of Polish times: the hour is an ordinal in the case that the word before it
    governs."""
    at = rf"({_HOUR})(?:[:.]([0-5]\d))?"

    def spread(m: _Match) -> str:
        if m[2] is None and ":" not in m[0]:
            return m[0]
        before = "" if not m[2] else f"{m[1] or ''}godzinach "
        start = _time(numbers, m[3], m[4] or "0", "ej")
        return f"{before}od {start} do {_time(numbers, m[5], m[6] or '0', 'ej')}"

    def hour(m: _Match) -> str:
        case = _POLISH_CASES.get((m[1] or "").lower())
        noun, ending = case or ("godzina", "a")
        said = _time(numbers, m[2], m[3] or "0", ending)
        return f"{m[1] + ' ' if m[1] else ''}{noun} {said}"

    cases = "|".join(_POLISH_CASES)
    end = r"(?![\w:]|[.,-]\d)"
    return (
        rule(
            rf"(?<![\w:.,–-])(w )?(godz\.? ?|godzinach )?{at}\s?[-–]\s?{at}{end}"
            rf"(?!\s?(?:h|godz|min|%|{COUNTED})(?!\w))",
            spread,
        ),
        rule(rf"(?:\b((?i:{cases})) )?\bgodz\.? ?{at}{end}", hour),
        rule(
            rf"\b((?i:{'|'.join(_POLISH_FORMS)})) {at}{end}",
            lambda m: f"{m[1]} {_time(numbers, m[2], m[3] or '0', _POLISH_FORMS[m[1].lower()])}",
        ),
        rule(
            rf"\b((?i:{cases})) ({_HOUR}):([0-5]\d)(?![\w:])",
            lambda m: f"{m[1]} {_time(numbers, m[2], m[3], _POLISH_CASES[m[1].lower()][1])}",
        ),
        rule(
            rf"\b((?i:o|po)) ({_HOUR})\.([0-5]\d)(?![\w:%]|[.,]\d)(?!\s?(?:{COUNTED}))",
            lambda m: f"{m[1]} {_time(numbers, m[2], m[3], 'ej')}",
        ),
    )
