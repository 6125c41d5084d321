"""Recognition of English amounts before a noun, which are singular: "a five dollar bill"."""

import re

from tts.text import english_tables as tables
from tts.text.english_sentence_ends import starts_sentence

__all__ = ["attributive", "before_noun", "in_quotes"]

_Match = re.Match[str]
_COUNT = "one|two|three|four|five|six|seven|eight|nine|ten|twelve|several"
_ARTICLE = re.compile(
    rf"(?:^|\W)(?:(?:an?|every|each|another)(?: [a-z]{{2,12}})?|{_COUNT}) $", re.I
)
#: a definite article or a possessive, but not "it's 5 km further"
_DEFINITE = re.compile(
    r"(?:(?:^|\W)(?:the|this|its|my|your|his|our|their)|(?<!\w)(?!(?:it|he|she|that|there|here|"
    r"what|who|where|let)')[a-z]{1,24}(?:'s|s'))"
    r"(?: (?:first|last|next|new|old|same|whole|entire|final|initial|usual|original|proposed|"
    r"planned|current|latest|recent|annual|record|huge|massive|full|free|other|standard))? $",
    re.I,
)
#: words after an amount that is a noun phrase of its own: "the 5 km took an hour"
_NO_NOUN = re.compile(
    r"[ -](?:[a-z]{2,}ed|took|takes?|came|comes?|made|makes?|got|gets?|gave|gives?|cost|costs|felt|"
    r"left|paid|pays?|bought|brought|kept|ran|runs?|do|does|did|done|needs?|helps?|meant|means?|"
    r"spent|lost|won|owed|sent|saw|told|said|found|stood|became|becomes?|grew|fell|rose|covers?|"
    r"remains?|lasts?|last|next|this|these|those|further|extra|again|yet|still|even|daily|weekly|"
    r"monthly|yearly|annually|each|worth|apiece|well|nearly|almost|since|being|also|never|always|"
    r"my|your|his|her|our|their|its|no|already|alone)\b"
)
#: a proper noun or an initialism after an amount: "a $20 Uber ride", "a $3 BLT"
_NAMED = re.compile(
    r" (?!(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|(?:January|February|March|April|May|June|July|"
    r"August|September|October|November|December|NE|NW|SE|SW|AM|PM|AD|BC)\b)"
    r"(?:[A-Z][a-z]+|[A-Z]{2,6}s?|[A-Z]&[A-Z])\b"
)
_INDEFINITE = re.compile(rf"(?:^|\W)(?:an?|another|{_COUNT}) $", re.I)
_RATE = re.compile(r"-(?:an?|per)-[a-z]")
_NOUN = re.compile(
    r"[ -](?!(?:" + tables.FUNCTION + r")\b)(?:[a-z]{2}|[A-Z]-[a-z]|(?:TV|SSD|HDD|LCD|LED)s?\b|V\d)"
)
_KNOWN_NOUN = re.compile(r" (?:" + tables.MEASURED + r")\b")


def before_noun(match: _Match) -> bool:
    """Whether a noun follows an amount at once: "27 in. monitor"."""
    return _NOUN.match(match.string[match.end() : match.end() + 24]) is not None


def attributive(match: _Match) -> bool:
    """Whether an amount stands before the noun that it describes: "a $5 bill", "35 mm film"."""
    end = match.end()
    after = match.string[end : end + 24]
    if _KNOWN_NOUN.match(after) or _RATE.match(after):
        return True
    before = match.string[max(0, match.start() - 24) : match.start()]
    if _NOUN.match(after):
        if _ARTICLE.search(before):
            return True
        return _DEFINITE.search(before) is not None and _NO_NOUN.match(after) is None
    if _NAMED.match(after) is None:
        return False
    if match[0].endswith("."):
        # "the 8 oz. Coke": with a dot it is no subject, unless a sentence begins after it.
        known = _DEFINITE.search(before) or _INDEFINITE.search(before)
        return known is not None and not starts_sentence(match.string, end)
    return _INDEFINITE.search(before) is not None


def in_quotes(match: _Match) -> bool:
    """Whether a quotation is open where a match begins, so that the next quotation mark closes it
    and does not stand for inches."""
    line = match.string[max(0, match.start() - 200) : match.start()].rpartition("\n")[2]
    return line.count('"') % 2 == 1
