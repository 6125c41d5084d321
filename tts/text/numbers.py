"""Verbalization of numbers in English: cardinals, ordinals, decimals, fractions and years.

The words are those of American English, which has no "and" ("one hundred five"). The patterns of
written numbers that the rules of English share are here as well.
"""

__all__ = [
    "LONG_NUMBER", "NUMBER", "NUMBER_WORDS", "cardinal", "decimal", "digits", "fraction", "minus",
    "number", "ordinal", "plural", "roman", "three_figures", "year",
]  # fmt: skip

#: pattern of a written number, with or without thousands separators and decimals
NUMBER = r"(?:\d{1,3}(?:,\d{3}){1,6}|\d{1,15})(?:\.\d{1,15})?"
#: the same with more digits, and with the zero before the decimal point left out (".5")
LONG_NUMBER = r"\d{1,3}(?:,\d{3}){1,10}(?:\.\d{1,40})?|\d{1,40}(?:\.\d{1,40})?|\.\d{1,40}"
# The package inflect gives the same words (a test compares them), but its import takes over a
# second of CPU time, which is more than the whole budget for the first audio.
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
#: alternatives of a pattern: the words that a cardinal may begin or end with
NUMBER_WORDS = "|".join((*_ONES, *_TENS))
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_PLURALS = {"foot": "feet", "century": "centuries"}
_SCALES = (
    "", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion",
    "septillion", "octillion", "nonillion", "decillion",
)  # fmt: skip
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_HALVES = {2: ("half", "halves"), 4: ("quarter", "quarters")}


def _small(n: int) -> str:
    """Return the words of a whole number below 1000."""
    hundreds, rest = divmod(n, 100)
    words = [f"{_ONES[hundreds]} hundred"] if hundreds else []
    if rest >= 20:
        tens, ones = divmod(rest, 10)
        words.append(_TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else ""))
    elif rest or not hundreds:
        words.append(_ONES[rest])
    return " ".join(words)


def _ordinal_word(word: str) -> str:
    return _ORDINALS.get(word) or (word[:-1] + "ieth" if word.endswith("y") else word + "th")


def plural(word: str) -> str:
    """Return a unit or a number word with its last word in the plural."""
    head, gap, last = word.rpartition(" ")
    if last in _PLURALS:
        return head + gap + _PLURALS[last]
    if last.endswith(("s", "x", "ch")):
        return word + "es"
    return word[:-1] + "ies" if last.endswith("ty") else word + "s"


def cardinal(text: str | int) -> str:
    """Return the words of a whole number; from 37 digits on it is read digit by digit."""
    text = str(text)
    if len(text) > 3 * len(_SCALES):
        return digits(text)
    groups = []
    for at in range(len(text), 0, -3):
        groups.append(int(text[max(0, at - 3) : at]))
    words = [f"{_small(g)} {_SCALES[n]}".strip() for n, g in enumerate(groups) if g]
    return " ".join(reversed(words)) or "zero"


def ordinal(text: str | int) -> str:
    """Return the words of an ordinal number: 21 gives "twenty-first"."""
    head, dash, last = cardinal(text).rpartition(" ")
    tens, hyphen, unit = last.rpartition("-")
    return f"{head}{dash}{tens}{hyphen}{_ordinal_word(unit)}"


def digits(text: str) -> str:
    """Read a text digit by digit; characters that are no digits are left out."""
    return " ".join(_small(int(c)) for c in text if c.isdecimal())


def decimal(whole: str, part: str) -> str:
    """Return the words of a decimal: "3" and "14" give "three point one four"."""
    return f"{cardinal(whole or '0')} point {digits(part)}"


def number(text: str) -> str:
    """Return the words of a number that may have thousands separators and a decimal point."""
    whole, dot, part = text.replace(",", "").partition(".")
    return decimal(whole, part) if dot and part else cardinal(whole or "0")


def minus(sign: str | None) -> str:
    """Return "minus " for the sign of a negative number, "" for None or an empty sign."""
    return "minus " if sign else ""


def three_figures(text: str) -> str:
    """Read three digits as those of rooms, roads and old years: "two oh one", "three hundred"."""
    high, low = divmod(int(text), 100)
    rest = f"{'oh ' if low < 10 else ''}{cardinal(low)}" if low else "hundred"
    return f"{cardinal(high)} {rest}"


def year(text: str | int) -> str:
    """Return the words of a year: 1905 is "nineteen oh five", 2005 is "two thousand five"."""
    n = int(text)
    high, low = divmod(n, 100)
    if n < 1000 or high % 10 == 0 and low < 10 or n > 9999:
        return cardinal(n)
    if low == 0:
        return f"{_small(high)} hundred"
    return f"{_small(high)} {'oh ' if low < 10 else ''}{_small(low)}"


def fraction(top: int, bottom: int) -> str:
    """Return the words of a fraction: 3 and 4 give "three quarters".

    Denominators without an ordinal in common use (0, 1 and most above 100) are read with "over".
    """
    if bottom in (100, 1000):
        return f"{cardinal(top)} {'hundredth' if bottom == 100 else 'thousandth'}{'s' * (top != 1)}"
    if bottom == 0 or bottom == 1 or bottom > 100:
        return f"{cardinal(top)} over {cardinal(bottom)}"
    one, many = _HALVES.get(bottom, ("", ""))
    if not one:
        one = ordinal(bottom)
        many = one + "s"
    return f"{cardinal(top)} {one if top == 1 else many}"


def roman(text: str) -> int | None:
    """Return the value of a well-formed Roman numeral below 400, None for other letters.

    Args:
        text: capital letters, all of which are digits of Roman numerals.
    """
    values = [_ROMAN[c] for c in text]
    value = sum(-v if v < n else v for v, n in zip(values, [*values[1:], 0], strict=True))
    if not 0 < value < 400:
        return None
    out, rest = "", value
    for amount, letters in (
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ):
        out += letters * (rest // amount)
        rest %= amount
    return value if out == text else None
