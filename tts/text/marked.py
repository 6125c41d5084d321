"""Sentences of a text with markup: words get their styles, and pauses the lengths asked for."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tts.text.frontend import Frontend
from tts.text.markup import Marked
from tts.text.pause_marks import check_sum
from tts.text.style import PLAIN
from tts.text.symbols import PAUSES, SYMBOLS, Phones

__all__ = ["marked_sentences"]

#: seconds of silence at the beginning and end of a generated sentence (align.durations.EDGE_FRAMES)
OPENS, CLOSES = 0.10, 0.12
#: seconds from which on generators know a pause by the token of a long one (tts.text.pauses)
_LONG = 0.36
_COMMA, _PERIOD = SYMBOLS.index(","), SYMBOLS.index(".")


def marked_sentences(
    frontend: Frontend, marked: Marked, plain: bool = True, emoji: bool = False
) -> Iterator[Phones]:
    """Yield the sentences of `Frontend.sentences` with the styles and pauses of markup.

    Args:
        frontend: the front end of the language.
        marked: a text with markup, parsed.
        plain, emoji: see `Frontend.sentences`.

    Returns:
        Sentences with `Phones.styles` and `Phones.breaks`. The spans of their words are those in
        the source, with its tags.

    Raises:
        TextError: there is nothing to say.
        MarkupError: the pauses at one place are too long together.
    """
    pauses = _PauseQueue(marked)
    held: Phones | None = None
    for phones in frontend.sentences(marked.text, plain=plain, emoji=emoji):
        if held is not None:
            yield _with_final_pause(held, pauses, phones.spans[0][0])
        held = _with_markup(phones, pauses, marked, first=held is None)
    if held is not None:
        yield _with_final_pause(held, pauses, None)


class _PauseQueue:
    """Queue of the pauses of a text, which are taken in order."""

    def __init__(self, marked: Marked):
        ends = [(place, seconds, True) for place, seconds in marked.sentence_ends]
        asked = [(place, seconds, False) for place, seconds in marked.pauses]
        # Silence that is asked for replaces the pause of a sentence that ends at the same place.
        self._left = sorted([*asked, *ends], key=lambda each: (each[0], each[2]))
        self._at = 0
        self._marked = marked

    def before(self, place: int | None) -> tuple[float | None, float | None]:
        """Take the pauses up to a character.

        Args:
            place: a character of the text, None for its end.

        Returns:
            The sum of the seconds that were asked for (0 for no pause), and the pause after a
            sentence that a tag ends; each is None where there is none.
        """
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
                # Checked again, as what stands between them may not be spoken.
                check_sum(self._marked, at, total)
            self._at += 1
        return total, ended


def _with_markup(phones: Phones, pauses: _PauseQueue, marked: Marked, first: bool) -> Phones:
    """Return a sentence with the styles of its words and the pauses between them."""
    styles = [marked.style_at(start) for start, _ in phones.spans]
    spans = [marked.source(*span) for span in phones.spans]
    words = list(phones.words)
    for number, (_, first_token, last_token) in enumerate(words):
        # A word that was given as phones is named by its written form.
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
            # In later sentences it was taken as the pause after the sentence before.
            breaks[0] = max(0.0, seconds - OPENS)
    plain = all(style == PLAIN for style in styles)
    placed = replace(
        phones, words=words, spans=spans, styles=[] if plain else styles, breaks=breaks
    )
    return _with_pause_tokens(placed, [n for n in breaks if n])


def _with_pause_tokens(phones: Phones, numbers: Iterable[int]) -> Phones:
    """Insert, change or remove the token of the pause before each of the words of these numbers,
    as `Phones.breaks` asks for."""
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


def _with_final_pause(phones: Phones, pauses: _PauseQueue, place: int | None) -> Phones:
    """Return a sentence with the silence that was asked for after it.

    Args:
        place: the first character of the next sentence, None after the last one.
    """
    seconds, ended = pauses.before(place)
    if seconds is not None:
        edges = CLOSES + (OPENS if place is not None else 0.0)
        return replace(
            phones, breaks=phones.breaks | {len(phones.words): max(0.0, seconds - edges)}
        )
    if ended is not None and place is not None:
        return replace(phones, pause_after=ended)
    return phones
