"""Decision whether the dot of an English abbreviation ends a sentence too.

Where it does, normalization keeps it, so that segmentation finds the end. The decision looks at the
word after the dot and at the sentence before it.
"""

import re

from tts.text import english_tables as tables
from tts.text.numbers import NUMBER_WORDS

__all__ = [
    "company_end", "in_opening", "initials_end", "measure_end", "sentence_end", "starts_sentence",
    "state_end",
]  # fmt: skip

_Match = re.Match[str]
_WEEKDAY = "|".join(tables.WEEKDAYS)
_STARTER = re.compile(r"\s+[\"'(]?([A-Z][a-z']*)(?![\w.]| [A-Z]\b)")
#: a time zone or a day after a time of day
_AFTER_TIME = re.compile(
    r" (?:[A-Z]{2,4}\b|Eastern|Pacific|Central|Mountain|GMT"
    rf"|(?:{_WEEKDAY})s?\b(?! (?:is|was|will|has)\b)"
    rf"|(?:{'|'.join(tables.MONTHS)}) (?:\d|{NUMBER_WORDS}))"
)
#: an article before a time of day that belongs to a noun: "a 7 p.m. Zoom call"
_ARTICLE = re.compile(r"\b(?:an?|another|every|each|the) $", re.I)
_NAMED = re.compile(r" [A-Z]")
_CAPITAL = re.compile(r" ([A-Z][a-z']*)")
#: words in small letters that a name may go on with; others begin a clause: "Acme Inc. Sales rose"
_NO_VERB = (
    "of|and|or|for|in|on|at|to|with|from|by|as|than|nor|vs|the|a|an"
    "|de|da|di|la|le|van|von|der|del|y"
)
_CLAUSE = re.compile(rf"\s+[\"'(]?([A-Z][a-z]+),?(?:'s)? (?!(?:{_NO_VERB})\b)[a-z]")
#: words that go on after a company: "Acme Inc. President Lee left"
_TITLE = frozenset(
    "Chief Vice Executive Senior Deputy Managing President Chairman Chairwoman Chair Director "
    "Founder Co-founder Owner Manager Treasurer Spokesman Spokeswoman Spokesperson Analyst Class "
    "Series Common Preferred".split()
)
#: words of names after a country or a union of countries: "the U.S. Army went home"
_INSTITUTION = frozenset(
    "Administration Agency Agriculture Air Airways Ambassador Ambassadors Amateur Armed Army "
    "Assembly Attorney Bank Bureau Cabinet Capitol Cellular Census Centers Chamber Charter Chess "
    "Chief Citizenship Civil Coast Code Commerce Commission Commissioner Congress Congressman "
    "Congresswoman Constitution Consulate Convention Corps Council Court Customs Defense Defence "
    "Department Deputy District Dollar Education Embassy Energy Envoy Fish Food Force Forces "
    "Foreign Forest Geological Government Governor Grand Health High Highway Home House Human "
    "Immigration Interior Internal Justice Labor Labour Library Marine Marines Marshal Marshals "
    "Masters Mint Minister Ministry Mission National Navy Number Open Parliament Patent "
    "Peacekeepers Post Postal President Prime Refugee Representative Resolution Route Ryder "
    "Secret Secretary Secretary-General Securities Security Senate Senator Soccer Space Special "
    "State States Steel Supreme Surgeon Tax Team Tour Trade Transportation Treasuries Treasury "
    "Trust Trustees Veterans Vice Virgin War Women World "
    "Democrat Democrats Christian Christians Muslim Muslims".split()
)
# "the U.S. Olympic team", "the U.K. Jewish community"
_ADJECTIVE = re.compile(r"[A-Z][a-z]+(?:ic|ish|ial|ese|ican|istic)$")
#: of two letters, those that are a noun after "the"
_THE_LANDS = frozenset({"US", "UK", "UN", "EU"})
_DEGREES = frozenset(
    "PHD MD MA BA MS BS MBA JD LLB LLM MSC BSC DDS RN EDD DPHIL MPH BFA MFA".split()
)
#: letters that are a noun without an article
_BARE = frozenset("LA DC NY NJ NZ SF BC AD BCE CE PEI PM AM TV".split()) | _DEGREES
_THE = re.compile(r"\b[Tt]he (?:[a-z]{3,12} )?$")
_OWNED = re.compile(r"\b(?:an?|his|her|my|your|our|their|its|this|that|every|each|one) $", re.I)
_BEGIN = re.compile(r"[.!?;:\n][\"')\]]*\s|[(\[\"]")
#: words that do not count for a sentence: prepositions, articles and numbers
_FUNCTION_WORD = re.compile(
    rf"(?:{_NO_VERB}|into|over|about|around|since|until|before|after|{NUMBER_WORDS}|"
    r"hundred|thousand|\W|\d)*",
    re.I,
)

