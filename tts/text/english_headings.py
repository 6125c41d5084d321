"""Roman numerals that number English headings, items and chapters at the beginning of a line."""

import re

from tts.text.numbers import cardinal, roman
from tts.text.tracked import Rule, rule

__all__ = ["HEADINGS"]

_Match = re.Match[str]
_LINE = r"(?m:^)([ \t]{0,8}(?:#{1,6} |\*{1,2}|> )?)"
_FAR = 3000
#: numerals that stand for something else more often, so that the next or last one must be near
_OTHERS = frozenset("I V X L IV XL LI LIV XX XXX".split())


def _in_sequence(match: _Match, value: int) -> bool:
    """Whether the numeral before or after this one begins another line near by."""
    around = match.string[max(0, match.start() - _FAR) : match.end() + _FAR]
    beside = "|".join(numeral for near in (value - 1, value + 1) if (numeral := _write(near)))
    ends = r"(?:[.):]|\s?[–—-]|$)"
    found = re.search(f"{_LINE}(?:{beside}){ends}", around, re.I | re.M)
    return found is not None


def _write(value: int) -> str:
    """Return the Roman numeral of a number below 90, "" for others."""
    tens, ones = divmod(value, 10)
    if not 0 < value < 90:
        return ""
    tenths = ("", "X", "XX", "XXX", "XL", "L", "LX", "LXX", "LXXX")[tens]
    return tenths + ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")[ones]


def _heading(match: _Match) -> str:
    """Verbalize the numeral of a heading."""
    before, numeral, part = match[1], match[2], match[3]
    upper = numeral.upper()
    value = roman(upper)
    # Letters of both cases and wrong spellings such as "IIII" are no numeral.
    if value is None or _write(value) != upper or numeral not in (upper, upper.lower()):
        return match[0]
    marked = match.string[match.end() : match.end() + 1] in (".", ")")
    known = upper not in _OTHERS or numeral == "IV" and marked
    if not known and not _in_sequence(match, value):
        return match[0]
    return f"{before}{cardinal(value)}" + (f" {part}" if part else "")


#: applied before lines are joined
HEADINGS: tuple[Rule, ...] = (
    # "II. Methods", "iii) the third", "IV.B. Data", "II" on a line of its own
    rule(
        rf"{_LINE}([IVXLivxl]{{1,8}})(?:\.([A-H])(?=\.? ))?"
        r"(?=[.):] {1,4}\S| [–—-]{1,2} \S|\.?[ \t]{0,8}(?m:$)|\. ?[A-Z]|(?<=[IVXL]\.[A-H])\.? )",
        _heading,
    ),
)
