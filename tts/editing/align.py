"""A recording and its words: which frames each word and each pause takes."""

from dataclasses import dataclass

from torch import Tensor

from tts.errors import AlignmentError
from tts.losses.phone import PhoneProbe
from tts.text.pauses import is_pause
from tts.text.symbols import Phones
from tts.voice.reading import MOST_LOST, Fitted, fit_words

#: what a frame of a word may cost against what is heard, and frames from which that is trusted:
#: of 172 words of held-out recordings the worst cost 2.3, and a quarter of those put in
#: their place 2.95 and more
_WORST_WORD, _TRUSTED = 3.0, 12
#: words in a row that are trusted together however short they are: what they may cost, and their
#: phones for each frame. Of the worst four of 40 recordings these were 1.76 and 0.46 at most with
#: the right words, and 3.57 and 0.83 at least with seven words too many
_TOGETHER, _WORST_WORDS, _DENSEST = 4, 3.0, 0.65


@dataclass(frozen=True)
class Piece:
    """A word, or the pause between two.

    Attributes:
        ids, mods: its tokens; frames: of each, 0 where they are not known yet.
        word: "" for a pause.
        source: first frame in the recording; None where it is not from there.
    """

    ids: tuple[int, ...]
    mods: tuple[int, ...]
    frames: tuple[int, ...]
    word: str = ""
    source: int | None = None

    @property
    def length(self) -> int:
        """Frames."""
        return sum(self.frames)

    @property
    def end(self) -> int:
        """Past-last frame in the recording."""
        assert self.source is not None
        return self.source + self.length


@dataclass(frozen=True)
class Recorded:
    """A recording as words with the pauses before them; `pauses` has one more, after the last.

    A pause may be None where there is none.
    """

    words: list[Piece]
    pauses: list[Piece | None]


def align_words(
    probe: PhoneProbe, features: Tensor, phones: Phones, known: list[int], what: str
) -> Recorded:
    """Words of a recording by forced alignment with what the phone probe hears.

    Args:
        features: [T, C]; phones: the words, without pauses; known: phones that the probe knows.
        what: the transcript, for messages.

    Raises:
        AlignmentError: these words are not what is heard.
    """
    fitted = fit_words(probe, features, phones, known)
    if fitted.lost > MOST_LOST:
        raise AlignmentError(
            f"the recording does not say {what[:60]!r}: give its words as they are said"
        )
    tokens = fitted.tokens
    words: list[Piece] = []
    pauses: list[Piece | None] = []
    at = token = 0
    starts = [*tokens.words, len(tokens.ids)]
    for number in range(len(phones.words) + 1):
        first = token
        while token < len(tokens.ids) and is_pause(tokens.ids[token]):
            token += 1
        pauses.append(_piece(tokens.ids, tokens.mods, tokens.durations, first, token, "", at))
        at += sum(tokens.durations[first:token])
        if number == len(phones.words):
            break
        first, stop = token, starts[number + 1]
        while token < stop and not is_pause(tokens.ids[token]):
            token += 1
        word = phones.words[number][0]
        piece = _piece(tokens.ids, tokens.mods, tokens.durations, first, token, word, at)
        assert piece is not None
        if piece.length >= _TRUSTED and fitted.cost(at, at + piece.length) > _WORST_WORD:
            raise _unheard(word)
        words.append(piece)
        at += piece.length
    for first in range(len(words) - _TOGETHER + 1):
        _check_together(words[first : first + _TOGETHER], fitted)
    return Recorded(words, pauses)


def _check_together(words: list[Piece], fitted: Fitted) -> None:
    """AlignmentError where words in a row have no time to be said, or are not what is heard: words
    that the recording does not say get a frame for each phone."""
    frames = sum(word.length for word in words)
    spans = [(word.source or 0, word.end) for word in words]
    cost = sum(fitted.cost(*span) * (span[1] - span[0]) for span in spans)
    if sum(len(word.ids) for word in words) > _DENSEST * frames or cost > _WORST_WORDS * frames:
        raise _unheard(" ".join(word.word for word in words))


def _unheard(words: str) -> AlignmentError:
    return AlignmentError(
        f"{words[:60]!r} is not heard where the transcript has it: give the words as they are said"
    )


def _piece(
    ids: list[int], mods: list[int], frames: list[int], first: int, last: int, word: str, at: int
) -> Piece | None:
    if first == last:
        return None
    part = slice(first, last)
    return Piece(tuple(ids[part]), tuple(mods[part]), tuple(frames[part]), word, at)
