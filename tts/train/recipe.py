"""Recipes: all trainings from recordings to a model that speaks, in one YAML.

    description: ...
    sources: [LibriSpeech/train-clean-100]  # recordings, prepared as OUT/corpus; or
    data: data/train              # a prepared corpus, which stays as it is: OUT/corpus links it
    out: runs/recipe              # gets a folder for each stage and a YAML for each model
    train: {steps: 100}           # overrides settings of all runs
    stages:
      pitch: {run: train/pitch, train: {steps: 2200}}       # a file of configs/, with overrides
      features: {step: features, vocoder: stage:pitch}      # a function of tts.train.recipe_steps
    models:
      from_flow: {system: default, generator: stage:flow}   # systems that use the weights

`stage:NAME` stands for the weights of an earlier stage, and `model:NAME` for one of the models. A
recipe may have a `base`, as any YAML (tts.systems). OUT/recipe.json lists finished stages, which
are not run again; an interrupted run is resumed.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tts.config import ModelConfig, Strict, parse
from tts.errors import ConfigError
from tts.resources import configs, model_config, nearest
from tts.systems import is_system, merged, read_resolved, split
from tts.train.config import RunConfig, arguments_of, check_run, override
from tts.train.recipe_steps import IN_CORPUS, STEPS
from tts_codecs.ranges import wrong_number

#: folder of the corpus of a recipe; no stage may have this name
CORPUS = "corpus"
#: settings of a run that do not affect its weights
_IGNORED = ("device", "log_every", "sample_minutes", "save_minutes", "publish", "publish_to")

FEATURES, DURATIONS, VOICES = "features.f16", "durations.json", "speaker_warped.f32"
#: the file that a step or task writes into the corpus
WRITES = {
    "features": FEATURES, "vtlp": VOICES, "align": DURATIONS, "aligner": DURATIONS,
}  # fmt: skip


class _Recipe(Strict):
    """The keys of a recipe's YAML."""

    description: str = ""
    data: str = ""
    sources: list[str] = []
    language: str = "en-us"
    out: str
    train: dict[str, Any] = {}
    stages: dict[str, dict[str, Any]]
    models: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True)
class Stage:
    """A stage of a recipe: a training run, or a step with its options.

    Attributes:
        out: folder of the stage.
        settings: as in the recipe; a finished stage with other settings is out of date.
        run: the run; step: name of the step; options: of the step.
    """

    name: str
    out: Path
    settings: Mapping[str, Any]
    run: RunConfig | None = None
    step: str = ""
    options: Mapping[str, Any] | None = None

    @property
    def kind(self) -> str:
        """The task of the run, or the name of the step."""
        return self.step or (self.run.task if self.run is not None else "")

    @property
    def in_corpus(self) -> bool:
        """Whether the stage writes into the corpus."""
        return self.kind in WRITES

    @property
    def has_result(self) -> bool:
        """Whether the weights of the stage exist; True for steps that write into the corpus."""
        return self.step in IN_CORPUS or (self.out / "export").exists()


@dataclass(frozen=True)
class Recipe:
    """A checked recipe.

    Attributes:
        out: folder of the recipe.
        corpus: folder of the corpus that all stages read, which the recipe makes from `sources` or
            `data`; or a pack (tts.data.pack), which is read where it is.
        data: folder of the user's corpus; None if there are sources or it is a pack.
        sources: folders of recordings.
        models: contents of OUT/NAME.yaml by name.
    """

    out: Path
    corpus: Path
    data: Path | None
    sources: tuple[str, ...]
    language: str
    stages: tuple[Stage, ...]
    models: Mapping[str, Mapping[str, Any]]


def recipe_names() -> list[str]:
    """Names of the recipes in configs/recipes."""
    return sorted(path.stem for path in (configs() / "recipes").glob("*.yaml"))


