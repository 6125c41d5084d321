"""Sentences of a text with markup: each word with its style, pauses where they were asked for."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tts.text.frontend import Frontend
from tts.text.markup import Marked
from tts.text.pause_marks import check_sum
from tts.text.style import PLAIN
from tts.text.symbols import PAUSES, SYMBOLS, Phones

__all__ = ["marked_sentences"]

#: seconds of silence with which generators open and close a sentence (align.durations.EDGE_FRAMES)
OPENS, CLOSES = 0.10, 0.12
#: from which on a pause is a long one to generators (align.pauses)
_LONG = 0.36
_COMMA, _PERIOD = SYMBOLS.index(","), SYMBOLS.index(".")


def marked_sentences(
    frontend: Frontend, marked: Marked, plain: bool = True, emoji: bool = False
) -> Iterator[Phones]:
    """`Frontend.sentences` with `Phones.styles` and `Phones.breaks`; the spans of the words are
    places in the source, tags and all.

    Raises:
        TextError: nothing to say. MarkupError: pauses at one place that are too long together.
    """
    pauses = _Pauses(marked)
    held: Phones | None = None
    for phones in frontend.sentences(marked.text, plain=plain, emoji=emoji):
        if held is not None:
            yield _after(held, pauses, phones.spans[0][0], marked)
        held = _within(phones, pauses, marked, first=held is None)
    if held is not None:
        yield _after(held, pauses, None, marked)


class _Pauses:
    """The pauses of a text, taken in order."""

    def __init__(self, marked: Marked):
        ends = [(place, seconds, True) for place, seconds in marked.sentence_ends]
        asked = [(place, seconds, False) for place, seconds in marked.pauses]
        # Silence that is asked for at the end of a sentence is all there is.
        self._left = sorted([*asked, *ends], key=lambda each: (each[0], each[2]))
        self._at = 0
        self._marked = marked

    def before(self, place: int | None) -> tuple[float | None, float | None]:
        """What was asked for up to a character (None: the end) since the last call: the sum of
        seconds, 0 for no pause, and the pause of a sentence that ends there; None for nothing."""
        total: float | None = None
        ended: float | None = None
        while self._at < len(self._left):
            at, seconds, is_end = self._left[self._at]
            if place is not None and at > place:
                break
            if is_end:
                ended = max(ended or 0.0, seconds or 0.0)
            else:
                total = (total or 0.0) + (seconds or 0.0)
                # Between them stood what nobody says.
                check_sum(self._marked, at, total)
            self._at += 1
        return total, ended


def _within(phones: Phones, pauses: _Pauses, marked: Marked, first: bool) -> Phones:
    """A sentence with the styles of its words and the pauses between them."""
    styles = [marked.style_at(start) for start, _ in phones.spans]
    spans = [marked.source(*span) for span in phones.spans]
    words = list(phones.words)
    for number, (_, first_token, last_token) in enumerate(words):
        # Phones that were given for a word are still that word.
        given = marked.text.startswith("[[", phones.spans[number][0])
        written = marked.original[slice(*spans[number])]
        if given and spans.count(spans[number]) == 1 and written and "[[" not in written:
            words[number] = (written, first_token, last_token)
    breaks: dict[int, float] = {}
    for number, (start, _) in enumerate(phones.spans):
        seconds, _ = pauses.before(start)
        if seconds is None:
            continue
        if number:
            breaks[number] = seconds
        elif first:
            # Of later sentences it was taken as what follows the one before.
            breaks[0] = max(0.0, seconds - OPENS)
    plain = all(style == PLAIN for style in styles)
    placed = replace(
        phones, words=words, spans=spans, styles=[] if plain else styles, breaks=breaks
    )
    return _with_tokens(placed, [n for n in breaks if n])


def _with_tokens(phones: Phones, numbers: Iterable[int]) -> Phones:
    """The token of each pause between words put in, changed or taken out."""
    ids, mods, words = list(phones.ids), list(phones.mods), list(phones.words)
    for number in sorted(numbers, reverse=True):
        begin, end = words[number - 1][2], words[number][1]
        seconds = phones.breaks[number]
        token = [] if not seconds else [_PERIOD if seconds >= _LONG else _COMMA]
        assert all(i in PAUSES for i in ids[begin:end])
        ids[begin:end], mods[begin:end] = token, [0] * len(token)
        moved = len(token) - (end - begin)
        words[number:] = [(word, a + moved, b + moved) for word, a, b in words[number:]]
    return replace(phones, ids=ids, mods=mods, words=words)


def _after(phones: Phones, pauses: _Pauses, place: int | None, marked: Marked) -> Phones:
    """A sentence with the silence that was asked for after it."""
    seconds, ended = pauses.before(place)
    if seconds is not None:
        edges = CLOSES + (OPENS if place is not None else 0.0)
        return replace(
            phones, breaks=phones.breaks | {len(phones.words): max(0.0, seconds - edges)}
        )
    if ended is not None and place is not None:
        return replace(phones, pause_after=ended)
    return phones
