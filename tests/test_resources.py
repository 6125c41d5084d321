"""Where shipped files are found."""

from pathlib import Path

import pytest

from tts.catalog import models
from tts.config import load_model_config
from tts.errors import CheckpointError, ConfigError, UsageError
from tts.registry import load_module
from tts.resources import checkpoint_folder, checkpoints, configs, model_config
from tts.systems import PARTS
from tts.train.config import load_run
from tts.train.recipe import load_recipe


@pytest.fixture
def crowded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with folders called like every shipped part."""
    for name in {*(PARTS.values()), "flow", "masked", "voices", "profile", "vocoder_24k"} - {""}:
        (tmp_path / str(name)).mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_folders_of_the_user_do_not_hide_shipped_parts(crowded: Path) -> None:
    config = load_model_config(model_config("default"))
    for part in PARTS:
        if (name := getattr(config, part)) not in (None, "features"):
            assert checkpoint_folder(name).parent == checkpoints()
    assert not any(info.missing for info in models() if info.name in ("default", "masked"))


def test_a_model_beside_folders_called_like_its_parts(crowded: Path) -> None:
    text = model_config("default").read_text()
    mine = crowded / "mine.yaml"
    shared = model_config("default").parents[1] / "base" / "whole.yaml"
    mine.write_text(text.replace("base: whole", f"base: {shared}"))
    assert checkpoint_folder(load_model_config(mine).vocoder).parent == checkpoints()


def test_paths_are_found_before_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs" / "flow").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert checkpoint_folder("runs/flow") == Path("runs/flow")
    assert checkpoint_folder(tmp_path / "runs" / "flow") == tmp_path / "runs" / "flow"
    (tmp_path / "mine").mkdir()
    assert checkpoint_folder("mine") == Path("mine")


@pytest.mark.parametrize("installed", [True, False])
def test_errors_name_the_path_that_was_given(
    installed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if not installed:
        monkeypatch.setattr("tts.resources.find_checkpoints", lambda: None)
    for given in ("runs/nope/export", "./nope/export", str(tmp_path / "nope")):
        assert checkpoint_folder(given) == Path(given)
        with pytest.raises(CheckpointError, match=f"no checkpoint in {Path(given)}"):
            load_module(given)


def test_the_folder_of_a_training_names_its_model(
    tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mine", "default"):
        export = tmp_path / name / "export"
        export.mkdir(parents=True)
        (export / "model.yaml").write_text("name: mine\n")
    monkeypatch.chdir(tmp_path)
    for given in ("mine", "mine/", str(tmp_path / "mine")):
        with pytest.raises(UsageError) as told:
            model_config(given)
        assert repr(str(Path(given) / "export")) in str(told.value)
    assert model_config("mine/export") == Path("mine/export/model.yaml")
    assert model_config("default").is_relative_to(tiny_home)


@pytest.mark.parametrize("kind", ["train", "systems", "recipes"])
def test_a_shipped_config_outside_of_a_checkout_tells_its_name(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = sorted((configs() / kind).glob("*.yaml"))
    assert shipped
    read = {"train": load_run, "systems": load_run, "recipes": load_recipe}[kind]
    for path in shipped:
        with pytest.raises(ConfigError, match=f"goes by its name: {path.stem}$"):
            read(f"configs/{kind}/{path.name}")
    with pytest.raises(ConfigError, match="cannot read configs/.*/none.yaml"):
        read(f"configs/{kind}/none.yaml")
    if kind != "recipes":
        assert load_run(shipped[0].stem).folder == shipped[0].parent
