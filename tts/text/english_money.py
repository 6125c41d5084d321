"""Verbalization of English amounts of money: "$5M", "Rs. 2 lakh", "EUR 3-5 bn"."""

import re

from tts.text import english_tables as tables
from tts.text.english_attributives import attributive
from tts.text.numbers import LONG_NUMBER, NUMBER, cardinal, minus, number
from tts.text.tracked import Rule, rule

__all__ = ["MONEY", "MONEY_FORMS", "SCALE", "SIGNS", "scaled"]

_Match = re.Match[str]
SCALE = r"thousand|lakh|crore|million|billion|trillion|Cr|cr|bn|tn|mn|k|K|m|M|b|B|(?<=\d)T"
_BY_LENGTH = sorted(tables.CURRENCIES, key=len, reverse=True)
SIGNS = "|".join(re.escape(c) for c in _BY_LENGTH if not c.isalpha())
_MARKS = "|".join(re.escape(c) for c in _BY_LENGTH if not c.isalpha() or c.islower())
_CODES = "|".join(c for c in tables.CURRENCIES if c.isalpha() and c.isupper())
_AFTER = "|".join(re.escape(c) for c in tables.CURRENCIES if len(c) == 1 or c.islower())
_DOLLARS = "USD|AUD|CAD|NZD|HKD|SGD"
_SHORT_PER = {"pw": "week", "pcm": "month", "pa": "year"}
_DASH = r"\s?[-–—]\s?"


def scaled(short: str | None) -> str:
    """Return the name of an abbreviated scale such as "bn", with a space before it; "" for none."""
    return f" {tables.SCALES.get(short, short.lower())}" if short else ""


def _decimal_comma(match: _Match) -> str:
    return match[1] + match[2].replace(".", "") + "." + match[3]


def _money(match: _Match) -> str:
    return money(match[1], match[2], match[3], match[4], attributive(match))


def money(
    sign: str | None, currency: str, amount: str, scale: str | None, attributive: bool = False
) -> str:
    """Return the words of an amount of money.

    Args:
        sign: of a negative amount.
        currency: a key of `tts.text.english_tables.CURRENCIES`.
        amount: a number, which may have thousands separators and decimals.
        scale: such as "million" or "bn".
        attributive: whether it stands before a noun and is singular ("a five dollar bill").
    """
    one, many, cent, cents = tables.CURRENCIES[currency]
    if attributive:
        many, cents = one, cent
    amount = amount.replace(",", "")
    whole, _, part = amount.partition(".")
    if scale or (part and len(part) != 2) or not cent:
        unit = one if amount == "1" and not scale else many
        return f"{minus(sign)}{number(amount)}{scaled(scale)} {unit}"
    said = []
    if int(whole or "0") or not int(part or "0"):
        said.append(f"{cardinal(int(whole or '0'))} {one if whole == '1' else many}")
    if part and int(part):
        said.append(f"{cardinal(int(part))} {cent if int(part) == 1 else cents}")
    return minus(sign) + " and ".join(said)


def _trailing_currency(match: _Match) -> str:
    if not match[3]:
        return money(match[1], match[4], match[2], None, attributive(match))
    return f"{minus(match[1])}{number(match[2])} {match[3]} {tables.CURRENCIES[match[4]][1]}"


def _money_range(match: _Match) -> str:
    sign, first, scale, second = match.groups()
    if "." in first and len(first.partition(".")[2]) == 2 and not scale:
        return f"{money(None, sign, first, None)} to {sign}{second}"
    middle = scaled(scale)
    return f"{number(first)}{middle} to {sign}{second}"


def _money_range_after(match: _Match) -> str:
    return f"{number(match[1])} to {match[3]}{match[2]}"


