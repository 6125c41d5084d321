"""Alignment of the words of `Phones` with the text as it was written."""

from collections.abc import Sequence

from tts.text.inline_phones import PLACEHOLDER, block_number
from tts.text.symbols import Phones, encode_phones
from tts.text.tracked import Tracked

__all__ = ["SpanFinder"]

_Span = tuple[int, int]


class SpanFinder:
    """Finder of the written form of each spoken word. Sentences are given in order, as the search
    goes on where the one before ended.

    Args:
        spoken: the normalized text, in which placeholders stand for inline phones.
        written: the text that it was made from.
        inline: the phones of each placeholder.
        offset: where `written` begins in the whole text of the request.
    """

    def __init__(
        self, spoken: Tracked, written: str, inline: Sequence[str], offset: int = 0
    ) -> None:
        self.spoken, self.written, self.inline, self.offset = spoken, written, inline, offset
        self._at = 0
        # The next block is the last of the list.
        self._blocks = list(PLACEHOLDER.finditer(spoken.text))[::-1]

    def annotate(self, phones: Phones) -> None:
        """Set `phones.spans`. A word that the lexicon gives as phones is named by its written form.

        Args:
            phones: the next sentence; is changed in place.
        """
        spans: list[_Span] = []
        remaining = 0  # words of an inline block that have the span of its first word
        for number, (word, first_token, last_token) in enumerate(phones.words):
            if remaining:
                remaining -= 1
                spans.append(spans[-1])
                continue
            first, last, block = self._find(word)
            self._at = max(self._at, last)
            start, end = _stripped(self.written, *self.spoken.span(first, last))
            if spans and _continues(self.written, start, end, spans[-1][1]):
                start = _extend_last(spans, end)
            elif spans and spans[-1][0] < start and end <= spans[-1][1]:
                start, end = spans[-1]
            spans.append((start, end))
            if block is None:
                continue
            remaining = _spoken_words(self.inline[block]) - 1
            form = self.written[start:end]
            if not remaining and form and "[[" not in form:
                phones.words[number] = (form, first_token, last_token)
        phones.spans = [(start + self.offset, end + self.offset) for start, end in spans]

    def _find(self, word: str) -> tuple[int, int, int | None]:
        """Return the characters of the spoken text that the next word stands for, and the number
        of its block if it is one of inline phones."""
        found = self.spoken.text.find(word, self._at)
        while self._blocks and self._blocks[-1].start() < self._at:
            self._blocks.pop()
        block = self._blocks[-1] if self._blocks else None
        if block and (found < 0 or block.start() < found):
            return *block.span(), block_number(block[0])
        if found < 0:
            return self._at, self._at, None
        return found, found + len(word), None


def _spoken_words(ipa: str) -> int:
    """Count the words of an inline block that have any phone."""
    return sum(bool(encode_phones(part)[0]) for part in ipa.split())


def _stripped(text: str, start: int, end: int) -> _Span:
    """Return a span without the white space at its edges, unless it holds nothing else."""
    part = text[start:end]
    if not part.strip():
        return start, end
    return start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())


def _continues(text: str, start: int, end: int, before: int) -> bool:
    """Whether a span continues the form that ends at `before`, as ".Y." does after "N"; both words
    then stand for the whole form."""
    return start == before and text[start:end][:1] == "." and text[start + 1 : end][:1].isalpha()


def _extend_last(spans: list[_Span], end: int) -> int:
    """Extend the last form, which several words may share, to `end`; return where it starts."""
    last = spans[-1]
    at = len(spans)
    while at and spans[at - 1] == last:
        at -= 1
        spans[at] = (last[0], end)
    return last[0]
