"""Recipes: from recordings to a model that speaks, resumed where they stopped, or refused."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.helpers.systems import NETWORK, ROOT, tiny_parts
from tts import TTS
from tts.cli.main import run
from tts.data.corpus import Corpus
from tts.data.pack import write_pack
from tts.errors import ConfigError, DataError
from tts.progress import untold
from tts.systems import read_resolved
from tts.train import recipe_run as recipe_module
from tts.train.config import check_run
from tts.train.recipe import load_recipe, recipe_names
from tts.train.recipe_run import finished_stages, run_recipe
from tts.train.recipe_steps import run_step
from tts.train.run import train_run
from tts_codecs.checkpoint import read_config

Recording = Callable[..., Path]
#: so many phones for three seconds that no alignment, however bad, leaves one too many frames
TEXT = (
    "the birch canoe slid on the smooth planks, glue the sheet to the dark blue background, it is "
    "easy to tell the depth of a well, these days a chicken leg is a rare dish, rice is served"
)
RECIPES = sorted(path.stem for path in (ROOT / "configs" / "recipes").glob("*.yaml"))
#: networks of each kind of run with a few weights
SMALL: dict[str, dict[str, Any]] = {
    "vocoder": {"dim": 16, "hidden": 16, "blocks": 1, "pitch_dim": 16, "pitch_blocks": 1},
    "aligner": {},
    "phone_probe": {"dim": 16, "blocks": 1},
    "probe": {"dim": 16, "blocks": 1},
    "identity": {"dim": 16, "blocks": 1, "size": 8},
    "enhancer": {"bands": 16, "dim": 16, "blocks": 1},
    "durations": {"dim": 16, "blocks": 1, "classes": 3, "style": 16},
    "phrasing": {"vocabulary": 64},
    "generator": NETWORK,
}
OPTIONS: dict[str, dict[str, Any]] = {
    "vocoder": {"batch_size": 2},
    "aligner": {"batch_size": 2, "pool": 2},
    "identity": {"batch_size": 4, "frames": [20, 30]},
    "enhancer": {"batch_size": 2, "seconds": 0.5, "clean_db": 0.0},
    "phrasing": {"batch_size": 2, "holdout": 0},
    "generator": {"batch_size": 2, "max_frames": 50, "prompt": [30, 40]},
}


@pytest.fixture
def home(tiny_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tiny_parts(tiny_home)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    return tiny_home


@pytest.fixture
def recordings(tmp_path: Path, recording: Recording) -> Path:
    """A table of twelve recordings of four speakers."""
    rows = ["path\tspeaker\ttext"]
    for number in range(12):
        recording(f"{number}.wav", seconds=3.2 + 0.05 * number)
        rows.append(f"{number}.wav\tspeaker{number % 4}\t{TEXT}")
    table = tmp_path / "list.tsv"
    table.write_text("\n".join(rows) + "\n")
    return table


def small(name: str) -> list[str]:
    """Assignments that give every run of a recipe a tiny network, a small batch and two steps."""
    out = ["train.steps=2", "train.sample_minutes=1e9", "train.device=cpu"]
    for stage, given in read_resolved(ROOT / "configs" / "recipes" / f"{name}.yaml")[
        "stages"
    ].items():
        place = f"stages.{stage}"
        if given.get("step") == "overlap":
            out.append(f"{place}.clips=16")
        if given.get("step") == "distill":
            out.append(f"{place}.rows=4")
        if "run" not in given:
            continue
        task = read_resolved(ROOT / "configs" / f"{given['run']}.yaml")["task"]
        if SMALL.get(task):
            out.append(f"{place}.model={json.dumps(SMALL[task])}")
        over = {**given.get("options", {}), **OPTIONS.get(task, {"batch_size": 2})}
        out.append(f"{place}.options={json.dumps(over)}")
    return out


def test_from_recordings_to_a_model_that_speaks(
    home: Path, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("parselmouth")
    # Forty seconds hold few frames of each phone.
    monkeypatch.setattr("tts.data.profile.LEAST_FRAMES", 20)
    monkeypatch.setattr("os.cpu_count", lambda: 1)  # no process is started for twelve recordings
    out = tmp_path / "made"
    sets = [*small("default"), f"sources=[{recordings}]", f"out={out}"]
    said: list[str] = []
    assert run_recipe(load_recipe("default", sets), said.append, quiet=True)
    names = list(read_resolved(ROOT / "configs/recipes/default.yaml")["stages"])
    assert [line.split(": ")[1] for line in said if line.startswith("stage ")] == names
    for name in ("pitch", "vocoder", "durations", "phrasing", "profile", "overlap", "flow"):
        assert (out / name / "export" / "config.yaml").is_file(), name
    # A later run started from what an earlier one made: the pitch network stays as it is.
    assert read_config(out / "vocoder/export")["arguments"]["pitch_dim"] == 16

    model = TTS.load(str(out / "default.yaml"), device="cpu")
    voice = model.voice(tmp_path / "0.wav")
    audio = model.synthesize("Hi there.", voice, seed=1)
    assert audio.seconds >= 0.1 and np.isfinite(audio.samples).all()
    assert np.abs(audio.samples).max() > 0
    # The folder may be moved: all that was trained lies in it.
    moved = tmp_path / "elsewhere"
    shutil.copytree(out, moved)
    assert str(moved) in TTS.load(str(moved / "default.yaml"), device="cpu").config.generator

    # What is finished is not done again.
    said.clear()
    assert run_recipe(load_recipe("default", sets), said.append, quiet=True)
    assert not [line for line in said if line.startswith("stage ")]
    with pytest.raises(ConfigError, match="stage durations .* other settings"):
        run_recipe(load_recipe("default", [*sets, "stages.durations.train.lr=1e-4"]), said.append)
    # What was removed is made again, and nothing else.
    shutil.rmtree(out / "probe")
    assert run_recipe(load_recipe("default", sets), said.append, quiet=True)
    assert [line.split(": ")[1] for line in said if line.startswith("stage ")] == ["probe"]


@pytest.mark.slow
# low_resource starts from shipped weights: tests/train/test_low_resource.py.
@pytest.mark.parametrize("name", sorted(set(RECIPES) - {"default", "low_resource"}))
def test_other_recipes_go_on_from_the_default(
    name: str,
    home: Path,
    recordings: Path,
    recording: Recording,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("parselmouth")
    monkeypatch.setattr("tts.data.profile.LEAST_FRAMES", 20)
    out = tmp_path / "made"
    common = [f"sources=[{recordings}]", f"out={out}"]
    assert run_recipe(load_recipe("default", [*small("default"), *common]), print, quiet=True)
    sets = [*small(name), *common]
    if name == "wideband":
        for number in range(3):
            recording(f"wide{number}.wav", seconds=3.0, rate=24000)
        table = tmp_path / "wide.tsv"
        table.write_text("".join(f"wide{n}.wav\n" for n in range(3)))
        sets.append(f"stages.vocoder_24k.options.wide={table}")
    recipe = load_recipe(name, sets)
    before = {stage.name for stage in load_recipe("default", [*small("default"), *common]).stages}
    said: list[str] = []
    assert run_recipe(recipe, said.append, quiet=True)
    ran = {line.split(": ")[1] for line in said if line.startswith("stage ")}
    assert ran == {stage.name for stage in recipe.stages} - before and ran
    for model in recipe.models:
        loaded = TTS.load(str(out / f"{model}.yaml"), device="cpu")
        assert loaded.sample_rate == (24000 if name == "wideband" else 16000)
        samples = loaded.synthesize("Hi.", loaded.voice(tmp_path / "0.wav"), seed=1).samples
        assert np.isfinite(samples).all() and np.abs(samples).max() > 0


def test_a_stopped_recipe_goes_on_where_it_was(
    home: Path, corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was stopped in its second run and one that was not come to the same weights."""
    text = yaml.safe_dump(
        {
            "data": str(corpus.folder),
            "out": str(tmp_path / "whole"),
            "train": {"steps": 4, "log_every": 1, "sample_minutes": 1e9},
            "stages": {
                "first": {
                    "run": "train/probe",
                    "model": SMALL["probe"],
                    "options": {"batch_size": 2},
                },
                "second": {
                    "run": "train/probe",
                    "model": SMALL["probe"],
                    "options": {"batch_size": 2},
                    "train": {"init": "stage:first"},
                },
                "third": {"step": "average", "first": "stage:first", "second": "stage:second"},
            },
        }
    )
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    said: list[str] = []
    assert run_recipe(load_recipe(path), said.append, quiet=True)

    half = f"out={tmp_path / 'half'}"
    runs: list[str] = []

    def interrupted(line: str) -> None:
        if line.startswith("step 1 "):
            os.kill(os.getpid(), signal.SIGINT)

    def stops(run: Any, report: Any, quiet: bool, bar: bool) -> bool:
        runs.append(run.out.name)
        if runs == ["first", "second"]:
            return train_run(run, interrupted, quiet=False, bar=False)
        return train_run(run, report, quiet, bar)

    monkeypatch.setattr(recipe_module, "train_run", stops)
    assert not run_recipe(load_recipe(path, [half]), said.append, quiet=True)
    assert not (tmp_path / "half" / "third").exists()
    said.clear()
    assert run_recipe(load_recipe(path, [half]), said.append, quiet=True)
    assert runs == ["first", "second", "second"]
    assert any("continuing" in line and "at step 1" in line for line in said)
    for name in ("second", "third"):
        one, other = (tmp_path / each / name / "export" for each in ("whole", "half"))
        assert read_config(one)["sha256"] == read_config(other)["sha256"]


