"""Verbalization of English amounts: units of measure, their ranges and rates, and sizes."""

import re

from tts.text import english_tables as tables
from tts.text.english_attributives import attributive, before_noun, in_quotes
from tts.text.english_money import MONEY, MONEY_FORMS, SCALE, SIGNS, scaled
from tts.text.english_sentence_ends import measure_end, starts_sentence
from tts.text.numbers import LONG_NUMBER, NUMBER, cardinal, minus, number, plural
from tts.text.tracked import Rule, rule

__all__ = ["AMOUNTS", "AMOUNT_FORMS", "DOTTED", "INDIAN", "SQUARES", "UNIT_NAMES", "unit_name"]

_Match = re.Match[str]
#: alternatives of a pattern: all symbols of units, the longest first
UNIT_NAMES = "|".join(sorted(map(re.escape, tables.UNITS), key=len, reverse=True))
#: pattern of the dot of an abbreviated unit where the sentence may go on: "2 tsp. salt"
DOTTED = (
    r"(?:(?:(?<=oz|lb|ft|mi|yd|qt|pt|hr|yr|wk)|(?<=lbs|tsp|gal|hrs|min|sec|yrs|wks|mos)"
    r"|(?<=tbsp|Tbsp|mins|secs))\.(?= [A-Za-z(]|[,;:]"
    r"| \d{1,2}\s?(?:oz|in|min|mins|sec|secs|tsp)\b))?"
)
_PER = "|".join(
    re.escape(unit) for unit in sorted({*tables.PER, *tables.UNITS}, key=len, reverse=True)
)
_DASH = r"\s?[-–—]\s?"


def unit_name(short: str, many: bool) -> str:
    """Return the name of a unit: "km/h" is "kilometers per hour".

    Args:
        short: its symbol, a key of `tts.text.english_tables.UNITS`.
        many: whether it is in the plural.
    """
    name = tables.UNITS[short]
    if not many:
        return name
    first, *rest = name.split(" per ", 1)
    if first not in tables.UNCOUNTED:
        head, _, last = first.partition(" ")
        # The first word of "degree Celsius" takes the plural, but the last of "square meter".
        counts_first = head in ("degree", "dot", "part") or last.startswith("of ")
        first = f"{plural(head)} {last}" if counts_first else plural(first)
    return " per ".join([first, *rest])


def _per(short: str) -> str:
    """Return the name of a unit after "per"."""
    return tables.PER.get(short) or tables.UNITS.get(short) or short


def _unit(match: _Match) -> str:
    sign, amount, short = match[1], match[2], match[3]
    many = amount != "1" and not attributive(match)
    if short == "°":
        return f"{minus(sign)}{number(amount)} {'degrees' if many else 'degree'}"
    return f"{minus(sign)}{number(amount)} {unit_name(short, many)}{measure_end(match, short)}"


def _unit_of_noun(match: _Match) -> str:
    # "a 5-oz. Coke"
    over = match[0].endswith(".") and starts_sentence(match.string, match.end())
    return f"{match[1]}-{unit_name(match[2], False)}{'.' if over else ''}"


def _compound_unit(match: _Match) -> str:
    return f"{number(match[1])} {unit_name(match[2], match[1] != '1')} per {_per(match[3])}"


def _scaled_per(match: _Match) -> str:
    return f"{match[1]} per {_per(match[2])}"


def _bare_unit(match: _Match) -> str:
    return f"{unit_name(match[1], True)} per {_per(match[2])}"


def _negative_power(match: _Match) -> str:
    return f"/{match[1]}" + ("^2" if match[2] == "2" else "")


def _bare_square(match: _Match) -> str:
    before = match.string[max(0, match.start() - 12) : match.start()]
    if re.search(r"\d\s?$", before):
        return match[0]
    single = re.search(r"(?:\bper|\ban?|\beach|/|\bone)\s?$", before)
    return unit_name(f"{match[1]}^{match[2]}", not single)


def _unit_range(match: _Match) -> str:
    return f"{'minus ' if match[1] else ''}{number(match[2])} to {match[3]}"


def _angle(match: _Match) -> str:
    said = [f"{number(match[1])} degree{'' if match[1] == '1' else 's'}"]
    if match[2]:
        said.append(f"{number(match[2])} minutes")
    if match[3]:
        said.append(f"{number(match[3])} seconds")
    if match[4]:
        said.append(tables.COMPASS[match[4]])
    return " ".join(said)


