"""Results of an evaluation: scores per item, totals with confidence intervals, a table and a JSON
file."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tts.errors import OutputError

__all__ = [
    "Report", "Row", "Scores", "assigned", "interval", "published", "summarize", "write_json",
    "write_text",
]  # fmt: skip


@dataclass
class Scores:
    """Scores of one recording. A score is None if its metric is missing or failed (see `notes`)."""

    errors: int | None = None
    words: int | None = None
    hypothesis: str | None = None
    similarity: float | None = None  # to another recording of the speaker
    own_similarity: float | None = None  # resynthesis only: to the recording it came from
    other_similarity: float | None = None  # synthesis only: to a recording that was not given
    quality: float | None = None
    notes: list[str] = field(default_factory=list)


@dataclass
class Row:
    """Scores of one item: those of the synthesized speech (`made`) and those of the real recording.
    `failure` is the reason if synthesis failed."""

    id: str
    speaker: str
    text: str
    made: Scores = field(default_factory=Scores)
    real: Scores = field(default_factory=Scores)
    wav: str | None = None
    seconds: float | None = None
    compute_seconds: float | None = None
    processor_seconds: float | None = (
        None  # CPU time of all threads, which does not depend on other programs
    )
    first_audio_seconds: float | None = None
    failure: str | None = None


#: further similarities and their columns
SECOND = {"own_similarity": "ECAPA own", "other_similarity": "ECAPA other"}


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _word_error(scores: Sequence[Scores]) -> float | None:
    """Word error rate: all errors divided by all words; None without measured words."""
    pairs = [(s.errors, s.words) for s in scores if s.errors is not None and s.words]
    total = sum(words for _, words in pairs)
    return sum(errors for errors, _ in pairs) / total if total else None


def _similarity(scores: Sequence[Scores]) -> float | None:
    return _mean([s.similarity for s in scores if s.similarity is not None])


def interval(
    scores: Sequence[Scores],
    statistic: Callable[[Sequence[Scores]], float | None],
    seed: int = 0,
    draws: int = 1000,
) -> tuple[float, float] | None:
    """95 % bootstrap confidence interval of a statistic; None with fewer than two measured items.

    Items are resampled independently, so the interval is for other sentences of the same speakers,
    not for other speakers.
    """
    measured = [score for score in scores if statistic([score]) is not None]
    if len(measured) < 2:
        return None
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        drawn = generator.integers(len(measured), size=len(measured))
        values.append(statistic([measured[i] for i in drawn]))
    low, high = np.percentile(np.asarray(values, dtype=float), [2.5, 97.5])
    return float(low), float(high)


def summarize(
    rows: Sequence[Row], side: str, seed: int = 0, bootstrap: bool = True
) -> dict[str, Any]:
    """Totals of one side, "made" or "real". Keys: items, wer, similarity, quality, ...

    In `wer` all words of an item whose synthesis failed count as errors; `wer_of_made` leaves these
    items out. Similarity and quality are means over the measured items, whose numbers are included.
    """
    scores: list[Scores] = [getattr(row, side) for row in rows]
    made = [
        score for row, score in zip(rows, scores, strict=True) if side == "real" or not row.failure
    ]
    total: dict[str, Any] = {
        "items": len(rows),
        "failures": sum(row.failure is not None for row in rows) if side == "made" else 0,
        "notes": sum(bool(score.notes) for score in scores),
        "wer": _word_error(scores),
        "similarity": _similarity(scores),
        "similarity_items": sum(score.similarity is not None for score in scores),
        "own_similarity": _mean([s.own_similarity for s in scores if s.own_similarity is not None]),
        "other_similarity": _mean(
            [s.other_similarity for s in scores if s.other_similarity is not None]
        ),
        "quality": _mean([s.quality for s in scores if s.quality is not None]),
        "quality_items": sum(score.quality is not None for score in scores),
    }
    if bootstrap:
        total["wer_95"] = interval(scores, _word_error, seed)
        total["similarity_95"] = interval(scores, _similarity, seed)
    if side == "made":
        total["wer_of_made"] = _word_error(made)
        timed = [row for row in rows if row.seconds and row.compute_seconds is not None]
        seconds = sum(row.seconds or 0.0 for row in timed)
        total["rtf"] = sum(row.compute_seconds or 0.0 for row in timed) / seconds if timed else None
        busy = sum(row.processor_seconds or 0.0 for row in timed)
        total["processor_rtf"] = busy / seconds if busy else None
        first = [row.first_audio_seconds for row in rows if row.first_audio_seconds is not None]
        total["first_audio_seconds"] = float(np.median(first)) if first else None
    return total


def _figure(value: float | None, digits: int = 3, percent: bool = False) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.1f} %" if percent else f"{value:.{digits}f}"


def _ranged(value: float | None, limits: Sequence[float] | None, percent: bool = False) -> str:
    if value is None or limits is None:
        return _figure(value, percent=percent)
    low, high = (100 * x if percent else x for x in limits)
    form = ".1f" if percent else ".2f"
    return f"{_figure(value, percent=percent)} [{low:{form}}, {high:{form}}]"


@dataclass
class Report:
    """Report of one model or codec `name`: scores of all items, with the settings of the run."""

    name: str
    rows: list[Row]
    settings: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seed: int = 0
    chance_similarity: float | None = None  # between the references of different speakers

    def summary(self) -> dict[str, dict[str, Any]]:
        return {side: summarize(self.rows, side, self.seed) for side in ("made", "real")}

    def by_speaker(self) -> dict[str, dict[str, dict[str, Any]]]:
        speakers: dict[str, list[Row]] = {}
        for row in self.rows:
            speakers.setdefault(row.speaker, []).append(row)
        return {
            speaker: {side: summarize(rows, side, bootstrap=False) for side in ("made", "real")}
            for speaker, rows in speakers.items()
        }

    def second(self) -> str:
        """The name of the second similarity that the rows have: "own_similarity" in resynthesis,
        "other_similarity" in synthesis, or "" for none (see `Scores`)."""
        for name in SECOND:
            if any(getattr(row.made, name) is not None for row in self.rows):
                return name
        return ""

    def line(self, name: str, total: dict[str, Any], second: str) -> str:
        """A line of the table: the totals of one side, including the similarity `second`."""
        cells = [
            name,
            str(total["items"]),
            str(total["failures"]),
            _ranged(total["wer"], total.get("wer_95"), percent=True),
            _ranged(total["similarity"], total.get("similarity_95")),
            *([_figure(total[second])] if second else []),
            _figure(total["quality"], 2),
            _figure(total.get("rtf")),
            _figure(total.get("first_audio_seconds"), 2),
        ]
        return "| " + " | ".join(cells) + " |"

    def markdown(self, speakers: bool = True) -> str:
        """A table of the totals, the real recordings and, with `speakers`, each voice.

        In synthesis the real recording of an item's text is by another speaker. Lines per voice
        then group the sentences of a voice, not the recordings of a person.
        """
        second = self.second()
        heads = [
            "", "items", "failed", "WER [95 %]", "ECAPA [95 %]",
            *([SECOND[second]] if second else []), "DistillMOS", "RTF", "first audio s",
        ]  # fmt: skip
        lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
        summary = self.summary()
        anything = any(row.failure or row.wav for row in self.rows)
        if anything:
            lines.append(self.line(self.name, summary["made"], second))
        lines.append(self.line("real recordings", summary["real"], second))
        if speakers:
            for speaker, sides in self.by_speaker().items():
                side = "made" if anything else "real"
                lines.append(self.line(f"voice {speaker}", sides[side], second))
        if self.chance_similarity is not None:
            lines.append(f"\nECAPA between different speakers here: {self.chance_similarity:.3f}")
        lines += [f"\n{key}: - ({reason})" for key, reason in self.missing.items()]
        if summary["made"]["failures"]:
            rate = _figure(summary["made"]["wer_of_made"], percent=True)
            lines.append(f"\nA failed item counts as all words missed; WER without them: {rate}")
        lines += [f"\nfailed: {row.id}: {row.failure}" for row in self.rows if row.failure]
        for row in self.rows:
            lines += [f"\nnot measured: {row.id}: {note}" for note in row.made.notes]
            lines += [f"\nnot measured: {row.id} (real): {note}" for note in row.real.notes]
        lines += [f"\nnote: {note}" for note in self.notes]
        return "\n".join(lines) + "\n"

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name, "seed": self.seed, "settings": self.settings,
            "versions": self.versions, "metrics": self.metrics, "missing": self.missing,
            "notes": self.notes,
            "chance_similarity": self.chance_similarity, "summary": self.summary(),
            "by_speaker": self.by_speaker(),
            "rows": [asdict(row) for row in self.rows],
        }  # fmt: skip

    def write(self, folder: str | Path) -> Path:
        """Write `report.json` and `report.md`; returns the JSON path. Raises OutputError."""
        path = Path(folder) / "report.json"
        write_json(path, self.to_json())
        write_text(path.with_suffix(".md"), self.markdown())
        return path


def published(report: Report) -> dict[str, Any]:
    """The part of a report that is saved next to the weights, for `tts models`."""
    made, real = (report.summary()[side] for side in ("made", "real"))
    names = (
        "items",
        "failures",
        "wer",
        "similarity",
        "other_similarity",
        "quality",
        "rtf",
        "first_audio_seconds",
    )
    scores = {name: made[name] for name in names}
    scores["real"] = {name: real[name] for name in ("wer", "similarity", "quality")}
    scores["settings"] = report.settings
    scores["metrics"] = report.metrics  # another Whisper finds other errors
    return scores


def assigned(assignments: Iterable[str]) -> dict[str, str]:
    """Sampling options by key, as strings, from assignments such as `top_p=0.9` or
    `sampling.top_p=0.9`. The last one of a key counts."""
    pairs = (each.partition("=")[::2] for each in assignments)
    return {key.strip().removeprefix("sampling."): value for key, value in pairs}


def write_json(path: Path, content: object) -> None:
    """Write a JSON file atomically. Raises OutputError."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, content: str) -> None:
    """Write a text file atomically. Raises OutputError."""
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(content, "utf-8")
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
