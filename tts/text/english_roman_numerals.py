"""Verbalization of Roman numerals in English: those of chapters, kings, sons and centuries.

A single I is mostly the pronoun, and a single C or L mostly a letter. The words beside it decide.
"""

import re

from tts.text import english_tables as tables
from tts.text.english_sentence_ends import starts_sentence
from tts.text.numbers import cardinal, ordinal, roman
from tts.text.tracked import Rule, rule

__all__ = ["NUMERALS"]

_Match = re.Match[str]
#: nouns that a numeral counts
_HEADS = (
    "Chapter|Part|Book|Volume|Act|Scene|Section|Appendix|World War|Article|Phase|Type|Figure|Table|"
    "Stage|Class|Level|Episode|Season|Super Bowl|Mark|Canto|Psalm|Title|Grade|Apollo|Gemini|"
    "Schedule|Annex|Division|Tier|Category|Categorie|Unit|Lesson|Exercise|Theorem|Page|Factor|"
    "Group|Item"
)
_REGNAL = "|".join(sorted(tables.REGNAL))
_GIVEN = "|".join(sorted(tables.GIVEN_NAMES | tables.REGNAL))
#: what joins two numerals; a single letter after a loose join is a word or a name
_TIGHT = r"\s?[-–/]\s?"
_LOOSE = r",? (?:and|or|to|through|&) |, "
_NEXT = rf"(?:{_TIGHT})[IVX]{{1,8}}[a-cA-C]?\b|(?:{_LOOSE})(?:[VX]|[IVXLC]{{2,8}}[a-cA-C]?)\b"
_JOINED = re.compile(rf"({_TIGHT}|{_LOOSE})([IVXLC]{{1,8}})([a-cA-C]?)\b")
_LETTERED = re.compile(r"([IVXL]{1,7})([A-Ca-c])")

#: verbs after the pronoun "I", which follow no numeral
_OF_PRONOUN = re.compile(
    r" (?:am|have|haven't|do|don't|want|need|like|love|hate|think|know|believe|guess|mean|say|see|"
    r"use|get|go|make|take|keep|find|feel|hope|wish|suppose|remember|prefer|enjoy|own|teach|buy|"
    r"wear|live|play|write|watch|give|put|call|understand|expect|wonder|swear|tell|ask|try)\b"
)
#: verbs and adverbs that follow both
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
#: text after the numeral of a king that seldom follows a name and the pronoun
_OF_KING = re.compile(
    r"(?: of\b|'s\b|[,.;:!?)]| (?:was|had|became|died|reigned|ruled|married|succeeded|ascended|"
    rf"in|at|by|to|is|has|from|as|and (?:[IVX]{{2,7}}|(?:{_REGNAL}) [IVX]+))\b|\s*$)"
)
_INITIAL = re.compile(r"\. [A-Z]")
#: nouns after "IV" for intravenous, and words before it
_INTRAVENOUS = re.compile(
    r" (?:fluids?|lines?|drips?|drugs?|antibiotics?|therap(?:y|ies)|bags?|poles?|access|infusions?|"
    r"catheters?|push|medications?|meds|injections?|contrast|nurses?|treatments?|needles?|tubes?|"
    r"sites?|pumps?|hydration|steroids?|iron|vitamins?|site|bolus)\b"
)
_BEFORE_INTRAVENOUS = frozenset(
    "The An A His Her My Your Their Our This That Your Give Start Insert Remove Place Use Get Stop "
    "Hang Check Change Pull Flush No Each Every With By Via And Or".split()
)


def _is_pronoun(match: _Match, head: str) -> bool:
    """Whether the I after a noun such as "book" is the pronoun: "the book I read"."""
    text = match.string
    after = text[match.end() : match.end() + 24]
    if _OF_PRONOUN.match(after):
        return True
    if head in ("World War", "world war", "Super Bowl") or not _OF_BOTH.match(after):
        return False
    before = text[max(0, match.start() - 32) : match.start()]
    return head[0].islower() or _DETERMINED.search(before) is not None


def _is_initial(match: _Match) -> bool:
    """Whether a letter is the initial of a name: "Mark V. Jones"."""
    after = match.string[match.end() : match.end() + 3]
    return _INITIAL.match(after) is not None and not starts_sentence(match.string, match.end() + 1)


def _value(numeral: str) -> str | None:
    """Return the words of a numeral that may have a letter after it: "IIIb"; None for others."""
    if re.fullmatch("(?i)[ivxlc]+", numeral) and (whole := roman(numeral.upper())) is not None:
        return cardinal(whole)
    lettered = _LETTERED.fullmatch(numeral)
    part = roman(lettered[1]) if lettered else None
    if lettered is None or part is None:
        return None
    return f"{cardinal(part)} {lettered[2].upper()}"


def _joined(match: _Match) -> str:
    """Verbalize a further numeral with what joins it: "I-III", "IV and V"."""
    value = _value(match[2] + match[3])
    if value is None:
        return match[0]
    join = match[1].strip()
    return f"{ {'/': ' ', '-': ' to ', '–': ' to '}.get(join, match[1]) }{value}"


def _numbered(match: _Match) -> str:
    """Verbalize the numerals after a noun: "Chapter IV"."""
    head, numeral, more = match[1], match[2], match[3]
    value = _value(numeral)
    if value is None or numeral in ("C", "L"):
        return match[0]
    if not more and len(numeral) == 1:
        if numeral == "I" and _is_pronoun(match, head):
            return match[0]
        if head == "Mark" and _is_initial(match):
            return match[0]
    return f"{head} {value}{_JOINED.sub(_joined, more)}"


def _named(match: _Match) -> str:
    """Verbalize the numeral after a name: an ordinal after that of a ruler, else a cardinal."""
    title, name, numeral = match[1], match[2], match[3]
    value = roman(numeral)
    regnal = bool(title) or name in tables.REGNAL
    after = match.string[match.end() : match.end() + 24]
    if (
        value is None
        or numeral == "IV"
        and (name in _BEFORE_INTRAVENOUS or _INTRAVENOUS.match(after))
    ):
        return match[0]
    if len(numeral) == 1:
        # A single I is the pronoun unless it must be a numeral.
        known = numeral != "I" or title or _OF_KING.match(after) and not _after_article(match)
        if not (regnal and known) or _is_initial(match):
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


#: the item that must be near a single letter for it to be a numeral
_BESIDE = {"i": "(ii)", "v": "(iv)", "x": "(ix)"}


def _item(match: _Match) -> str:
    """Verbalize the number of an item, "(iii)"; a single letter needs another item near it."""
    numeral = match[1]
    around = match.string[max(0, match.start() - 2000) : match.end() + 2000]
    before = match.string[match.start() - 1 : match.start()]
    lone = before.isalnum() or _BESIDE.get(numeral, "") not in around
    if numeral in _BESIDE and lone:
        return match[0]
    return f"({cardinal(roman(numeral.upper()) or 0)})"


#: numerals of items, nouns, centuries and names
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
        # an I that the sentence goes on after is the pronoun
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
