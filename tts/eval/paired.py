"""Comparison of models on the same items: paired differences, and a table of several models.

If two models have spoken the same sentences, overlapping confidence intervals say little, since
most of the variance is between sentences. Items that are not measured for one of the models are
left out for both, so that no model benefits from failing on difficult items.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tts.eval.report import Report, Scores


def word_errors(items: Sequence[Scores]) -> float:
    """Word error rate: all errors divided by all words."""
    return sum(i.errors or 0 for i in items) / sum(i.words or 0 for i in items)


def quality(items: Sequence[Scores]) -> float:
    """Mean DistillMOS."""
    return float(np.mean([i.quality for i in items]))


def similarity(items: Sequence[Scores]) -> float:
    """Mean ECAPA similarity."""
    return float(np.mean([i.similarity for i in items]))


@dataclass(frozen=True)
class Metric:
    """A metric of the comparison.

    Attributes:
        name: in the table.
        total: the metric of several measured items.
        measured: whether an item is measured.
        sign: 1 if higher is better, -1 if lower is better.
        by, form: factor and format of a shown difference.
    """

    name: str
    total: Callable[[Sequence[Scores]], float]
    measured: Callable[[Scores], bool]
    sign: int = 1
    by: int = 1
    form: str = "+.2f"


METRICS = {
    "wer": Metric(
        "WER", word_errors, lambda i: i.errors is not None and bool(i.words), -1, 100, "+.1f"
    ),
    "quality": Metric("DistillMOS", quality, lambda i: i.quality is not None),
    "similarity": Metric("ECAPA", similarity, lambda i: i.similarity is not None),
}


def paired(
    one: Mapping[str, Scores], other: Mapping[str, Scores], metric: Metric
) -> tuple[float, float, float] | None:
    """Paired difference of a metric, `one` minus `other`, on the items that are measured for both.

    Args:
        one, other: scores by name of the item.

    Returns:
        the difference with its 95 % bootstrap interval (difference, low, high); None with fewer
        than two common items.
    """
    first, second = (
        {name: item for name, item in side.items() if metric.measured(item)}
        for side in (one, other)
    )
    names = sorted(first.keys() & second.keys())
    if len(names) < 2:
        return None
    rng = np.random.default_rng(0)

    def between(chosen: Sequence[str]) -> float:
        return metric.total([first[n] for n in chosen]) - metric.total([second[n] for n in chosen])

    draws = [
        between([names[i] for i in rng.integers(len(names), size=len(names))]) for _ in range(1000)
    ]
    low, high = np.percentile(draws, [2.5, 97.5])
    return between(names), float(low), float(high)


def shown(metric: Metric, found: tuple[float, float, float], form: str = "") -> str:
    """A difference and its interval as text."""
    value, low, high = (f"{metric.by * each:{form or metric.form}}" for each in found)
    return f"{value} [{low}, {high}]"


def comparison(reports: Sequence[Report]) -> str:
    """A table of several models on the same cases and of the real recordings, followed by the
    paired differences from the first model."""
    first = reports[0]
    lines = first.markdown(speakers=False).splitlines()[:2]
    second = first.second()
    lines += [report.line(report.name, report.summary()["made"], second) for report in reports]
    lines.append(first.line("real recordings", first.summary()["real"], second))
    lines += _differences(reports)
    if first.chance_similarity is not None:
        lines.append(f"\nECAPA between different speakers here: {first.chance_similarity:.3f}")
    return "\n".join(lines) + "\n"


def _differences(reports: Sequence[Report]) -> list[str]:
    """Lines of a table of the paired differences from the first report; empty without common
    items."""
    sides = [{row.id: row.made for row in report.rows} for report in reports]
    rows = []
    for report, side in zip(reports[1:], sides[1:], strict=True):
        found = [(metric, paired(side, sides[0], metric)) for metric in METRICS.values()]
        if any(each for _, each in found):
            cells = ["-" if each is None else shown(metric, each) for metric, each in found]
            rows.append(f"| {report.name} less {reports[0].name} | {' | '.join(cells)} |")
    if not rows:
        return []
    heads = [f"{m.name}{' points' if m.by == 100 else ''} [95 %]" for m in METRICS.values()]
    return [
        "\nPaired, of the items that are measured on both sides:\n",
        f"| | {' | '.join(heads)} |",
        "|---" * (1 + len(heads)) + "|",
        *rows,
    ]
