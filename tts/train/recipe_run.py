"""Running a recipe: its corpus, the stages that are not finished, and the YAML of its models."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tts.audio.files import atomic_output, write_all
from tts.data.pack import open_corpus
from tts.data.prepare import prepare_corpus
from tts.errors import ConfigError
from tts.progress import ProgressLines, untold
from tts.train.recipe import CORPUS, DURATIONS, FEATURES, WRITES, Recipe, Stage
from tts.train.recipe_corpus import check_sources, is_corpus, link_corpus, save_sources
from tts.train.recipe_steps import IN_CORPUS, run_step
from tts.train.run import train_run

#: the files that a step or task reads from the corpus; others read all of them
_READS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("features", "vtlp", "overlap", "average"), ()),
    **dict.fromkeys(("vocoder", "aligner", "codec", "enhancer"), ()),
    **dict.fromkeys(("identity", "spectral", "latent", "pseudo_labels"), (FEATURES,)),
    **dict.fromkeys(("align", "profile", "phrasing", "durations"), (FEATURES, DURATIONS)),
}

Report = Callable[[str], None]


def run_recipe(recipe: Recipe, report: Report, quiet: bool = False, bar: bool = True) -> bool:
    """Run the stages that are not finished, and write the YAML of the models.

    Args:
        report, quiet, bar: as of `tts.train.run.train_run`.

    Returns:
        whether all stages are finished; False if a run was stopped.

    Raises:
        ConfigError: a finished stage has other settings in the recipe, the corpus is of other
            recordings, or there are several processes.
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
            # A step may use a model of earlier stages.
            _write_models(recipe)
            export = stage.out / "export"
            corpus, options = open_corpus(recipe.corpus), stage.options or {}
            progress = untold if quiet else ProgressLines(report, stage.name, "done")
            report(run_step(stage.step, corpus, export, progress, options))
        finished[stage.name] = stage.settings
        _write_finished(recipe, finished)
    for path in _write_models(recipe):
        report(f"{path}: tts synthesize 'Hello.' --model {path} --ref my.wav -o out.wav")
    return True


def _make_corpus(
    recipe: Recipe, finished: dict[str, Mapping[str, Any]], report: Report, quiet: bool
) -> None:
    """Make the corpus of the recipe if it does not exist.

    If it was removed, the stages that had written into it are not finished any more.
    """
    if not recipe.corpus.is_file() and not is_corpus(recipe.corpus):
        lost = [stage.name for stage in recipe.stages if stage.in_corpus and stage.name in finished]
        for name in lost:
            del finished[name]
        if lost:
            _write_finished(recipe, finished)
        if recipe.sources:
            save_sources(recipe.corpus, recipe.sources, recipe.language)
            summary = prepare_corpus(
                recipe.sources,
                recipe.corpus,
                language=recipe.language,
                progress=untold if quiet else ProgressLines(report, CORPUS, "recordings"),
                again=True,  # what exists is incomplete
            )
            report(f"{recipe.corpus}: {summary.utterances} utterances, {summary.hours:.2f} h")
    elif recipe.sources:
        check_sources(recipe.corpus, recipe.sources, recipe.language)
    if recipe.data is not None:
        link_corpus(recipe.data, recipe.corpus)


def _write_finished(recipe: Recipe, finished: Mapping[str, Mapping[str, Any]]) -> None:
    _write(recipe.out / "recipe.json", json.dumps({"stages": finished}, indent=1))


def _strings(values: Any) -> set[str]:
    """All strings in nested settings."""
    if isinstance(values, Mapping):
        return set().union(*map(_strings, values.values()))
    if isinstance(values, list):
        return set().union(*map(_strings, values))
    return {values} if isinstance(values, str) else set()


def depends(recipe: Recipe, stage: Stage, earlier: Stage) -> bool:
    """Whether a stage uses the result of an earlier one.

    This is its weights, by themselves or in a model, or a file of the corpus that the stage reads
    or overwrites.
    """
    named = _strings(stage.settings)
    if str(earlier.out / "export") in named:
        return True
    weights = f"{earlier.name}/export"
    for name, model in recipe.models.items():
        if str(recipe.out / f"{name}.yaml") in named and weights in _strings(model):
            return True
    file = WRITES.get(earlier.kind)
    return file is not None and (
        file in _READS.get(stage.kind, (file,)) or file == WRITES.get(stage.kind)
    )


def dependents(recipe: Recipe, stage: Stage) -> list[Stage]:
    """A stage, and all later ones that depend on it directly or indirectly."""
    found = [stage]
    for later in recipe.stages[recipe.stages.index(stage) + 1 :]:
        if any(depends(recipe, later, each) for each in found):
            found.append(later)
    return found


def finished_stages(recipe: Recipe) -> dict[str, Mapping[str, Any]]:
    """Read which stages are finished from OUT/recipe.json.

    A step that writes into the corpus is not finished if a stage it depends on is not finished or
    was run again since.

    Returns:
        settings of the finished stages by name, in the order in which they finished.

    Raises:
        ConfigError: a stage was run with other settings, or the file is damaged.
    """
    path = recipe.out / "recipe.json"
    if not path.is_file():
        return {}
    try:
        done = json.loads(path.read_text("utf-8"))["stages"]
        names = {stage.name for stage in recipe.stages}
        finished = {name: settings for name, settings in done.items() if name in names}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is damaged; remove it to run every stage again") from error
    order = {name: number for number, name in enumerate(finished)}
    for number, stage in enumerate(recipe.stages):
        if stage.name not in finished:
            continue
        if finished[stage.name] != stage.settings and stage.has_result:
            outdated = [each.out for each in dependents(recipe, stage) if each.out.exists()]
            if outdated:
                raise ConfigError(
                    f"stage {stage.name} in {recipe.out} was made with other settings: remove "
                    f"{', '.join(map(str, outdated))}, or choose another out"
                )
            del finished[stage.name]
        elif not stage.has_result:
            del finished[stage.name]
        elif stage.step in IN_CORPUS:
            needed = [e.name for e in recipe.stages[:number] if depends(recipe, stage, e)]
            if any(name not in finished or order[name] > order[stage.name] for name in needed):
                del finished[stage.name]
    return finished


def _write_models(recipe: Recipe) -> list[Path]:
    """Write the YAML of each model into the folder of the recipe, and return their paths.

    Weights are relative paths, so that the folder can be moved as a whole.
    """
    paths = []
    for name, values in recipe.models.items():
        paths.append(recipe.out / f"{name}.yaml")
        _write(paths[-1], yaml.safe_dump(dict(values), sort_keys=False))
    return paths


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_output(path) as file:
        write_all(file, text.encode())