def _inches_end(match: _Match) -> str:
    """Return the dot of "in." if it ends the sentence, else nothing."""
    return measure_end(match, "in") if match.string[match.end() :][:2].strip() else ""


def _inches(match: _Match) -> str:
    if match[0][-1] == '"' and in_quotes(match):
        return match[0]
    single = match[1] == "1" or before_noun(match) or attributive(match)
    return f"{number(match[1])} {'inch' if single else 'inches'}{_inches_end(match)}"


def _feet_and_inches(match: _Match) -> str:
    single = attributive(match)
    foot = "foot" if single or match[1] == "1" else "feet"
    inch = "inch" if single else "inches"
    return f"{number(match[1])} {foot} {number(match[2])} {inch}{_inches_end(match)}"


def _by_inches(match: _Match) -> str:
    if match[0][-1] == '"' and in_quotes(match):
        return match[0]
    unit = "inch" if before_noun(match) else "inches"
    return f"{number(match[1])} by {number(match[2])} {unit}"


def _by(match: _Match) -> str:
    return (
        " times " if match.string[match.end() :][:20].lstrip("0123456789. ")[:1] == "=" else " by "
    )


def _thousands(match: _Match) -> str:
    return match[0].replace(" ", ",")


def _by_thousands(match: _Match) -> str:
    return f"{int(match[0].replace(',', '')):,}"


