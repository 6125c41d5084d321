"""English Roman numerals: of chapters and stages, of kings, of sons and of centuries.

A lone I is mostly the pronoun, a lone C or L mostly a letter; what stands beside it tells.
"""

import re

from tts.text import english_tables as tables
from tts.text.english_sentence_ends import starts_sentence
from tts.text.numbers import cardinal, ordinal, roman
from tts.text.tracked import Rule, rule

__all__ = ["NUMERALS"]

_Match = re.Match[str]
_HEADS = (
    "Chapter|Part|Book|Volume|Act|Scene|Section|Appendix|World War|Article|Phase|Type|Figure|Table|"
    "Stage|Class|Level|Episode|Season|Super Bowl|Mark|Canto|Psalm|Title|Grade|Apollo|Gemini|"
    "Schedule|Annex|Division|Tier|Category|Categorie|Unit|Lesson|Exercise|Theorem|Page|Factor|"
    "Group|Item"
)
_REGNAL = "|".join(sorted(tables.REGNAL))
_GIVEN = "|".join(sorted(tables.GIVEN_NAMES | tables.REGNAL))
#: joins of two numerals; after these but a dash or a slash a lone letter is a word or a name
_TIGHT = r"\s?[-–/]\s?"
_LOOSE = r",? (?:and|or|to|through|&) |, "
_NEXT = rf"(?:{_TIGHT})[IVX]{{1,8}}[a-cA-C]?\b|(?:{_LOOSE})(?:[VX]|[IVXLC]{{2,8}}[a-cA-C]?)\b"
_JOINED = re.compile(rf"({_TIGHT}|{_LOOSE})([IVXLC]{{1,8}})([a-cA-C]?)\b")
_LETTERED = re.compile(r"([IVXL]{1,7})([A-Ca-c])")

#: verbs that go with "I" and with no numeral
_OF_PRONOUN = re.compile(
    r" (?:am|have|haven't|do|don't|want|need|like|love|hate|think|know|believe|guess|mean|say|see|"
    r"use|get|go|make|take|keep|find|feel|hope|wish|suppose|remember|prefer|enjoy|own|teach|buy|"
    r"wear|live|play|write|watch|give|put|call|understand|expect|wonder|swear|tell|ask|try)\b"
)
#: verbs and adverbs that go with both
_OF_BOTH = re.compile(
    r" (?:was|wasn't|had|hadn't|did|didn't|can|can't|cannot|could|couldn't|will|won't|would|"
    r"wouldn't|should|shouldn't|may|might|must|just|never|always|really|also|still|only|already|"
    r"actually|once|finally|usually|often|now|read|took|bought|saw|got|made|gave|went|said|told|"
    r"found|knew|thought|left|lost|wrote|came|ran|kept|felt|heard|held|brought|began|built|chose|"
    r"ate|drank|drove|grew|hid|met|paid|sold|sent|set|sang|sat|spoke|spent|stood|taught|threw|"
    r"understood|wore|won|put|[a-z]{2,20}(?<![ebh])ed)\b"
)
_DETERMINED = re.compile(
    r"\b(?:the|an?|every|each|any|this|that|which|what|first|last|only|next|one|another|best|"
    r"favou?rite) (?:[a-z]+ )?$",
    re.I,
)
#: what is said of a king and seldom of oneself right after a name
_OF_KING = re.compile(
    r"(?: of\b|'s\b|[,.;:!?)]| (?:was|had|became|died|reigned|ruled|married|succeeded|ascended|"
    rf"in|at|by|to|is|has|from|as|and (?:[IVX]{{2,7}}|(?:{_REGNAL}) [IVX]+))\b|\s*$)"
)
_INITIAL = re.compile(r"\. [A-Z]")
#: what drips into a vein, and what stands before it
_VEIN = re.compile(
    r" (?:fluids?|lines?|drips?|drugs?|antibiotics?|therap(?:y|ies)|bags?|poles?|access|infusions?|"
    r"catheters?|push|medications?|meds|injections?|contrast|nurses?|treatments?|needles?|tubes?|"
    r"sites?|pumps?|hydration|steroids?|iron|vitamins?|site|bolus)\b"
)
_BEFORE_VEIN = frozenset(
    "The An A His Her My Your Their Our This That Your Give Start Insert Remove Place Use Get Stop "
    "Hang Check Change Pull Flush No Each Every With By Via And Or".split()
)


def _pronoun(match: _Match, head: str) -> bool:
    """Whether the I after a word such as "book" goes on as "I read" does."""
    text = match.string
    after = text[match.end() : match.end() + 24]
    if _OF_PRONOUN.match(after):
        return True
    if head in ("World War", "world war", "Super Bowl") or not _OF_BOTH.match(after):
        return False
    before = text[max(0, match.start() - 32) : match.start()]
    return head[0].islower() or _DETERMINED.search(before) is not None


def _initial(match: _Match) -> bool:
    """Whether a letter is followed as an initial is: "Mark V. Jones"."""
    after = match.string[match.end() : match.end() + 3]
    return _INITIAL.match(after) is not None and not starts_sentence(match.string, match.end() + 1)


