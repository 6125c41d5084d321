"""Verbalization of English decades: "the '90s", "80s music"."""

import re

from tts.text.numbers import cardinal
from tts.text.tracked import Rule, rule

__all__ = ["DECADES"]

_Match = re.Match[str]
#: nouns after a decade
_STYLE = (
    "music|hits?|songs?|bands?|movies?|films?|fashion|styles?|styled|pop|rock|disco|hair|"
    "hairstyles?|part(?:y|ies)|themes?|themed|kids?|child|children|bab(?:y|ies)|vibes?|nostalgia|"
    "sitcoms?|shows?|cartoons?|TV|classics?|retro|looks?|clothes|icons?|era|playlists?|albums?|"
    "decor|synths?|synthpop|synthwave|punk|rap|hip[- ]hop|jazz|metal|dance|culture|slang|tunes?|"
    "ballads?|singers?|rockers?|outfits?|trends?|aesthetic|sound|design|furniture|horror|action|"
    "comed(?:y|ies)|sci-fi|inspired|throwbacks?|revival|cinema|grunge|house|techno|soul|funk|jeans|"
    "neon|arcades?|toys?"
)
#: nouns after seconds rather than a decade: "the 30s timeout"
_TIMED = (
    "timeouts?|timers?|delays?|limits?|intervals?|waits?|windows?|countdown|cooldown|penalty|"
    "exposures?|gaps?|lag|latency|planks?|bursts?|pauses?|rests?|breaks?|holds?|sprints?|caps?"
)


def _decade(match: _Match) -> str:
    """Verbalize a decade, with its century or without."""
    century, tens = match[1], int(match[2])
    if not (century or tens):
        return "two thousands"
    word = cardinal(tens * 10)[:-1] + "ies" if tens > 1 else ("tens" if tens else "hundreds")
    if not century:
        return word
    return "two thousands" if century == "20" and not tens else f"{cardinal(century)} {word}"


def _many(match: _Match) -> str:
    return f"{cardinal(match[1].replace(',', '')).removeprefix('one ')}s"


DECADES: tuple[Rule, ...] = (
    # "80s music", "60s and 70s hits": without an article seconds, but before these nouns
    rule(
        rf"(?<![\w'.,$£€-])()([2-9])0s(?=(?:[ -](?:and|or|to|&) '?[2-9]0s)?[ -](?:{_STYLE})\b)",
        _decade,
    ),
    # "80s and 90s": one decade and the next
    rule(
        r"(?<![\w'.,$£€])()([2-8])0s(?= (?:and|or|to|&) '?([3-9])0s\b)",
        lambda m: _decade(m) if int(m[3]) == int(m[2]) + 1 else m[0],
    ),
    rule(r"(?<=in )()([2-9])0s(?= [A-Z][a-z])", _decade),
    rule(r"(?<![\w.,])(10|100|1,?000)s(?= of\b)", _many),
    rule(r"(?<![\w'.,])'?(1\d|20)(\d)0'?s\b", _decade),
    rule(
        r"(?:(?<=the )|(?<=The )|(?<=early )|(?<=mid )|(?<=mid-)|(?<=late )|(?<=his )|(?<=her )"
        r"|(?<=s and )|(?<=s or )|(?<=s & )|(?<=low )|(?<=high )"
        r"|(?<=lower )|(?<=upper )|(?<=s to )|(?<=my )|(?<=our )|(?<=your )|(?<=their )"
        r"|(?<=early-)|(?<=late-)|(?=')|(?=\d0's))"
        rf"(?<!\w')'?()(\d)0'?s\b(?! (?:{_TIMED})\b)",
        _decade,
    ),
)
