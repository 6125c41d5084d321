"""Sentences of a text with the pause that follows each."""

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from tts.errors import UsageError
from tts.text.lexicon import ABBREVIATIONS, TITLES

__all__ = ["Sentence", "split_sentences"]

PAUSE_SENTENCE = 0.35
PAUSE_CLAUSE = 0.15
PAUSE_PARAGRAPH = 0.7

_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
_END = re.compile(r"""[.!?…。！？।]+["')\]]*(?=\s|$)|[。！？।]+""")
_CLAUSE = re.compile(r"[,;:—)](?=\s|$)|[，、；]|—")
_GAP = re.compile(r"\s+")
_ALWAYS_BEFORE_NAME = TITLES | {"dr", "st"}
_OFTEN_LAST = frozenset({"etc", "al", "max", "min", "jr", "sr", "inc", "ltd", "ed", "ch"})
_MIN_CHARS = 20
_LONGEST_ABBREVIATION = 12


@dataclass(frozen=True)
class Sentence:
    """A sentence and the silence after it in seconds; 0 where a long one was cut mid-clause."""

    text: str
    pause_after: float


def split_sentences(text: str, max_chars: int = 220) -> list[Sentence]:
    """Sentences in order, none longer than `max_chars`; linear in the length of the text.

    Blank lines end a paragraph, single line ends are spaces. An overlong sentence is cut at a
    clause mark, else between words, else anywhere. The last sentence has no pause.

    Raises:
        UsageError: `max_chars` below 20.
    """
    if max_chars < _MIN_CHARS:
        raise UsageError(f"max_chars is {max_chars}; it must be at least {_MIN_CHARS}")
    out: list[Sentence] = []
    for paragraph in _PARAGRAPH.split(text):
        pieces = [
            Sentence(part, pause)
            for sentence in _sentences(" ".join(paragraph.split()))
            for part, pause in _cut(sentence, max_chars)
        ]
        if pieces:
            pieces[-1] = Sentence(pieces[-1].text, PAUSE_PARAGRAPH)
            out.extend(pieces)
    if out:
        out[-1] = Sentence(out[-1].text, 0.0)
    return out


def _sentences(text: str) -> Iterator[str]:
    start = 0
    for match in _END.finditer(text):
        if _ends(text, match):
            yield text[start : match.end()].strip()
            start = match.end()
    rest = text[start:].strip()
    if rest:
        yield rest


def _ends(text: str, match: re.Match[str]) -> bool:
    following = text[match.end() : match.end() + 2].lstrip()
    if following and following[0].islower():
        return False
    if match[0] != ".":
        return True
    before = text[max(0, match.start() - _LONGEST_ABBREVIATION) : match.start()]
    word = re.split(r"[\s(\"']", before)[-1]
    if len(word) == 1 and word.isupper() and word != "I":
        # An initial ("J. Smith"), unless nothing follows.
        return not following
    if "." in word and len(word.replace(".", "")) <= 3:
        return not following
    if word.isdecimal() and len(word) <= 2:
        # An ordinal in many languages ("3. Mai"); English numbers are words by now.
        return not following
    known = word.lower()
    if known in _ALWAYS_BEFORE_NAME:
        return not following
    return known not in ABBREVIATIONS or known in _OFTEN_LAST


def _cut(text: str, limit: int) -> Iterator[tuple[str, float]]:
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
