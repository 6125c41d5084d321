"""Rules of text normalization for German, French, Spanish, Italian, Portuguese, Dutch and Polish.

They are listed in the order in which they are applied.
Abbreviations, addresses, numbers, dates, times, currencies and units are verbalized. The words of
whole numbers come from the package num2words, which is imported when it is needed.
"""

import re
from functools import lru_cache

from tts.text.language_abbreviations import abbreviation_rules
from tts.text.language_amounts import SCALES, fraction_rules, scale_rules, sum_rules
from tts.text.language_dates import date_rules, time_rules
from tts.text.language_marks import address_rules, mark_rules
from tts.text.language_nouns import noun_rules
from tts.text.language_numbers import COUNTED, CURRENCY, Numbers
from tts.text.language_ordinals import ordinal_rules
from tts.text.language_romans import roman_rules
from tts.text.language_words import LANGUAGES
from tts.text.polish_inflection import cardinal_genitive
from tts.text.tracked import Rule, rule

__all__ = ["rules_of", "short_rules_of"]

_Match = re.Match[str]
_YEAR = re.compile(r"1[1-9]\d\d|20\d\d")
# Polish prepositions after which numbers are in the genitive.
_GENITIVE = "od|do|około|koło|powyżej|poniżej|bez|dla|wśród|zamiast|oprócz|spośród"
# A number, with or without separators of thousands and decimals. Groups that begin with 0 are a
# telephone number, and digits after other digits and a space are a later part of something else.
_N = (
    r"(?:(?:(?<!\d )[1-9]\d{0,2}(?: \d{3}){1,4}|[1-9]\d{0,2}(?:\.\d{3}){1,4})(?! ?\d)|\d{1,15})"
    r"(?:[,.]\d{1,15})?"
)
# A minus sign is attached to its number and to nothing else; ranges are words by then.
_MINUS = r"((?<![\w)])[-–])?"
# Words after which digits are a telephone number.
_CALL = (
    r"\b(?i:tel|tél|telef[oó]n\w*|téléphone|telefax|tfno|tlf|móvil|handy|fax|fon|phone|gsm|cel|"
    r"cellulare|telemóvel|celular|komórka|whatsapp|rufnummer|hotline|durchwahl)\b\.?:?"
    r"(?: (?i:nr|n|num|núm|nummer|numer|numéro|número|numero)[.°]?:?)? ?"
)
# Digits grouped in these ways are telephone numbers, unless something is counted.
_MOBILE = {
    "es": r"[6-9]\d\d \d{3} (?!000)\d{3}",
    "it": r"3\d\d (?:\d{6,7}|\d{3} \d{4})",
    "pt": r"(?:[29]\d\d \d{3} (?!000)\d{3}|(?:\(\d\d\) ?\d{4,5}|9\d{4})-\d{4})",
    "pl": r"[4-8]\d\d \d{3} (?!000)\d{3}",
}


@lru_cache(maxsize=8)
def rules_of(lang: str) -> tuple[Rule, ...]:
    """Return the rules for texts with digits.

    Args:
        lang: espeak code. A language without rules has none.
    """
    numbers = _numbers(lang)
    return _rules(numbers) if numbers else ()


@lru_cache(maxsize=8)
def short_rules_of(lang: str) -> tuple[Rule, ...]:
    """Return the rules for addresses, Roman numerals and abbreviations, which are applied before
    those of `rules_of`, to texts without digits too.

    Args:
        lang: espeak code. A language without rules has none.
    """
    numbers = _numbers(lang)
    if numbers is None:
        return ()
    return (
        *address_rules(numbers.lang),
        *roman_rules(numbers),
        *abbreviation_rules(numbers.lang),
    )


def _numbers(lang: str) -> Numbers | None:
    code = lang.lower().replace("_", "-")
    base = code.split("-")[0]
    if base not in LANGUAGES:
        return None
    return Numbers(base, LANGUAGES[base], "pt_BR" if code == "pt-br" else base)


