"""What studies of voices measure, and the columns of their tables."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.studies.saved_voices import interval
from tts import TTS
from tts.audio.recording import read_recording
from tts.eval.cases import Case
from tts.eval.metrics import Metrics
from tts.voice.voice import Voice

COLUMNS = "ECAPA to another recording", "word error, %", "DistillMOS"
#: ECAPA in hundredths, wrong words, words, DistillMOS
Scores = tuple[float, int, int, float]


def score(model: TTS, voice: Voice, case: Case, root: Path, metrics: Metrics) -> Scores:
    """The text of a case in a voice, beside `other` of the case.

    Args:
        root: of the paths of the case; metrics: all of them.
    """
    assert metrics.words and metrics.quality and metrics.similarity
    made = model.synthesize(case.text, voice, seed=0).resampled(16000).samples
    other = read_recording(str(root / case.other), 16000).samples
    embed = metrics.similarity.embed
    count = metrics.words.count(case.text, metrics.words.transcribe(made))
    same = metrics.similarity.compare(embed(made), embed(other))
    return 100 * same, count.errors, count.words, metrics.quality.score(made)


def cells(scores: Sequence[Scores]) -> list[str]:
    """COLUMNS of scores, with their intervals."""
    same, errors, words, quality = (np.array(column, float) for column in zip(*scores, strict=True))
    one = np.ones(len(same))
    return [
        interval(same, one), interval(100 * errors / words, words), interval(quality, one),
    ]  # fmt: skip


def line(cells: Sequence[str]) -> str:
    """A row of a table."""
    return "| " + " | ".join(cells) + " |"
