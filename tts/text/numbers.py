"""Numbers to English words (American reading, no "and")."""

import functools
from typing import Any

__all__ = [
    "cardinal", "decimal", "digits", "fraction", "number", "ordinal", "plural", "roman", "year",
]  # fmt: skip

_SCALES = (
    "", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion",
    "septillion", "octillion", "nonillion", "decillion",
)  # fmt: skip
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_HALVES = {2: ("half", "halves"), 4: ("quarter", "quarters")}


@functools.lru_cache(maxsize=1)
def _inflect() -> Any:
    import inflect

    return inflect.engine()


@functools.lru_cache(maxsize=1000)
def _small(n: int) -> str:
    return str(_inflect().number_to_words(n, andword=""))


@functools.lru_cache(maxsize=256)
def _ordinal_word(word: str) -> str:
    return str(_inflect().ordinal(word))


@functools.lru_cache(maxsize=256)
def plural(word: str) -> str:
    """English plural of the last word."""
    return str(_inflect().plural(word))


def cardinal(text: str | int) -> str:
    """Words of a whole number; digit by digit from 37 digits on."""
    text = str(text)
    if len(text) > 3 * len(_SCALES):
        return digits(text)
    groups = []
    for at in range(len(text), 0, -3):
        groups.append(int(text[max(0, at - 3) : at]))
    words = [f"{_small(g)} {_SCALES[n]}".strip() for n, g in enumerate(groups) if g]
    return " ".join(reversed(words)) or "zero"


def ordinal(text: str | int) -> str:
    """Words of an ordinal: 21 gives "twenty-first"."""
    head, dash, last = cardinal(text).rpartition(" ")
    tens, hyphen, unit = last.rpartition("-")
    return f"{head}{dash}{tens}{hyphen}{_ordinal_word(unit)}"


def digits(text: str) -> str:
    """Digit by digit, other characters left out."""
    return " ".join(_small(int(c)) for c in text if c.isdecimal())


def decimal(whole: str, part: str) -> str:
    """ "3", "14" gives "three point one four"."""
    return f"{cardinal(whole or '0')} point {digits(part)}"


def number(text: str) -> str:
    """Words of digits with optional thousands commas and decimal point."""
    whole, dot, part = text.replace(",", "").partition(".")
    return decimal(whole, part) if dot and part else cardinal(whole or "0")


def year(text: str | int) -> str:
    """Words of a year: 1905 is "nineteen oh five", 2005 "two thousand five"."""
    n = int(text)
    high, low = divmod(n, 100)
    if n < 1000 or high % 10 == 0 and low < 10 or n > 9999:
        return cardinal(n)
    if low == 0:
        return f"{_small(high)} hundred"
    return f"{_small(high)} {'oh ' if low < 10 else ''}{_small(low)}"


def fraction(top: int, bottom: int) -> str:
    """3, 4 gives "three quarters"; large denominators are read "over"."""
    if bottom == 0 or bottom == 1 or bottom > 100:
        return f"{cardinal(top)} over {cardinal(bottom)}"
    one, many = _HALVES.get(bottom, ("", ""))
    if not one:
        one = ordinal(bottom)
        many = one + "s"
    return f"{cardinal(top)} {one if top == 1 else many}"


def roman(text: str) -> int | None:
    """Value of a well-formed Roman numeral below 400, else None."""
    values = [_ROMAN[c] for c in text]
    value = sum(-v if v < n else v for v, n in zip(values, [*values[1:], 0], strict=True))
    if not 0 < value < 400:
        return None
    out, rest = "", value
    for amount, letters in (
        (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"),
        (1, "I"),
    ):  # fmt: skip
        out += letters * (rest // amount)
        rest %= amount
    return value if out == text else None
