"""A text without its markup and what the markup said, and the mark `[pause 0.5]`."""

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
    """Markup that is not understood; tells the tag and where it stands."""


@dataclass
class Marked:
    """A text without its markup, and what the markup said.

    Attributes:
        original: the source; text: to be spoken.
        starts, ends: offsets into the source, of each character of the text.
        runs: (first character, style) in order, each up to the next one.
        written: (offset into the source, text), what is written there, entities decoded.
        sentence_ends: (character, seconds), silence after sentences that tags end.
        pauses: (character, seconds), exact silence before that character; sums at one place, up
            to a minute (`check_pauses`). One that is None asks for none, where the text would have
            one.
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
        """More text: as it stands in the source from `start` on, or all of it for start to end."""
        self.text += text
        if end is None:
            self.starts += range(start, start + len(text))
            self.ends += range(start + 1, start + len(text) + 1)
        else:
            self.starts += [start] * len(text)
            self.ends += [end] * len(text)

    def style(self, style: Style) -> None:
        """What follows is said so."""
        if self.runs and self.runs[-1][0] == len(self.text):
            self.runs.pop()
        if style != (self.runs[-1][1] if self.runs else PLAIN):
            self.runs.append((len(self.text), style))

    def pause(self, seconds: float | None) -> None:
        """Silence here."""
        self.pauses.append((len(self.text), seconds))

    def style_at(self, place: int) -> Style:
        """How the character there is said."""
        at = bisect_right(self.runs, place, key=lambda run: run[0]) - 1
        return self.runs[at][1] if at >= 0 else PLAIN

    def source(self, first: int, last: int) -> tuple[int, int]:
        """Where in the source characters `first` to `last` came from."""
        if not self.text or first >= len(self.text):
            end = self.ends[-1] if self.ends else 0
            return end, end
        last = min(max(last, first + 1), len(self.text))
        return min(self.starts[first:last]), max(self.ends[first:last])


def check_pauses(marked: Marked) -> None:
    """MarkupError where pauses with no word between them are longer together than one may be."""
    total, before = 0.0, 0
    for place, seconds in marked.pauses:
        parted = any(map(_may_be_said, marked.text[before:place]))
        total, before = (0.0 if parted else total) + (seconds or 0.0), place
        check_sum(marked, place, total)


def _may_be_said(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNMS" or character in "&%@#*/"


def check_sum(marked: Marked, place: int, seconds: float) -> None:
    """MarkupError where the pauses before a character are too long together."""
    if seconds > LONGEST + 1e-6:
        start = marked.source(place, place + 1)[0]
        raise MarkupError(
            f"the pauses at {where(marked.original, start)} are {seconds:g} s together; "
            f"{LONGEST:g} s are the most at one place"
        )


def add_text(marked: Marked, text: str, start: int, source: str, end: int | None = None) -> None:
    """Add text in which `[pause 0.5]` may stand.

    Args:
        start, end: as of `Marked.add`; source: for the place in messages.
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
        # What it parts is not one word.
        marked.add(" ", place, end or place + len(match[0]))
        at = match.end()
    marked.add(text[at:], start + (0 if end else at), end)
    marked.written.append((start, PAUSE.sub(lambda m: REMOVED * len(m[0]), text)))


def where(source: str, place: int) -> str:
    """A place in a text for a message."""
    line = source.count("\n", 0, place) + 1
    column = place - (source.rfind("\n", 0, place) + 1) + 1
    return f"line {line}, column {column}"
