"""English text with numbers, dates, units, abbreviations and symbols written out.

Every pattern starts at a boundary and has bounded repeats, so that the passes stay linear.
"""

import re

from tts.text import lexicon
from tts.text.english_forms import FORMS, MONTH, month
from tts.text.numbers import (
    cardinal,
    decimal,
    digits,
    fraction,
    number,
    ordinal,
    plural,
    roman,
    year,
)
from tts.text.tracked import Rule, rule

__all__ = ["RULES"]

_Match = re.Match[str]
_NUM = r"\d{1,3}(?:,\d{3}){1,10}(?:\.\d{1,40})?|\d{1,40}(?:\.\d{1,40})?|\.\d{1,40}"
_MONTH = MONTH
_SCALE = r"thousand|million|billion|trillion|bn|tn|mn|k|K|m|M|b|B"
_UNIT = "|".join(sorted(map(re.escape, lexicon.UNITS), key=len, reverse=True))
_SIGNS = "|".join(
    re.escape(c)
    for c in sorted(lexicon.CURRENCIES, key=len, reverse=True)
    if not c.isalpha() or c.islower()
)
_CODES = "|".join(c for c in lexicon.CURRENCIES if c.isalpha() and c.isupper())
_TLD = "com|org|net|edu|gov|io|ai|dev|app|info|uk|de|fr|es|it|eu|ca|au|us|tv|me|co"


def _spell(letters: str) -> str:
    return " ".join(letters.upper())


def _sign(sign: str | None) -> str:
    return "minus " if sign else ""


def _address(match: _Match) -> str:
    text = re.sub(r"^https?://", "", match[0])
    bare = text.rstrip(".,;:!?)'\"")
    end = text[len(bare) :]
    text = bare.rstrip("/")
    text = re.sub(r"^www(?=\.)", "W W W", text)
    text = re.sub(r"[^\w\s'@./:?&=#%+~-]", " ", text)
    for mark, word in lexicon.ADDRESS.items():
        text = text.replace(mark, f" {word} ")
    return " " + text + end


def _phone(match: _Match) -> str:
    groups = re.findall(r"\+?\d+", match[0])
    said = ["plus " + digits(g) if g[0] == "+" else digits(g) for g in groups]
    return ", ".join(said)


def _date(month: int, day: int, in_year: str | None) -> str:
    said = f"{lexicon.MONTHS[month - 1]} {ordinal(day)}"
    return f"{said}, {year(in_year)}" if in_year else said


def _iso_date(match: _Match) -> str:
    month, day = int(match[2]), int(match[3])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match[0]
    return _date(month, day, match[1])


def _slash_date(match: _Match) -> str:
    month, day = int(match[1]), int(match[2])
    if month > 12:
        month, day = day, month
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match[0]
    in_year = match[3]
    if len(in_year) == 2:
        in_year = ("20" if int(in_year) < 50 else "19") + in_year
    return _date(month, day, in_year)


def _month_day(match: _Match) -> str:
    if not 1 <= int(match[2]) <= 31:
        return match[0]
    return _date(month(match[1]), int(match[2]), match[3])


def _day_month(match: _Match) -> str:
    if not 1 <= int(match[1]) <= 31:
        return match[0]
    the = "" if match.string[: match.start()].lower().endswith("the ") else "the "
    said = f"{the}{ordinal(match[1])} of {lexicon.MONTHS[month(match[2]) - 1]}"
    return f"{said}, {year(match[3])}" if match[3] else said


def _month_year(match: _Match) -> str:
    return f"{lexicon.MONTHS[month(match[1]) - 1]} {year(match[2])}"


def _half_of_day(letter: str | None) -> str:
    return f" {letter.upper()} M" if letter else ""


def _time(match: _Match) -> str:
    hour, minute, second = int(match[1]), int(match[2]), match[3]
    half = _half_of_day(match[4])
    said = cardinal(hour)
    if minute:
        said += (" oh " if minute < 10 else " ") + cardinal(minute)
    elif not half and not second:
        said += " o'clock" if 1 <= hour <= 12 else " hundred"
    if second:
        said += f" and {cardinal(int(second))} seconds"
    return said + half + _sentence_end(match)


def _hour(match: _Match) -> str:
    return cardinal(int(match[1])) + _half_of_day(match[2]) + _sentence_end(match)


