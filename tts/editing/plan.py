"""Edit plan: the segments of an edited recording, from its words and the words that are wanted."""

import unicodedata
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from tts.editing.align import AlignedWords, Segment
from tts.prosody.durations import EDGE_FRAMES
from tts.text.pauses import COMMA, PERIOD, is_pause, spoken_pauses
from tts.text.symbols import SIL, Phones
from tts.text.tracked import is_mark

#: frames of a new pause, by its token, and of pauses of other tokens
_NEW_PAUSE, _OTHER_PAUSE = {COMMA: 8, PERIOD: 18}, 8


@dataclass(frozen=True)
class Change:
    """One place where the words differ.

    Attributes:
        old: words of the recording.
        new: words in their place.
    """

    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True)
class EditPlan:
    """What an edited recording consists of.

    Attributes:
        segments: words and pauses in order; new ones have no source.
        changes: the places where the words differ, in order.
    """

    segments: list[Segment]
    changes: list[Change]


def same_word(word: str) -> str:
    """Return the form in which words are compared: letters with their marks, which are the vowels
    of many scripts, and digits, in lower case."""
    plain = unicodedata.normalize("NFC", word.lower())
    return "".join(c for c in plain if c.isalnum() or c in "_'" or is_mark(c)).strip("'")


def plan_edit(recorded: AlignedWords, wanted: Phones) -> EditPlan:
    """Plan the edit that makes a recording say other words.

    Args:
        recorded: words of the recording.
        wanted: phones of the wanted words, with punctuation as pauses.
    """
    old = [same_word(segment.word) for segment in recorded.words]
    new = [same_word(word) for word, _, _ in wanted.words]
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    segments: list[Segment] = _edge(recorded.pauses[0])
    changes: list[Change] = []
    has_pause = True  # whether the pause before the next word of the recording is in already
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            for number in range(a, b):
                segments += [] if has_pause else _present(recorded.pauses[number])
                segments.append(recorded.words[number])
                has_pause = False
            continue
        replaced = tuple(segment.word for segment in recorded.words[a:b])
        changes.append(Change(replaced, tuple(word for word, _, _ in wanted.words[c:d])))
        segments += _replacement(recorded, wanted, (a, b), (c, d))
        has_pause = True
    return EditPlan([*segments, *_edge(recorded.pauses[-1], last=True)], changes)


def _replacement(
    recorded: AlignedWords, wanted: Phones, old: tuple[int, int], new: tuple[int, int]
) -> list[Segment]:
    """Return the segments in place of words of the recording, with the pauses around them.

    Args:
        recorded: words of the recording.
        wanted: phones of the wanted words.
        old: first and past-last word of the recording that are replaced; none in an insertion.
        new: first and past-last wanted word in their place; none in a deletion.
    """
    (a, b), (c, d), count = old, new, len(recorded.words)
    # The silence at both ends of the recording stays there.
    before = recorded.pauses[a] if 0 < a < count else None
    after = recorded.pauses[b] if 0 < b < count else None
    if a == b:  # the one pause that is there goes where the text has punctuation
        is_before = _new_pause(wanted, c) is not None and _new_pause(wanted, d) is None
        before, after = (before, None) if is_before else (None, after)
    if c < d:
        first = _present(before) or (_present(_new_pause(wanted, c)) if a else [])
        last = _present(after) or (_present(_new_pause(wanted, d)) if b < count else [])
        return [*first, *new_segments(wanted, c, d), *last]
    if 0 < a and b < count:
        return _present(max((before, after), key=lambda pause: pause.length if pause else -1))
    return []


def _present(segment: Segment | None) -> list[Segment]:
    return [] if segment is None else [segment]


def _edge(pause: Segment | None, last: bool = False) -> list[Segment]:
    """Return the silence at one end, which generators have seen around every sentence."""
    return [pause or Segment((SIL,), (0,), (EDGE_FRAMES[last],))]


def _new_pause(wanted: Phones, number: int) -> Segment | None:
    """Return the pause before a wanted word, if the text has punctuation there."""
    if not 0 < number < len(wanted.words):
        return None
    begin, end = wanted.words[number - 1][2], wanted.words[number][1]
    ids, _ = spoken_pauses(wanted.ids[begin:end], wanted.mods[begin:end])
    pauses = [token for token in ids if is_pause(token)]
    if not pauses:
        return None
    return Segment((pauses[0],), (0,), (_NEW_PAUSE.get(pauses[0], _OTHER_PAUSE),))


def new_segments(wanted: Phones, first: int = 0, last: int | None = None) -> list[Segment]:
    """Return words of a text as segments without a source, with the pauses between them.

    Args:
        wanted: phones of the text.
        first: first word.
        last: word after the last one; None for the end of the text.
    """
    segments: list[Segment] = []
    last = len(wanted.words) if last is None else last
    for number in range(first, last):
        word, begin, end = wanted.words[number]
        if number > first:
            segments += _present(_new_pause(wanted, number))
        ids, mods = tuple(wanted.ids[begin:end]), tuple(wanted.mods[begin:end])
        segments.append(Segment(ids, mods, (0,) * len(ids), word))
    return segments


def with_frames(segment: Segment, frames: list[int]) -> Segment:
    """Return a segment with the duration of each token in frames."""
    return replace(segment, frames=tuple(frames))
