"""Limit on the phones of a sentence: longer sentences are cut into pieces.

Segmentation limits the characters of a sentence (tts.text.sentences), but one character may have
many phones: an ideograph or a letter of another script is read by its name, and one ligature may be
a whole phrase. The networks take all phones of a sentence at once, so that without this limit their
time and memory would have no bound.
"""

import math
from collections.abc import Iterable, Iterator

from tts.text.symbols import SIL, Phones

#: tokens of a piece; sentences in letters have under 250
MAX_PHONES = 400


def in_pieces(sentences: Iterable[Phones], limit: int = MAX_PHONES) -> Iterator[Phones]:
    """Yield sentences of at most `limit` tokens; longer ones come in pieces of about equal length.

    A sentence is cut between words, or inside of a word that is too long by itself. Only the last
    piece is followed by the pause of the sentence.
    """
    for phones in sentences:
        if len(phones) <= limit:
            yield phones
        else:
            yield from _pieces(phones, limit)


def _pieces(phones: Phones, limit: int) -> Iterator[Phones]:
    """Cut a sentence that is too long, each time at the end of a word near the equal share."""
    last = len(phones) - 1
    room = limit - 2  # silence at both edges
    ends = sorted({end for _, _, end in phones.words} | {last})
    at = 1
    while at < last:
        target = at + math.ceil((last - at) / math.ceil((last - at) / room))
        fitting = [end for end in ends if at < end <= at + room]
        cut = min(fitting, key=lambda end: abs(end - target)) if fitting else at + room
        if last - at <= room:
            cut = last
        yield _piece(phones, at, cut, cut == last)
        at = cut


def _piece(phones: Phones, begin: int, end: int, final: bool) -> Phones:
    """Return tokens `begin` to `end` of a sentence as a sentence of their own."""
    kept = [n for n, (_, first, past) in enumerate(phones.words) if first < end and past > begin]
    words = [
        (word, max(first, begin) - begin + 1, min(past, end) - begin + 1)
        for word, first, past in (phones.words[n] for n in kept)
    ]
    piece = Phones(
        [SIL, *phones.ids[begin:end], SIL],
        [0, *phones.mods[begin:end], 0],
        words,
        " ".join(word for word, _, _ in words),
        phones.dropped if begin == 1 else [],
        phones.pause_after if final else 0.0,
    )
    piece.spans = [phones.spans[n] for n in kept] if phones.spans else []
    piece.styles = [phones.styles[n] for n in kept] if phones.styles else []
    for n, seconds in phones.breaks.items():
        if n in kept and phones.words[n][1] >= begin:
            piece.breaks[n - kept[0]] = seconds
        elif final and n == len(phones.words):
            piece.breaks[len(kept)] = seconds
    return piece