def test_an_aligner_of_a_pack_is_finished_without_its_durations(
    home: Path, corpus: Any, tmp_path: Path
) -> None:
    write_pack(corpus, tmp_path / "audio.pack", audio=True)
    values = {
        "task": "aligner", "data": str(tmp_path / "audio.pack"), "out": str(tmp_path / "out"),
        "options": {"batch_size": 2, "pool": 2}, "train": {"steps": 1, "sample_minutes": 1e9},
    }  # fmt: skip
    said: list[str] = []
    assert train_run(check_run(values, "mine"), said.append, quiet=True)
    assert "is a pack" in said[-1] and "tts data align FOLDER --aligner" in said[-1]


def test_a_recipe_reads_a_pack_and_does_not_write_into_it(
    home: Path, corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tts.data.profile.LEAST_FRAMES", 1)
    pack = tmp_path / "corpus.pack"
    write_pack(corpus, pack)
    path = tmp_path / "mine.yaml"
    profile = {"step": "profile", "phone_probe": "phone_probe"}
    values = {"data": str(pack), "out": str(tmp_path / "out"), "stages": {"mean": profile}}
    path.write_text(yaml.safe_dump(values))
    assert run_recipe(load_recipe(path), lambda line: None, quiet=True)
    made = (tmp_path / "out/mean/export/model.safetensors").read_bytes()
    # So does the command.
    assert run(["data", "profile", str(pack), "-o", str(tmp_path / "again"), "-q"]) == 0
    assert (tmp_path / "again/model.safetensors").read_bytes() == made
    for stage in ({"step": "vtlp"}, {"run": "train/aligner"}):
        path.write_text(yaml.safe_dump({**values, "stages": {"writes": stage}}))
        with pytest.raises(ConfigError, match="is a pack, into which writes cannot write"):
            load_recipe(path)


@pytest.mark.parametrize("name", RECIPES)
def test_shipped_recipes_are_valid(name: str, home: Path) -> None:
    assert name in recipe_names()
    made = load_recipe(name, ["data=somewhere"])
    assert made.stages and made.models
    text = (ROOT / "configs" / "recipes" / f"{name}.yaml").read_text()
    assert f"tts train --recipe {name} " in text


def pretended(out: Path) -> list[str]:
    """The recipe `default` as if all of it was done; what is to be set to read it."""
    sets = ["data=somewhere", f"out={out}"]
    recipe = load_recipe("default", sets)
    for stage in recipe.stages:
        if stage.step not in recipe_module.IN_CORPUS:
            (stage.out / "export").mkdir(parents=True)
    done = {stage.name: dict(stage.settings) for stage in recipe.stages}
    (out / "recipe.json").write_text(json.dumps({"stages": done}))
    assert list(finished_stages(recipe)) == list(done)
    return sets


@pytest.mark.parametrize(
    ("removed", "again"),
    [
        ("pitch", {"features", "first_align", "second_align"}),
        ("aligner", {"first_align", "second_align"}),
        ("first_phone_probe", {"first_align", "second_align"}),
        ("phone_probe", {"second_align"}),
        ("vocoder", set()),
        ("flow", set()),
    ],
)
def test_what_lies_in_the_corpus_is_done_again_with_what_it_came_of(
    removed: str, again: set[str], home: Path, tmp_path: Path
) -> None:
    out = tmp_path / "made"
    recipe = load_recipe("default", pretended(out))
    shutil.rmtree(out / removed)
    every = {stage.name for stage in recipe.stages}
    assert every - finished_stages(recipe).keys() == {removed} | again
    # Stopped after the stage itself was done again.
    (out / removed / "export").mkdir(parents=True)
    done = json.loads((out / "recipe.json").read_text())["stages"]
    done[removed] = done.pop(removed)
    (out / "recipe.json").write_text(json.dumps({"stages": done}))
    assert every - finished_stages(recipe).keys() == again


@pytest.mark.parametrize(
    ("change", "named", "spared"),
    [
        ("pitch.train.steps=5", {"pitch", "vocoder", "phone_probe", "flow"}, {"aligner"}),
        ("features.vocoder=vocoder", {"phone_probe", "identity"}, {"pitch", "vocoder", "aligner"}),
        ("second_align.phone_probe=x", {"durations", "flow"}, {"phone_probe", "identity"}),
        ("average.weight=0.5", {"average", "flow"}, {"last_flow"}),
    ],
)
def test_other_settings_name_the_folders_that_are_to_be_removed(
    change: str, named: set[str], spared: set[str], home: Path, tmp_path: Path
) -> None:
    out = tmp_path / "made"
    sets = [*pretended(out), f"stages.{change}"]
    recipe = load_recipe("default", sets)
    with pytest.raises(ConfigError, match="other settings: remove") as caught:
        finished_stages(recipe)
    told = str(caught.value).partition("remove ")[2].partition(", or choose")[0].split(", ")
    assert all(Path(folder).is_dir() for folder in told)
    names = {Path(folder).name for folder in told}
    assert named <= names and not spared & names
    for folder in told:
        shutil.rmtree(folder)
    assert not (names | {change.partition(".")[0]}) & finished_stages(recipe).keys()


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        ([], "no recordings"),
        (["data=x", "stages.average.frist=1"], "unknown key 'frist'.*'first'"),
        (["data=x", "stages.average.first=stage:first_flaw"], "no earlier stage.*'first_flow'"),
        (
            ["data=x", "stages.pitch.train.init=stage:vocoder"],
            "no earlier stage is called 'vocoder'",
        ),
        (["data=x", "stages.vtlp.step=vltp"], "unknown step 'vltp'.*'vtlp'"),
        (["data=x", "stages.overlap.seed=-1"], "stages.overlap: seed is .* at least 0, not -1"),
        (["data=x", f"stages.overlap.seed={2**70}"], "stages.overlap: seed is at most"),
        (["data=x", "stages.overlap.clips=0"], "stages.overlap: clips is"),
        (["data=x", "stages.overlap.progress=1"], "unknown key 'progress'"),
        (["data=x", "stages.vtlp.run=train/pitch"], "either the key run or the key step"),
        (["data=x", "stages.pitch.run=train/pich"], "no file configs/train/pich.yaml"),
        (["data=x", "stages.pitch.train.stesp=3"], "stages.pitch.*'stesp'.*'steps'"),
        (["data=x", "train.stesp=3"], "'stesp'"),
        (["data=x", "stage.average.weight=1"], "unknown key 'stage'.*'stages'"),
        (["data=x", "models.default.vocodr=y"], "models.default.*'vocodr'.*'vocoder'"),
        (["data=x", "models.default.system="], "names one of configs/systems"),
        (["data=x", "stages.a-b={step: vtlp}"], "'a-b' cannot be the name of a stage"),
    ],
)
def test_a_wrong_recipe_is_one_error_before_anything_runs(
    sets: list[str], words: str, home: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=words):
        load_recipe("default", [f"out={tmp_path / 'made'}", *sets])
    assert not (tmp_path / "made").exists()


