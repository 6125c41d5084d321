"""Writes the tables of docs/systems.md: every system with its paper and its scores, ablations, and
what of these speaks against the systems.

python docs/systems.py

Scores are what `tts eval --publish` kept beside weights or in configs/systems/scores; the pairs of
the ablations are in docs/ablations.yaml.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tts.catalog import ModelInfo, model_info, models
from tts.eval.kept import OF_A_RUN, flat, measured_otherwise, rows_of, scores_folder
from tts.eval.paired import METRICS, Metric, paired, shown
from tts.resources import configs, model_names
from tts.systems import read_resolved

PAGE = Path(__file__).parent / "systems.md"
PAIRS = Path(__file__).parent / "ablations.yaml"
END = "<!-- end of the table -->\n"
BEGIN = "<!-- table of {}: python docs/systems.py -->\n"
COLUMNS = (
    "system", "what it is", "paper", "items", "WER", "ECAPA", "ECAPA, other", "DistillMOS",
    "steps trained",
)  # fmt: skip
#: of scores, in the columns from WER to DistillMOS
FIGURES = ("wer", "similarity", "other_similarity", "quality")
ABLATIONS = ("system", "switched", "WER", "ECAPA", "DistillMOS", "the paper claims", "agrees")
#: in place of a verdict where more than the switch differs
NO_PAIR = "not a clean pair"
#: keys that change neither what is learned nor what is said, and steps that were only planned
ASIDE = (
    *OF_A_RUN, "name", "description", "paper", "family", "adapted_calibration", "steps", "budget",
)  # fmt: skip


def figure(scores: Mapping[str, Any], name: str) -> str:
    """A score with its 95 % interval, where there is one."""
    value, limits = scores.get(name), scores.get(f"{name}_95")
    if value is None:
        return "-"
    form, by = (".1f", 100) if name == "wer" else (".2f", 1)
    text = f"{by * value:{form}}" + (" %" if name == "wer" else "")
    return text + (f" [{by * limits[0]:{form}}, {by * limits[1]:{form}}]" if limits else "")


def row(info: ModelInfo) -> str:
    """A line of the table of systems."""
    scores = info.scores
    told: tuple[object, ...] = ("not measured", *[""] * 5)
    if scores:
        steps = scores.get("trained_steps")
        told = (
            scores["items"],
            *(figure(scores, name) for name in FIGURES),
            "shipped" if info.ready else f"{steps or '-'}{told_of(scores)}",
        )
    cells = [f"`{info.name}`", info.description, info.paper, *map(str, told)]
    return f"| {' | '.join(cells)} |\n"


def told_of(scores: Mapping[str, Any]) -> str:
    """What stands behind the steps of a system that learned from what `default` says."""
    return ", distilled" if scores.get("distilled") else ""


def table(columns: Sequence[str], rows: Sequence[str]) -> str:
    """A table in Markdown."""
    return f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|\n" + "".join(rows)


@cache
def scores_of(name: str) -> dict[str, Any] | None:
    """What is kept of a system or an ablation; None where nothing is."""
    if name in model_names():
        return model_info(name).scores
    path = scores_folder() / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


def difference(
    one: Mapping[str, Any], other: Mapping[str, Any], metric: Metric
) -> tuple[float, float, float] | None:
    """`paired` of kept scores."""
    return paired(rows_of(one), rows_of(other), metric)


def faster(system: Mapping[str, Any], run: Mapping[str, Any]) -> float | None:
    """How many times the run takes as long as the system; None where one is not timed as the other
    is."""
    for name in ("processor_rtf", "rtf"):
        if system.get(name) and run.get(name):
            return float(run[name] / system[name])
    return None


def agrees(claim: str, system: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    """Whether the system has over the run what the paper claims: yes or no where the interval of
    the paired difference is on one side of 0, else in which direction it points. Speed has no
    interval, as times are kept in total."""
    if claim == "speed":
        times = faster(system, run)
        if times is None:
            return "not comparable"
        return f"{'yes' if times > 1 else 'no'} ({times:.1f}x)"
    metric = METRICS[claim]
    found = difference(system, run, metric)
    if found is None:
        # Totals of other sentences differ for other reasons than what was switched.
        every = [set(rows_of(side)) for side in (system, run)]
        return "no common items" if all(every) and not every[0] & every[1] else "not comparable"
    value, low, high = found
    told = shown(metric, found)
    if low <= 0 <= high:
        return f"points {'to it' if metric.sign * value > 0 else 'away'}: {told}"
    return f"{'yes' if metric.sign * value > 0 else 'no'}: {told}"


@cache
def flat_yaml(path: Path) -> dict[str, Any]:
    """What a YAML with its bases says, by dotted key."""
    return flat(read_resolved(path))


def settings_of(name: str, scores: Mapping[str, Any]) -> dict[str, Any]:
    """By dotted key what a system or an ablation was told: its YAML, and what it changed of it."""
    path = configs() / "systems" / f"{scores.get('system') or name}.yaml"
    # What `tts eval --set` was given is kept as it was written.
    changed = {
        key: yaml.safe_load(value) if isinstance(value, str) else value
        for key, value in scores.get("changed", {}).items()
    }
    return {**flat_yaml(path), **changed}


def is_aside(key: str) -> bool:
    """Whether a key is none by which two systems differ; steps of sampling are one."""
    return key.rpartition(".")[2] in ASIDE and not key.startswith(("model.", "sampling."))


def also_differs(
    pair: Mapping[str, Any], system: Mapping[str, Any], run: Mapping[str, Any]
) -> list[str]:
    """In what the two sides of a pair differ beside its switch: sections with their keys, trained
    steps more than a tenth apart, whether one is distilled, and how they were measured."""
    one, other = settings_of(pair["system"], system), settings_of(pair["run"], run)
    # Where another class is chosen, arguments that only one of the two has belong to the choice.
    chosen = [
        f"{section}."
        for section, _, key in (key.rpartition(".") for key in pair["set"])
        if key in ("kind", "name")
    ]
    sections: dict[str, list[str]] = {}
    for key in sorted(one.keys() | other.keys()):
        same = one.get(key) == other.get(key) or key in pair["set"] or is_aside(key)
        single = (key in one) != (key in other) and key.startswith(tuple(chosen))
        if not same and not single:
            section, _, rest = key.partition(".")
            sections.setdefault(section, []).append(rest)
    found = [
        f"{section} ({', '.join(keys)})" if any(keys) else section
        for section, keys in sections.items()
    ]
    # Steps that were not kept are 0, which is far from any.
    first, second = (int(side.get("trained_steps") or 0) for side in (system, run))
    if abs(first - second) > 0.1 * max(first, second):
        found.append(f"{first or '?'} and {second or '?'} steps")
    if bool(system.get("distilled")) != bool(run.get("distilled")):
        found.append("distilled")
    if measured := measured_otherwise(system, run):
        found.append(f"measured by {', '.join(measured)}")
    return found


def ablation(pair: Mapping[str, Any]) -> str:
    """Two lines of the table of ablations: the system, and the run with something switched."""
    system, run = scores_of(pair["system"]), scores_of(pair["run"])
    changed = ", ".join(f"{key}={value}" for key, value in pair["set"].items())
    names = ("wer", "similarity", "quality")
    if system is None or run is None:
        missing = pair["system"] if system is None else pair["run"]
        return (
            f"| `{pair['system']}` | {pair['what']} (`{changed}`) | | | | {pair['says']} "
            f"| `{missing}` is not measured |\n"
        )
    first = " | ".join(figure(system, name) for name in names)
    second = " | ".join(figure(run, name) for name in names)
    beside = also_differs(pair, system, run)
    told = NO_PAIR if beside else agrees(pair["claim"], system, run)
    also = f"; also differs: {', '.join(beside)}" if beside else ""
    return (
        f"| `{pair['system']}` | - | {first} | {pair['says']} | {told} |\n"
        f"| `{pair['run']}` | {pair['what']} (`{changed}`){also} | {second} | | |\n"
    )


def against(pairs: Sequence[Mapping[str, Any]]) -> str:
    """Of the pairs without other differences: whether one contradicts the claim of its paper beyond
    its interval, and in which metrics that are not claimed the run is better so."""
    denied: list[str] = []
    beside: list[str] = []
    for pair in pairs:
        system, run = scores_of(pair["system"]), scores_of(pair["run"])
        if system is None or run is None or also_differs(pair, system, run):
            continue
        for key, metric in METRICS.items():
            found = difference(system, run, metric)
            if found is None or max(metric.sign * limit for limit in found[1:]) >= 0:
                continue
            value = shown(metric, found, "+.3f" if metric.by == 1 else "")
            told = f"- `{pair['system']}` less `{pair['run']}`: {value} in {metric.name}\n"
            (denied if key == pair["claim"] else beside).append(told)
    text = "No difference contradicts its paper beyond its interval in the metric it claims.\n"
    if denied:
        text = "In the metric the paper claims the run is better beyond its interval:\n\n"
    text += "".join(denied)
    if beside:
        text += "\nIn another metric the run is better beyond its interval:\n\n"
    return text + "".join(beside)


def filled(text: str, name: str, content: str) -> str:
    """The page with another table of this name."""
    head, rest = text.split(BEGIN.format(name))
    return head + BEGIN.format(name) + content + END + rest.split(END, 1)[1]


def page(text: str) -> str:
    """The page with the tables of today."""
    systems = table(COLUMNS, [row(info) for info in models() if info.trained_by])
    pairs = yaml.safe_load(PAIRS.read_text("utf-8"))
    text = filled(text, "systems", systems)
    text = filled(text, "differences", against(pairs))
    return filled(text, "ablations", table(ABLATIONS, [ablation(pair) for pair in pairs]))


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
