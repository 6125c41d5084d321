"""What changes from the words of a recording to the words that are wanted, and what stays."""

import unicodedata
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from tts.editing.align import Piece, Recorded
from tts.prosody.durations import EDGE_FRAMES
from tts.text.pauses import COMMA, PERIOD, is_pause, spoken_pauses
from tts.text.symbols import SIL, Phones
from tts.text.tracked import is_mark

#: frames of a pause that is new, by its token
_NEW_PAUSE = {COMMA: 8, PERIOD: 18}


@dataclass(frozen=True)
class Change:
    """One place that differs: words that were said, and what is said in their place."""

    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The pieces of the edited recording in order, and what was changed."""

    pieces: list[Piece]
    changes: list[Change]


def same_word(word: str) -> str:
    """What two words must share to be the same: letters with their marks, which are the vowels of
    many scripts, and digits, whatever their case."""
    plain = unicodedata.normalize("NFC", word.lower())
    return "".join(c for c in plain if c.isalnum() or c in "_'" or is_mark(c)).strip("'")


def plan(recorded: Recorded, wanted: Phones) -> Plan:
    """The pieces of a recording with the words that are wanted; new ones have no source.

    Args:
        wanted: the words, with marks as pauses.
    """
    old = [same_word(piece.word) for piece in recorded.words]
    new = [same_word(word) for word, _, _ in wanted.words]
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    pieces: list[Piece] = _edge(recorded.pauses[0])
    changes: list[Change] = []
    count = len(recorded.words)
    dealt = True  # with the pause before the next word of the recording
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            for number in range(a, b):
                pieces += [] if dealt else _some(recorded.pauses[number])
                pieces.append(recorded.words[number])
                dealt = False
            continue
        changes.append(
            Change(
                tuple(piece.word for piece in recorded.words[a:b]),
                tuple(word for word, _, _ in wanted.words[c:d]),
            )
        )
        # The silence at both ends of the recording stays there.
        left = recorded.pauses[a] if 0 < a < count else None
        right = recorded.pauses[b] if 0 < b < count else None
        if a == b:
            before = _mark(wanted, c) is not None and _mark(wanted, d) is None
            left, right = (left, None) if before else (None, right)
        if c < d:
            pieces += _some(left) or (_some(_mark(wanted, c)) if a else [])
            pieces += pieces_of(wanted, c, d)
            pieces += _some(right) or (_some(_mark(wanted, d)) if b < count else [])
        elif 0 < a and b < count:
            pieces += _some(max((left, right), key=lambda pause: pause.length if pause else -1))
        dealt = True
    return Plan([*pieces, *_edge(recorded.pauses[-1], last=True)], changes)


def _some(piece: Piece | None) -> list[Piece]:
    return [] if piece is None else [piece]


def _edge(pause: Piece | None, last: bool = False) -> list[Piece]:
    """The silence at one end: generators know sentences with it."""
    return [pause or Piece((SIL,), (0,), (EDGE_FRAMES[last],))]


def _mark(wanted: Phones, number: int) -> Piece | None:
    """The pause before a word of the wanted text, where that has a mark."""
    if not 0 < number < len(wanted.words):
        return None
    begin, end = wanted.words[number - 1][2], wanted.words[number][1]
    ids, _ = spoken_pauses(wanted.ids[begin:end], wanted.mods[begin:end])
    marks = [i for i in ids if is_pause(i)]
    return Piece((marks[0],), (0,), (_NEW_PAUSE.get(marks[0], 8),)) if marks else None


def pieces_of(wanted: Phones, first: int = 0, last: int | None = None) -> list[Piece]:
    """Words first to last of a text as pieces that are to be said, with the pauses between."""
    out: list[Piece] = []
    last = len(wanted.words) if last is None else last
    for number in range(first, last):
        word, begin, end = wanted.words[number]
        if number > first:
            out += _some(_mark(wanted, number))
        ids, mods = tuple(wanted.ids[begin:end]), tuple(wanted.mods[begin:end])
        out.append(Piece(ids, mods, (0,) * len(ids), word))
    return out


def timed(piece: Piece, frames: list[int]) -> Piece:
    """A new piece with its frames."""
    return replace(piece, frames=tuple(frames))