def _rules(numbers: Numbers) -> tuple[Rule, ...]:
    """Return the rules for texts with digits in their order."""
    w = numbers.words
    units = "|".join(sorted(map(re.escape, w.units), key=len, reverse=True))
    powers = "|".join(re.escape(each) for each in w.units if "^" in each)

    def signed(sign: str | None) -> str:
        return f"{w.minus} " if sign else ""

    def unit(m: _Match) -> str:
        return signed(m[1]) + numbers.counted(m[2], *w.units[m[3]])

    return (
        rule(r"\d{16,}", lambda m: numbers.singly(m[0])),
        *sum_rules(numbers.lang),
        *date_rules(numbers),
        *time_rules(numbers),
        *mark_rules(numbers.lang),
        *_telephone_rules(numbers),
        rule(r"(?<![\w.,])\d{1,15}(?:[.,]\d{1,15}){2,}", lambda m: _chain(numbers, m[0])),
        *ordinal_rules(numbers),
        *(_polish_cases(numbers, rf"{units}|{COUNTED}") if numbers.lang == "pl" else ()),
        # "€ 5-10": the currency is read after the second number.
        rule(
            rf"(?<!\w)({CURRENCY})\s?(?!0\d)({_N})\s?[-–]\s?({_N})(?![\w-]|[.,]\d)",
            lambda m: f"{m[2]} {w.to} {m[1]}{m[3]}",
        ),
        # A range, unless the first part begins with 0 as that of a telephone number or a code.
        rule(
            rf"(?<![\w.,])(?!0\d)({_N})\s?[-–]\s?(?=\d)(?!\d{{1,4}}-)",
            lambda m: f"{m[1]} {w.to} ",
        ),
        *scale_rules(numbers, _N),
        rule(
            rf"(?<!\w)([-–](?=\S))?({CURRENCY})\s?(-)?({_N})(?!\d)",
            lambda m: signed(m[1] or m[3]) + numbers.money(m[4], m[2]),
        ),
        rule(
            rf"{_MINUS}(?<![\w.,])({_N})\s?({COUNTED})(?!\w)",
            lambda m: signed(m[1]) + numbers.money(m[2], m[3]),
        ),
        *fraction_rules(numbers),
        rule(
            rf"{_MINUS}(?<![\w.,])({_N})\s?({units})(?![\w/^'])"
            # the dot of the abbreviation, where it does not end the sentence
            r"(?:(?<=godz)\.(?=\s+[^\WA-ZĄĆĘŁŃÓŚŹŻ]))?",
            unit,
        ),
        # A unit with an exponent and without a number; signs of arithmetic are words by now.
        rule(
            rf"(?:(?<=\w)\s?(/)\s?|(?<![\w^/]))({powers})(?![\w/^])",
            lambda m: (f" {_PER[numbers.lang]} " if m[1] else "") + w.units[m[2]][0][0],
        ),
        rule(w.ordinals, lambda m: _ordinal(numbers, m)) if w.ordinals else rule(r"(?!)", ""),
        *noun_rules(numbers),
        rule(
            r"(?<![\w.,])(?<!(?<![\w)])-)(1[1-9]\d\d|20\d\d)(?![\w%]|[.,]\d)",
            lambda m: numbers.year(m[1]),
        ),
        rule(
            rf"((?<![\w)])-)?(?<![\w.,])({_N})(?![\w])",
            lambda m: signed(m[1]) + numbers.number(m[2]),
        ),
        rule(r"(?<=\s)&(?=\s)", w.plus),
    )


def _chain(numbers: Numbers, text: str) -> str:
    """Verbalize digits with two separators or more, unless they are one number."""
    if re.fullmatch(r"[1-9]\d{0,2}(?:\.\d{3}){1,4}(?:,\d+)?", text):
        return text
    plain = numbers.plain(text)
    if re.fullmatch(r"\d{1,15}(?:,\d{1,15})?", plain):
        return plain
    if re.match(r"0\d", text) or re.fullmatch(r"\d{3}\.\d{3}\.\d{4}", text):
        return numbers.telephone(text)
    return numbers.groups(text)


