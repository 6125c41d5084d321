"""Scores of phrase breaks on held-out speakers, the choice of the prior, and a baseline.

Tables are those of `tts.prosody.phrasing.PhrasingModel.table`, one for each utterance.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tts.prosody.phrasing import LONG, NONE, SHORT, WordBatch, place_pauses, word_key


def place_all(tables: Sequence[NDArray[np.float32]], prior: tuple[float, float]) -> list[list[int]]:
    """Place the pauses of texts without punctuation by `place_pauses`, one list for each table."""
    return [place_pauses(table, [False] * len(table), prior) for table in tables]


def choose_prior(
    tables: Sequence[NDArray[np.float32]], truth: Sequence[Sequence[int]]
) -> tuple[float, float]:
    """Find the prior with which there are as many short and as many long pauses as in `truth`.

    Args:
        truth: NONE, SHORT or LONG before each word of each utterance.

    Returns:
        log priors of short and of long pauses.
    """
    target = sum(kind != NONE for row in truth for kind in row)
    target_long = sum(kind == LONG for row in truth for kind in row)

    def search(
        start: float, width: float, goal: int, count: Callable[[float], int], steps: int
    ) -> float:
        """Bisect around `start` for the value at which `count` is `goal`."""
        low, high = start - width, start + width
        for _ in range(steps):
            middle = (low + high) / 2
            low, high = (middle, high) if count(middle) < goal else (low, middle)
        return (low + high) / 2

    def pauses(prior: tuple[float, float], at_least: int) -> int:
        return sum(kind >= at_least for row in place_all(tables, prior) for kind in row)

    short = longer = 0.0
    for width, steps in ((3.0, 7), (0.5, 6)):
        gap = longer - short
        short = search(short, width, target, lambda v: pauses((v, v + gap), 1), steps)  # noqa: B023
        at = short
        longer = search(short + gap, width, target_long, lambda v: pauses((at, v), LONG), steps)  # noqa: B023
    return short, longer


def scores(placed: Sequence[Sequence[int]], truth: Sequence[Sequence[int]]) -> dict[str, float]:
    """Compare placed pauses with real ones; the first word of an utterance does not count.

    Returns:
        "precision", "recall" and "f1" of pauses of any length; "rate" and "real_rate", pauses per
        word boundary; "long_share" and "real_long_share", the share of long pauses among them.
    """
    predicted = np.concatenate([row[1:] for row in placed])
    real = np.concatenate([row[1:] for row in truth])
    hits = int(np.sum((predicted > 0) & (real > 0)))
    predicted_pauses, real_pauses = int(np.sum(predicted > 0)), int(np.sum(real > 0))
    values = {
        "precision": hits / max(predicted_pauses, 1),
        "recall": hits / max(real_pauses, 1),
        "f1": 2 * hits / max(predicted_pauses + real_pauses, 1),
        "rate": predicted_pauses / len(predicted),
        "real_rate": real_pauses / len(real),
        "long_share": int(np.sum(predicted == LONG)) / max(predicted_pauses, 1),
        "real_long_share": int(np.sum(real == LONG)) / max(real_pauses, 1),
    }
    return {name: round(value, 4) for name, value in values.items()}


_CONJUNCTIONS = frozenset(
    word_key(word)
    for word in "and but or nor for so as if because when while where which who that than".split()
)


def rule_pauses(words: WordBatch) -> list[int]:
    """Place pauses by a simple rule, a baseline for the model.

    There is a short pause before a conjunction if the last pause is at least four words ago, and
    before any word after ten words.
    """
    placed = [NONE] * int(words.lengths[0])
    last = 0
    for at, key in enumerate(words.names[0].tolist()):
        if at - last >= 10 or (at - last >= 4 and key in _CONJUNCTIONS):
            placed[at], last = SHORT, at
    return placed
