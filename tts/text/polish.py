"""Polish cases that num2words does not give: genitives of cardinals and ordinals."""

import re

__all__ = ["cardinal_genitive", "ordinal_feminine", "ordinal_genitive", "year_genitive"]

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