_PREPOSITION = (
    "in|on|at|by|around|about|before|after|since|until|till|from|for|to|with|within|during|across"
    "|outside|inside|throughout|near|over|under|through|between|like|unlike|of|beyond|behind|into"
)
_OPENER = re.compile(rf"(?:(?:only|even|back|here|just) )?(?:{_PREPOSITION})\b", re.I)
#: what a phrase of a place or time is made of
_IN_PHRASE = re.compile(
    rf"(?i:(?:{_PREPOSITION}|{_NO_VERB}|{NUMBER_WORDS}|hundred|thousand|end|beginning|start|middle"
    r"|early|late|mid|exactly|approximately|approx|[ap]|m|only|even|back|here|just|\W|\d)*)"
    r"|[A-Z][\w'.,-]*"
)
#: "He said that in the U.S. Apple sells well"
_SUBORDINATE = re.compile(
    r"\b(?:that|if|when|because|while|whereas|although|though|since|where|whether) "
    rf"(?:{_PREPOSITION}) (?:the )?(?:[A-Z][\w'-]*,? )?$"
)
_GOES_ON_LOW = re.compile(r"[a-z\d]")
_WORD_I = re.compile(r" I(?:'[a-z]{1,2})?\b")
_NUMBER_BEFORE = re.compile(rf"(?:(?:{NUMBER_WORDS}|hundred|and|half|[\d./,]+)[ -])*$", re.I)
#: "two 16 oz. Starbucks lattes"
_HOW_MANY = re.compile(r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|several) $")
_WITH = re.compile(r"\b(?:with|plus|of|into) $", re.I)
#: units of recipes alone, and units that recipes share with other texts
_SPOONS = frozenset("tbsp tbs tbsps tsp tsps c pkg".split())
_POURED = frozenset("oz lb lbs pt pts qt qts gal doz".split())
#: verbs that begin the next sentence of a recipe
_COOKING_VERBS = frozenset(
    "Add Allow Arrange Bake Beat Blend Boil Bring Broil Brown Brush Chill Chop Combine Cook Cool "
    "Cover Cut Dice Discard Divide Drain Drizzle Drop Dry Fill Fold Freeze Fry Garnish Grate "
    "Grease Grill Heat Knead Layer Leave Make Marinate Mash Melt Mix Peel Place Poach Pour "
    "Preheat Press Put Reduce Refrigerate Remove Repeat Rinse Roast Roll Rub Season Serve Set "
    "Shake Sift Simmer Slice Soak Spoon Spread Sprinkle Steam Stir Store Strain Taste Toast Top "
    "Toss Transfer Trim Turn Use Wash Whip Whisk Wrap".split()
)


def starts_sentence(text: str, at: int) -> bool:
    """Whether a text ends at `at` or goes on with a word that begins sentences ("The", "It's").

    Names do not ("U.S. Army", "J. R. Smith"), and neither does an initial such as "A.".
    """
    rest = text[at : at + 24]
    if not rest[:3].strip() or "\n" in rest[:3]:
        return True
    after = _STARTER.match(rest)
    if after is None:
        return False
    # "It's", "Don't"
    return after[1].endswith("n't") or after[1].partition("'")[0] in tables.STARTERS


def sentence_end(match: _Match) -> str:
    """Return the dot of an abbreviation if it ends the sentence, that is, at the end of the text or
    before a capital, else nothing."""
    if not match[0].endswith("."):
        return ""
    text, end = match.string, match.end()
    rest = text[end : end + 3]
    if _AFTER_TIME.match(text[end : end + 24]) or in_opening(text, match.start(), end):
        return ""
    if match[0].lstrip("-")[:1].isdigit() and _NAMED.match(rest):
        article = _ARTICLE.search(text[max(0, match.start() - 8) : match.start()])
        if article and not starts_sentence(text, end):
            return ""
    ends = not rest.strip() or "\n" in rest or rest[0] == " " and rest.lstrip()[:1].isupper()
    return "." if ends else ""