#: applied before any rule of numbers: Indian groups of digits ("12,34,567") become groups of three,
#: but not the numbers of a citation ("[1,12,123]")
INDIAN: Rule = rule(r"(?<![\d.,(\[])[1-9]\d?(?:,\d\d){1,6},\d{3}(?!,?\d|[)\]])", _by_thousands)
#: applied before the powers of numbers: squared and cubed units
SQUARES: tuple[Rule, ...] = (
    rule(r"(?<=[a-zA-Z])(?: |·)(s|h|kg|m|L|mol|K|d)\^-([12])(?!\d)", _negative_power),
    rule(r"(?<![\w/])([kcm]?m|ft|in|mi|yd)\^([23])(?!\d)", _bare_square),
)
#: applied before `AMOUNTS`: other spellings of amounts, ranges, rates and sizes
AMOUNT_FORMS: tuple[Rule, ...] = (
    # "1 000 000", where it is surely one number
    rule(r"(?<![\d.,+-])(?<!\d )[1-9]\d{0,2}(?: \d{3}){0,4} 000(?![\d.,]|[ -]\d)", _thousands),
    # digits as other countries group them, "1.000.000"
    rule(
        r"(?<![\w.,'-])[1-9]\d{0,2}(?:(?:'\d{3}){1,4}|(?:\.\d{3}){2,4})(?![\w'-]|[.,]\d)",
        lambda m: re.sub(r"[.']", ",", m[0]),
    ),
    *MONEY_FORMS,
    rule(rf"(?<![\w$])\$/(?=(?:{_PER})\b)", "dollars per "),
    # "$20k/year", "£3m/yr", "2M/day": millions, which the rules of units would take for meters
    rule(
        rf"(?<![\w.,])((?:{SIGNS}){NUMBER}\s?(?:{SCALE})|{NUMBER}(?:k|K|M|B|bn|tn|mn))"
        rf"\s?/\s?({_PER})(?![\w/^])",
        _scaled_per,
    ),
    rule(r"(?<=[A-Za-z]{2})\s?/\s?(hr|yr|wk|mo)(?!\w)", lambda m: f" per {_per(m[1])}"),
    rule(r"\bper (hr|yr|wk|mo)\b", lambda m: f"per {_per(m[1])}"),
    # units
    rule(
        rf"(?<=\d)\s?({UNIT_NAMES})\.?\s?[xX×]\s?(?=\d{{1,6}}(?:\.\d{{1,3}})?\s?\1(?!\w))",
        " by ",
    ),
    rule(
        r"(?<![\w.,/])(\d{1,6}(?:\.\d{1,3})?)\s?(?:in\.?|\")\s?[xX×]\s?"
        r"(\d{1,6}(?:\.\d{1,3})?)\s?(?:in\b|\")",
        _by_inches,
    ),
    rule(
        r"(?<![\w.,])(\d{1,3})\s?(?:ft|feet|foot)\.?,? ?(\d{1,2}(?:\.\d)?)\s?(?:in\b|inch(?:es)?\b)"
        r"(?:(?<=in)\.(?= [A-Za-z]|[,;:]))?",
        _feet_and_inches,
    ),
    rule(
        rf"(?<![\w.,–-])(-)?({NUMBER})\s?(?:{UNIT_NAMES})?{_DASH}(-?{NUMBER}\s?(?:{UNIT_NAMES}))(?![\w^])",
        _unit_range,
    ),
    rule(rf"(?<![\w.,-])({NUMBER})\s?({UNIT_NAMES})\s?/\s?({_PER})(?![\w^])", _compound_unit),
    rule(
        rf"(?<![\w/.,-])(km|mg|kg|g|μg|MB|GB|KB|kB|TB|m|ml|mL|L|W|kW)/({_PER})(?![\w/^])",
        _bare_unit,
    ),
    rule(rf"(?<=[A-Za-z]{{2}})/(?=(?:{tables.PER_WORDS})\b)", " per "),
    rule(rf"(?<=\d)(?:\s?/)({_PER})(?![\w/^])", lambda m: f" per {_per(m[1])}"),
    rule(
        rf"(?<![\w.,])(\d{{1,6}}(?:\.\d{{1,3}})?)-({UNIT_NAMES}){DOTTED}(?= [A-Za-z])",
        _unit_of_noun,
    ),
    rule(r"(?<=\d)-yr-(?=old)", "-year-"),
    rule(
        r"(?<![\w.,])(\d{1,3}(?:\.\d{1,9})?)\s?°\s?(?:(\d{1,2}(?:\.\d{1,9})?)\s?'\s?)?"
        r"(?:(\d{1,2}(?:\.\d{1,9})?)\s?(?:\"|'')\s?)?([NSEW])?(?![\w°])(?<![°\s])",
        lambda m: _angle(m) if m[2] or m[4] else m[0],
    ),
    rule(
        r"(?<![\w.,'])(\d{1,2})'\s?(\d{1,2})(?:\"|'')",
        lambda m: f"{cardinal(m[1])} foot {cardinal(m[2])}",
    ),
    rule(r"(?<![\w.,'\"/-])(\d{1,3}(?:\.\d{1,2})?)\"(?!\w)", _inches),
    # factors and dimensions
    rule(r"(?<=\d)\s?[*·]\s?(?=\d)", " times "),
    rule(r"(?<=\d)\s?×\s?(?=\d)", " times "),
    rule(r"(?<=\d) [xX] (?=\d)|(?<=\d)[xX](?=\d{1,5}(?!\d))", _by),
    rule(r"(?<![\w.,])(\d{1,6})\s?in\.(?= [A-Za-z]|\s*$|[,;)])", _inches),
    rule(r"(?<![\w.,])(\d{1,6}(?:\.\d{1,3})?)in\b(?!-)", _inches),
    rule(r"(?<=\d)\s?[-–]\s?(\d{1,9})x(?!\w)", r" to \1x"),
    rule(rf"(?<=\d)x\s?/\s?({_PER})(?![\w/^])", lambda m: f" times per {_per(m[1])}"),
    rule(r"(?<=\d)x(?!\w|\s?[+=*/^-])", " times"),
    rule(
        r"(?<![\w.])(\d{1,2})(20|40|60|80)p(?!\w)", lambda m: f"{cardinal(m[1])} {cardinal(m[2])} P"
    ),
    rule(rf"(?<![\w.])(\d)K(?= (?:{tables.PICTURES})\b)", r"\1-K"),
)
#: amounts of money and of units, and scaled numbers
AMOUNTS: tuple[Rule, ...] = (
    *MONEY,
    rule(rf"(?<![\w.,-])(-)?((?:{LONG_NUMBER}))\s?({UNIT_NAMES}){DOTTED}(?![\w^])(?!-\d)", _unit),
    rule(rf"(?<![\w.,])({LONG_NUMBER})(bn|tn|mn|k|K|M|B)\b", lambda m: number(m[1]) + scaled(m[2])),
)