def _scale(short: str | None) -> str:
    return f" {lexicon.SCALES.get(short, short)}" if short else ""


def _money(match: _Match) -> str:
    return money(match[1], match[2], match[3], match[4])


def money(sign: str | None, currency: str, amount: str, scale: str | None) -> str:
    """Words of an amount of money."""
    one, many, cent, cents = lexicon.CURRENCIES[currency]
    amount = amount.replace(",", "")
    whole, _, part = amount.partition(".")
    if scale or (part and len(part) != 2) or not cent:
        unit = one if amount == "1" and not scale else many
        return f"{_sign(sign)}{number(amount)}{_scale(scale)} {unit}"
    said = []
    if int(whole or "0") or not int(part or "0"):
        said.append(f"{cardinal(int(whole or '0'))} {one if whole == '1' else many}")
    if part and int(part):
        said.append(f"{cardinal(int(part))} {cent if int(part) == 1 else cents}")
    return _sign(sign) + " and ".join(said)


def _unit(match: _Match) -> str:
    if match[3] == "°":
        return f"{_sign(match[1])}{number(match[2])} {'degree' if match[2] == '1' else 'degrees'}"
    name = lexicon.UNITS[match[3]]
    if match[2] != "1":
        first, *rest = name.split(" per ", 1)
        if first not in lexicon.UNCOUNTED:
            head, _, last = first.partition(" ")
            # "degree Celsius" counts its first word, "square meter" its last.
            first = f"{plural(head)} {last}" if head == "degree" and last else plural(first)
        name = " per ".join([first, *rest])
    return f"{_sign(match[1])}{number(match[2])} {name}"


def _fraction(match: _Match) -> str:
    top, bottom = int(match[2]), int(match[3])
    if match[1]:
        part = fraction(top, bottom)
        part = "a" + part[3:] if part.startswith("one ") else part
        return f"{number(match[1].strip())} and {part}"
    if top >= bottom:
        return f"{cardinal(top)} {cardinal(bottom)}"
    return fraction(top, bottom)


def _range(match: _Match) -> str:
    return f"{_bare(match[1])} to {_bare(match[2])}"


def _bare(text: str) -> str:
    """A number without unit or mark: years, codes with leading zeros, long codes, amounts."""
    if len(text) > 1 and text[0] == "0":
        return digits(text)
    if len(text) == 4 and 1100 <= int(text) < 2100:
        return year(text)
    return number(text)


def _plain_number(match: _Match) -> str:
    sign, text = match[1], match[2]
    if "." in text:
        whole, _, part = text.replace(",", "").partition(".")
        return _sign(sign) + decimal(whole, part)
    return _sign(sign) + (cardinal(text.replace(",", "")) if "," in text else _bare(text))


def _long(match: _Match) -> str:
    return f" {digits(match[0])} "


def _decade(match: _Match) -> str:
    century, tens = match[1], int(match[2])
    word = plural(cardinal(tens * 10)) if tens else "hundreds"
    if tens == 1:
        word = "tens"
    if not century:
        return word
    if century == "20" and not tens:
        return "two thousands"
    return f"{cardinal(century)} {word}"


def _roman_part(match: _Match) -> str:
    value = roman(match[2])
    return match[0] if value is None else f"{match[1]} {cardinal(value)}"


def _roman_name(match: _Match) -> str:
    title, name, numeral = match[1], match[2], match[3]
    value = roman(numeral)
    # A lone I is the pronoun unless a title makes it a number.
    if value is None or (numeral in ("I", "V", "X") and not title):
        return match[0]
    if title or name in lexicon.REGNAL:
        return f"{title or ''}{name} the {ordinal(value)}"
    return f"{name} {cardinal(value)}"


def _abbreviation(match: _Match) -> str:
    word = match[1].lower()
    return lexicon.ABBREVIATIONS[word] + ("" if word in lexicon.TITLES else _sentence_end(match))


def _sentence_end(match: _Match) -> str:
    """The dot of an abbreviation also ends the sentence at the end or before a capital."""
    rest = match.string[match.end() : match.end() + 3]
    ends = not rest.strip() or "\n" in rest or rest[0] == " " and rest.lstrip()[:1].isupper()
    return "." if match[0].endswith(".") and ends else ""


