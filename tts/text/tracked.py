"""Text that is rewritten rule by rule and remembers which written characters each one stands for.

Normalization rules are pairs of a pattern and a replacement (`rule`), which `Tracked.apply` runs in
order. By the spans of the result each spoken word is found again in the written text, for captions,
markup and edits.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable

__all__ = ["Rule", "Tracked", "is_mark", "rule", "spans_of"]

Replace = Callable[[re.Match[str]], str] | str | int
Rule = tuple[re.Pattern[str], Replace]


def rule(pattern: str, replace: Replace, flags: int = 0) -> Rule:
    """Return a rewriting rule.

    Args:
        pattern: a regular expression.
        replace: what replaces each match, as in `re.sub`. A number keeps only the group of that
            number, whose characters keep their spans.
        flags: of `re.compile`.
    """
    return re.compile(pattern, flags), replace


class Tracked:
    """Text with the span of the original that each of its characters stands for.

    Attributes:
        text: the text as it reads now.
        starts, ends: offsets into the original of each character of `text`.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = list(range(len(text)))
        self.ends = list(range(1, len(text) + 1))

    def sub(self, pattern: re.Pattern[str], replace: Replace, whole: bool = False) -> None:
        """Replace all matches in place, in time that is linear in the length of the text.

        Args:
            pattern: what is replaced.
            replace: see `rule`.
            whole: let all of a replacement stand for all of its match. Otherwise characters that
                both have at their beginning or end keep their own spans.
        """
        at = 0
        texts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        for match in pattern.finditer(self.text):
            if isinstance(replace, int):
                first, last = match.span(replace)
                texts += [self.text[at : match.start()], self.text[first:last]]
                starts += self.starts[at : match.start()] + self.starts[first:last]
                ends += self.ends[at : match.start()] + self.ends[first:last]
                at = match.end()
                continue
            new = match.expand(replace) if isinstance(replace, str) else replace(match)
            old = match[0]
            if new == old:
                continue
            # What is the same at either edge keeps its own span.
            head, most = 0, 0 if whole else min(len(old), len(new))
            while head < most and old[head] == new[head]:
                head += 1
            tail = 0
            while tail < most - head and old[-1 - tail] == new[-1 - tail]:
                tail += 1
            first, last = match.start() + head, match.end() - tail
            made = new[head : len(new) - tail]
            texts += [self.text[at:first], made]
            begin, end = self._span(first, last)
            starts += self.starts[at:first] + [begin] * len(made)
            ends += self.ends[at:first] + [end] * len(made)
            at = last
        if at or texts:
            self.text = "".join(texts) + self.text[at:]
            self.starts = starts + self.starts[at:]
            self.ends = ends + self.ends[at:]

    def apply(self, rules: Iterable[Rule]) -> None:
        """Apply rules in order, each to the whole text."""
        for pattern, replace in rules:
            self.sub(pattern, replace)

    def _span(self, first: int, last: int) -> tuple[int, int]:
        if first < last:
            return self.starts[first], self.ends[last - 1]
        # An insertion between two characters stands for the empty span between them.
        at = self.ends[first - 1] if first else (self.starts[first] if self.starts else 0)
        return at, at

    def set(self, text: str, starts: list[int], ends: list[int]) -> None:
        """Set a new text, whose characters stand for these spans of the original."""
        self.text, self.starts, self.ends = text, starts, ends

    def compose(self) -> None:
        """Bring the text to NFC. All characters of a word that changes get the span of the word."""
        if unicodedata.is_normalized("NFC", self.text):
            return
        texts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        for match in re.finditer(r"\s+|\S+", self.text):
            a, b = match.span()
            word = unicodedata.normalize("NFC", match[0])
            texts.append(word)
            if word == match[0]:
                starts += self.starts[a:b]
                ends += self.ends[a:b]
            else:
                starts += [self.starts[a]] * len(word)
                ends += [self.ends[b - 1]] * len(word)
        self.set("".join(texts), starts, ends)

    def strip(self) -> None:
        """Remove the white space at both ends."""
        first = len(self.text) - len(self.text.lstrip())
        last = len(self.text.rstrip())
        first = min(first, last)
        self.set(self.text[first:last], self.starts[first:last], self.ends[first:last])

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Return the span of the original that characters `first` to `last` stand for."""
        if first >= last:
            return self._span(first, last)
        return min(self.starts[first:last]), max(self.ends[first:last])


def is_mark(character: str) -> bool:
    """Whether a character belongs to the letter before it, as an accent or a vowel sign does."""
    return unicodedata.category(character).startswith("M")


def spans_of(text: Tracked, places: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return `Tracked.span` of each of many places. Equal neighbours are looked up only once, so
    that many characters for one long place do not make the time quadratic."""
    out: list[tuple[int, int]] = []
    before, found = (-1, -1), (0, 0)
    for place in places:
        if place != before:
            before, found = place, text.span(*place)
        out.append(found)
    return out
