"""Published scores: next to shipped weights, or next to the configs of other systems.

The scores of a model with shipped weights are in `checkpoints/NAME/scores.json`. Those of a system
without shipped weights are in `configs/systems/scores/NAME.json`, and so are those of an ablation
of it, under the name of its run. For example
`tts train configs/systems/melle.yaml --set model.head.flux=0 --set out=runs/melle_flux0` and
`tts eval --model runs/melle_flux0/export --publish` write `melle_flux0.json`, which contains the
differences from the system's YAML. docs/systems.py makes the tables of docs/systems.md from these.
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

#: options that may differ between runs without making one an ablation, in addition to those in
#: `train`; distillation is recorded separately in the scores
OF_A_RUN = (
    "data", "out", "generator", "device", "threads", "trained_by", "held_out", "batch_size",
    "resident", "distill_data", "distill_ratio",
)  # fmt: skip

#: settings of an evaluation that have to agree for its scores to be comparable with others
MEASURED_BY = (
    "cases", "cases_seed", "seed", "beam", "compute_type", "speed", "adapt", "strength", "enhance",
)  # fmt: skip


def scores_folder() -> Path:
    """Folder of the scores of systems without shipped weights."""
    return configs() / "systems" / "scores"


def kept_at(model: str, name: str = "", overrides: Sequence[str] = ()) -> Path:
    """The file for the published scores of a model.

    Args:
        model: name of a model, or the folder of an exported training run.
        name: name of an ablation; by default that of the run, or of the system.
        overrides: changed sampling options (`tts eval --set`).

    Raises:
        UsageError: there is no name for the scores, it is not a valid file name, or the scores of
            an ablation would replace those of its system.
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
    """The options of a run that differ from the YAML of its system: values by dotted key.

    Options of the training itself are left out; the number of steps is part of the scores.

    Args:
        path: the exported `model.yaml`, or the YAML of the system, which has no differences.
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
    """Values of nested mappings by dotted key; `before` is the prefix of all keys."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found.update(flat(value, f"{before}{key}."))
        else:
            found[f"{before}{key}"] = value
    return found


def with_sampling(config: ModelConfig, assignments: Iterable[str]) -> ModelConfig:
    """A config with changed sampling options.

    Args:
        assignments: such as `top_p=0.9` or `sampling.top_p=0.9`, with values in YAML.

    Raises:
        ConfigError: not an assignment, or not a sampling option of this generator.
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
    """Published scores of a report: totals with 95 % intervals, the scores of each item, the number
    of training steps, and the differences from the YAML of the system.

    Args:
        report: of the evaluation.
        overrides: changed sampling options.
        command: the command of the evaluation, without paths of the machine.
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
    """Mean quality of the measured items."""
    values = [each.quality for each in scores if each.quality is not None]
    return sum(values) / len(values) if values else None


def rows_of(scores: Mapping[str, Any]) -> dict[str, Scores]:
    """Scores of the items in published scores, by name; empty if these contain only totals."""
    try:
        return {
            str(name): Scores(errors, words, None, similarity, quality=quality)
            for name, errors, words, similarity, quality in scores.get("rows", [])
        }
    except (TypeError, ValueError) as error:
        raise OutputError("kept scores have rows of other columns: measure again") from error


def measured_otherwise(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The settings and metrics in which two published scores differ, among those that both contain.
    If there are any, items of the same name are not comparable."""
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
