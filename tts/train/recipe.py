"""Recipes: from recordings to a model that speaks, as one YAML of stages in their order.

    description: ...
    sources: [LibriSpeech/train-clean-100]  # made into the corpus OUT/corpus; or
    data: data/train              # a corpus that is there; OUT/corpus links it, it stays as it is
    out: runs/recipe              # a folder for each stage, and a YAML for each model
    train: {steps: 100}           # on top of the training of every run
    stages:
      pitch: {run: train/pitch, train: {steps: 2200}}       # a file of configs/, and what to change
      features: {step: features, vocoder: stage:pitch}      # a function of tts.train.steps
    models:
      from_flow: {system: default, generator: stage:flow}   # what speaks with the weights

`stage:NAME` stands for the weights of an earlier stage, `model:NAME` for a model made of them. A
recipe may have a `base`, as any YAML (tts.systems). What is finished stands in OUT/recipe.json and
is not done again; a run that was stopped goes on.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tts.audio.files import atomic_output, write_all
from tts.config import ModelConfig, Strict, parse
from tts.data.pack import open_corpus
from tts.data.prepare import prepare_corpus
from tts.errors import ConfigError
from tts.progress import ProgressLines, untold
from tts.resources import configs, model_config, nearest
from tts.systems import is_system, merged, read_resolved, split
from tts.train.config import RunConfig, arguments_of, check_run, override
from tts.train.own_corpus import check_sources, is_there, link_corpus, note_sources
from tts.train.run import train_run
from tts.train.steps import IN_CORPUS, STEPS, run_step
from tts_codecs.ranges import wrong_number

#: the folder of the recipe's own corpus, which no stage may be called
CORPUS = "corpus"
#: keys of a run that do not change what it makes
_ASIDE = ("device", "log_every", "sample_minutes", "save_minutes", "publish", "publish_to")

_FEATURES, _DURATIONS, _VOICES = "features.f16", "durations.json", "speaker_warped.f32"
#: what steps and tasks write into the corpus
_WRITES = {
    "features": _FEATURES, "vtlp": _VOICES, "align": _DURATIONS, "aligner": _DURATIONS,
}  # fmt: skip
#: what steps and tasks read of it; all of it where nothing is said
_READS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("features", "vtlp", "overlap", "average"), ()),
    **dict.fromkeys(("vocoder", "aligner", "codec", "enhancer"), ()),
    **dict.fromkeys(("identity", "spectral", "latent", "pseudo_labels"), (_FEATURES,)),
    **dict.fromkeys(("align", "profile", "phrasing", "durations"), (_FEATURES, _DURATIONS)),
}

Report = Callable[[str], None]


class _Recipe(Strict):
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
    """One stage of a recipe: a run, or a step with its options. `settings` is what it was asked
    for, by which it is known whether a finished one is still what the recipe says."""

    name: str
    out: Path
    settings: Mapping[str, Any]
    run: RunConfig | None = None
    step: str = ""
    options: Mapping[str, Any] | None = None

    @property
    def kind(self) -> str:
        """The task of its run, or its step."""
        return self.step or (self.run.task if self.run is not None else "")

    @property
    def in_corpus(self) -> bool:
        """Whether it writes into the corpus."""
        return self.kind in _WRITES

    @property
    def made(self) -> bool:
        """Whether what it makes is there."""
        return self.step in IN_CORPUS or (self.out / "export").exists()


@dataclass(frozen=True)
class Recipe:
    """A checked recipe.

    Attributes:
        corpus: folder that all stages read, the recipe's own, made of `sources` or of `data`; a
            pack (tts.data.pack), into which nothing can be written, is read where it is.
        data: folder of the user's corpus; None where there are sources or it is a pack.
        models: by name what is written to OUT/NAME.yaml.
    """

    out: Path
    corpus: Path
    data: Path | None
    sources: tuple[str, ...]
    language: str
    stages: tuple[Stage, ...]
    models: Mapping[str, Mapping[str, Any]]


def recipe_names() -> list[str]:
    """Recipes in configs/recipes."""
    return sorted(path.stem for path in (configs() / "recipes").glob("*.yaml"))


def load_recipe(name: str | os.PathLike[str], assignments: Iterable[str] = ()) -> Recipe:
    """Read a recipe by name or path, with overrides, and check all of its stages.

    Raises:
        ConfigError: an unknown recipe, file, stage, step or key (naming the nearest), a wrong
            value, a stage that is named before it is there, or no corpus.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        known = recipe_names()
        if str(name) not in known:
            raise ConfigError(f"unknown recipe {str(name)!r}{nearest(str(name), known)}")
        path = configs() / "recipes" / f"{name}.yaml"
    written = read_resolved(path)
    values = parse(_Recipe, override(written, assignments), str(path))
    _check_stages(values, list(written.get("stages") or {}), str(path))
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
        settings = _resolved(given, out, known, values.models, source)
        stages.append(_stage(key, settings, values.train, corpus, out / key, source))
    if corpus.is_file() and (writing := [stage.name for stage in stages if stage.in_corpus]):
        raise ConfigError(
            f"{path}: {corpus} is a pack, into which {', '.join(writing)} cannot write: take the "
            "folder that it was made of"
        )
    known = [stage.name for stage in stages if stage.step not in IN_CORPUS]
    models = {
        key: _model(key, _resolved(given, Path(), known, {}, f"{path}: models.{key}"), path)
        for key, given in values.models.items()
    }
    return Recipe(out, corpus, data, tuple(values.sources), values.language, tuple(stages), models)


