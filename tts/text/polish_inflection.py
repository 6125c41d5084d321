"""Polish cases that num2words does not give: those of ordinals and of years, the genitive of
cardinals.
"""

import re
from collections.abc import Callable

from tts.text.tracked import Rule, rule

__all__ = [
    "agreeing", "cardinal_genitive", "ordinal_bent", "ordinal_feminine", "ordinal_genitive",
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
#: endings of the other words, the longest first
_ENDINGS = (
    ("dwadzieścia", "dwudziestu"), ("dwieście", "dwustu"), ("naście", "nastu"),
    ("dzieścia", "dziestu"), ("dzieści", "dziestu"), ("dziesiąt", "dziesięciu"),
    ("trzysta", "trzystu"), ("czterysta", "czterystu"), ("sto", "stu"), ("siedem", "siedmiu"),
    ("osiem", "ośmiu"), ("ęć", "ęciu"), ("ść", "ściu"),
)  # fmt: skip


def cardinal_genitive(said: str) -> str:
    """The words of a whole number as after "od" and "do": "dwadzieścia trzy" to "dwudziestu
    trzech". A "jeden" at the end of a longer number stays."""
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
    """ "trzeci" as "trzeciego": the day of a date."""
    return " ".join(
        word[:-1] + ("iego" if word[-1] == "i" else "ego") if word[-1] in "yi" else word
        for word in said.split()
    )


def year_genitive(said: str) -> str:
    """The ordinal of a year as in a date: its last two words are inflected."""
    words = said.split()
    return " ".join([*words[:-2], ordinal_genitive(" ".join(words[-2:]))]) + " roku"


def ordinal_feminine(said: str) -> str:
    """ "drugi" as "druga": the hour of a time."""
    return re.sub(r"(?:y|(?<=[gk])i)(?=$| )", "a", re.sub(r"(?<![gk])i(?=$| )", "ia", said))


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


def agreeing(before: str, noun: str) -> str:
    """The ending of an ordinal between a text and a noun, as that of "nowy" would be."""
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


def ordinal_bent(said: str, ending: str) -> str:
    """An ordinal with the ending that "nowy" would have: "trzeci" and "ej" as "trzeciej"."""
    return " ".join(_bent(word, ending) if word[-1] in "yi" else word for word in said.split())


def _bent(word: str, ending: str) -> str:
    if word[-1] == "y":
        return word[:-1] + ending
    if ending[0] == "y":
        return word + ending[1:]
    # "drugi" keeps its i before e alone.
    return (word[:-1] if word[-2] in "gk" and ending[0] != "e" else word) + ending


# The case of a year after the words before it: the ending of its ordinal and its noun.
_OF_YEARS = {
    **dict.fromkeys(("w", "we", "o", "po"), ("ym", "roku")),
    **dict.fromkeys(("przed", "między"), ("ym", "rokiem")),
    "na": ("y", "rok"),
}
_WRITTEN = {"rok": ("y", "rok"), "rokiem": ("ym", "rokiem")}


def year_rules(ordinal: Callable[[str], str]) -> tuple[Rule, ...]:
    """Years before their noun, which is often short: "w 1989 r." """

    def dot(m: re.Match[str], written: str) -> str:
        after = re.match(r"\s*(\S?)", m.string[m.end() : m.end() + 9])
        ends = after is None or not after[1] or after[1].isupper()
        return "." if written == "r." and ends else ""

    def said(m: re.Match[str]) -> str:
        before, year, written = m.groups()
        case = _WRITTEN.get(written) or ("ego", "roku")
        if before and written not in _WRITTEN and (before != "na" or written == "r."):
            case = _OF_YEARS.get(before.lower(), case)
        words = f"{ordinal_bent(ordinal(year), case[0])} {case[1]}{dot(m, written)}"
        return f"{before} {words}" if before else words

    noun = r"(r\.|roku|rokiem|rok)(?!\w)"
    return (
        # A date has said it already.
        rule(rf"(?<=ego roku) {noun}", lambda m: dot(m, m[1])),
        rule(
            rf"(?:\b((?i:{'|'.join(_OF_YEARS)})) )?(?<![\w.,/:–-])(1\d{{3}}|20\d\d) ?{noun}",
            said,
        ),
    )
