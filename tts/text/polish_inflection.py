"""Inflection of Polish numbers, which num2words lacks: cases of ordinals and years, and genitives
of cardinals.
"""

import re
from collections.abc import Callable

from tts.text.tracked import Rule, rule

__all__ = [
    "agreeing_ending", "cardinal_genitive", "inflected_ordinal", "ordinal_genitive",
    "year_genitive", "year_rules",
]  # fmt: skip

_CARDINALS = dict(
    zip(
        "zero jeden jedna jedno dwa dwie trzy cztery tysiąc tysiące milion miliony".split(),
        "zera jednego jednej jednego dwóch dwóch trzech czterech tysiąca tysięcy miliona "
        "milionów".split(),
        strict=True,
    )
)
#: endings of other cardinals in the nominative and the genitive, the longest first
_ENDINGS = (
    ("dwadzieścia", "dwudziestu"), ("dwieście", "dwustu"), ("naście", "nastu"),
    ("dzieścia", "dziestu"), ("dzieści", "dziestu"), ("dziesiąt", "dziesięciu"),
    ("trzysta", "trzystu"), ("czterysta", "czterystu"), ("sto", "stu"), ("siedem", "siedmiu"),
    ("osiem", "ośmiu"), ("ęć", "ęciu"), ("ść", "ściu"),
)  # fmt: skip


def cardinal_genitive(said: str) -> str:
    """Return the words of a whole number in the genitive: "dwadzieścia trzy" becomes "dwudziestu
    trzech". A "jeden" at the end of a longer number does not change."""
    words = said.split()
    return " ".join(
        word if n and word == "jeden" else _word_genitive(word) for n, word in enumerate(words)
    )


def _word_genitive(word: str) -> str:
    if word in _CARDINALS:
        return _CARDINALS[word]
    if word.endswith("set"):  # pięćset: pięciuset
        return _word_genitive(word.removesuffix("set")) + "set"
    for ending, changed in _ENDINGS:
        if word.endswith(ending):
            return word.removesuffix(ending) + changed
    return word


def ordinal_genitive(said: str) -> str:
    """Return an ordinal in the genitive, as the day of a date: "trzeci" becomes "trzeciego"."""
    return " ".join(
        word[:-1] + ("iego" if word[-1] == "i" else "ego") if word[-1] in "yi" else word
        for word in said.split()
    )


def year_genitive(said: str) -> str:
    """Return the ordinal of a year in the genitive, as in a date: its last two words change."""
    words = said.split()
    return " ".join([*words[:-2], ordinal_genitive(" ".join(words[-2:]))]) + " roku"


_LOCATIVE = re.compile(r"(?i)\b(?:w|we|na|o|po|przy) ?$")
_GENITIVE = re.compile(r"(?i)\b(?:do|od|z|ze|bez|dla|podczas|około|koło|po|wskutek) ?$")
# Nouns whose endings mislead.
_EXCEPTIONS = {"część": "a", "noc": "a", "dnia": "ego", "tygodnia": "ego", "miesiąca": "ego"}
_MASCULINE_LOCATIVE = ("ętrze", "etapie", "tomie", "rozdziale", "sezonie", "zakresie", "planie")
_CASES = (
    ("ego", "ego"), ("ych", "ych"), ("ich", "ych"), ("ej", "ej"), ("em", "ym"), ("ym", "ym"),
    ("im", "ym"), ("ą", "ą"), ("ę", "ą"), ("o", "e"), ("ski", "y"), ("cki", "y"),
    ("i", "ej"), ("y", "ej"),
)  # fmt: skip


def agreeing_ending(before: str, noun: str) -> str:
    """Return the ending of an ordinal before a noun, as that of "nowy" would be.

    Args:
        before: the text before the ordinal.
        noun: in the form that is written.
    """
    if noun in _EXCEPTIONS:
        return _EXCEPTIONS[noun]
    locative = bool(_LOCATIVE.search(before))
    if noun.endswith("u"):
        return "ym" if locative else "ego"
    if noun.endswith("a"):
        return "ego" if _GENITIVE.search(before) else "a"
    if noun.endswith("e"):
        if not locative or noun.endswith("jsce"):
            return "e"
        return "ym" if noun.endswith(_MASCULINE_LOCATIVE) else "ej"
    return next((case for ending, case in _CASES if noun.endswith(ending)), "y")


def inflected_ordinal(said: str, ending: str) -> str:
    """Return an ordinal with the ending that "nowy" would have: "trzeci" and "ej" give
    "trzeciej"."""
    return " ".join(_inflected(word, ending) if word[-1] in "yi" else word for word in said.split())


def _inflected(word: str, ending: str) -> str:
    if word[-1] == "y":
        return word[:-1] + ending
    if ending[0] == "y":
        return word + ending[1:]
    # "drugi" keeps its i before e alone.
    return (word[:-1] if word[-2] in "gk" and ending[0] != "e" else word) + ending


# The ending of the ordinal of a year and the form of its noun, by the preposition before it.
_OF_YEARS = {
    **dict.fromkeys(("w", "we", "o", "po"), ("ym", "roku")),
    **dict.fromkeys(("przed", "między"), ("ym", "rokiem")),
    "na": ("y", "rok"),
}
_WRITTEN = {"rok": ("y", "rok"), "rokiem": ("ym", "rokiem")}


def year_rules(ordinal: Callable[[str], str]) -> tuple[Rule, ...]:
    """Return the rules of years before their noun, which is often abbreviated: "w 1989 r.".

    Args:
        ordinal: returns the ordinal of digits in the nominative.
    """

    def dot(m: re.Match[str], written: str) -> str:
        after = re.match(r"\s*(\S?)", m.string[m.end() : m.end() + 9])
        ends = after is None or not after[1] or after[1].isupper()
        return "." if written == "r." and ends else ""

    def said(m: re.Match[str]) -> str:
        before, year, written = m.groups()
        case = _WRITTEN.get(written) or ("ego", "roku")
        if before and written not in _WRITTEN and (before != "na" or written == "r."):
            case = _OF_YEARS.get(before.lower(), case)
        words = f"{inflected_ordinal(ordinal(year), case[0])} {case[1]}{dot(m, written)}"
        return f"{before} {words}" if before else words

    noun = r"(r\.|roku|rokiem|rok)(?!\w)"
    return (
        # The rule of dates has added the noun already.
        rule(rf"(?<=ego roku) {noun}", lambda m: dot(m, m[1])),
        rule(
            rf"(?:\b((?i:{'|'.join(_OF_YEARS)})) )?(?<![\w.,/:–-])(1\d{{3}}|20\d\d) ?{noun}",
            said,
        ),
    )