def _resolved(
    values: Any, out: Path, stages: Iterable[str], models: Iterable[str], source: str
) -> Any:
    """Settings with the folders of earlier stages, and files of models, in place of their names."""
    if isinstance(values, dict):
        return {k: _resolved(v, out, stages, models, source) for k, v in values.items()}
    if isinstance(values, list):
        return [_resolved(each, out, stages, models, source) for each in values]
    if isinstance(values, str) and values.startswith(("stage:", "model:")):
        kind, _, name = values.partition(":")
        known = list(stages if kind == "stage" else models)
        if name not in known:
            raise ConfigError(
                f"{source}: no earlier {kind} is called {name!r}{nearest(name, known)}"
            )
        return str(out / name / "export" if kind == "stage" else out / f"{name}.yaml")
    return values


def _check_stages(values: _Recipe, known: list[str], source: str) -> None:
    """Raise ConfigError for a stage that `--set` would change and the recipe does not have."""
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
    over = {key: value for key, value in settings.items() if key != "run"}
    over["train"] = merged(over.get("train") or {}, train)
    values = merged(read_resolved(file), over) | {"data": str(corpus), "out": str(out)}
    run = check_run(values, source)
    kept = {key: value for key, value in over["train"].items() if key not in _ASIDE}
    return Stage(name, out, {**settings, "train": kept}, run=run)


def _model(name: str, settings: dict[str, Any], path: Path) -> dict[str, Any]:
    """What OUT/NAME.yaml says: a system, with weights of the stages, which lie beside it."""
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