def _saint_or_street(match: _Match) -> str:
    before, word, after = match[1], match[2].lower(), match[3]
    street = {"st": "street", "dr": "drive"}[word]
    title = {"st": "saint", "dr": "doctor"}[word]
    if before and not after:
        return (
            before
            + street
            + ("." if not match.string[match.end() : match.end() + 3].strip() else "")
        )
    return (before or "") + title


def _initials(match: _Match) -> str:
    letters = match[0].replace(".", "").replace(" ", "")
    known = lexicon.LATIN.get(letters.lower()) if letters[1:].islower() else None
    rest = match.string[match.end() : match.end() + 3]
    if known and letters[0].isupper():
        known = known[0].upper() + known[1:]
    # "U.S. Army" and "J. R. Smith" go on; a word that begins sentences ends the one before.
    after = re.match(r"\s+([A-Z][a-z']*)", match.string[match.end() : match.end() + 20])
    starts = after is not None and after[1] in lexicon.STARTERS
    end = "." if not rest.strip() or "\n" in rest or starts else ""
    return (known or _spell(letters)) + end


def _capitals(match: _Match) -> str:
    word, end = match[1], match[2] or ""
    if word in lexicon.WORDS or (word not in lexicon.SPELLED and _pronounceable(word)):
        return match[0]
    return _spell(word) + ("'s" if end else "")


def _pronounceable(word: str) -> bool:
    if len(word) < 4:
        return False
    return re.fullmatch(r"(?:[^AEIOU]{0,2}[AEIOUY]{1,2}[^AEIOU]{0,2}){1,4}", word) is not None


def _trailing_currency(match: _Match) -> str:
    scale = f"{match[3]} " if match[3] else ""
    if not scale:
        return money(match[1], match[4], match[2], None)
    return f"{_sign(match[1])}{number(match[2])} {scale}{lexicon.CURRENCIES[match[4]][1]}"


def _letter_power(match: _Match) -> str:
    if not match[2] and match[3] in ("two", "three"):
        return f"{match[1]} {'squared' if match[3] == 'two' else 'cubed'}"
    return f"{match[1]} to the power of {match[2] or ''}{match[3]}"


def _dashes(match: _Match) -> str:
    """A dash between spaces is a pause; inside of a word it stays a hyphen."""
    return " — " if match[0] != match[0].strip() or "—" in match[0] else "-"


def _symbol(match: _Match) -> str:
    word = lexicon.SYMBOLS.get(match[0])
    return f" {word} " if word else " "


