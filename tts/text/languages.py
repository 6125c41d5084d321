"""Numbers, dates, times, currencies and units of German, French, Spanish, Italian, Portuguese,
Dutch and Polish as they are said. Whole numbers are those of num2words, imported when needed.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from tts.text.language_words import LANGUAGES, Words
from tts.text.polish import (
    cardinal_genitive,
    ordinal_feminine,
    ordinal_genitive,
    year_genitive,
)
from tts.text.tracked import Rule, rule

__all__ = ["rules_of"]

_Match = re.Match[str]
_MAX_DIGITS = 15
_SIGNS = {"€": "EUR", "$": "USD", "£": "GBP", "EUR": "EUR", "USD": "USD", "GBP": "GBP", "zł": "PLN",
          "PLN": "PLN"}  # fmt: skip
_YEAR = re.compile(r"1[1-9]\d\d|20\d\d")
# Polish prepositions after which numbers are in the genitive.
_GENITIVE = "od|do|około|koło|powyżej|poniżej|bez|dla|wśród|zamiast|oprócz|spośród"
_CURRENCY = "|".join(map(re.escape, _SIGNS))


@lru_cache(maxsize=8)
def rules_of(lang: str) -> tuple[Rule, ...]:
    """The rules of an espeak code; none for a language without."""
    base = lang.lower().split("-")[0]
    return _Reader(base, LANGUAGES[base]).rules() if base in LANGUAGES else ()


def _num2words() -> Callable[..., Any]:
    try:
        from num2words import num2words
    except ImportError as error:
        from tts.errors import MissingDependencyError

        raise MissingDependencyError(
            "numbers of this language need num2words: pip install num2words"
        ) from error
    return num2words  # type: ignore[no-any-return]


class _Reader:
    """One language's rules."""

    def __init__(self, lang: str, words: Words):
        self.lang, self.words = lang, words

    def whole(self, digits: str, gender: str = "") -> str:
        """A whole number; beside a noun ("m", "f", "n") in its form."""
        if len(digits) > _MAX_DIGITS or (len(digits) > 1 and digits[0] == "0"):
            return " ".join(self.whole(digit) for digit in digits)
        said = str(_num2words()(int(digits), lang=self.lang))
        for old, new in self.words.forms.get(gender, ()):
            said = re.sub(rf"{old}$", new, said)
        return said

    def ordinal(self, digits: str) -> str:
        return str(_num2words()(int(digits), lang=self.lang, to="ordinal"))

    def number(self, text: str, gender: str = "") -> str:
        """A number as the language writes it: thousands and decimals."""
        text = text.replace("\u202f", " ").replace(" ", "")
        if re.fullmatch(r"\d{1,3}(?:\.\d{3})+(?:,\d+)?", text):
            text = text.replace(".", "")
        whole, _, part = text.replace(".", ",").partition(",")
        if not part:
            return self.whole(whole, gender)
        singly = self.lang == "de" or part[0] == "0" or len(part) > 2
        said = " ".join(self.whole(d) for d in part) if singly else self.whole(part)
        return f"{self.whole(whole)} {self.words.comma} {said}"

    def counted(self, text: str, forms: tuple[str, ...], gender: str) -> str:
        """A number and what it counts, in the form that it asks for."""
        return f"{self.number(text, gender)} {self._form(text, forms)}"

    def _form(self, text: str, forms: tuple[str, ...]) -> str:
        if text == "1":
            return forms[0]
        if len(forms) == 2:
            return forms[1]
        # Polish: 2-4 but not 12-14; decimals take the genitive singular.
        if "," in text:
            return forms[3] if len(forms) > 3 else forms[2]
        few = text[-1] in "234" and text[-2:-1] != "1"
        return forms[1] if few else forms[2]

    def year(self, digits: str) -> str:
        if self.lang in ("de", "nl") and 1100 <= int(digits) < 2000:
            return str(_num2words()(int(digits), lang=self.lang, to="year"))
        return self.whole(digits)

    def money(self, amount: str, sign: str) -> str:
        one = self.words.money[_SIGNS[sign]]
        plain = amount.replace(" ", "").replace("\u202f", "")
        match = re.fullmatch(r"(.*?)[.,](\d\d)", plain)
        if not match:
            return self.counted(plain, one.forms, one.gender)
        whole, cents = re.sub(r"[.,]", "", match[1]), match[2]
        said = [self.counted(whole, one.forms, one.gender)] if int(whole or "0") else []
        if int(cents):
            said.append(self.counted(str(int(cents)), one.cents, one.cent_gender))
        return f" {self.words.cent_join} ".join(said).replace("  ", " ") or self.counted(
            "0", one.forms, one.gender
        )

    def date(self, day: str, month: int, year: str | None, before: str = "") -> str:
        name = self.words.months[month - 1]
        if self.lang == "de":
            bent = re.search(r"(?i)\b(am|vom|zum|dem|den|bis|ab|seit|beim)(?: \w+tag,)? ?$", before)
            said = self.ordinal(day) + (
                "n" if bent else "" if re.search(r"(?i)\bder $", before) else "r"
            )
        elif self.lang == "pl":
            said = ordinal_genitive(self.ordinal(day))
        elif int(day) == 1 and self.words.first:
            said = self.words.first
        else:
            said = self.whole(str(int(day)))
        said = f"{said} {self.words.of}{name}"
        if not year:
            return said
        if self.lang == "pl":
            return f"{said} {year_genitive(self.ordinal(year))}"
        return f"{said} {self.words.of}{self.year(year)}"

    def time(self, hour: str, minute: str) -> str:
        hours = str(int(hour))
        if self.lang == "pl":
            said = ordinal_feminine(self.ordinal(hours)) if int(hours) else "zerowa"
            return said + (f" {self.whole(str(int(minute)))}" if int(minute) else "")
        between = self.words.oclock_one if hours == "1" else self.words.oclock
        said = f"{self.whole(hours, self.words.hour_gender)} {between}".rstrip()
        if not int(minute):
            return said
        return f"{said} {self.words.minutes}{self.whole(str(int(minute)))}"

    def rules(self) -> tuple[Rule, ...]:
        w = self.words
        names = "|".join(w.months)
        units = "|".join(sorted(map(re.escape, w.units), key=len, reverse=True))
        group = r"(?:[  .]\d{3})" if self.lang in ("fr", "pl") else r"(?:\.\d{3})"
        n = rf"(?:\d{{1,3}}{group}{{1,4}}(?!\d)|\d{{1,15}})(?:[,.]\d{{1,15}})?"

        def numeric(m: _Match) -> str:
            day, month = int(m[1]), int(m[2])
            if not (1 <= day <= 31 and 1 <= month <= 12):
                return m[0]
            year = m[3] if len(m[3]) == 4 else "20" + m[3]
            return self.date(str(day), month, year, m.string[max(0, m.start() - 20) : m.start()])

        def named(m: _Match) -> str:
            if not 1 <= int(m[1]) <= 31:
                return m[0]
            before = m.string[max(0, m.start() - 20) : m.start()]
            month = [each.lower() for each in w.months].index(m[2].lower()) + 1
            return self.date(m[1], month, m[3], before)

        def unit(m: _Match) -> str:
            forms, gender = w.units[m[2]]
            return self.counted(m[1], forms, gender)

        return (
            rule(r"\d{16,}", lambda m: " ".join(self.whole(digit) for digit in m[0])),
            rule(
                r"(?<![\w./-])(\d{4})-(\d{2})-(\d{2})(?![\w/-])",
                lambda m: (
                    self.date(str(int(m[3])), int(m[2]), m[1])
                    if 1 <= int(m[2]) <= 12 and 1 <= int(m[3]) <= 31
                    else m[0]
                ),
            ),
            rule(r"(?<![\w./-])(\d{1,2})[./-](\d{1,2})[./-](\d{4})(?![\w/-]|\.\d)", numeric),
            rule(
                rf"(?<![\w.,])(\d{{1,2}})(?:\.|º|°|er|o|e|de|ste)? ?(?:de )?({names})\b"
                r"(?:(?: de)? (\d{4})\b)?",
                named,
                re.I,
            ),
            rule(
                rf"(?<![\w:.,])([01]?\d|2[0-4])[:hH]([0-5]\d)(?![\w:])"
                rf"(?: ?(?:{w.clock})\b)?",
                lambda m: self.time(m[1], m[2]),
            ),
            rule(
                rf"(?<![\w:.,])([01]?\d|2[0-4])(?:\.([0-5]\d))? ?(?:{w.clock})\b",
                lambda m: self.time(m[1], m[2] or "0"),
            ),
            *(self._polish_cases(n, rf"{units}|{_CURRENCY}") if self.lang == "pl" else ()),
            rule(rf"(?<![\w.,])({n})\s?[-–]\s?(?=\d)(?!\d{{1,4}}-)", lambda m: f"{m[1]} {w.to} "),
            rule(rf"(?<!\w)({_CURRENCY})\s?({n})(?!\d)", lambda m: self.money(m[2], m[1])),
            rule(rf"(?<![\w.,])({n})\s?({_CURRENCY})(?!\w)", lambda m: self.money(m[1], m[2])),
            rule(rf"(?<![\w.,])({n})\s?({units})(?![\w/])", unit),
            rule(w.ordinals, self._ordinal) if w.ordinals else rule(r"(?!)", ""),
            rule(r"(?<![\w.,])(1[1-9]\d\d|20\d\d)(?![\w%]|[.,]\d)", lambda m: self.year(m[1])),
            rule(
                rf"((?<![\w)])[-−])?(?<![\w.,])({n})(?![\w])",
                lambda m: (f"{w.minus} " if m[1] else "") + self.number(m[2]),
            ),
            rule(r"(?<=\s)&(?=\s)", w.plus),
        )

    def _polish_cases(self, number: str, counted: str) -> tuple[Rule, ...]:
        """Ranges and what follows prepositions, which ask for the genitive; years stay."""

        def one(text: str, what: str | None) -> str:
            forms, gender = self._counted(what) if what else ((), "")
            said = self.number(text, gender)
            if re.fullmatch(r"\d+", text):
                said = cardinal_genitive(said)
            if not forms:
                return said
            single = text == "1" or "," in text
            return f"{said} {forms[3] if single and len(forms) > 3 else forms[2]}"

        def spread(m: _Match) -> str:
            first, last, what = m.groups()
            if what is None and _YEAR.fullmatch(first) and _YEAR.fullmatch(last):
                return m[0]
            return f"od {one(first, None)} do {one(last, what)}"

        def after(m: _Match) -> str:
            if m[3] is None and _YEAR.fullmatch(m[2]):
                return m[0]
            return f"{m[1]} {one(m[2], m[3])}"

        ends = rf"(?:\s?({counted}))?(?![\w/:])(?![.,]\d)"
        return (
            rule(rf"(?<![\w.,–-])(?i:od )?({number})\s?[-–]\s?({number}){ends}(?!-\d)", spread),
            rule(rf"(?<!\w)((?i:{_GENITIVE})) ({number}){ends}", after),
        )

    def _counted(self, sign: str) -> tuple[tuple[str, ...], str]:
        """The forms and the gender of a unit or currency."""
        if sign in self.words.units:
            return self.words.units[sign]
        money = self.words.money[_SIGNS[sign]]
        return money.forms, money.gender

    def _ordinal(self, m: _Match) -> str:
        suffix = m[2].lower()
        said = self.ordinal(m[1])
        if suffix in ("ª", "a", "re", "ère"):
            said = re.sub(r"o(?=$| )", "a", said) if self.lang != "fr" else said + "e"
            said = said.replace("premiere", "première")
        return said