def _value(numeral: str) -> str | None:
    """Words of a numeral that may have a letter behind it: "IIIb"."""
    if re.fullmatch("(?i)[ivxlc]+", numeral) and (whole := roman(numeral.upper())) is not None:
        return cardinal(whole)
    lettered = _LETTERED.fullmatch(numeral)
    part = roman(lettered[1]) if lettered else None
    if lettered is None or part is None:
        return None
    return f"{cardinal(part)} {lettered[2].upper()}"


def _joined(match: _Match) -> str:
    value = _value(match[2] + match[3])
    if value is None:
        return match[0]
    join = match[1].strip()
    return f"{ {'/': ' ', '-': ' to ', '–': ' to '}.get(join, match[1]) }{value}"


def _numbered(match: _Match) -> str:
    head, numeral, more = match[1], match[2], match[3]
    value = _value(numeral)
    if value is None or numeral in ("C", "L"):
        return match[0]
    if not more and len(numeral) == 1:
        if numeral == "I" and _pronoun(match, head):
            return match[0]
        if head == "Mark" and _initial(match):
            return match[0]
    return f"{head} {value}{_JOINED.sub(_joined, more)}"


def _named(match: _Match) -> str:
    title, name, numeral = match[1], match[2], match[3]
    value = roman(numeral)
    regnal = bool(title) or name in tables.REGNAL
    after = match.string[match.end() : match.end() + 24]
    if value is None or numeral == "IV" and (name in _BEFORE_VEIN or _VEIN.match(after)):
        return match[0]
    if len(numeral) == 1:
        # A lone I is the pronoun unless it must be a number.
        known = numeral != "I" or title or _OF_KING.match(after) and not _after_article(match)
        if not (regnal and known) or _initial(match):
            return match[0]
    if regnal:
        return f"{title or ''}{name} the {ordinal(value)}"
    return f"{name} {cardinal(value)}"


def _after_article(match: _Match) -> bool:
    before = match.string[max(0, match.start() - 32) : match.start()]
    return _DETERMINED.search(before) is not None


def _of_family(match: _Match) -> str:
    value = roman(match[2])
    return match[0] if value is None else f"{match[1]} the {ordinal(value)}"


def _century(match: _Match) -> str:
    value = roman(match[1])
    return match[0] if value is None else f"{ordinal(value)}{match[2]}"


def _listed(match: _Match) -> str:
    return re.sub(r"[IVX]+", lambda m: cardinal(roman(m[0]) or 0), match[0])


_BESIDE = {"i": "(ii)", "v": "(iv)", "x": "(ix)"}


def _item(match: _Match) -> str:
    """ "(iii)" of a list; a lone letter needs another item of its list."""
    numeral = match[1]
    around = match.string[max(0, match.start() - 2000) : match.end() + 2000]
    before = match.string[match.start() - 1 : match.start()]
    lone = before.isalnum() or _BESIDE.get(numeral, "") not in around
    if numeral in _BESIDE and lone:
        return match[0]
    return f"({cardinal(roman(numeral.upper()) or 0)})"


NUMERALS: tuple[Rule, ...] = (
    rule(r"\((i{1,3}|iv|vi{0,3}|ix|xi{0,3}|xi?v)\)", _item),
    # "I, II and III"
    rule(
        r"\bI(?:, (?:and |or )?| and | or | & )II\b"
        r"(?:(?:, (?:and |or )?| and | or | & )(?:III|IV|VI{0,3}|IX|X)\b){0,8}",
        _listed,
    ),
    rule(
        r"\b(vol|ch|fig|sec|art|bk)\. (?=[IVXLC]{2,8}\b)",
        lambda m: f"{tables.NUMBERED[m[1].title()].lower()} ",
    ),
    rule(
        # an I that goes on is the pronoun
        r"\b(Vol|Ch|Fig|Sec|Art|Bk)\.? (?=(?!I\b(?!,|;|:|\)|\s*$))[IVXLC\d]{1,8}\b)",
        lambda m: f"{tables.NUMBERED[m[1]]} ",
    ),
    rule(
        rf"\b((?i:{_HEADS})(?:e?s)?) ([IVXLC]{{1,8}}|[IVXL]{{1,7}}[a-cA-C]|[ivxl]{{2,8}})\b"
        rf"((?:{_NEXT}){{0,6}})(?!'(?!s\b)|\.\w)",
        _numbered,
    ),
    rule(r"\b([IVXL]{1,6})((?:th|st|nd|rd)? [Cc]entur(?:y|ies)\b)", _century),
    # "John D. Rockefeller IV": after a given name and a surname
    rule(
        r"\b([A-Z][a-z]{1,20} (?:[A-Z]\.? ){1,2}[A-Z][A-Za-z'-]{1,20}"
        rf"|(?:{_GIVEN}) [A-Z][A-Za-z'-]{{1,20}}),? (II|III|IV|VI{{1,3}})\b(?!'(?!s\b)|\.\w)",
        _of_family,
    ),
    rule(
        r"\b((?:King|Queen|Pope|Emperor|Tsar|Czar|Kaiser|Prince|king|queen|pope|emperor) )?"
        r"([A-Z][a-z]{1,20}) ([IVX]{1,7})\b(?!'(?!s\b)|\.\w)",
        _named,
    ),
)
