"""A recipe writes into a corpus of its own, and leaves that of the user as it is."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.systems import tiny_parts
from tts.data.corpus import Corpus
from tts.data.prepare import Summary
from tts.errors import ConfigError, OutputError
from tts.train.recipe import Recipe, load_recipe
from tts.train.recipe_run import run_recipe

#: what the stages of the recipe write into the corpus
WRITTEN = ("features.f16", "speaker_warped.f32", "durations.json")


@pytest.fixture
def data(tiny_home: Path, corpus: Corpus, tmp_path: Path) -> Path:
    """A corpus of the user's, in which everything is there already."""
    tiny_parts(tiny_home)
    folder = tmp_path / "data"
    shutil.copytree(corpus.folder, folder)
    (folder / "coded").mkdir()
    (folder / "coded" / "codec.u16").write_bytes(b"codes")
    assert all((folder / name).is_file() for name in WRITTEN)
    return folder


def recipe_of(data: Path, out: Path) -> Recipe:
    path = out.parent / "mine.yaml"
    aligner = {
        "run": "train/aligner",
        "options": {"batch_size": 2, "pool": 2},
        "train": {"steps": 1, "sample_minutes": 1e9, "device": "cpu"},
    }
    stages = {
        "features": {"step": "features", "vocoder": "vocoder"},
        "vtlp": {"step": "vtlp"},
        "aligner": aligner,
        "align": {"step": "align", "aligner": "stage:aligner"},
    }
    values = {"data": str(data), "out": str(out), "stages": stages}
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return load_recipe(path)


def digests(folder: Path) -> dict[str, str]:
    files = [each for each in folder.rglob("*") if each.is_file()]
    return {
        str(each.relative_to(folder)): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in files
    }


@pytest.mark.parametrize("cannot", [(), ("link",), ("link", "symlink")], ids=str)
def test_the_corpus_of_the_user_stays_as_it_is(
    cannot: tuple[str, ...], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the same disk, on another one, and where there are no links at all."""

    def refused(*_: object, **__: object) -> None:
        raise OSError

    for name in cannot:
        monkeypatch.setattr(os, name, refused)
    before, out = digests(data), tmp_path / "out"
    said: list[str] = []
    assert run_recipe(recipe_of(data, out), said.append, quiet=True)
    assert digests(data) == before
    own = digests(out / "corpus")
    assert {name for name in before if own[name] != before[name]} == set(WRITTEN)
    assert own.keys() == before.keys()
    assert len(Corpus(out / "corpus").features(0)) == Corpus(data).frames(0)


def test_a_corpus_that_was_removed_is_made_again_with_what_was_in_it(
    data: Path, tmp_path: Path
) -> None:
    out, said = tmp_path / "out", list[str]()
    assert run_recipe(recipe_of(data, out), said.append, quiet=True)
    made = digests(out / "corpus")
    said.clear()
    assert run_recipe(recipe_of(data, out), said.append, quiet=True)
    assert not [line for line in said if line.startswith("stage ")] and not said
    # Stopped before the first stage was done again, it is not forgotten that it was to be.
    shutil.rmtree(out / "corpus")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(OutputError):

        def full(*_: object) -> str:
            raise OutputError("the disk is full")

        patch.setattr("tts.train.recipe_run.run_step", full)
        run_recipe(recipe_of(data, out), said.append, quiet=True)
    assert json.loads((out / "recipe.json").read_text())["stages"] == {}
    said.clear()
    assert run_recipe(recipe_of(data, out), said.append, quiet=True)
    assert [line.split(": ")[1] for line in said if line.startswith("stage ")] == [
        "features", "vtlp", "aligner", "align",
    ]  # fmt: skip
    assert digests(out / "corpus") == made


def test_other_recordings_do_not_go_on_in_the_same_folder(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run_recipe(recipe_of(data, out), print, quiet=True)
    other = tmp_path / "other"
    shutil.copytree(data, other)
    lines = (other / "items.jsonl").read_text()
    (other / "items.jsonl").write_text(lines.replace("made up", "other words"))
    with pytest.raises(ConfigError, match="made of other recordings"):
        run_recipe(recipe_of(other, out), print, quiet=True)
    # Their own corpus may be named as well.
    assert run_recipe(recipe_of(out / "corpus", out), print, quiet=True)


def test_recordings_are_not_taken_for_others_of_before(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A corpus that is there is not taken for one of the folders that are named now."""
    made: list[list[str]] = []

    def prepared(sources: list[str], out: Path, language: str, **_: Any) -> Summary:
        made.append(list(sources))
        assert not (out / "cache.json").exists()
        shutil.copytree(data, out, dirs_exist_ok=True)
        if len(made) == 1:  # the disk is full when the last file is written
            (out / "cache.json").unlink()
            raise OutputError("the disk is full")
        return Summary(5, 0.1, 2)

    monkeypatch.setattr("tts.train.recipe_run.prepare_corpus", prepared)
    monkeypatch.chdir(tmp_path)

    def run(*sources: str, language: str = "en-us") -> bool:
        path = tmp_path / "mine.yaml"
        stages = {"vtlp": {"step": "vtlp"}}
        values = {"sources": list(sources), "out": str(tmp_path / "out"), "language": language}
        path.write_text(yaml.safe_dump({**values, "stages": stages}))
        return run_recipe(load_recipe(path), lambda line: None, quiet=True)

    with pytest.raises(OutputError):
        run("a", "b")
    assert run("a", "b") and run("a", str(tmp_path / "b")) and made == [["a", "b"]] * 2
    for others, language in ((("a",), "en-us"), (("a", "b"), "de")):
        with pytest.raises(ConfigError, match="made of a, b in en-us, not of a"):
            run(*others, language=language)
    # One that was made before it was written down goes on.
    (tmp_path / "out" / "corpus" / "sources.json").unlink()
    assert run("a") and len(made) == 2
