"""Words beside a homograph, by the part of speech that they suggest (tts.text.homographs).

Sentences are given as words in lower case, among them punctuation marks.
"""

import re
from collections.abc import Sequence

__all__ = [
    "AFTER_NOUN",
    "AFTER_VERB",
    "ARTICLES",
    "AUX",
    "BE",
    "DETERMINERS",
    "OBJECTS",
    "PAST",
    "PRONOUNS",
    "SUBJECTS",
    "near_words",
    "starts_clause",
    "word_after",
    "word_before",
]

PRONOUNS = frozenset("i you we they he she it who that which this".split())
SUBJECTS = frozenset("i you we they he she who people".split())
AUX = frozenset(
    "to will would can could should shall may might must do does did don't doesn't didn't won't "
    "can't couldn't shouldn't wouldn't cannot let let's please not never always often usually "
    "i'll you'll we'll they'll he'll she'll it'll i'd you'd we'd they'd just also then help "
    "mustn't".split()
)
DETERMINERS = frozenset(
    "the a an my your his her its our their this that these those some any no every each another "
    "what whose first second last next new old good bad great big small of in for with by from on "
    "at one two three four five ten many few several more less most own free other same full "
    "public best worst poor low high heavy strong clean current into under about without "
    "whose's per little entire whole hot cold fresh desktop business research record".split()
)
OBJECTS = frozenset(
    "the a an my your his her its our their this that these those it them him us me to all both "
    "up every some any yourself down what how more with against".split()
)
BE = frozenset(
    "am is are was were be been being i'm you're we're they're he's she's it's very too so quite "
    "really more most less feel feels felt seem seems seemed stay stayed remain rather fully "
    "perfectly extremely".split()
)
PAST = frozenset(
    "have has had i've you've we've they've he'd she'd having was were been be being is are "
    "yesterday ago already never once last just".split()
)
ARTICLES = frozenset("the a an this that each every my your his her its our their no".split())
AFTER_VERB = OBJECTS | frozenset("when if in on at from with slowly well often each".split())
AFTER_NOUN = frozenset(
    "was were are is have had has of in for and or to from at on by with that which who show will "
    "can may ago , . ? ! ; :".split()
) | {""}


def near_words(low: Sequence[str], at: int, size: int = 8) -> set[str]:
    """Return the words around a word. Where the same word stands again near by, the words between
    the two are divided.

    Args:
        low: words of a sentence in lower case.
        at: index of the word.
        size: words to either side.
    """
    first, last = max(0, at - size), min(len(low), at + 1 + size)
    word = low[at]
    # The other one may be up to twice as far, as half of the words between are this one's.
    for other in range(at - 1, max(-1, at - 2 * size - 1), -1):
        if low[other] == word:
            first = max(first, other + 1 + _share(low[other + 1 : at]))
            break
    for other in range(at + 1, min(len(low), at + 2 * size + 1)):
        if low[other] == word:
            last = min(last, at + 1 + _share(low[at + 1 : other]))
            break
    return {*low[first:at], *low[at + 1 : last]}


def _share(between: Sequence[str]) -> int:
    """Count the words between two that belong to the first: those up to a conjunction, or half."""
    for at, word in enumerate(between):
        if word in ("and", "or", "but", "while", "when", "because", ",", ";", ".", "?", "!"):
            return at
    return len(between) // 2


def word_before(low: Sequence[str], at: int, step: int = 1) -> str:
    """Return the word `step` places before a word, "" where there is none."""
    return low[at - step] if at >= step else ""


def word_after(low: Sequence[str], at: int) -> str:
    """Return the word after a word, "" at the end."""
    return low[at + 1] if at + 1 < len(low) else ""


def starts_clause(low: Sequence[str], at: int) -> bool:
    """Whether a word begins a clause: nothing, a mark, a conjunction or "please" is before it."""
    before = word_before(low, at)
    return not before or not re.search(r"\w", before) or before in ("and", "then", "or", "please")
