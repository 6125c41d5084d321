"""Forced alignment of a recording with its transcript: the frames of each word and each pause."""

from dataclasses import dataclass

from torch import Tensor

from tts.errors import AlignmentError
from tts.losses.phone import PhoneProbe
from tts.text.pauses import is_pause
from tts.text.symbols import Phones
from tts.voice.reading import MOST_LOST, Fitted, fit_words

#: highest cost of a word for each frame, and frames from which on that is reliable: of 172 words of
#: held-out recordings the worst cost 2.3, and a quarter of those put in their place 2.95 and more
_WORST_WORD, _TRUSTED = 3.0, 12
#: words in a row that are reliable together however short they are: their highest cost, and most
#: phones for each frame. Of the worst four of 40 recordings these were 1.76 and 0.46 at most with
#: the right words, and 3.57 and 0.83 at least with seven words too many
_TOGETHER, _WORST_WORDS, _DENSEST = 4, 3.0, 0.65


@dataclass(frozen=True)
class Segment:
    """A word, or the pause between two words.

    Attributes:
        ids: phone tokens (tts.text.symbols).
        mods: modifiers of the tokens.
        frames: duration of each token in frames; 0 where it is not known yet.
        word: the word as it is written; "" for a pause.
        source: first frame in the recording; None if it is not part of the recording.
    """

    ids: tuple[int, ...]
    mods: tuple[int, ...]
    frames: tuple[int, ...]
    word: str = ""
    source: int | None = None

    @property
    def length(self) -> int:
        """Duration in frames."""
        return sum(self.frames)

    @property
    def end(self) -> int:
        """The frame of the recording after the last one."""
        assert self.source is not None
        return self.source + self.length


@dataclass(frozen=True)
class AlignedWords:
    """The words of a recording and the pauses around them.

    Attributes:
        words: the words.
        pauses: the pause before each word, and the one after the last; None where there is none.
    """

    words: list[Segment]
    pauses: list[Segment | None]


def align_words(
    probe: PhoneProbe, features: Tensor, phones: Phones, known: list[int], transcript: str
) -> AlignedWords:
    """Align the words of a recording with what the phone probe hears in it.

    Args:
        probe: the phone classifier.
        features: [T, C] of the recording.
        phones: phones of the transcript, without pauses.
        known: phones that the probe can tell apart.
        transcript: the transcript, for messages.

    Raises:
        AlignmentError: the recording does not say these words.
    """
    fitted = fit_words(probe, features, phones, known)
    if fitted.lost > MOST_LOST:
        raise AlignmentError(
            f"the recording does not say {transcript[:60]!r}: give its words as they are said"
        )
    aligned = _segments(fitted, phones)
    for word in aligned.words:
        is_reliable = word.length >= _TRUSTED
        if is_reliable and fitted.cost(word.source or 0, word.end) > _WORST_WORD:
            raise _unheard([word])
    for first in range(len(aligned.words) - _TOGETHER + 1):
        _check_row(aligned.words[first : first + _TOGETHER], fitted)
    return aligned


def _segments(fitted: Fitted, phones: Phones) -> AlignedWords:
    """Cut aligned tokens into words and the pauses around them."""
    tokens = fitted.tokens
    words: list[Segment] = []
    pauses: list[Segment | None] = []
    frame = token = 0

    def take_until(last: int, word: str) -> Segment | None:
        """Take the tokens up to `last`."""
        nonlocal frame, token
        if token == last:
            return None
        part, source = slice(token, last), frame
        frames = tuple(tokens.durations[part])
        token, frame = last, frame + sum(frames)
        return Segment(tuple(tokens.ids[part]), tuple(tokens.mods[part]), frames, word, source)

    ends = [*tokens.words, len(tokens.ids)][1:]
    for (word, _, _), end in zip(phones.words, ends, strict=True):
        pauses.append(take_until(_first(tokens.ids, token, len(tokens.ids), False), ""))
        segment = take_until(_first(tokens.ids, token, end, True), word)
        assert segment is not None
        words.append(segment)
    pauses.append(take_until(_first(tokens.ids, token, len(tokens.ids), False), ""))
    return AlignedWords(words, pauses)


def _first(ids: list[int], first: int, last: int, pause: bool) -> int:
    """Return the first token from `first` on that is a pause, or is none; `last` if none is so."""
    return next((at for at in range(first, last) if is_pause(ids[at]) == pause), max(first, last))


def _check_row(words: list[Segment], fitted: Fitted) -> None:
    """Check words that follow each other. Words that the recording does not say get one frame for
    each phone, or frames in which something else is heard.

    Raises:
        AlignmentError: they have no time to be said, or are not what is heard.
    """
    frames = sum(word.length for word in words)
    cost = sum(fitted.cost(word.source or 0, word.end) * word.length for word in words)
    if sum(len(word.ids) for word in words) > _DENSEST * frames or cost > _WORST_WORDS * frames:
        raise _unheard(words)


def _unheard(words: list[Segment]) -> AlignmentError:
    said = " ".join(word.word for word in words)
    return AlignmentError(
        f"{said[:60]!r} is not heard where the transcript has it: give the words as they are said"
    )
