"""Rules of English abbreviations, initials and Roman numerals, in the order of their use."""

import re

from tts.text import english_tables as tables
from tts.text.english_abbreviations import ABBREVIATIONS, STREETS
from tts.text.english_codes import spell
from tts.text.english_places import PLACES
from tts.text.english_roman_numerals import NUMERALS
from tts.text.english_sentence_ends import initials_end, sentence_end
from tts.text.tracked import Rule, rule

__all__ = ["SHORT_WORDS", "WORDS"]

_Match = re.Match[str]
_WARS = {"I": "one", "1": "one", "II": "two", "2": "two"}


def _initials(match: _Match) -> str:
    """Spell letters with dots ("U.S.", "J. R."), or expand them ("e.g.")."""
    letters = re.sub(r"[.\s]", "", match[0])
    known = tables.LATIN.get(letters.lower()) if letters[1:].islower() else None
    if known and letters[0].isupper():
        known = known[0].upper() + known[1:]
    if letters in ("am", "pm"):
        return spell(letters) + sentence_end(match)
    over = initials_end(match.string, match.start(), match.end(), letters.upper())
    return (known or spell(letters)) + ("." if over else "")


def _degree(match: _Match) -> str:
    letters = match[1].replace(".", "").upper()
    over = initials_end(match.string, match.start(), match.end(), letters)
    return " ".join(letters) + (match[2] if over else "")


#: applied before the numbers, which need these abbreviations as words
SHORT_WORDS: tuple[Rule, ...] = (
    rule(r"(?<![\w/])[wW]/o(?:ut)?\b", "without"),
    rule(r"(?<![\w/])[wW]/(?=\s?\w)", "with "),
    rule(r"(?<![\w/])[bB]/c\b", "because"),
    rule(r"(?<![\w/])c/o\b", "care of"),
    rule(r"\b([pP])\. ?(?=\d)", "page "),
    rule(r"\b([pP][pP]|pgs)\. ?(?=\d)", "pages "),
    rule(r"\bpg\.? ?(?=\d)", "page "),
    # "number", but not "said no. 5 people"
    rule(
        r"\b(?:No|(?<!say )(?<!says )(?<!said )no)\.\s{0,2}(?=\d)"
        r"|\bNo (?=\d{1,4}\b(?! (?:people|one|more|men)))",
        "number ",
    ),
    rule(r"\bNr\.? ?(?=\d)", "number "),
    rule(r"\b[Nn]os\.?\s{0,2}(?=\d)", "numbers "),
    # the number of a case at court: "No. 21-1234"
    rule(r"(?<=number )(\d{1,2})-(?=\d{3,6}(?![\d-]|[,.]\d))", r"\1, "),
    rule(r"#\s?(?=\d)", "number "),
    rule(r"\b([A-Z])&([A-Z])s\b", r"\1 and \2's"),
    rule(r"\b([Ss])/he\b", lambda m: "She or he" if m[1] == "S" else "she or he"),
    rule(r"(?<!\w)&c\b", "et cetera"),
    rule(r"(?<![\w+/])\+/-(?!\w*/)", "±"),
    rule(r"§§\s?(?=\d)", "sections "),
    rule(r"(?<=\d)(ST|ND|RD|TH)\b", lambda m: m[1].lower()),
    *PLACES,
    *STREETS,
    # "v." between two parties; that of a version is before a digit
    rule(r"(?<=\w )v\. (?=[A-Z])", "versus "),
    rule(r"\b(Mr|Mrs|Ms|Dr)(?= [A-Z])", lambda m: tables.PLAIN_TITLES[m[1]]),
    rule(r"\b(MR|DR)(?= [A-Z]{3,}\b)", lambda m: tables.PLAIN_TITLES[m[1].title()]),
    rule(r"\b(WWII|WWI|WW2|WW1)\b", lambda m: "World War " + _WARS[m[1][2:]]),
    rule(r"\b[Tt]el(?=:)", "telephone"),
    rule(r"(?<!\w)aka\b", "A K A"),
    rule(r"(?<!\w)©\s?(?=\w)", "copyright "),
    rule(r"(?<!\w)¶\s?(?=\d)", "paragraph "),
    rule(r"(?<![\w.])([A-Za-z])\.(?=\d)", r"\1 point "),
    rule(r"\bA([-–])Z\b", "A to Z"),
)
#: applied after the numbers
WORDS: tuple[Rule, ...] = (
    *NUMERALS,
    rule(r"(?<![\w.])(?:[A-Za-z]\. ?){1,7}[A-Za-z]\.(?!\w)", _initials),
    rule(r"(?<!\w)(Ph\.D|M\.Sc|B\.Sc|Ph\.d)\b(\.?)", _degree),
    rule(r"\b(PhD|MSc|BSc|DPhil)(s?)\b", lambda m: " ".join(m[1].upper()) + ("'s" if m[2] else "")),
    *ABBREVIATIONS,
    rule(r"\b(vs|etc|approx)\b", lambda m: tables.ABBREVIATIONS[m[1]]),
)
