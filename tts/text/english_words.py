"""English abbreviations, initials, numerals of kings and chapters, words in capitals."""

import re

from tts.text import lexicon
from tts.text.english_codes import pronounceable, spell
from tts.text.english_dates import sentence_end
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


def _abbreviation(match: _Match) -> str:
    word = match[1].lower()
    before = match.string[max(0, match.start() - 2) : match.start()]
    if word in ("min", "sec", "ch", "ed", "temp") and before[:1].isdigit():
        return {"min": "minutes", "sec": "seconds"}.get(word, lexicon.ABBREVIATIONS[word])
    return lexicon.ABBREVIATIONS[word] + ("" if word in lexicon.TITLES else sentence_end(match))


def _saint_or_street(match: _Match) -> str:
    before, word, after = match[1], match[2].lower(), match[3]
    street = {"st": "street", "dr": "drive"}[word]
    if before and not after:
        ends = not match.string[match.end() : match.end() + 3].strip()
        return f"{before}{street}{'.' if ends else ''}"
    return (before or "") + {"st": "saint", "dr": "doctor"}[word]


def _initials(match: _Match) -> str:
    letters = re.sub(r"[.\s]", "", match[0])
    known = lexicon.LATIN.get(letters.lower()) if letters[1:].islower() else None
    if known and letters[0].isupper():
        known = known[0].upper() + known[1:]
    rest = match.string[match.end() : match.end() + 3]
    # "U.S. Army" and "J. R. Smith" go on; a word that begins sentences ends the one before.
    after = re.match(r"\s+([A-Z][a-z']*)", match.string[match.end() : match.end() + 20])
    starts = after is not None and after[1] in lexicon.STARTERS
    end = "." if not rest.strip() or "\n" in rest or starts else ""
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
    rule(r"\b(?:No|no)\.\s{0,2}(?=\d)|\bNo (?=\d{1,4}\b(?! (?:people|one|more|men)))", "number "),
    rule(r"\b[Nn]os\.?\s{0,2}(?=\d)", "numbers "),
    rule(r"#\s?(?=\d)", "number "),
    rule(r"§§\s?(?=\d)", "sections "),
    rule(r"(?<=\d)(ST|ND|RD|TH)\b", lambda m: m[1].lower()),
    rule(
        r"(?<=[a-z\d] )(Blvd|Ave|Rd|Hwy|Ln|Pkwy|Sq)\b\.?(?=\s|[,;:!?)]|$)",
        lambda m: lexicon.STREETS[m[1]] + sentence_end(m),
    ),
    rule(r"\b(Blvd|Hwy|Pkwy)\b\.?", lambda m: lexicon.STREETS[m[1]] + sentence_end(m)),
    rule(r"(?<=\d )([A-Z][a-z]{1,20}) St\b(?!\.)(?! [A-Z])", r"\1 street"),
    rule(r"(?<=\d )([A-Z][a-z]{1,20}) Dr\b(?!\.)(?! [A-Z])", r"\1 drive"),
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
        r"\b(Vol|Ch|Fig|Sec|Art|Bk)\.? (?=[IVXLC\d]{1,8}\b)", lambda m: f"{lexicon.NUMBERED[m[1]]} "
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
    rule(
        r"(\b(?:[A-Z][\w']{1,30}|[a-z-]{1,20}(?:th|first|second|third)) )?\b(St|Dr)\.(?=( [A-Z])?)",
        _saint_or_street,
    ),
    rule(r"\b(min|max)\.(?= ?\d)", lambda m: m[1] + "imum"),
    rule(
        rf"(?<![\w.])({'|'.join(map(re.escape, lexicon.ABBREVIATIONS))})\.(?!\w)",
        _abbreviation,
        re.I,
    ),
    rule(r"\b(vs|etc|approx)\b", lambda m: lexicon.ABBREVIATIONS[m[1]]),
)
CAPITALS: tuple[Rule, ...] = (
    rule(r"\b([A-Z]{1,4})&([A-Z]{1,4})\b", lambda m: f"{spell(m[1])} and {spell(m[2])}"),
    rule(r"\b([A-Z]{2,15})('?s)?\b", _capitals),
    rule(r"\biOS\b", "I O S"),
)
