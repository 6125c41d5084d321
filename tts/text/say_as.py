"""Verbalization of `<say-as>` in SSML: a text of a given kind to the words that are read.

Kinds and formats are those of the note of the W3C (SSML 1.0 say-as attribute values, 2005), as
common voices interpret them.
"""

import re
import unicodedata
from collections.abc import Callable

from tts.errors import UsageError
from tts.text.english_tables import ADDRESS, MONTHS
from tts.text.numbers import cardinal, digits, fraction, number, ordinal, year
from tts.text.tracked import is_mark

__all__ = ["KINDS", "say_as"]

_DATE = re.compile(r"(\d{1,4})(?:[-/. ](\d{1,4}))?(?:[-/. ](\d{1,4}))?")
#: two digits of a year above this belong to the last century
_CENTURY = 68
_FORMATS = ("mdy", "dmy", "ymd", "md", "dm", "my", "ym", "d", "m", "y")
_DIGITS = re.compile(r"([-−+]?)\s*((?:\d|(?<=\d)[ ,_/-](?=\d)|\.(?=\d))+)")
_DECIMALS = re.compile(r"\d*[.,](?:\d{1,2}|\d{4,})")
# A part of a telephone number: digits, the word for an extension, another word, or a key.
_DIALLED = re.compile(
    r"(\d+)|((?:ext(?:ension|n)?|x)\b\.?(?=:?\s*\d)|x(?=\d))|([^\W\d_]+)|[+*#]", re.IGNORECASE
)
_BETWEEN = " -‐‑–./()[],;:\u00a0"
_KEYS = {"+": "plus", "*": "star", "#": "pound"}
# A duration in minutes and seconds, such as 2'30".
_LENGTH = re.compile(r"(?:(\d{1,3})\s*['’′](?!['’′]))?\s*(?:(\d{1,2})\s*(?:[\"”″]|['’′]{2})?)?")
_CLOCK = re.compile(r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?\s*([ap])?\.?m?\.?", re.IGNORECASE)


def say_as(text: str, kind: str, form: str, language: str) -> str:
    """Return a text as it is to be read, set off by spaces.

    Args:
        text: what the tag holds.
        kind: its `interpret-as`, one of `KINDS`.
        form: its `format`, such as "dmy" for a date; other kinds ignore it.
        language: espeak code. In other languages than English most kinds are left to the rules of
            the language.

    Raises:
        UsageError: the text is not of that kind, or the kind is not known for the language.
    """
    text = " ".join(text.split())
    is_english = language.lower().split("-")[0] == "en"
    found = KINDS[kind](text, form, is_english)
    if not found.strip():
        raise UsageError(f"{text[:20]!r} has nothing to say as {kind}")
    return f" {found} "


def _characters(text: str, _: str, is_english: bool) -> str:
    """Spell a text character by character; a letter and its marks are one."""
    parts: list[str] = []
    for character in unicodedata.normalize("NFC", text):
        if parts and is_mark(character):
            parts[-1] += character
        else:
            parts.append(character)
    if not is_english:
        return " ".join(part for part in parts if part[0].isalnum())
    return " ".join(_character(part) for part in parts if not part.isspace())


def _character(character: str) -> str:
    """Return the name of a letter with its marks, or of another character."""
    if character in "aA":  # espeak would read it as the article
        return "[[ˈeɪ]]"
    if character.isdecimal():
        return digits(character)
    return character.upper() if character[0].isalpha() else ADDRESS.get(character, "")


def _digits(text: str, form: str, is_english: bool) -> str:
    """Read digit by digit; a sign and a decimal point are read as those of a number."""
    if not any(c.isdecimal() for c in text):
        raise UsageError(f"{text[:20]!r} holds no digits")
    found = _DIGITS.fullmatch(text)
    if not found:
        raise UsageError(f"{text[:20]!r} holds other than digits: say it as characters")
    sign, whole = found[1], found[2]
    if not is_english:
        # Only the rules of the language know the words for a sign and a decimal point.
        if sign or _DECIMALS.fullmatch(whole):
            return _cardinal(text, form, is_english)
        return " ".join(c for c in whole if c.isdecimal())
    said = " point ".join(digits(part) for part in whole.split("."))
    return f"minus {said}" if sign in ("-", "−") else said.strip()


def _telephone(text: str, form: str, is_english: bool) -> str:
    """Read the groups of a telephone number, with keys and an extension."""
    if not any(c.isdecimal() for c in text):
        raise UsageError(f"{text[:20]!r} holds no digits")
    parts = []
    at = 0
    for group in _DIALLED.finditer(text):
        if text[at : group.start()].strip(_BETWEEN):
            break
        at = group.end()
        if group[1]:
            parts.append(_digits(group[1], form, is_english))
        elif not is_english:
            parts.append(group[0])
        elif group[2]:
            parts.append("extension")
        elif group[3]:
            parts.append(_dialled_word(group[3]))
        else:
            parts.append(_KEYS[group[0]])
    if text[at:].strip(_BETWEEN):
        raise UsageError(f"{text[:20]!r} is not a telephone number")
    # A key and the word for an extension are read without a pause after them.
    said = ", ".join(parts)
    return re.sub(r"\b(plus|star|pound|extension), ", r"\1 ", said) if is_english else said


def _dialled_word(word: str) -> str:
    """Read the letters of a number as a word, or spell them where no vowel makes them one."""
    if len(word) > 1 and re.search("[aeiouy]", word, re.IGNORECASE):
        return word.lower()
    return _characters(word, "", True)


def _plain_number(text: str) -> tuple[str, str]:
    """Return the words of the sign and the digits of a written number."""
    found = re.fullmatch(r"([-−+]?)\s*(\d[\d,]*(?:\.\d+)?|\.\d+)", text)
    if not found:
        raise UsageError(f"{text[:20]!r} is not a number")
    return ("minus " if found[1] in ("-", "−") else ""), found[2]


def _cardinal(text: str, _: str, is_english: bool) -> str:
    if not is_english:
        return text
    sign, plain = _plain_number(text)
    return sign + number(plain)


def _ordinal(text: str, _: str, is_english: bool) -> str:
    if not is_english:
        raise UsageError("ordinals are known for English only: write the words")
    found = re.fullmatch(r"(\d[\d,]*)(?:st|nd|rd|th)?", text, re.IGNORECASE)
    if not found:
        raise UsageError(f"{text[:20]!r} is not a whole number")
    return ordinal(found[1].replace(",", ""))


def _fraction(text: str, form: str, is_english: bool) -> str:
    found = re.fullmatch(r"(?:(\d{1,9})[ +]+)?(\d{1,9})\s*[/⁄]\s*(\d{1,9})", text)
    if not found:
        raise UsageError(f"{text[:20]!r} is not a fraction such as 3/4")
    if not is_english:
        return text
    part = fraction(int(found[2]), int(found[3]))
    return f"{cardinal(found[1])} and {part}" if found[1] else part


def _date(text: str, form: str, is_english: bool) -> str:
    """Read a date in digits, in the order of the format."""
    form = re.sub(r"[^a-z]", "", form.lower())
    form = re.sub(r"([dmy])\1+", r"\1", form)
    if form == "ymd":
        text = re.sub(r"(\d{4})(\d\d)(\d\d)", r"\1-\2-\3", text) if text.isdecimal() else text
    found = _DATE.fullmatch(text)
    if not found:
        return text  # "May 4th" is normalized as any date
    if not is_english and not form:
        return text  # the rules of the language know their order
    parts = [part for part in found.groups() if part]
    if not form:
        form = {1: "y", 2: "md", 3: "ymd" if len(parts[0]) == 4 else "mdy"}[len(parts)]
    if form not in _FORMATS:
        raise UsageError(f"format {form[:20]!r} of a date is not known: {', '.join(_FORMATS)}")
    if len(form) != len(parts):
        raise UsageError(f"{text[:20]!r} is not a date of the format {form!r}")
    said = {name: int(part) for name, part in zip(form, parts, strict=True)}
    if not 1 <= said.get("m", 1) <= 12 or not 1 <= said.get("d", 1) <= 31:
        raise UsageError(f"{text[:20]!r} is not a date of the format {form!r}")
    if not is_english:
        return _plain_date(said, text, form)
    words = []
    if "m" in said:
        words.append(MONTHS[said["m"] - 1])
    if "d" in said:
        words.append(ordinal(said["d"]))
    spoken = " ".join(words)
    if "y" in said:
        spoken += (", " if "d" in said else " ") + year(said["y"])
    return spoken


def _plain_date(said: dict[str, int], text: str, form: str) -> str:
    """Return a date in the form that the rules of all languages read, year-month-day."""
    if said.keys() != {"d", "m", "y"}:
        if form in ("y", "d", "m"):
            return text
        raise UsageError(
            f"{text[:20]!r}: without a year a date is read in English only: write the words"
        )
    years = said["y"] if said["y"] > 99 else 2000 + said["y"] - 100 * (said["y"] > _CENTURY)
    return f"{years:04}-{said['m']:02}-{said['d']:02}"


def _time(text: str, _: str, is_english: bool) -> str:
    """Read a time of day, or a duration in minutes and seconds."""
    found = _CLOCK.fullmatch(text)
    if not is_english or not found:
        length = _LENGTH.fullmatch(text)
        if is_english and length and re.search("['’′\"”″]", text):
            return _duration(*length.groups())
        return text  # normalized as any text
    hours, minutes, seconds = int(found[1]), int(found[2]), int(found[3] or 0)
    if hours > 24 or minutes > 59 or seconds > 59:
        raise UsageError(f"{text[:20]!r} is not a time of day")
    low = f"oh {cardinal(minutes)}" if 0 < minutes < 10 else cardinal(minutes)
    half = f" {found[4].upper()} M" if found[4] else ""
    if not minutes:
        low = "" if half else ("hundred hours" if hours > 12 else "o'clock")
    spoken = f"{cardinal(hours)} {low}".strip() + half
    return spoken + (f" and {cardinal(seconds)} seconds" if seconds else "")


def _duration(minutes: str | None, seconds: str | None) -> str:
    """Return the words of a duration, without the part that is not given."""
    named = ((minutes, "minute"), (seconds, "second"))
    said = (
        f"{cardinal(int(count))} {unit}{'' if int(count) == 1 else 's'}"
        for count, unit in named
        if count
    )
    return " and ".join(said)


def _as_written(text: str, _: str, __: bool) -> str:
    return text


#: how each kind is read, from the text, the format and whether the language is English
KINDS: dict[str, Callable[[str, str, bool], str]] = {
    "characters": _characters, "spell-out": _characters, "verbatim": _characters,
    "digits": _digits, "telephone": _telephone,
    "cardinal": _cardinal, "number": _cardinal, "ordinal": _ordinal, "fraction": _fraction,
    "date": _date, "time": _time,
    "unit": _as_written, "currency": _as_written, "address": _as_written,
}  # fmt: skip
