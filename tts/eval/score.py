"""Scoring of one item: the synthesized speech, and the real recording of the same text."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tts.eval.metrics import Metrics, WordCount, read_audio, to_16k
from tts.eval.report import Scores, write_json

__all__ = [
    "Item",
    "RealScores",
    "chance_similarity",
    "measure_made",
    "measure_real",
    "measure_silence",
    "reason",
]

T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """One item of an evaluation: a text to be spoken, and recordings for comparison.

    Attributes:
        id: name of the item.
        speaker: name of the voice.
        text: the text.
        real: real recording of `text`.
        anchor: recording of the speaker with which the voice of synthesized speech is compared.
        anchor_twin: another recording of the speaker, whose similarity to `anchor` is that of real
            speech.
        own: the recording that a resynthesis encodes and decodes; None in synthesis.
    """

    id: str
    speaker: str
    text: str
    real: Path
    anchor: Path
    anchor_twin: Path
    own: Path | None = None


class RealScores:
    """Scores of real recordings, each measured once: results are cached in the file `path`, by the
    content of the recording and the name of the metric.

    The cache contains transcripts and speaker embeddings, so that another text or another pair of
    recordings needs no new measurement. An unreadable cache is ignored.
    """

    def __init__(self, metrics: Metrics, path: Path | None = None) -> None:
        self.metrics, self.path = metrics, path
        self._known: dict[str, Any] = {}
        self._hashes: dict[Path, str] = {}
        self._changed = False
        if path is not None and path.is_file():
            try:
                known = json.loads(path.read_text("utf-8"))
            except (OSError, ValueError):
                known = None
            self._known = known if isinstance(known, dict) else {}

    def checksum(self, path: Path) -> str:
        """SHA-256 of a recording's file, which is read only once. Raises OSError."""
        if path not in self._hashes:
            self._hashes[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._hashes[path]

    def _get(self, path: Path, metric: str, measure: Callable[[np.ndarray], T]) -> T:
        key = f"{metric} | {self.checksum(path)}"
        if key not in self._known:
            self._known[key] = measure(to_16k(*read_audio(path)))
            self._changed = True
        return self._known[key]

    def transcript(self, path: Path) -> str:
        assert self.metrics.words is not None
        return self._get(path, self.metrics.words.name, self.metrics.words.transcribe)

    def embedding(self, path: Path) -> np.ndarray:
        encoder = self.metrics.similarity
        assert encoder is not None
        vector = self._get(path, encoder.name, lambda x: [float(v) for v in encoder.embed(x)])
        return np.asarray(vector, dtype=np.float32)

    def quality(self, path: Path) -> float:
        assert self.metrics.quality is not None
        return self._get(path, self.metrics.quality.name, self.metrics.quality.score)

    def save(self) -> None:
        """Write the cache if it has changed. Raises OutputError."""
        if self.path is not None and self._changed:
            write_json(self.path, self._known)
            self._changed = False


def reason(error: Exception) -> str:
    """The type and first line of an error."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def _attempt(scores: Scores, what: str, measure: Callable[[], T]) -> T | None:
    """The result of a measurement. If it fails, the error becomes a note in `scores`, and the
    result is None."""
    try:
        return measure()
    except Exception as error:
        scores.notes.append(f"{what}: {reason(error)}")
        return None


def _set_words(scores: Scores, count: WordCount | None) -> None:
    if count is not None:
        scores.errors, scores.words, scores.hypothesis = count.errors, count.words, count.hypothesis


def measure_real(item: Item, known: RealScores) -> Scores:
    """Scores of the real recordings of an item: word errors and quality of `item.real`, and
    similarity of `item.anchor_twin` to `item.anchor`."""
    scores = Scores()
    words, voices = known.metrics.words, known.metrics.similarity
    if words is not None:
        counter = words
        _set_words(
            scores,
            _attempt(scores, "wer", lambda: counter.count(item.text, known.transcript(item.real))),
        )
    if voices is not None:
        compare = voices.compare
        scores.similarity = _attempt(
            scores,
            "similarity",
            lambda: compare(known.embedding(item.anchor_twin), known.embedding(item.anchor)),
        )
    if known.metrics.quality is not None:
        scores.quality = _attempt(scores, "quality", lambda: known.quality(item.real))
    return scores


def measure_made(item: Item, wave: np.ndarray, known: RealScores) -> Scores:
    """Scores of synthesized speech `wave` [N] at 16 kHz for an item."""
    scores = Scores()
    words, voices, rater = known.metrics.words, known.metrics.similarity, known.metrics.quality
    if words is not None:
        counter = words
        _set_words(
            scores,
            _attempt(scores, "wer", lambda: counter.count(item.text, counter.transcribe(wave))),
        )
    if voices is not None:
        encoder = voices
        embedding = _attempt(scores, "similarity", lambda: encoder.embed(wave))
        if embedding is not None:
            made = embedding
            scores.similarity = _attempt(
                scores, "similarity", lambda: encoder.compare(made, known.embedding(item.anchor))
            )
            if item.own is None:
                scores.other_similarity = _attempt(
                    scores,
                    "other similarity",
                    lambda: encoder.compare(made, known.embedding(item.anchor_twin)),
                )
            if (own := item.own) is not None:
                scores.own_similarity = _attempt(
                    scores, "own similarity", lambda: encoder.compare(made, known.embedding(own))
                )
    if rater is not None:
        scores.quality = _attempt(scores, "quality", lambda: rater.score(wave))
    return scores


def measure_silence(item: Item, known: RealScores) -> Scores:
    """Scores of an item whose synthesis failed: all words count as deletions."""
    scores = Scores()
    if (words := known.metrics.words) is not None:
        _set_words(scores, _attempt(scores, "wer", lambda: words.count(item.text, "")))
    return scores


def chance_similarity(items: Sequence[Item], known: RealScores) -> float | None:
    """Chance level of speaker similarity: the mean similarity of references of different speakers.

    It depends on the recordings, for example a common bandwidth raises it, and so it is measured.
    None without the metric, with one speaker, or if a reference cannot be measured.
    """
    encoder = known.metrics.similarity
    if encoder is None:
        return None
    anchors = {item.speaker: item.anchor for item in items}
    try:
        voices = [known.embedding(path) for path in anchors.values()]
    except Exception:  # the rows with that reference contain the reason
        return None
    pairs = [encoder.compare(a, b) for a, b in combinations(voices, 2)]
    return float(np.mean(pairs)) if pairs else None
