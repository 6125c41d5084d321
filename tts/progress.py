"""How much of a text is said, told to whoever waits for it."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import numpy as np

from tts.errors import TextError, UsageError
from tts.text.text_input import check_text
from tts.types import Chunk

MAX_FRAMES = 100_000
#: called with (characters said, characters known so far); what it raises stops the speech
TextProgress = Callable[[int, int], Any]
#: called with (steps or rows done, all of them); what it raises stops the work
Progress = Callable[[int, int], None]


def untold(done: int, total: int) -> None:
    """`Progress` for whoever does not want to hear of it."""


class ProgressLines:
    """Lines about a long work, for whoever watches no bar: one after every half minute.

    Args:
        tell: takes a line; name: of the work; unit: of what is counted, in the plural.
        every: seconds between two lines.
    """

    def __init__(self, tell: Callable[[str], Any], name: str, unit: str, every: float = 30.0):
        self._tell, self._name, self._unit, self._every = tell, name, unit, every
        self._begin = self._last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last < self._every or done >= total:
            return
        self._last = now
        spent = now - self._begin
        left = f", {_duration(spent * (total - done) / done)} left" if done else ""
        self._tell(f"{self._name}: {done} of {total} {self._unit} after {_duration(spent)}{left}")


def _duration(seconds: float) -> str:
    """Roughly, for a person."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class GivenText:
    """The text of a request, checked to be one.

    Args:
        text: a string or an iterable of strings.

    Raises:
        TextError: neither; of an iterable, a piece that is no string, when it is reached.
    """

    def __init__(self, text: object):
        check_text(text)
        self._text = cast("str | Iterable[str]", text)
        self.length = len(text) if isinstance(text, str) else 0

    @property
    def source(self) -> str | Iterable[str]:
        """The string itself, or its pieces, counted while they are taken."""
        return self._text if isinstance(self._text, str) else self._pieces(self._text)

    def _pieces(self, text: Iterable[object]) -> Iterator[str]:
        for piece in text:
            if not isinstance(piece, str):
                raise TextError(f"a piece of the text must be a string, not {piece!r:.60}")
            self.length += len(piece)
            yield piece


def told(chunks: Iterator[Chunk], text: GivenText, progress: TextProgress) -> Iterator[Chunk]:
    """The same chunks; `progress` hears of each sentence when the next one begins, and of the end.

    Where a model does not tell which characters its words stand for, the characters of its
    sentences are counted.
    """
    done = said = 0
    try:
        progress(0, text.length)
        for chunk in chunks:
            if chunk.text:
                if said > done:
                    done = min(said, text.length)
                    progress(done, text.length)
                places = [word.at for word in chunk.words if word.at is not None]
                said = max(said, places[-1][1] if places else said + len(chunk.text))
            yield chunk
        progress(text.length, text.length)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


def check_progress(progress: object) -> None:
    """UsageError for something that cannot be called."""
    if progress is not None and not callable(progress):
        raise UsageError(f"progress is a function of (done, total), not {progress!r}")


def check_frames(frames: object) -> int:
    """Frames of a chunk as an int; UsageError for what is none or less than one."""
    whole = isinstance(frames, (int, np.integer)) and not isinstance(frames, bool)
    if not whole or not 1 <= int(frames) <= MAX_FRAMES:  # type: ignore[call-overload]
        raise UsageError(f"chunk_frames is a whole number from 1 to {MAX_FRAMES}, not {frames!r}")
    return int(frames)  # type: ignore[call-overload]
