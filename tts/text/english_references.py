"""Verbalization of English references: chapter and verse, and numbers with a letter after words
such as "flat", "seat" and "figure".
"""

import re

from tts.text.numbers import cardinal, ordinal, three_figures
from tts.text.tracked import Rule, rule

__all__ = ["REFERENCES"]

_Match = re.Match[str]
_LABELS = (
    "apt|apartment|room|rm|flat|unit|suite|ste|seat|gate|fig|figure|table|section|sec|exhibit|"
    "appendix|chapter|step|question|problem|exercise|class|grade|group|block|building|bldg|lot|bay|"
    "row|platform|terminal|level|zone|form|schedule|part|page|line|item|type|stage|phase|route|"
    "highway|exit|bus|number"
)
#: abbreviations of books of the Bible, which elsewhere are generals, reverends and other words
_BOOKS = {
    "Gen": "Genesis", "Ex": "Exodus", "Exod": "Exodus", "Lev": "Leviticus", "Num": "Numbers",
    "Deut": "Deuteronomy", "Josh": "Joshua", "Judg": "Judges", "Sam": "Samuel", "Chr": "Chronicles",
    "Neh": "Nehemiah", "Ps": "Psalm", "Pss": "Psalms", "Prov": "Proverbs", "Eccl": "Ecclesiastes",
    "Isa": "Isaiah", "Jer": "Jeremiah", "Ezek": "Ezekiel", "Dan": "Daniel", "Mic": "Micah",
    "Mal": "Malachi", "Matt": "Matthew", "Rom": "Romans", "Cor": "Corinthians",
    "Gal": "Galatians", "Eph": "Ephesians", "Phil": "Philippians", "Col": "Colossians",
    "Thess": "Thessalonians", "Tim": "Timothy", "Heb": "Hebrews", "Jas": "James", "Pet": "Peter",
    "Rev": "Revelation",
}  # fmt: skip
#: of these, the ones that are known without a verse
_KNOWN = "Cor|Pss?|Thess|Deut|Exod|Isa|Ezek|Eccl|Prov|Neh|Heb|Eph"
_MORE_BOOKS = (
    "Genesis|Exodus|Leviticus|Numbers|Deuteronomy|Joshua|Judges|Ruth|Samuel|Kings|Chronicles|Ezra|"
    "Nehemiah|Esther|Job|Psalms?|Proverbs|Ecclesiastes|Isaiah|Jeremiah|Lamentations|Ezekiel|Daniel|"
    "Hosea|Joel|Amos|Obadiah|Jonah|Micah|Nahum|Habakkuk|Zephaniah|Haggai|Zechariah|Malachi|Matthew|"
    "Mark|Luke|John|Acts|Romans|Corinthians|Galatians|Ephesians|Philippians|Colossians|"
    "Thessalonians|Timothy|Titus|Hebrews|James|Peter|Jude|Revelation|Sirach|Tobit|Qur'?an|Koran|"
    "Surah?|chapters?|verses?"
)


def _verse(match: _Match) -> str:
    which, book, chapter, verse, last = match.groups()
    said = f"{ordinal(which)} " if which else ""
    said += f"{_BOOKS.get(book, book)} {cardinal(chapter)} {cardinal(verse)}"
    return f"{said} to {cardinal(last)}" if last else said


def _lettered(match: _Match) -> str:
    """Verbalize a number with a letter: "Figure 2B"."""
    label, number, letter = match.groups()
    three = len(number) == 3 and number[0] != "0"
    return f"{label}{three_figures(number) if three else cardinal(number)} {letter}"


#: applied before times and amounts: "John 3:5" is no time of day, and "Figure 2B" not two billion
REFERENCES: tuple[Rule, ...] = (
    rule(
        rf"(?:(?<![\w.,/:-])([123]) )?\b(?:({_MORE_BOOKS}|{'|'.join(_BOOKS)})\b)\.? (\d{{1,3}}):"
        r"([1-9]\d{0,2})(?:\s?[-–]\s?(\d{1,3}))?(?![\w:]|\s?[ap]\.?m\b)",
        _verse,
    ),
    rule(
        rf"(?:(?<![\w.,/:-])([12]) )?\b({_KNOWN})\. (?=\d)",
        lambda m: f"{ordinal(m[1]) + ' ' if m[1] else ''}{_BOOKS[m[2]]} ",
    ),
    rule(
        r"(?<![\w.,/:-])([12])(?= (?:Corinthians|Thessalonians|Chronicles)\b)",
        lambda m: ordinal(m[1]),
    ),
    rule(
        rf"\b((?i:{_LABELS})\.? (?:number )?)(\d{{1,4}})([A-Z])(?![\w'/-]|\.\w)",
        _lettered,
    ),
)
