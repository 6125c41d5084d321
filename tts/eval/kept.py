"""Scores that are kept: beside shipped weights, and of other systems with their configs.

A model whose weights are shipped keeps `checkpoints/NAME/scores.json`. A system whose weights are
not shipped keeps `configs/systems/scores/NAME.json`, and so does an ablation of it, by the name of
its run: `tts train configs/systems/melle.yaml --set model.head.flux=0 --set out=runs/melle_flux0`
and `tts eval --model runs/melle_flux0/export --publish` make `melle_flux0.json`, which says what
differs from the system's YAML. docs/systems.py makes the tables of docs/systems.md from these.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tts.config import ModelConfig, check_sampling, load_model_config, parse
from tts.errors import OutputError, UsageError
from tts.eval.report import Report, Scores, assigned, interval, published
from tts.resources import checkpoint_folder, configs, model_config
from tts.systems import is_system, read_assignment, read_resolved
from tts_codecs.checkpoint import CONFIG, read_config

#: what differs between any two runs and is no ablation, beside how long and how fast it learned;
#: whether from what another model says is kept with the scores
OF_A_RUN = (
    "data", "out", "generator", "device", "threads", "trained_by", "held_out", "batch_size",
    "resident", "distill_data", "distill_ratio",
)  # fmt: skip

#: settings of an evaluation under which its figures may be held against those of another
MEASURED_BY = (
    "cases", "cases_seed", "seed", "beam", "compute_type", "speed", "adapt", "strength", "enhance",
)  # fmt: skip


def scores_folder() -> Path:
    """Where scores of systems are kept whose weights are not shipped."""
    return configs() / "systems" / "scores"


def kept_at(model: str, name: str = "", overrides: Sequence[str] = ()) -> Path:
    """The file that keeps the scores of a model.

    Args:
        model: a name, or the folder that a training exported.
        name: of an ablation; by default the run's, or that of the system.
        overrides: of the sampling (`tts eval --set`).

    Raises:
        UsageError: a model without a name to keep scores by, a name that is none of a file, or an
            ablation that would take the place of its system.
    """
    path = model_config(model)
    config = load_model_config(path)
    values = read_resolved(path)
    shipped = checkpoint_folder(config.generator).parent == checkpoint_folder("x").parent
    if shipped and not name and not overrides:
        return checkpoint_folder(config.generator) / "scores.json"
    if not is_system(values) and not name:
        raise UsageError(f"{model} is no system: name its scores with --name")
    chosen = name or Path(values.get("out") or config.name).name
    if chosen in ("", ".", "..") or Path(chosen).name != chosen:
        raise UsageError(f"scores are kept by a name, not {chosen!r}")
    if chosen == config.name and (overrides or changed(path)):
        raise UsageError(
            f"{model} differs from {config.name}.yaml ({', '.join(overrides) or changed(path)}): "
            "name its scores with --name, such as --name "
            f"{config.name}_ablation"
        )
    return scores_folder() / f"{chosen}.json"


def changed(path: str | Path) -> dict[str, Any]:
    """What a run was told to do otherwise than the YAML of its system: values by dotted key.

    How it was trained is not part of it: steps are kept with the scores.

    Args:
        path: the exported `model.yaml`, or the YAML of the system, which differs in nothing.
    """
    values = read_resolved(path)
    if not is_system(values):
        return {}
    original = configs() / "systems" / f"{values['name']}.yaml"
    if not original.is_file() or original.resolve() == Path(path).resolve():
        return {}
    before, after = (flat(each) for each in (read_resolved(original), values))
    return {
        key: after.get(key)
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
        and key.rpartition(".")[2] not in OF_A_RUN
        and not key.startswith("train.")
    }


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Values by dotted key."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found.update(flat(value, f"{before}{key}."))
        else:
            found[f"{before}{key}"] = value
    return found


def with_sampling(config: ModelConfig, assignments: Iterable[str]) -> ModelConfig:
    """A config with other sampling.

    Args:
        assignments: `top_p=0.9`, read as YAML; `sampling.top_p=0.9` is the same.

    Raises:
        ConfigError: not an assignment, or no option that this generator reads.
    """
    given: dict[str, Any] = {}
    for assignment in assignments:
        key, value = read_assignment(assignment, "top_p=0.9")
        given[key.removeprefix("sampling.")] = value
    if not given:
        return config
    known = read_config(checkpoint_folder(config.generator))
    from tts.registry import sampling_options

    check_sampling(sampling_options(**known["arguments"]), given, "--set")
    checked = parse(ModelConfig, {**config.model_dump(), "sampling": given}, "--set").sampling
    return config.model_copy(
        update={"sampling": replace(config.sampling, **{k: getattr(checked, k) for k in given})}
    )


def kept(report: Report, overrides: Sequence[str] = (), command: str = "") -> dict[str, Any]:
    """What is kept of a report: totals with 95 % intervals, each item's measurements, how far its
    generator was trained and by what it differs from the YAML of its system.

    Args:
        overrides: of the sampling; command: that measured it, without paths of a machine.
    """
    path = model_config(report.name)
    config = load_model_config(path)
    scores = published(report)
    made = report.summary()["made"]
    for name in ("wer_95", "similarity_95", "processor_rtf"):
        scores[name] = made[name]
    scores["quality_95"] = interval([row.made for row in report.rows], _quality, report.seed)
    scores["settings"] = {**scores["settings"], "model": config.name}
    scores["system"] = config.name
    scores["command"] = command
    folder = checkpoint_folder(config.generator)
    if (folder / CONFIG).is_file():
        scores["trained_steps"] = read_config(folder).get("step")
    options = read_resolved(path).get("options") or {}
    scores["distilled"] = bool(options.get("distill_data"))
    scores["changed"] = {
        **changed(path),
        **{f"sampling.{key}": value for key, value in assigned(overrides).items()},
    }
    scores["rows"] = [
        [row.id, row.made.errors, row.made.words, row.made.similarity, row.made.quality]
        for row in report.rows
    ]
    return scores


def _quality(scores: Sequence[Scores]) -> float | None:
    """Mean quality of the items that have one."""
    values = [each.quality for each in scores if each.quality is not None]
    return sum(values) / len(values) if values else None


def rows_of(scores: Mapping[str, Any]) -> dict[str, Scores]:
    """The items of kept scores by their name; none of scores that keep only totals."""
    try:
        return {
            str(name): Scores(errors, words, None, similarity, quality=quality)
            for name, errors, words, similarity, quality in scores.get("rows", [])
        }
    except (TypeError, ValueError) as error:
        raise OutputError("kept scores have rows of other columns: measure again") from error


def measured_otherwise(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """In what the measurements of two kept scores differ, as far as both tell: then items of one
    name are not the same ones, or not measured alike."""
    known = [
        {
            **{key: (side.get("settings") or {}).get(key) for key in MEASURED_BY},
            **(side.get("metrics") or {}),
        }
        for side in (one, other)
    ]
    return [
        key
        for key in known[0]
        if None not in (known[0][key], known[1].get(key)) and known[0][key] != known[1][key]
    ]
