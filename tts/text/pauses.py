"""Pauses as tokens: what the aligner measured, and what punctuation asks for.

Corpora come without punctuation, so generators learn two pause tokens named by their length: a
short one under `,` and a long one under `.`; at synthesis every mark is mapped to one of them.
"""

from dataclasses import dataclass, field

from tts.text.symbols import SIL, SYMBOLS

COMMA, PERIOD = SYMBOLS.index(","), SYMBOLS.index(".")
_SHORTEST = 4  # frames (80 ms): anything shorter is closure or breath of its neighbours
_LONG = 18  # frames (360 ms)
_AS_COMMA = frozenset(SYMBOLS.index(mark) for mark in ',()"')
_AS_PERIOD = frozenset(SYMBOLS.index(mark) for mark in ".?!;:—…")


@dataclass
class Aligned:
    """Tokens with their frames (lists of the same length) and the first token of each word."""

    ids: list[int]
    mods: list[int]
    durations: list[int]
    words: list[int] = field(default_factory=list)


def canonical(ids: list[int], mods: list[int], durations: list[int]) -> Aligned:
    """Aligned tokens with optional pauses to training tokens.

    Inner pauses become `,` or `.` by length, very short ones are given to their neighbours,
    skipped ones vanish. The edges keep `<sil>`.
    """
    out = Aligned([], [], [])
    carry = 0
    last = len(ids) - 1
    new_word = False
    for at, (i, m, d) in enumerate(zip(ids, mods, durations, strict=True)):
        if i == SIL:
            new_word = True
        elif new_word:
            out.words.append(len(out.ids))
            new_word = False
        if i == SIL and 0 < at < last:
            if d < _SHORTEST:
                if out.durations:
                    out.durations[-1] += d // 2
                    carry += d - d // 2
                else:
                    carry += d
                continue
            i = PERIOD if d >= _LONG else COMMA
        elif i == SIL and d + carry == 0:
            continue
        out.ids.append(i)
        out.mods.append(m)
        out.durations.append(d + carry)
        carry = 0
    return out


def spoken_pauses(ids: list[int], mods: list[int]) -> tuple[list[int], list[int]]:
    """Tokens of a sentence with every mark replaced by the pause that was trained for it.

    A mark before the closing `<sil>` goes: the silence after a sentence is not the generator's.
    """
    ids = [COMMA if i in _AS_COMMA else PERIOD if i in _AS_PERIOD else i for i in ids]
    if ids and ids[-1] == SIL:
        while len(ids) > 1 and is_pause(ids[-2]):
            ids, mods = [*ids[:-2], SIL], [*mods[:-2], mods[-1]]
    return ids, mods


def is_pause(token: int) -> bool:
    """Whether a canonical token is silence."""
    return token in (SIL, COMMA, PERIOD)
