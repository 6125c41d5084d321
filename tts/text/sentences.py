"""Sentence segmentation, with the pause that follows each sentence.

A dot ends a sentence unless it belongs to an abbreviation, an initial or an ordinal of the
language. No mark ends a sentence where a small letter follows. A text that arrives in pieces is cut
as early as what follows shows that a sentence has ended.
"""

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tts.errors import UsageError
from tts.text.english_tables import ABBREVIATIONS, STARTERS, TITLES
from tts.text.language_abbreviations import before_figures, never_last

__all__ = [
    "Sentence", "complete_end", "initial_dot", "split_complete", "split_complete_at",
    "split_sentences",
]  # fmt: skip

#: seconds of silence after a sentence, a clause at which a long sentence was cut, and a paragraph
PAUSE_SENTENCE = 0.35
PAUSE_CLAUSE = 0.15
PAUSE_PARAGRAPH = 0.7

_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
_END = re.compile(r"""[.!?…。！？।]+["')\]]*(?=\s|$)|[。！？।]+""")
_CLAUSE = re.compile(r"[,;:—)](?=\s|$)|[，、；]|—")
_GAP = re.compile(r"\s+")
_ALWAYS_BEFORE_NAME = TITLES | {"dr", "st"}
_OFTEN_LAST = frozenset({"etc", "al", "max", "min", "jr", "sr", "inc", "ltd", "ed", "ch"})
# Abbreviations of other languages before what is counted: "2,5 Mio. Euro".
_BEFORE_COUNTED = frozenset({"mio", "mrd", "tsd", "mln", "mld", "tys", "godz"})
# A day and a month: "Am 24.12. Weihnachten".
_DAY = re.compile(r"(?:0?[1-9]|[12]\d|3[01])\.(?:0?[1-9]|1[0-2])")
_MIN_CHARS = 20
_LONGEST_ABBREVIATION = 12
# A word that begins sentences, with what follows it: "A" alone may be the beginning of a name that
# is still being written.
_STARTS = re.compile(
    rf" (?:(?:{'|'.join(sorted(STARTERS))})(?:'[a-z]{{1,2}})?|[A-Z][a-z]{{1,6}}n't),? (?![A-Z]\b)"
)
_INITIAL = re.compile(r"(?<![\w.'])[A-Z]\. (?=[A-Za-z])")
_SPELLED = re.compile(r"(?<!\w)[A-Z] $")
_WORD_BEFORE = re.compile(r"([A-Za-z]+) $")
# Words whose kinds are named by letters: "plan B."
_LETTERED = frozenset(
    "plan vitamin grade type class option part team group hepatitis section appendix schedule "
    "exhibit point letter figure item door gate room block terminal zone line level answer choice "
    "step side row seat unit model size string key note chord form page apartment".split()
)
_AFTER = re.compile(r"\s+(\S)")
_AFTER_IDEOGRAPH = re.compile(r"\s*(\S)")
_PARAGRAPH_GAP = re.compile(r"[^\S\n]*\n[^\S\n]*\n")
#: characters of an unfinished sentence after which a text that arrives in pieces is cut anyway
_MAX_WAITING = 4000


@dataclass(frozen=True)
class Sentence:
    """Sentence with the seconds of silence after it, 0 where it was cut within a clause."""

    text: str
    pause_after: float


def initial_dot(text: str, at: int) -> bool:
    """Whether the dot at `at` belongs to the initial of a name, after which there is no pause."""
    return at > 0 and _INITIAL.match(text, at - 1) is not None and _is_initial(text, at)


def _is_initial(text: str, at: int) -> bool:
    """Whether the capital before a dot at `at` is the initial of a person, as in "J. Smith", rather
    than the last of spelled letters ("the C I A.") or a name of its own ("plan B.")."""
    before = text[max(0, at - 24) : at - 1]
    if _STARTS.match(text, at + 1) or _SPELLED.search(before):
        return False
    word = _WORD_BEFORE.search(before)
    return word is None or word[1].lower() not in _LETTERED


def split_sentences(text: str, max_chars: int = 220, lang: str = "en") -> list[Sentence]:
    """Split a text into sentences, in time that is linear in its length.

    A blank line ends a paragraph; a single end of a line is a space. A sentence that is too long
    is cut at punctuation within it, or else between words, or else anywhere. The last sentence is
    followed by no pause.

    Args:
        text: the whole text.
        max_chars: characters of a sentence at most.
        lang: espeak code of the language, whose abbreviations end no sentence.

    Raises:
        UsageError: `max_chars` is below 20.
    """
    if max_chars < _MIN_CHARS:
        raise UsageError(f"max_chars is {max_chars}; it must be at least {_MIN_CHARS}")
    out: list[Sentence] = []
    for paragraph in _PARAGRAPH.split(text):
        pieces = [
            Sentence(part, pause)
            for sentence in _sentences(" ".join(paragraph.split()), lang)
            for part, pause in _cut(sentence, max_chars)
        ]
        if pieces:
            pieces[-1] = Sentence(pieces[-1].text, PAUSE_PARAGRAPH)
            out.extend(pieces)
    if out:
        out[-1] = Sentence(out[-1].text, 0.0)
    return out


def split_complete(pieces: Iterable[str], lang: str = "en") -> Iterator[tuple[str, float]]:
    """Yield the parts of a text that arrives in pieces.

    Each part ends with a sentence and is yielded as soon as what follows shows that the sentence
    has ended. The sentences of all parts are those of the whole text, wherever the pieces were cut.

    Args:
        pieces: of the text, in order.
        lang: espeak code of its language.

    Returns:
        Parts, each with the pause after it in seconds, 0 after the last one.
    """
    return ((part, pause) for part, pause, _ in split_complete_at(pieces, lang))


