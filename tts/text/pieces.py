"""Sentences of too many phones in pieces.

Sentences are cut by their characters (tts.text.sentences), but a character may be read as many
phones: an ideograph or a letter of another script by its name, one ligature as a whole phrase. The
networks take all phones of a sentence at once, so its time and memory would have no bound.
"""

import math
from collections.abc import Iterable, Iterator

from tts.text.symbols import SIL, Phones

#: phones of a piece; sentences of letters have under 250
MAX_PHONES = 400


def in_pieces(sentences: Iterable[Phones], limit: int = MAX_PHONES) -> Iterator[Phones]:
    """Sentences with no more than `limit` phones, those that have more in equal pieces.

    They are cut between words, and inside of a word that is too long by itself; no pause follows
    but after the last piece.
    """
    for phones in sentences:
        if len(phones) <= limit:
            yield phones
        else:
            yield from _pieces(phones, limit)


def _pieces(phones: Phones, limit: int) -> Iterator[Phones]:
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
    """Tokens `begin` to `end` of a sentence as one of its own."""
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
