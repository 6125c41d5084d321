"""Result of parsing markup, and the parser of the mark `[pause 0.5]`."""

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass, field

from tts.errors import TextError, UsageError
from tts.text.style import LONGEST, PLAIN, Style, parse_seconds

__all__ = ["PAUSE", "REMOVED", "Marked", "MarkupError", "add_text", "check_pauses", "check_sum",
           "where"]  # fmt: skip

PAUSE = re.compile(r"\[\s*pause\b([^\[\]]*)\]?", re.IGNORECASE)
#: stands for a character of markup in a text that is shown; nothing is shown for it
REMOVED = "\0"


class MarkupError(TextError):
    """Markup is not understood. The message names the tag and its line and column."""


@dataclass
class Marked:
    """Text without its markup, and what the markup asks for. It is built from left to right.

    Attributes:
        original: the source with its markup.
        text: the text that is to be spoken.
        starts, ends: the span in the source of each character of `text`.
        runs: (first character, style) in order; each style holds up to the next one.
        written: (offset into the source, text) of what is shown there, with entities decoded.
        sentence_ends: (character, seconds), the silence after sentences that tags end.
        pauses: (character, seconds), the exact silence before a character. Several at one place
            are added, up to a minute (`check_pauses`). None removes the pause that the text would
            have there.
    """

    original: str = ""
    text: str = ""
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    runs: list[tuple[int, Style]] = field(default_factory=list)
    pauses: list[tuple[int, float | None]] = field(default_factory=list)
    sentence_ends: list[tuple[int, float]] = field(default_factory=list)
    written: list[tuple[int, str]] = field(default_factory=list)

    def add(self, text: str, start: int, end: int | None = None) -> None:
        """Add text.

        Args:
            text: the next part of the text.
            start: where it begins in the source.
            end: where its written form ends. All characters then stand for the whole form; without
                it each stands for itself.
        """
        self.text += text
        if end is None:
            self.starts += range(start, start + len(text))
            self.ends += range(start + 1, start + len(text) + 1)
        else:
            self.starts += [start] * len(text)
            self.ends += [end] * len(text)

    def style(self, style: Style) -> None:
        """Set the style of all that is added from now on."""
        if self.runs and self.runs[-1][0] == len(self.text):
            self.runs.pop()
        if style != (self.runs[-1][1] if self.runs else PLAIN):
            self.runs.append((len(self.text), style))

    def pause(self, seconds: float | None) -> None:
        """Ask for seconds of silence before what is added next; None asks for no pause."""
        self.pauses.append((len(self.text), seconds))

    def style_at(self, place: int) -> Style:
        """Return the style of a character of the text."""
        at = bisect_right(self.runs, place, key=lambda run: run[0]) - 1
        return self.runs[at][1] if at >= 0 else PLAIN

    def source(self, first: int, last: int) -> tuple[int, int]:
        """Return the span in the source of characters `first` to `last` of the text."""
        if not self.text or first >= len(self.text):
            end = self.ends[-1] if self.ends else 0
            return end, end
        last = min(max(last, first + 1), len(self.text))
        return min(self.starts[first:last]), max(self.ends[first:last])


def check_pauses(marked: Marked) -> None:
    """Check that pauses without a word between them are together no longer than one may be.

    Raises:
        MarkupError: they are longer.
    """
    total, before = 0.0, 0
    for place, seconds in marked.pauses:
        parted = any(map(_may_be_said, marked.text[before:place]))
        total, before = (0.0 if parted else total) + (seconds or 0.0), place
        check_sum(marked, place, total)


def _may_be_said(character: str) -> bool:
    """Whether a character may be read: a letter, a number, a mark, or a symbol that has a name."""
    return unicodedata.category(character)[0] in "LNMS" or character in "&%@#*/"


def check_sum(marked: Marked, place: int, seconds: float) -> None:
    """Check the sum of the pauses before a character.

    Raises:
        MarkupError: it is above `tts.text.style.LONGEST`.
    """
    if seconds > LONGEST + 1e-6:
        start = marked.source(place, place + 1)[0]
        raise MarkupError(
            f"the pauses at {where(marked.original, start)} are {seconds:g} s together; "
            f"{LONGEST:g} s are the most at one place"
        )


def add_text(marked: Marked, text: str, start: int, source: str, end: int | None = None) -> None:
    """Add text in which `[pause 0.5]` may stand.

    Args:
        marked: the text so far.
        text: the text to add.
        start, end: see `Marked.add`.
        source: the whole source, for the line and column in messages.

    Raises:
        MarkupError: the mark is not closed or does not hold a time.
    """
    at = 0
    for match in PAUSE.finditer(text):
        place = start + match.start() if end is None else start
        if not match[0].endswith("]"):
            raise MarkupError(f"[pause at {where(source, place)} has no closing ]")
        if not match[1].strip():
            raise MarkupError(f"[pause] at {where(source, place)} says no seconds: [pause 0.5]")
        marked.add(text[at : match.start()], start + (0 if end else at), end)
        try:
            marked.pause(parse_seconds(match[1]))
        except UsageError as error:
            raise MarkupError(f"{match[0]} at {where(source, place)}: {error}") from error
        # The mark separates words.
        marked.add(" ", place, end or place + len(match[0]))
        at = match.end()
    marked.add(text[at:], start + (0 if end else at), end)
    marked.written.append((start, PAUSE.sub(lambda m: REMOVED * len(m[0]), text)))


def where(source: str, place: int) -> str:
    """Return the line and column of an offset into a text, for messages."""
    line = source.count("\n", 0, place) + 1
    column = place - (source.rfind("\n", 0, place) + 1) + 1
    return f"line {line}, column {column}"
