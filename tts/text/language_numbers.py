"""Verbalization of numbers in one of the languages of tts.text.languages: whole numbers, decimals,
years, amounts of money and digits in groups.
"""

import re
from collections.abc import Callable
from typing import Any

from tts.text.language_words import Words

__all__ = ["COUNTED", "CURRENCY", "SIGNS", "Numbers", "dot_stays"]

_MAX_DIGITS = 15
#: codes of currencies by their signs
SIGNS = {"€": "EUR", "$": "USD", "US$": "USD", "R$": "BRL", "£": "GBP", "EUR": "EUR",
         "USD": "USD", "GBP": "GBP", "BRL": "BRL", "zł": "PLN", "PLN": "PLN"}  # fmt: skip
#: alternatives of a pattern: signs of currencies, the longest first
CURRENCY = "|".join(sorted(map(re.escape, SIGNS), key=len, reverse=True))
# Words of currencies count after a number only; before one they are a name ("Euro 2024").
_NAMES = dict.fromkeys(("Euro", "euro", "euros"), "EUR")
COUNTED = CURRENCY + "|" + "|".join(sorted(_NAMES, key=len, reverse=True))
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?")
# Digits as English groups them, which more than one comma, or commas and a point, show.
_ENGLISH = re.compile(r"[1-9]\d{0,2}(?:(?:,\d{3})+\.\d{1,2}|(?:,\d{3}){2,})")
_PLAIN = re.compile(r"\d+(?:[.,]\d+)?")
# The preposition of Romance languages between millions and what they count.
_OF = {"fr": "de", "es": "de", "it": "di", "pt": "de"}
_GERMAN_STARTERS = frozenset(
    "Der Die Das Ein Eine Er Sie Es Ich Wir Ihr Du Man Dann Danach Da Dort Hier Heute Gestern "
    "Morgen Und Aber Doch Denn Wenn Als Weil Ob Was Wer Wie Wo Warum In Im Am An Auf Aus Bei Mit "
    "Nach Nun Von Vor Zu Zum Zur Für Seit Bis Ab Alle Viele Jetzt Diese Dieser Dieses Mein Meine "
    "Sein Seine Ihre Unser Unsere Kein Keine Auch So Noch Schon Nur Damals Später Bald Trotzdem "
    "Deshalb Leider Dabei Damit Davon Dazu Daher Darum Davor Vielleicht Endlich Zuerst Schließlich "
    "Dieses Jeder Jede Jedes Niemand Jemand Nicht Manche Beide Bitte Während Obwohl Nachdem Bevor "
    "Sobald Außerdem".split()
)


def _num2words() -> Callable[..., Any]:
    """Import num2words; MissingDependencyError where it is not installed."""
    try:
        from num2words import num2words
    except ImportError as error:
        from tts.errors import MissingDependencyError

        raise MissingDependencyError(
            "numbers of this language need num2words: pip install num2words"
        ) from error
    return num2words  # type: ignore[no-any-return]


def _currency(sign: str) -> str:
    return SIGNS.get(sign) or _NAMES[sign]


def dot_stays(lang: str, text: str, end: int) -> bool:
    """Whether the dot of an abbreviation or an ordinal also ends its sentence, by what follows.

    Args:
        lang: language of the text; German nouns begin with a capital within a sentence too.
        text: the whole text.
        end: the place after the dot.
    """
    following = re.match(r"[^\S\n]*([^\W\d_]+|\n|$)?", text[end : end + 40])
    word = following[1] if following else None
    if word is None:
        return False
    if not word.strip():
        return True
    return word in _GERMAN_STARTERS if lang == "de" else word[0].isupper()