def split_complete_at(pieces: Iterable[str], lang: str = "en") -> Iterator[tuple[str, float, int]]:
    """Yield the parts of `split_complete`, each also with where it begins in the whole text."""
    waiting, at = "", 0
    for piece in pieces:
        waiting += piece
        at += len(waiting) - len(waiting.lstrip())
        waiting = waiting.lstrip()
        cut = complete_end(waiting, lang)
        if cut is not None:
            yield waiting[: cut[0]], cut[1], at
            rest = waiting[cut[0] :].lstrip()
            at += len(waiting) - len(rest)
            waiting = rest
    if waiting:
        yield waiting, 0.0, at


def complete_end(waiting: str, lang: str = "en") -> tuple[int, float] | None:
    """Return where a text that goes on can be cut.

    Args:
        waiting: the text so far. Where it is very long without an end, it is cut between words.
        lang: espeak code of its language.

    Returns:
        The end of the last sentence that is surely over and the pause after it in seconds; None
        where no sentence is over yet.
    """
    cut = _last_end(waiting, lang)
    if cut is None and len(waiting) > _MAX_WAITING:
        gap = max(waiting.rfind(" "), waiting.rfind("\n"))
        cut = (gap if gap > 0 else len(waiting), 0.0)
    return cut


def _last_end(text: str, lang: str) -> tuple[int, float] | None:
    """Return where the last sentence that is surely over ends, and the pause after it."""
    ends = [p.start() for p in _PARAGRAPH.finditer(text) if p.end() < len(text)]
    last_paragraph = ends[-1] if ends else 0
    for match in reversed(list(_END.finditer(text, last_paragraph))):
        following = (_AFTER_IDEOGRAPH if match[0][-1] in "。！？।" else _AFTER).match(
            text, match.end()
        )
        if following is None:
            continue
        # The decision is made on the text with single spaces, as in `split_sentences`.
        before = " ".join(text[max(0, match.start() - 40) : match.end()].split())
        seen = _END.search(f"{before} {following[1]}", len(before) - len(match[0]))
        if seen and seen.end() == len(before) and _ends(seen.string, seen, lang):
            ends.append(match.end())
            break
    # A block of inline phones stays in one part.
    whole = [end for end in ends if text.rfind("[[", 0, end) <= text.rfind("]]", 0, end)]
    if not whole:
        return None
    paragraph = _PARAGRAPH_GAP.match(text, whole[-1])
    return whole[-1], PAUSE_PARAGRAPH if paragraph else PAUSE_SENTENCE


def _sentences(text: str, lang: str) -> Iterator[str]:
    """Yield the sentences of a paragraph, however long they are."""
    start = 0
    for match in _END.finditer(text):
        if _ends(text, match, lang):
            yield text[start : match.end()].strip()
            start = match.end()
    rest = text[start:].strip()
    if rest:
        yield rest


def _ends(text: str, match: re.Match[str], lang: str) -> bool:
    """Whether a mark (of `_END`) ends a sentence.

    Args:
        text: a paragraph with single spaces.
        lang: espeak code of its language.
    """
    following = text[match.end() : match.end() + 2].lstrip()
    if following and (following[0].islower() or following[0] in ",;:"):
        return False
    if match[0] != ".":
        return True
    before = text[max(0, match.start() - _LONGEST_ABBREVIATION) : match.start()]
    word = re.split(r"[\s(\"']", before)[-1]
    if len(word) == 1 and word.isupper() and word != "I":
        # "J. Smith"
        return not following or not _is_initial(text, match.start())
    if "." in word and len(word.replace(".", "")) <= 3:
        return not following
    if word.isdecimal() and len(word) <= 2:
        # In many languages an ordinal ("3. Mai"). English numbers are words by now.
        return not following
    known = word.lower()
    shortened = never_last(lang)
    if known in shortened or word in shortened:
        return not following
    if known in before_figures(lang) and following[:1].isdigit():
        return False
    if known in _BEFORE_COUNTED or _DAY.fullmatch(word):
        return not following
    if lang[:2].lower() != "en":
        # The English abbreviations that follow are words in other languages: "sept", "est".
        return True
    if known in _ALWAYS_BEFORE_NAME:
        return not following
    return known not in ABBREVIATIONS or known in _OFTEN_LAST


def _cut(text: str, limit: int) -> Iterator[tuple[str, float]]:
    """Cut a sentence into parts of at most `limit` characters, each with the pause after it."""
    start = 0
    while len(text) - start > limit:
        left = len(text) - start
        # Equal parts sound better than full ones with a short rest.
        target = left / math.ceil(left / limit)
        window = text[start : start + limit]
        marks = [m.end() for m in _CLAUSE.finditer(window) if m.end() > limit // 4]
        gaps = [m.start() for m in _GAP.finditer(window) if m.start() > limit // 4]
        choices = marks or gaps
        at = start + (min(choices, key=lambda c: abs(c - target)) if choices else limit)
        while not choices and at > start + limit // 2 and unicodedata.combining(text[at]):
            at -= 1
        piece = text[start:at].strip()
        if piece:
            yield piece, PAUSE_CLAUSE if marks else 0.0
        start = at + (1 if at < len(text) and text[at].isspace() else 0)
    rest = text[start:].strip()
    if rest:
        yield rest, PAUSE_SENTENCE