def load_recipe(name: str | os.PathLike[str], assignments: Iterable[str] = ()) -> Recipe:
    """Read a recipe and check all of its stages.

    Args:
        name: of a recipe in configs/recipes, or the path of a YAML.
        assignments: overrides, see `tts.train.config.override`.

    Raises:
        ConfigError: a recipe, file, stage, step or key is unknown (the message names the nearest),
            a value is wrong, a stage uses a later one, or there is no corpus.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        known = recipe_names()
        if str(name) not in known:
            raise ConfigError(f"unknown recipe {str(name)!r}{nearest(str(name), known)}")
        path = configs() / "recipes" / f"{name}.yaml"
    resolved = read_resolved(path)
    values = parse(_Recipe, override(resolved, assignments), str(path))
    _check_stage_names(values, list(resolved.get("stages") or {}), str(path))
    if not values.sources and not values.data:
        raise ConfigError(
            f"{path}: no recordings: --set sources=[FOLDER] makes a corpus of them, "
            "--set data=FOLDER takes one that `tts data prepare` made"
        )
    out = Path(values.out)
    data = None if values.sources else Path(values.data)
    corpus = out / CORPUS
    if data is not None and data.is_file():
        corpus, data = data, None
    stages: list[Stage] = []
    for key, given in values.stages.items():
        if not key.isidentifier() or key == CORPUS:
            raise ConfigError(f"{path}: {key!r} cannot be the name of a stage")
        source = f"{path}: stages.{key}"
        known = [stage.name for stage in stages if stage.step not in IN_CORPUS]
        settings = _replace_references(given, out, known, values.models, source)
        stages.append(_stage(key, settings, values.train, corpus, out / key, source))
    if corpus.is_file() and (writing := [stage.name for stage in stages if stage.in_corpus]):
        raise ConfigError(
            f"{path}: {corpus} is a pack, into which {', '.join(writing)} cannot write: take the "
            "folder that it was made of"
        )
    known = [stage.name for stage in stages if stage.step not in IN_CORPUS]
    models = {
        key: _model(
            key, _replace_references(given, Path(), known, {}, f"{path}: models.{key}"), path
        )
        for key, given in values.models.items()
    }
    return Recipe(out, corpus, data, tuple(values.sources), values.language, tuple(stages), models)


def _replace_references(
    values: Any, out: Path, stages: Iterable[str], models: Iterable[str], source: str
) -> Any:
    """Replace `stage:NAME` by the weights of an earlier stage, and `model:NAME` by a YAML.

    Args:
        values: settings of a stage or a model, or a part of them.
        stages, models: names that may be used.

    Raises:
        ConfigError: a name is unknown.
    """
    if isinstance(values, dict):
        return {k: _replace_references(v, out, stages, models, source) for k, v in values.items()}
    if isinstance(values, list):
        return [_replace_references(each, out, stages, models, source) for each in values]
    if isinstance(values, str) and values.startswith(("stage:", "model:")):
        kind, _, name = values.partition(":")
        known = list(stages if kind == "stage" else models)
        if name not in known:
            raise ConfigError(
                f"{source}: no earlier {kind} is called {name!r}{nearest(name, known)}"
            )
        return str(out / name / "export" if kind == "stage" else out / f"{name}.yaml")
    return values


def _check_stage_names(values: _Recipe, known: list[str], source: str) -> None:
    """Raise ConfigError if `--set` names a stage that the recipe does not have."""
    for name, given in values.stages.items():
        if name not in known and not {"run", "step"} & given.keys():
            raise ConfigError(f"{source}: there is no stage {name!r}{nearest(name, known)}")


def _stage(
    name: str,
    settings: dict[str, Any],
    train: dict[str, Any],
    corpus: Path,
    out: Path,
    source: str,
) -> Stage:
    """Check the settings of a stage; `train` overrides those of its run."""
    if ("run" in settings) == ("step" in settings):
        raise ConfigError(f"{source}: a stage has either the key run or the key step")
    if "step" in settings:
        step = settings["step"]
        if step not in STEPS:
            raise ConfigError(f"{source}: unknown step {step!r}{nearest(str(step), STEPS)}")
        given = {key: value for key, value in settings.items() if key != "step"}
        accepted = arguments_of(STEPS[step], ("corpus", "out", "progress"))
        options = parse(accepted, given, source).model_dump(exclude_unset=True)
        if wrong := wrong_number(STEPS[step], options):
            raise ConfigError(f"{source}: {wrong}")
        return Stage(name, out, settings, step=step, options=options)
    file = configs() / f"{settings['run']}.yaml"
    if not file.is_file():
        raise ConfigError(f"{source}: no file configs/{settings['run']}.yaml")
    overrides = {key: value for key, value in settings.items() if key != "run"}
    overrides["train"] = merged(overrides.get("train") or {}, train)
    values = merged(read_resolved(file), overrides) | {"data": str(corpus), "out": str(out)}
    run = check_run(values, source)
    kept = {key: value for key, value in overrides["train"].items() if key not in _IGNORED}
    return Stage(name, out, {**settings, "train": kept}, run=run)


def _model(name: str, settings: dict[str, Any], path: Path) -> dict[str, Any]:
    """Check a model: the contents of OUT/NAME.yaml, a system with weights of the stages."""
    source = f"{path}: models.{name}"
    system = settings.get("system")
    if not isinstance(system, str):
        raise ConfigError(f"{source}: `system` names one of configs/systems")
    values = read_resolved(model_config(system))
    if is_system(values):
        values = split(values, list(ModelConfig.model_fields), source)[1]
    given = {key: value for key, value in settings.items() if key != "system"}
    values = merged(values, {**given, "name": name})
    parse(ModelConfig, values, source)
    return values
