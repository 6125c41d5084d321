"""Expansion of English abbreviations with a dot.

Many are also words that end a sentence ("sec.", "fig.", "Jan."). What stands before and after them
decides, and whether their dot also ends the sentence (tts.text.english_sentence_ends).
"""

import re

from tts.text import english_tables as tables
from tts.text.english_sentence_ends import (
    company_end,
    in_opening,
    measure_end,
    sentence_end,
    starts_sentence,
)
from tts.text.numbers import NUMBER_WORDS, plural
from tts.text.tracked import Rule, rule

__all__ = ["ABBREVIATIONS", "STREETS", "street_end"]

_Match = re.Match[str]
_COMPANIES = frozenset("inc ltd corp co".split())
_NAME = re.compile(r" (?:doctor|[A-Z] [A-Z]\b|[A-Z][a-z'-]|[A-Z]\.|O'[A-Z])")
_NUMERAL = re.compile(rf" ?(?:[-+]?\d|#|(?:number|{NUMBER_WORDS})\b)")
# "Fig. A" is a figure, "a fig. A man" is not. A single I is the pronoun.
_ARTICLE = re.compile(r" A\b(?!\.\w|')")
_LETTER = re.compile(r" (?:[B-HJ-Z]|[IVXLC]{2,8})\b(?!\.\w|')")
_MORE = re.compile(r" [a-z\d$£€]")
_COUNT = re.compile(
    rf"(?:\d|\b(?:{NUMBER_WORDS}|hundred|thousand|few|several|many))[ -]?$",
    re.I,
)
_ONE = re.compile(r"(?:(?<![\w-])(?:1|one|per|each|every)|half|quarters?|thirds?)[ -]$", re.I)
# "an eight oz. glass"
_A_COUNT = re.compile(rf"\b(?:an?|another) (?:{NUMBER_WORDS})[ -]$", re.I)
_MONTHLY = re.compile(
    r"\b(?:in|since|until|till|before|after|this|last|next|every|late|early|mid)[ -]$", re.I
)
_NTH = re.compile(r"(?:first|second|third|th) $", re.I)
_FLAT = re.compile(r",? (?:[Aa]pt|[Aa]partment|[Ss]uite|[Uu]nit|[Ss]te|[Ff]l|[Ff]loor)\b")
_COMPASS = re.compile(r" (?:[NS][EW]?|[EW])\b(?!\.? [A-Z][a-z])")

_ET = re.compile(r"\b[Ee]t $")
_THE = re.compile(r"\b(?:the|an?|my|your|his|her|our|this|that) $", re.I)
_DOUBTED_MONTHS = ("jan", "mar", "jun", "jul")
_MONTHS = frozenset(name[:3].lower() for name in tables.MONTHS) | {"sept"}


def _end(match: _Match, word: str) -> str:
    """Return the dot of an abbreviation if it ends a sentence too, else nothing."""
    if word in tables.NEVER_LAST:
        return "" if match.string[match.end() : match.end() + 3].strip() else "."
    if word in tables.TITLES:
        text, start, end = match.string, match.start(), match.end()
        company = word in _COMPANIES
        over = company_end(text, start, end) if company else starts_sentence(text, end)
        return "." if over else ""
    return sentence_end(match)


def _abbreviation(match: _Match) -> str:
    """Expand an abbreviation, unless it is a word here."""
    written, word = match[1], match[1].lower()
    before = match.string[max(0, match.start() - 24) : match.start()]
    after = match.string[match.end() : match.end() + 24]
    if written.isupper() and word not in tables.CAPITAL_ABBREVIATIONS:
        return _in_capitals(word, after) or match[0]
    if written.islower() and word in tables.BEHIND_NUMBERS and (unit := _unit(word, before)):
        return unit + measure_end(match, word)
    if said := _by_left_context(match, before):
        return said + _end(match, word)
    if said := _by_right_context(match, before, after):
        return said
    if word in tables.AMBIGUOUS or word == "al" and not _ET.search(before):
        return match[0]
    return tables.ABBREVIATIONS[word] + _end(match, word)


def _in_capitals(word: str, after: str) -> str | None:
    """Expand letters in capitals that are otherwise an initialism: "SEC. 4", "MS. JONES"."""
    of_number = word in tables.BEFORE_NUMERALS or word in _MONTHS
    told = of_number and re.match(r" ?\d", after)
    told = told or word in tables.BEFORE_NAMES and re.match(r" [A-Z]{3}", after)
    return tables.ABBREVIATIONS[word] if told else None


def _unit(word: str, before: str) -> str | None:
    """Expand a unit after a number or "per"; None where it is a word, as in "wait a sec."."""
    name = tables.BEHIND_NUMBERS[word]
    article = word in ("min", "hr", "yr", "wk") and re.search(r"(?i)\ban? $", before)
    if before.endswith("-") and _COUNT.search(before):
        return name
    if article or _ONE.search(before) or _A_COUNT.search(before):
        return name
    return plural(name) if _COUNT.search(before) else None


#: units of recipes
_MEASURES = {
    "c": "cup", "doz": "dozen", "pkg": "package", "pt": "pint", "pts": "pint", "qt": "quart",
    "qts": "quart", "Tbs": "tablespoon", "tbs": "tablespoon", "tbsps": "tablespoon",
}  # fmt: skip


