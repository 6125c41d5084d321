"""Pause tokens: those of training, from measured pauses, and those of synthesis, from punctuation.

Transcripts of corpora often have no punctuation. Generators therefore learn two pause tokens that
tell the length of a pause, a short one with the symbol `,` and a long one with the symbol `.`. In
synthesis every mark is mapped to one of them.
"""

from dataclasses import dataclass, field

from tts.text.symbols import SIL, SYMBOLS

COMMA, PERIOD = SYMBOLS.index(","), SYMBOLS.index(".")
_SHORTEST = 4  # frames (80 ms); anything shorter is the closure or breath of a neighbouring phone
_LONG = 18  # frames (360 ms)
_AS_COMMA = frozenset(SYMBOLS.index(mark) for mark in ',()"')
_AS_PERIOD = frozenset(SYMBOLS.index(mark) for mark in ".?!;:—…")


@dataclass
class Aligned:
    """Aligned tokens of an utterance.

    Attributes:
        ids, mods: symbol and modifier of each token.
        durations: frames of each token.
        words: first token of each word.
    """

    ids: list[int]
    mods: list[int]
    durations: list[int]
    words: list[int] = field(default_factory=list)


def canonical(ids: list[int], mods: list[int], durations: list[int]) -> Aligned:
    """Return the training tokens of an alignment with optional pauses between words.

    Pauses become `,` or `.` by their length, and the frames of very short ones are given to their
    neighbours. The silence at both ends stays `<sil>`.

    Args:
        ids, mods, durations: symbol, modifier and frames of each aligned token; a pause that was
            skipped has 0 frames.
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
    """Return the ids and modifiers of a sentence with each mark replaced by its trained pause.

    A mark before the final `<sil>` is removed, as the silence after a sentence is not generated.
    """
    ids = [COMMA if i in _AS_COMMA else PERIOD if i in _AS_PERIOD else i for i in ids]
    if ids and ids[-1] == SIL:
        while len(ids) > 1 and is_pause(ids[-2]):
            ids, mods = [*ids[:-2], SIL], [*mods[:-2], mods[-1]]
    return ids, mods


def is_pause(token: int) -> bool:
    """Whether a token of `canonical` is silence."""
    return token in (SIL, COMMA, PERIOD)
