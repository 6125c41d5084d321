"""English abbreviations, initials, numerals of kings and chapters, words in capitals."""

import re

from tts.text import lexicon
from tts.text.english_abbreviations import ABBREVIATIONS, STREETS, starts_sentence
from tts.text.english_codes import pronounceable, spell
from tts.text.numbers import cardinal, ordinal, roman
from tts.text.tracked import Rule, rule

__all__ = ["CAPITALS", "SHORT_WORDS", "WORDS"]

_Match = re.Match[str]
_WARS = {"I": "one", "1": "one", "II": "two", "2": "two"}
_PARTS = (
    "Chapter|Part|Book|Volume|Act|Scene|Section|Appendix|World War|Article|Phase|Type|Figure|Table|"
    "Stage|Class|Level|Episode|Season|Super Bowl|Mark|Canto|Psalm|Title|Grade|Apollo|Gemini|"
    "Schedule|Annex|Division|Tier|Category|Unit|Lesson|Exercise|Theorem|Page|Factor|Group|Item"
)


def _roman_part(match: _Match) -> str:
    value = roman(match[2].upper())
    return match[0] if value is None else f"{match[1]} {cardinal(value)}"


def _roman_name(match: _Match) -> str:
    title, name, numeral = match[1], match[2], match[3]
    value = roman(numeral)
    regnal = bool(title) or name in lexicon.REGNAL
    after = match.string[match.end() : match.end() + 4]
    single_king = regnal and (numeral != "I" or title or after.startswith((" of", "'s", ",")))
    # A lone I is the pronoun unless it must be a number.
    if value is None or (numeral in ("I", "V", "X") and not single_king):
        return match[0]
    if regnal:
        return f"{title or ''}{name} the {ordinal(value)}"
    return f"{name} {cardinal(value)}"


def _century(match: _Match) -> str:
    value = roman(match[1])
    return match[0] if value is None else f"{ordinal(value)}{match[2]}"


def _initials(match: _Match) -> str:
    letters = re.sub(r"[.\s]", "", match[0])
    known = lexicon.LATIN.get(letters.lower()) if letters[1:].islower() else None
    if known and letters[0].isupper():
        known = known[0].upper() + known[1:]
    end = "." if starts_sentence(match.string, match.end()) else ""
    return (known or spell(letters)) + end


def _capitals(match: _Match) -> str:
    word, end = match[1], match[2]
    if word in lexicon.WORDS:
        return match[0]
    if word in lexicon.SPELLED or not (len(word) > 3 and pronounceable(word)):
        return spell(word) + ("'s" if end else "")
    return match[0]


#: short forms that the passes before the numbers need as words
SHORT_WORDS: tuple[Rule, ...] = (
    rule(r"(?<![\w/])[wW]/o\b", "without"),
    rule(r"(?<![\w/])[wW]/(?=\s?\w)", "with "),
    rule(r"(?<![\w/])[bB]/c\b", "because"),
    rule(r"(?<![\w/])c/o\b", "care of"),
    rule(r"\b([pP])\. ?(?=\d)", "page "),
    rule(r"\b([pP][pP]|pgs)\. ?(?=\d)", "pages "),
    rule(r"\bpg\.? ?(?=\d)", "page "),
    # "said no. 5 people": the word
    rule(
        r"\b(?:No|(?<!say )(?<!says )(?<!said )no)\.\s{0,2}(?=\d)"
        r"|\bNo (?=\d{1,4}\b(?! (?:people|one|more|men)))",
        "number ",
    ),
    rule(r"\b[Nn]os\.?\s{0,2}(?=\d)", "numbers "),
    rule(r"#\s?(?=\d)", "number "),
    rule(r"(?<![\w+/])\+/-(?!\w*/)", "±"),
    rule(r"§§\s?(?=\d)", "sections "),
    rule(r"(?<=\d)(ST|ND|RD|TH)\b", lambda m: m[1].lower()),
    *STREETS,
    rule(r"\b(Mr|Mrs|Ms|Dr)(?= [A-Z])", lambda m: lexicon.PLAIN_TITLES[m[1]]),
    rule(r"\b(WWII|WWI|WW2|WW1)\b", lambda m: "World War " + _WARS[m[1][2:]]),
    rule(r"\b[Tt]el(?=:)", "telephone"),
    rule(r"(?<!\w)aka\b", "A K A"),
    rule(r"(?<!\w)©\s?(?=\w)", "copyright "),
    rule(r"(?<!\w)¶\s?(?=\d)", "paragraph "),
    rule(r"(?<![\w.])([A-Za-z])\.(?=\d)", r"\1 point "),
    rule(r"\bA([-–])Z\b", "A to Z"),
)
WORDS: tuple[Rule, ...] = (
    rule(
        r"\b(vol|ch|fig|sec|art|bk)\. (?=[IVXLC]{2,8}\b)",
        lambda m: f"{lexicon.NUMBERED[m[1].title()].lower()} ",
    ),
    rule(
        # an I that goes on is the pronoun
        r"\b(Vol|Ch|Fig|Sec|Art|Bk)\.? (?=(?!I\b(?!,|;|:|\)|\s*$))[IVXLC\d]{1,8}\b)",
        lambda m: f"{lexicon.NUMBERED[m[1]]} ",
    ),
    rule(
        rf"\b((?i:{_PARTS})) ([IVXLC]{{1,8}}|[ivxl]{{2,8}})\b(?!'(?!s\b)|\.\w)",
        _roman_part,
    ),
    rule(r"\b([IVXL]{1,6})((?:th|st|nd|rd)? [Cc]entur(?:y|ies)\b)", _century),
    rule(
        r"\b((?:King|Queen|Pope|Emperor|Tsar|Czar|Kaiser|Prince|king|queen|pope|emperor) )?"
        r"([A-Z][a-z]{1,20}) ([IVX]{1,7})\b(?!'(?!s\b)|\.\w)",
        _roman_name,
    ),
    rule(r"(?<![\w.])(?:[A-Za-z]\. ?){1,7}[A-Za-z]\.(?!\w)", _initials),
    rule(
        r"(?<!\w)(Ph\.D|M\.Sc|B\.Sc|Ph\.d)\b\.?", lambda m: " ".join(m[1].replace(".", "").upper())
    ),
    rule(r"\b(PhD|MSc|BSc|DPhil)(s?)\b", lambda m: " ".join(m[1].upper()) + ("'s" if m[2] else "")),
    *ABBREVIATIONS,
    rule(r"\b(vs|etc|approx)\b", lambda m: lexicon.ABBREVIATIONS[m[1]]),
)
CAPITALS: tuple[Rule, ...] = (
    rule(r"\b([A-Z]{1,4})&([A-Z]{1,4})\b", lambda m: f"{spell(m[1])} and {spell(m[2])}"),
    rule(r"\b([A-Z]{2,15})('?s)?\b", _capitals),
    rule(r"\biOS\b", "I O S"),
)