def test_what_is_not_there_is_told(home: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown recipe 'defalt'; did you mean 'default'"):
        load_recipe("defalt")
    out = tmp_path / "made"
    with pytest.raises(DataError, match="not a prepared corpus"):
        run_recipe(load_recipe("default", ["data=nowhere", f"out={out}"]), print, quiet=True)
    (out / "recipe.json").parent.mkdir(exist_ok=True)
    (out / "recipe.json").write_text("{")
    with pytest.raises(ConfigError, match="recipe.json is damaged"):
        run_recipe(load_recipe("default", ["data=nowhere", f"out={out}"]), print, quiet=True)


def test_steps_tell_how_far_they_are_and_take_shipped_names(
    home: Path, corpus: Corpus, tmp_path: Path
) -> None:
    shutil.copytree(corpus.folder, tmp_path / "c")
    told: list[tuple[int, int]] = []
    own = Corpus(tmp_path / "c")
    run_step("features", own, tmp_path, lambda *at: told.append(at), {"vocoder": "vocoder"})
    assert told[-1] == (len(own), len(own))
    names = {"first": "flow", "second": "flow"}
    assert "flow" in run_step("average", own, tmp_path / "made", untold, names)
    assert (tmp_path / "made" / "model.safetensors").is_file()


def test_a_stage_that_is_misspelt_is_named() -> None:
    with pytest.raises(ConfigError, match="no stage 'durationz'; did you mean 'durations'?"):
        load_recipe("default", ["data=x", "stages.durationz.train.steps=1"])