#: applied before the units: other spellings of amounts of money, and their ranges
MONEY_FORMS: tuple[Rule, ...] = (
    rule(
        r"\$(100|1,?000|1,?000,?000)s\b(?: of (thousands|[mbtr]+illions)\b)?",
        lambda m: (
            f"{cardinal(m[1].replace(',', '')).removeprefix('one ')}s of "
            f"{m[2] + ' of ' if m[2] else ''}dollars"
        ),
    ),
    rule(r"(?<=\d)\s?元", " yuan"),
    rule(r"(?<=\d)\s?円", " yen"),
    rule(r"(?<=\d)\s?kr\b", " kroner"),
    rule(
        rf"(?<![\w.,$£€-])({NUMBER})(k|K|M|B|bn)\s?[-–]\s?(?={NUMBER}\2\b)",
        r"\1\2 to ",
    ),
    rule(r"\bRs\.?\s?(?=\d)", "₹"),
    rule(r"(?<=\d)/-(?![\w-])", ""),
    rule(r"(?<=\d)\.[-–—](?!\w)", ""),
    rule(rf"\$\s?({NUMBER})\s?({_DOLLARS})\b", r"\1 \2"),
    rule(rf"\b({_DOLLARS})\$\s?(?=\d)", r"\1 "),
    rule(rf"(?<!\w)((?:{SIGNS}){NUMBER})-(?=(?:{SCALE})\b)", r"\1 "),
    rule(
        rf"(?<!\w)({SIGNS})\s?(\d{{1,3}}(?:\.\d{{3}}){{0,4}}|\d{{1,9}}),(\d\d)\b(?![,.]?\d)",
        _decimal_comma,
    ),
    rule(r"(?<![\w.,])()(\d{1,3}(?:\.\d{3}){0,4}|\d{1,9}),(\d\d)(?=\s?[€])", _decimal_comma),
    rule(rf"(?<!\w)({SIGNS})\s?-\s?(?=\d)", r"-\1"),
    rule(rf"(?<![^\s(])-\s(?=(?:{SIGNS})\d)(?<!\w -\s)", "-"),
    rule(
        rf"(?<!\w)({SIGNS})({NUMBER})\s?({SCALE})?(?:{_DASH}|\s?to\s?)(?:\1)?({NUMBER})(?![\d%])",
        _money_range,
    ),
    rule(
        rf"(?<![\w.,])({_CODES})\s?({NUMBER}){_DASH}(?:\1\s?)?({NUMBER})(?![\w%])",
        lambda m: f"{number(m[2])} to {m[3]} {m[1]}",
    ),
    rule(
        rf"(?<![\w.,])({NUMBER}){_DASH}({NUMBER}) ?({_CODES})\b",
        lambda m: f"{number(m[1])} to {m[2]} {m[3]}",
    ),
    rule(rf"(?<![\w.,])({NUMBER}){_DASH}({NUMBER})\s?({_AFTER})(?![\w$€£])", _money_range_after),
    rule(
        rf"(?<![\w.,$£€])({NUMBER})(?:\s?({SCALE})\b)?\s?({_AFTER})(?![\w$€£])(?!\s?\d)",
        lambda m: f"{m[3]}{m[1]}{m[2] or ''}",
    ),
    rule(
        rf"(?<![\w.,])({_CODES})\s?({NUMBER})(?:\s?({SCALE})\b)?",
        lambda m: f"{m[2]} {scaled(m[3]).strip() + ' ' if m[3] else ''}{m[1]}",
    ),
    rule(r"(?<![\w.,$£€])(\d{1,2})p(?!\w|\.\s?m\b)", lambda m: f"£0.{m[1].zfill(2)}"),
    rule(
        rf"(?<!\w)((?:{SIGNS}){NUMBER}(?:\s?(?:{SCALE}))?)\s?(pw|pcm|pa)\b",
        lambda m: f"{m[1]} per {_SHORT_PER[m[2]]}",
    ),
)
#: amounts of money
MONEY: tuple[Rule, ...] = (
    rule(rf"(-)?(?<!\w)({_MARKS})\s?({LONG_NUMBER})(?:\s?({SCALE})\b(?!&))?(?!\d)", _money),
    rule(
        rf"(?<![\w.,])(-)?({LONG_NUMBER})(?: (thousand|[mbtr]+illion))?\s?({_CODES})\b",
        _trailing_currency,
    ),
)