_YEAR = r"(?:,?\s(\d{4}))?(?![\d:])"
#: in this order, each over the whole text
RULES: tuple[Rule, ...] = (
    rule(r"\d{37,}", _long),
    rule(r"(?<![\w.@/])(?:https?://|www\.)[^\s<>\"]{1,2000}", _address, re.I),
    rule(r"(?<![\w.+@-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}", _address),
    rule(
        rf"(?<![\w.@/-])[a-z0-9-]{{2,63}}(?:\.[a-z0-9-]{{1,63}}){{0,3}}\.(?:{_TLD})"
        r"(?:/[\w./-]{0,200})?(?![\w@])",
        _address,
    ),
    *FORMS,
    rule(
        r"(?<![\w.+-])(?:\+\d{1,3}[ -])?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-.]\d{4}(?![\w-])", _phone
    ),
    rule(r"(?<!\w)\+\d{1,3}(?:[ -]\d{2,4}){2,4}(?![\w-])", _phone),
    rule(r"(?<![\w.+$-])\d{3}-\d{4}(?![\w-])", _phone),
    rule(r"(?<![\w-])(\d{4})-(\d{2})-(\d{2})(?![\w-])", _iso_date),
    rule(r"(?<![\w/])(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})(?![\w/])", _slash_date),
    rule(rf"\b({_MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?\b{_YEAR}", _month_day),
    rule(rf"\b(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({_MONTH})(?!\w){_YEAR}", _day_month),
    rule(rf"\b({_MONTH}),? (\d{{4}})(?!\w)", _month_year),
    rule(
        r"(?<![\d:.])([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?:\s?([ap])(?:m\b|\.\s?m\.))?(?![\d:])",
        _time,
        re.I,
    ),
    rule(r"(?<![\w.:])(1[0-2]|[1-9])\s?([ap])(?:m\b|\.\s?m\.)", _hour, re.I),
    rule(
        rf"(-)?(?<!\w)({_SIGNS})\s?({_NUM})(?:\s?({_SCALE})\b)?(?!\d)",
        _money,
    ),
    rule(
        rf"(?<![\w.,])(-)?({_NUM})(?: (thousand|[mbtr]+illion))?\s?({_CODES})\b",
        _trailing_currency,
    ),
    rule(r"(?<![\w'])'?(1\d|20)?(\d)0'?s\b", _decade),
    rule(
        rf"(?<![\w.,-])(-)?((?:{_NUM}))\s?({_UNIT})(?![\w^])(?!-\d)",
        _unit,
    ),
    rule(rf"(?<![\w.,])({_NUM})(bn|tn|mn|k|K|M|B)\b", lambda m: number(m[1]) + _scale(m[2])),
    rule(
        r"(?<![\w.,'])(\d{1,2})'\s?(\d{1,2})(?:\"|'')",
        lambda m: f"{cardinal(m[1])} foot {cardinal(m[2])}",
    ),
    rule(r"(?<![\w/.,])(\d{1,4}\s{1,2})?(\d{1,3})/(\d{1,4})(?![\w/])", _fraction),
    rule(r"(?<![\w.,-])(\d{1,9})\s?–\s?(\d{1,9})(?![\w.,-]\d)", _range),
    rule(r"(?<![\w.,-])(\d{1,9})-(\d{1,9})(?![\w-])", _range),
    rule(
        r"(?<![\w.,])(\d{1,3}(?:,\d{3}){0,10}|\d{1,36})(?:st|nd|rd|th)\b",
        lambda m: ordinal(m[1].replace(",", "")),
    ),
    rule(r"\b(?:No|no|Nos)\.\s{0,2}(?=\d)", "number "),
    rule(r"#\s?(?=\d)", "number "),
    rule(
        r"\b((?i:Chapter|Part|Book|Volume|Act|Scene|Section|Appendix|World War|Article|Phase|Type"
        r"|Figure|Table|Stage|Class|Level|Episode|Season|Super Bowl|Mark|Canto|Psalm)) "
        r"([IVXLC]{1,8})\b(?!'(?!s\b))",
        _roman_part,
    ),
    rule(
        r"\b((?:King|Queen|Pope|Emperor|Tsar|Czar|Kaiser|Prince) )?"
        r"([A-Z][a-z]{1,20}) ([IVX]{1,7})\b(?!'(?!s\b)|\.\w)",
        _roman_name,
    ),
    rule(r"(?<![\w.])(?:[A-Za-z]\.\s?){1,7}[A-Za-z]\.(?!\w)", _initials),
    rule(r"(?<!\w)(Ph\.D|M\.Sc|B\.Sc)\b\.?", lambda m: " ".join(m[1].replace(".", ""))),
    rule(r"(\b[A-Z][\w']{1,30} )?\b(St|Dr)\.(?=( [A-Z])?)", _saint_or_street),
    rule(
        rf"(?<![\w.])({'|'.join(map(re.escape, lexicon.ABBREVIATIONS))})\.(?!\w)",
        _abbreviation,
        re.I,
    ),
    rule(r"\b(vs|etc)\b", lambda m: lexicon.ABBREVIATIONS[m[1]]),
    rule(r"\b([A-Z]{2,5})('?s)?\b", _capitals),
    rule(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])", " "),
    rule(
        r"\d{1,9}(?:\.\d{1,9}){2,9}(?!\w)",
        lambda m: " point ".join(cardinal(part) for part in m[0].split(".")),
    ),
    rule(r"(?<=\d)-(?=\d)", " "),
    rule(rf"((?<![\w)])-(?=[\d.]))?({_NUM})", _plain_number),
    rule(r"\b([A-Za-z)])\^ ?(minus )?([a-z-]+)", _letter_power),
    rule(r"(?<!\w)([CFcf])#", r"\1 sharp"),
    rule(r"(?i:\band/or\b)", "and or"),
    rule(r"(?<=[A-Za-z])/(?=[A-Za-z])", " slash "),
    rule(r"(?<!\s)\s[–-]{1,3}(?!\S)|-{2,3}|–", _dashes),
    rule(r"(?<!\w)-(?=\w)|(?<=\w)-(?!\w)", " "),
    rule(r"[+×÷=&@%§°~<>±^*#_\\|{}\[\]/$£€¥₹₽₩]", _symbol),
)