def _measure(match: _Match) -> str:
    """Expand a unit of recipes: "2 c. flour"."""
    name = _MEASURES[match[1]]
    before = match.string[max(0, match.start() - 24) : match.start()]
    many = before.endswith(" and a half ") or not _ONE.search(before)
    return (plural(name) if many and name != "dozen" else name) + measure_end(match, match[1])


def _by_left_context(match: _Match, before: str) -> str | None:
    """Expand an abbreviation that the text before it decides; None if it does not."""
    word = match[1].lower()
    if word == "est" and before.endswith((" A M ", " P M ")):
        return "E S T"
    if match[1] == "ed" and _NTH.search(before):
        return "edition"
    in_month = word in _DOUBTED_MONTHS and _MONTHLY.search(before)
    return tables.ABBREVIATIONS[word] if in_month else None


def _by_right_context(match: _Match, before: str, after: str) -> str | None:
    """Expand an abbreviation before a number, a name or a small letter; None where nothing after
    it shows that it is one."""
    written, word = match[1], match[1].lower()
    said = tables.ABBREVIATIONS[word]
    if written == "Ed" or word == "sec" and before.endswith(" a "):
        return None
    if word in tables.BEFORE_NUMERALS and _NUMERAL.match(after):
        if word == "est" and not re.match(r" [12]\d{3}\b", after):
            return "estimated"
        return {"col": "column", "rev": "revision"}.get(word, said)
    if word in tables.BEFORE_LETTERS:
        if _LETTER.match(after) or written[0].isupper() and _ARTICLE.match(after):
            return said
    if word in tables.BEFORE_NAMES and _NAME.match(after):
        if word in ("mt", "ft"):
            return "featuring" if written == "ft" else said
        title = written[0].isupper()
        known = word == "ms" or not starts_sentence(match.string, match.end())
        return said if title and known else None
    if written in ("Max", "Min") and before.strip() and before.rstrip()[-1] not in ".!?:;(,":
        return None
    if word in tables.BEFORE_MORE and _MORE.match(after):
        return {"est": "estimated", "min": "minimum"}.get(word, said)
    return None


def _saint_or_street(match: _Match) -> str:
    """Expand "St." and "Dr.": "Main St." is a street, "St. John" a saint. A new sentence or the
    number of a flat follows a street."""
    before, word, after = match[1] or "", match[2], match[3]
    street = {"St": "street", "Dr": "drive"}[word]
    rest = match.string[match.end() : match.end() + 24]
    if before and not after:
        return f"{before}{street}{'.' if not rest[:3].strip() else ''}"
    if before and (_FLAT.match(rest) or _COMPASS.match(rest)):
        return before + street
    named = rest.startswith((" Who", " No")) and word == "Dr"
    if not named and starts_sentence(match.string, match.end()):
        if before:
            opens = in_opening(match.string, match.start(), match.end())
            return f"{before}{street}{'' if opens else '.'}"
        if word == "Dr" and _THE.search(match.string[max(0, match.start() - 8) : match.start()]):
            return "doctor."
    return before + {"St": "saint", "Dr": "doctor"}[word]


def street_end(match: _Match) -> str:
    """Return the dot of an abbreviated street if it ends the sentence, else nothing."""
    rest = match.string[match.end() : match.end() + 24]
    return "" if _FLAT.match(rest) or _COMPASS.match(rest) else sentence_end(match)


#: applied while numbers are digits, as the number of a house shows a street: "123 Main St"
STREETS: tuple[Rule, ...] = (
    rule(
        rf"(?<=[a-z\d] )({'|'.join(tables.STREETS)})\b\.?(?=\s|[,;:!?)]|$)",
        lambda m: tables.STREETS[m[1]] + street_end(m),
    ),
    rule(r"\b(Blvd|Hwy|Pkwy)\b\.?", lambda m: tables.STREETS[m[1]] + street_end(m)),
    rule(
        r"(?<![\w.,/:-])(?<![IiOo]n )(\d{1,5} (?:[A-Z][a-z]{1,20} ){1,2})St\.(?= [A-Z])",
        lambda m: f"{m[1]}street{street_end(m)}",
    ),
    rule(r"(?<=\d )([A-Z][a-z]{1,20}) St\b(?!\.)(?! [A-Z])", r"\1 street"),
    rule(r"(?<=\d )([A-Z][a-z]{1,20}) Dr\b(?!\.)(?! [A-Z])", r"\1 drive"),
)
#: applied after the numbers
ABBREVIATIONS: tuple[Rule, ...] = (
    rule(
        r"(\b(?:[A-Z][\w']{1,30}|[a-z-]{0,20}(?:th|first|second|third)) )?\b(St|Dr)\.(?=( [A-Z])?)",
        _saint_or_street,
    ),
    rule(r"\b(min|max)\.(?= ?\d)", r"\1imum"),
    rule(
        rf"(?:(?<=\d )|(?<=\b(?:one|two|six|ten) )|(?<=\b(?:half|four|five|nine) )"
        rf"|(?<=(?:three|seven|eight|third) )|(?<=quarter )|(?<=quarters )|(?<=thirds ))"
        rf"({'|'.join(_MEASURES)})\.(?!\w)",
        _measure,
    ),
    rule(
        rf"(?<![\w.])({'|'.join(map(re.escape, tables.ABBREVIATIONS))})\.(?!\w)",
        _abbreviation,
        re.I,
    ),
)