def _telephone_rules(numbers: Numbers) -> tuple[Rule, ...]:
    """Return the rules of telephone numbers, after a word for one or by their groups."""

    def called(m: _Match) -> str:
        if sum(c.isdecimal() for c in m[2]) < 6:
            return m[0]
        plus = f"{_PLUS[numbers.lang]} " if "+" in m[2] else ""
        return m[1] + plus + numbers.telephone(m[2])

    def grouped(m: _Match) -> str:
        size = sum(c.isdecimal() for c in m[0])
        if size < 7 or (m[0][0] == "+" and size < 9):
            return m[0]
        return (f"{_PLUS[numbers.lang]} " if m[0][0] == "+" else "") + numbers.telephone(m[0])

    later = r"(?:[ ./()–-]{1,3}\d{1,8}){1,7}(?![\w]|[.,]\d)"
    mobile = _MOBILE.get(numbers.lang)
    return (
        rule(rf"({_CALL})(\+?\(?\d(?:[ ./()–-]{{0,3}}\d){{5,15}})(?![\w]|[.,]\d)", called),
        rule(rf"(?<![\w+])\+[1-9]\d{{0,2}}{later}", grouped),
        rule(rf"(?<![\w.,/:+–-])(?<!\d )0\d{{1,5}}{later}", grouped),
        rule(r"(?<![\w.,/:+–-])\d{1,8}(?:-\d{1,8}){2,8}(?![\w-])", grouped),
        *(
            (
                rule(
                    rf"(?<![\w.,/:+–-])(?<!\d ){mobile}"
                    rf"(?!\w|[.,]\d| ?[^\W_]| ?(?:{COUNTED}|%|°))",
                    grouped,
                ),
            )
            if mobile
            else ()
        ),
    )


_PER = {"de": "pro", "fr": "par", "es": "por", "it": "al", "pt": "por", "nl": "per", "pl": "za"}
_PLUS = {"de": "plus", "fr": "plus", "es": "más", "it": "più", "pt": "mais", "nl": "plus",
         "pl": "plus"}  # fmt: skip


def _polish_cases(numbers: Numbers, counted: str) -> tuple[Rule, ...]:
    """Return the rules of Polish numbers in the genitive, which ranges and prepositions govern.
    Years have rules of their own.

    Args:
        counted: alternatives of a pattern: units and currencies.
    """
    scales = SCALES["pl"]

    def one(text: str, scale: str | None = None, what: str | None = None) -> str:
        gender = "m" if scale else numbers.noun(what)[1] if what else ""
        said = numbers.number(text, gender)
        if re.fullmatch(r"[\d. ]+", text) and re.fullmatch(r"\d+", numbers.plain(text)):
            said = cardinal_genitive(said)
        single = text == "1" or "," in text
        for forms in (
            *([scales[scale][0]] if scale else []),
            *([numbers.noun(what)[0]] if what else []),
        ):
            said += f" {forms[3] if single and len(forms) > 3 else forms[2]}"
            single = False
        return said

    def spread(m: _Match) -> str:
        first, last, scale, what = m.groups()
        if what is scale is None and _YEAR.fullmatch(first) and _YEAR.fullmatch(last):
            return m[0]
        return f"od {one(first)} do {one(last, scale, what)}"

    def after(m: _Match) -> str:
        if m[4] is m[3] is None and _YEAR.fullmatch(m[2]):
            return m[0]
        return f"{m[1]} {one(m[2], m[3], m[4])}"

    ends = (
        rf"(?:\s?({'|'.join(scales)})(?!\w)\.?)?(?:\s?({counted})(?![\w/^'])"
        r"(?:(?<=godz)\.(?=\s+[a-z\d]))?)?(?![\w/:])(?![.,]\d)"
    )
    return (
        rule(rf"(?<![\w.,–-])(?i:od )?(?!0\d)({_N})\s?[-–]\s?({_N}){ends}(?!-\d)", spread),
        rule(rf"(?<!\w)((?i:{_GENITIVE})) ({_N}){ends}", after),
    )


def _ordinal(numbers: Numbers, m: _Match) -> str:
    """Verbalize an ordinal by its suffix, which tells the gender."""
    suffix = m[2].lower()
    said = numbers.ordinal(m[1])
    if suffix in ("ª", "a", "re", "ère"):
        said = re.sub(r"o(?=$| )", "a", said) if numbers.lang != "fr" else said + "e"
        said = said.replace("premiere", "première")
    return said
