"""Weights by which utterances are drawn for random crops."""

from collections.abc import Collection

import numpy as np

from tts.data.corpus import Corpus, speakers_of
from tts.errors import DataError


def crop_weights(
    corpus: Corpus, frames: int, held_out: Collection[str] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Find the utterances that a crop fits into, and how often to draw each.

    The share of a speaker grows with the square root of the time recorded, so that speakers with
    few recordings are heard often enough.

    Args:
        frames: length of a crop; shorter utterances are left out.
        held_out: speakers that are left out.

    Returns:
        indices [U] of the utterances, and their probabilities [U].

    Raises:
        DataError: no utterance is long enough, or none is left by held_out.
        UsageError: held_out names a speaker that the corpus does not have.
    """
    excluded = speakers_of(corpus, held_out)
    included = np.array([item.speaker not in excluded for item in corpus.items], dtype=bool)
    if not included.any():
        raise DataError(f"held_out leaves no speaker of {corpus.folder}")
    lengths = np.array([corpus.frames(i) for i in range(len(corpus))], dtype=float)
    usable = np.flatnonzero(included & (lengths >= frames))
    if not len(usable):
        raise DataError(f"{corpus.folder} has no utterance of at least {frames} frames")
    speakers = [corpus.items[i].speaker for i in usable]
    totals: dict[str, float] = {}
    for index, speaker in zip(usable, speakers, strict=True):
        totals[speaker] = totals.get(speaker, 0.0) + lengths[index]
    weights = np.array(
        [lengths[i] / totals[s] ** 0.5 for i, s in zip(usable, speakers, strict=True)]
    )
    return usable, weights / weights.sum()


def random_gain(rng: np.random.Generator) -> float:
    """An amplitude factor of -10 to 6 dB, by which a crop is scaled."""
    return float(10 ** (rng.uniform(-10, 6) / 20))