def run_recipe(recipe: Recipe, report: Report, quiet: bool = False, bar: bool = True) -> bool:
    """Run the stages that are not finished, and write the models.

    Args:
        report, quiet, bar: as of `tts.train.run.train_run`.

    Returns:
        whether all is done, or a run was stopped before.

    Raises:
        ConfigError: a finished stage that the recipe asks something else of, a corpus of other
            recordings, or several processes.
        TTSError: as of the runs and steps.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("a recipe runs in one process; a run of its own may have several")
    finished = finished_stages(recipe)
    _make_corpus(recipe, finished, report, quiet)
    for number, stage in enumerate(recipe.stages, 1):
        if stage.name in finished:
            continue
        report(f"stage {number} of {len(recipe.stages)}: {stage.name}")
        if stage.run is not None:
            if not train_run(stage.run, report, quiet, bar):
                return False
        else:
            # A step may speak with a model of the stages before it.
            _write_models(recipe)
            export = stage.out / "export"
            corpus, options = open_corpus(recipe.corpus), stage.options or {}
            told = untold if quiet else ProgressLines(report, stage.name, "done")
            report(run_step(stage.step, corpus, export, told, options))
        finished[stage.name] = stage.settings
        _write_finished(recipe, finished)
    for path in _write_models(recipe):
        report(f"{path}: tts synthesize 'Hello.' --model {path} --ref my.wav -o out.wav")
    return True


def _make_corpus(
    recipe: Recipe, finished: dict[str, Mapping[str, Any]], report: Report, quiet: bool
) -> None:
    """Make the corpus of the recipe where it is not there, and forget the finished stages that
    wrote into one that was removed."""
    if not recipe.corpus.is_file() and not is_there(recipe.corpus):
        gone = [stage.name for stage in recipe.stages if stage.in_corpus and stage.name in finished]
        for name in gone:
            del finished[name]
        if gone:
            _write_finished(recipe, finished)
        if recipe.sources:
            note_sources(recipe.corpus, recipe.sources, recipe.language)
            summary = prepare_corpus(
                recipe.sources,
                recipe.corpus,
                language=recipe.language,
                progress=untold if quiet else ProgressLines(report, CORPUS, "recordings"),
                again=True,  # what is there has no end
            )
            report(f"{recipe.corpus}: {summary.utterances} utterances, {summary.hours:.2f} h")
    elif recipe.sources:
        check_sources(recipe.corpus, recipe.sources, recipe.language)
    if recipe.data is not None:
        link_corpus(recipe.data, recipe.corpus)


def _write_finished(recipe: Recipe, finished: Mapping[str, Mapping[str, Any]]) -> None:
    _write(recipe.out / "recipe.json", json.dumps({"stages": finished}, indent=1))


def _texts(values: Any) -> set[str]:
    """All strings in settings."""
    if isinstance(values, Mapping):
        return set().union(*map(_texts, values.values()))
    if isinstance(values, list):
        return set().union(*map(_texts, values))
    return {values} if isinstance(values, str) else set()


def depends(recipe: Recipe, stage: Stage, earlier: Stage) -> bool:
    """Whether a stage works on what an earlier one made: its weights, by name or in a model that
    speaks, or a file of the corpus that it reads or writes anew."""
    named = _texts(stage.settings)
    if str(earlier.out / "export") in named:
        return True
    own = f"{earlier.name}/export"
    for name, model in recipe.models.items():
        if str(recipe.out / f"{name}.yaml") in named and own in _texts(model):
            return True
    file = _WRITES.get(earlier.kind)
    return file is not None and (
        file in _READS.get(stage.kind, (file,)) or file == _WRITES.get(stage.kind)
    )


def came_of(recipe: Recipe, stage: Stage) -> list[Stage]:
    """A stage, and the later ones that work on what it made or on what came of that."""
    found = [stage]
    for later in recipe.stages[recipe.stages.index(stage) + 1 :]:
        if any(depends(recipe, later, each) for each in found):
            found.append(later)
    return found


def finished_stages(recipe: Recipe) -> dict[str, Mapping[str, Any]]:
    """Settings of the stages that are done, by name, in the order in which they were, as
    OUT/recipe.json has them. What was written into the corpus is of before where a stage that it
    came of is not done, or was done again since.

    Raises:
        ConfigError: a stage was made with other settings, or the file is damaged.
    """
    path = recipe.out / "recipe.json"
    if not path.is_file():
        return {}
    try:
        done = json.loads(path.read_text("utf-8"))["stages"]
        known = {stage.name for stage in recipe.stages}
        found = {name: settings for name, settings in done.items() if name in known}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is damaged; remove it to run every stage again") from error
    turn = {name: number for number, name in enumerate(found)}
    for number, stage in enumerate(recipe.stages):
        if stage.name not in found:
            continue
        if found[stage.name] != stage.settings and stage.made:
            old = [each.out for each in came_of(recipe, stage) if each.out.exists()]
            if old:
                raise ConfigError(
                    f"stage {stage.name} in {recipe.out} was made with other settings: remove "
                    f"{', '.join(map(str, old))}, or choose another out"
                )
            del found[stage.name]
        elif not stage.made:
            del found[stage.name]
        elif stage.step in IN_CORPUS:
            needed = [e.name for e in recipe.stages[:number] if depends(recipe, stage, e)]
            if any(name not in found or turn[name] > turn[stage.name] for name in needed):
                del found[stage.name]
    return found


def _write_models(recipe: Recipe) -> list[Path]:
    """The YAML of each model, in the folder of the recipe, which may be moved as a whole."""
    paths = []
    for name, values in recipe.models.items():
        paths.append(recipe.out / f"{name}.yaml")
        _write(paths[-1], yaml.safe_dump(dict(values), sort_keys=False))
    return paths


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_output(path) as file:
        write_all(file, text.encode())