class Numbers:
    """Numbers of one language in words. Methods get numbers as they are written.

    Args:
        lang: code of the language, a key of `tts.text.language_words.LANGUAGES`.
        words: words of the language.
        spoken: the name of the language in num2words, where it is a variant of `lang`.
    """

    def __init__(self, lang: str, words: Words, spoken: str = ""):
        self.lang, self.words, self.spoken = lang, words, spoken or lang

    def whole(self, digits: str, gender: str = "") -> str:
        """Return the words of a whole number, in the form before a noun of a gender ("m", "f" or
        "n") where one is given."""
        if len(digits) > _MAX_DIGITS or (len(digits) > 1 and digits[0] == "0"):
            return self.singly(digits)
        # Brazilian number words have commas, which would be pauses.
        said = str(_num2words()(int(digits), lang=self.spoken)).replace(",", "")
        if self.lang == "es":
            said = re.sub(r"(veinti)?uno(?= mil\b)", lambda m: "veintiún" if m[1] else "un", said)
        for old, new in self.words.forms.get(gender, ()):
            said = re.sub(rf"{old}$", new, said)
        return said

    def singly(self, digits: str) -> str:
        """Read a number digit by digit."""
        return " ".join(self.whole(digit) for digit in digits)

    def ordinal(self, digits: str) -> str:
        """Return the ordinal of num2words."""
        return str(_num2words()(int(digits), lang=self.lang, to="ordinal"))

    def number(self, text: str, gender: str = "") -> str:
        """Return the words of a number that may have separators of thousands and decimals. Digits
        with other separators are read in groups.

        Args:
            gender: of a noun that the number stands before.
        """
        text = self.plain(text)
        if not _PLAIN.fullmatch(text):
            return self.groups(text)
        whole, _, part = text.replace(".", ",").partition(",")
        if not part:
            return self.whole(whole, gender)
        singly = self.lang == "de" or part[0] == "0" or len(part) > 2
        said = self.singly(part) if singly else self.whole(part)
        return f"{self.whole(whole)} {self.words.comma} {said}"

    def plain(self, text: str) -> str:
        """Return a number without separators of thousands."""
        text = text.replace("\u202f", "").replace(" ", "")
        if _THOUSANDS.fullmatch(text):
            return text.replace(".", "")
        if _ENGLISH.fullmatch(text):
            return text.replace(",", "").replace(".", ",")
        return text

    def groups(self, text: str) -> str:
        """Read groups of digits: dots of versions and addresses are words, commas are pauses."""
        said = [self.whole(part) if part.isdecimal() else part for part in
                re.findall(r"\d+|\D", text)]  # fmt: skip
        return "".join(
            f" {self.words.dot} " if part == "." else ", " if part == "," else part for part in said
        )

    def telephone(self, text: str) -> str:
        """Read a telephone number: pairs of digits as numbers, longer groups digit by digit."""
        said, before = "", 0
        for group in re.findall(r"\d+", text):
            size = len(group)
            between = "" if not before else ", " if max(before, size) > 2 else " "
            said += between + (self.whole(group) if size <= 2 else self.singly(group))
            before = size
        return said

    def counted(self, text: str, forms: tuple[str, ...], gender: str) -> str:
        """Return the words of a number and of what it counts, in the form that it governs.

        Args:
            forms, gender: of the noun, see `noun`.
        """
        what = self.form(text, forms)
        if self.lang in _OF and re.fullmatch(r"[1-9]\d*0{6}", self.plain(text)):
            what = self.of(what)
        said = f"{self.number(text, gender)} {what}"
        return re.sub(r"^una (?=[aeiou])", "un'", said) if self.lang == "it" else said

    def of(self, what: str) -> str:
        """Return what is counted in millions or fractions, with its preposition."""
        if self.lang not in _OF:
            return what
        if self.lang == "fr" and re.match(r"(?i)[aeiouyéèêh]", what):
            return f"d'{what}"
        return f"{_OF[self.lang]} {what}"

    def form(self, text: str, forms: tuple[str, ...]) -> str:
        """Return the form of a noun that a number governs."""
        if text == "1":
            return forms[0]
        if len(forms) == 2:
            return forms[1]
        # Polish has a form for 2 to 4 but not 12 to 14; decimals govern the genitive singular.
        if "," in text:
            return forms[3] if len(forms) > 3 else forms[2]
        few = text[-1] in "234" and text[-2:-1] != "1"
        return forms[1] if few else forms[2]

    def noun(self, sign: str) -> tuple[tuple[str, ...], str]:
        """Return the forms and the gender of a unit or a currency by its sign."""
        if sign in self.words.units:
            return self.words.units[sign]
        money = self.words.money[_currency(sign)]
        return money.forms, money.gender

    def year(self, digits: str) -> str:
        """Return the words of a year of four digits."""
        if self.lang in ("de", "nl") and 1100 <= int(digits) < 2000:
            return str(_num2words()(int(digits), lang=self.lang, to="year"))
        return self.whole(digits)

    def money(self, amount: str, sign: str) -> str:
        """Return the words of an amount of money with its hundredths.

        Args:
            amount: the number; sign: the sign of the currency.
        """
        one = self.words.money[_currency(sign)]
        plain = self.plain(amount)
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