def measure_end(match: _Match, short: str) -> str:
    """Return the dot of a unit if it ends the sentence, else nothing.

    The name of what is measured continues the sentence: "an 8 oz. Coke", "2 tbsp. Worcestershire
    sauce", but "It weighs 8 oz. Coke weighs more.".

    Args:
        match: match of the unit, with its number or without.
        short: the unit as it is written.
    """
    text, end = match.string, match.end()
    named = _CAPITAL.match(text, end)
    if named is None or starts_sentence(text, end):
        return sentence_end(match)
    start = _NUMBER_BEFORE.search(text, max(0, match.start() - 40), match.start())
    at = match.start() if start is None else start.start()
    before = text[max(0, at - 8) : at]
    counted = match[0][:1].isdigit() and _HOW_MANY.search(
        text[max(0, match.start() - 8) : match.start()]
    )
    if _ARTICLE.search(before) or counted:
        return ""
    if named[1] not in _COOKING_VERBS:
        ingredient = short.lower() in _POURED and (
            _WITH.search(before) or not _can_be_sentence(text, at)
        )
        if short.lower() in _SPOONS or ingredient:
            return ""
    return sentence_end(match)


def in_opening(text: str, start: int, at: int) -> bool:
    """Whether a short form, from `start` to `at`, belongs to a phrase with which a sentence or a
    clause opens, so that its dot ends nothing: "In the U.S. Apple sells well.", "At 5 p.m. I left."
    and "He said that in the U.S. Apple sells well.".

    What answers a question may be such a phrase alone, and is not taken for an opening.
    """
    named = _CAPITAL.match(text, at)
    if named is None or not _WORD_I.match(text, at) and starts_sentence(text, at):
        return False
    first = max(0, start - 80)
    before = text[first:start]
    if _SUBORDINATE.search(before):
        return True
    # In "From 9 a.m. to 5 p.m. Dan works" the first dot begins nothing.
    ends = [found.end() for found in _BEGIN.finditer(before)]
    begins = [end for end in ends if not _GOES_ON_LOW.match(text, first + end)]
    if not begins and start > 80 or begins and before[: begins[-1]].rstrip("\"')] ")[-1:] == "?":
        return False
    so_far = before[begins[-1] :] if begins else before
    opens = so_far[:1].isupper() and _OPENER.match(so_far) is not None
    return opens and all(_IN_PHRASE.fullmatch(word) for word in so_far.split())


def company_end(text: str, start: int, at: int) -> bool:
    """Whether a sentence ends at `at`, after "Inc." and the like, which begin at `start`."""
    if in_opening(text, start, at):
        return False
    clause = _CLAUSE.match(text, at)
    return starts_sentence(text, at) or clause is not None and clause[1] not in _TITLE


def state_end(text: str, start: int, at: int) -> bool:
    """Whether a sentence ends at `at`, after an abbreviated state that begins at `start`."""
    if in_opening(text, start, at):
        return False
    if starts_sentence(text, at):
        return True
    clause = _CLAUSE.match(text, at)
    return clause is not None and clause[1] not in _INSTITUTION and _can_be_sentence(text, start)


def initials_end(text: str, start: int, at: int, letters: str) -> bool:
    """Whether a sentence ends at `at`, after letters with dots that begin at `start`.

    It does before a word that begins sentences. It also does before a clause, if the text before
    can be a sentence and the article before the letters shows them to be a noun: "it fell in the
    U.S. Sales rose", but "the U.S. Army went home", "a U.S. Navy ship", "the L.A. Lakers fan" and
    "J. R. Smith went".

    Args:
        text: the whole text.
        start, at: where the letters begin and end.
        letters: the letters in capitals without dots.
    """
    if in_opening(text, start, at):
        return False
    if starts_sentence(text, at):
        return True
    clause = _CLAUSE.match(text, at)
    if clause is None or clause[1] in _INSTITUTION or _ADJECTIVE.match(clause[1]):
        return False
    before = text[max(0, start - 24) : start]
    if _THE.search(before):
        spaced = " " in text[start:at]
        fits = letters in _THE_LANDS or len(letters) > 2 and not spaced
    elif _OWNED.search(before):
        fits = letters in _DEGREES
    else:
        fits = letters in _BARE
    return fits and _can_be_sentence(text, start)


def _can_be_sentence(text: str, start: int) -> bool:
    """Whether the part of a sentence before `start` can be one by itself: it has at least two words
    other than prepositions, articles and numbers, or the text begins within a sentence."""
    before = text[max(0, start - 80) : start]
    begins = [found.end() for found in _BEGIN.finditer(before)]
    so_far = before[begins[-1] :] if begins else before
    words = so_far.split()
    if not begins and start <= 80 and so_far.lstrip()[:1].islower():
        return True
    return sum(not _FUNCTION_WORD.fullmatch(word) for word in words) >= 2
