"""A text that is rewritten step by step while it remembers where each character came from."""

import re
import unicodedata
from collections.abc import Callable, Iterable

__all__ = ["Rule", "Tracked", "is_mark", "rule", "spans_of"]

Replace = Callable[[re.Match[str]], str] | str | int
Rule = tuple[re.Pattern[str], Replace]


def rule(pattern: str, replace: Replace, flags: int = 0) -> Rule:
    """A compiled pattern and what takes the place of its matches; a number is the group that is
    all that stays, with its own places."""
    return re.compile(pattern, flags), replace


class Tracked:
    """A text with, for each character, the span of the original that it stands for.

    Attributes:
        text: as it reads now.
        starts, ends: offsets into the original, one of each per character of `text`.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = list(range(len(text)))
        self.ends = list(range(1, len(text) + 1))

    def sub(self, pattern: re.Pattern[str], replace: Replace, whole: bool = False) -> None:
        """`pattern.sub` in place; linear in the length of the text.

        Args:
            whole: all that is put in stands for all of the match, also what both have in common.
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
            # What stays at both edges keeps its own place.
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
        """Each rule in turn."""
        for pattern, replace in rules:
            self.sub(pattern, replace)

    def _span(self, first: int, last: int) -> tuple[int, int]:
        if first < last:
            return self.starts[first], self.ends[last - 1]
        # Something was put in between two characters.
        at = self.ends[first - 1] if first else (self.starts[first] if self.starts else 0)
        return at, at

    def set(self, text: str, starts: list[int], ends: list[int]) -> None:
        """A new text whose characters come from these spans of the original."""
        self.text, self.starts, self.ends = text, starts, ends

    def compose(self) -> None:
        """NFC; the characters of a word that it changes get the span of the word."""
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
        """White space at both ends goes."""
        first = len(self.text) - len(self.text.lstrip())
        last = len(self.text.rstrip())
        first = min(first, last)
        self.set(self.text[first:last], self.starts[first:last], self.ends[first:last])

    def append(self, text: str, starts: list[int], ends: list[int]) -> None:
        """More text at the end."""
        self.text += text
        self.starts += starts
        self.ends += ends

    def span(self, first: int, last: int) -> tuple[int, int]:
        """The span of the original that characters `first` to `last` stand for."""
        if first >= last:
            return self._span(first, last)
        return min(self.starts[first:last]), max(self.ends[first:last])


def is_mark(character: str) -> bool:
    """Whether it belongs to the letter before it: an accent, a vowel sign, a virama."""
    return unicodedata.category(character).startswith("M")


def spans_of(text: Tracked, places: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """`Tracked.span` of each of many places; time is linear where neighbours have the same one."""
    out: list[tuple[int, int]] = []
    before, found = (-1, -1), (0, 0)
    for place in places:
        if place != before:
            before, found = place, text.span(*place)
        out.append(found)
    return out
