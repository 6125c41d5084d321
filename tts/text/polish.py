"""Polish cases that num2words does not give: those of ordinals, the genitive of cardinals."""

import re

__all__ = [
    "agreeing", "cardinal_genitive", "ordinal_bent", "ordinal_feminine", "ordinal_genitive",
    "year_genitive",
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
