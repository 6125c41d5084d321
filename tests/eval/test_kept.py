"""Scores that are kept: where, what of them, and what a run changed of its system."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.helpers.systems import ROOT
from tts.catalog import model_info
from tts.config import load_model_config
from tts.errors import ConfigError, UsageError
from tts.eval.kept import changed, kept, kept_at, rows_of, scores_folder, with_sampling
from tts.eval.report import Report, Row, Scores
from tts.systems import read_resolved


@pytest.fixture
def home(tiny_home: Path) -> Path:
    shutil.rmtree(tiny_home / "configs")
    shutil.copytree(ROOT / "configs", tiny_home / "configs")
    shutil.rmtree(tiny_home / "configs/systems/scores", ignore_errors=True)
    return tiny_home


def exported(home: Path, folder: Path, **over: object) -> Path:
    """What a training of melle exports, but for trained weights."""
    shutil.copytree(home / "checkpoints/flow", folder)
    values = {**read_resolved(home / "configs/systems/melle.yaml"), "generator": ".", **over}
    values["out"] = str(folder.parent)
    (folder / "model.yaml").write_text(yaml.safe_dump(values))
    return folder


def test_where_scores_are_kept(home: Path, tmp_path: Path) -> None:
    assert kept_at("default") == home / "checkpoints/flow/scores.json"
    options = read_resolved(home / "configs/systems/melle.yaml")["options"]
    told = {
        "train": {"steps": 7, "budget": 9.0},
        "options": {**options, "batch_size": 2, "held_out": ["a"], "distill_data": ["x"]},
    }
    plain = exported(home, tmp_path / "melle/export", data="elsewhere", **told)
    assert kept_at(str(plain)) == scores_folder() / "melle.json"
    assert kept_at(str(plain), "x", ["temperature=0"]) == scores_folder() / "x.json"
    # Sampling that differs has scores of its own, those of the system are not replaced.
    for overrides, name in ((["temperature=0"], ""), ([], "../x")):
        with pytest.raises(UsageError):
            kept_at(str(plain), name, overrides)
    head = {"kind": "gaussian", "kl": 0.1, "flux": 0.0}
    model = {**read_resolved(home / "configs/systems/melle.yaml")["model"], "head": head}
    ablated = exported(home, tmp_path / "melle_flux0/export", model=model)
    assert changed(ablated / "model.yaml") == {"model.head.flux": 0.0}
    assert kept_at(str(ablated)) == scores_folder() / "melle_flux0.json"
    unnamed = exported(home, tmp_path / "again/melle/export", model=model)
    with pytest.raises(UsageError, match=r"flux.*--name"):
        kept_at(str(unnamed))


def test_what_is_kept_is_read_again(home: Path, tmp_path: Path) -> None:
    folder = exported(home, tmp_path / "melle/export")
    rows = [
        Row(str(n), "s", "a b", Scores(n, 2, "a", 0.5 + n / 10, quality=3.0 + n)) for n in range(2)
    ]
    found = kept(Report(str(folder), rows, {"model": str(folder)}), ["top_p=0.5"], "tts eval")
    assert found["wer"] == 0.25 and found["quality"] == 3.5 and found["items"] == 2
    assert found["quality_95"][0] < 3.5 < found["quality_95"][1]
    assert found["changed"] == {"sampling.top_p": "0.5"}
    assert not found["distilled"]
    # No path of a machine.
    assert str(tmp_path) not in json.dumps(found)
    again = rows_of(json.loads(json.dumps(found)))
    assert again["1"] == Scores(1, 2, None, 0.6, quality=4.0)
    scores_folder().mkdir()
    (scores_folder() / "melle.json").write_text(json.dumps(found))
    info = model_info("melle")
    assert info.scores == json.loads(json.dumps(found)) and not info.ready


def test_other_sampling(home: Path) -> None:
    config = load_model_config(home / "configs/systems/default.yaml")
    assert with_sampling(config, ["sampling.sway=0.5", "steps=3"]).sampling.sway == 0.5
    assert with_sampling(config, ["steps=3"]).sampling.guidance == config.sampling.guidance
    for wrong in ("swya=0", "sway=9", "sway", "top_p=0.5"):
        with pytest.raises(ConfigError):
            with_sampling(config, [wrong])


def test_the_table_of_ablations_tells_directions() -> None:
    spec = importlib.util.spec_from_file_location("systems_page", ROOT / "docs/systems.py")
    assert spec is not None and spec.loader is not None
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)

    def scores(errors: list[int]) -> dict[str, object]:
        rows = [[str(n), each, 10, 0.5, 3.0] for n, each in enumerate(errors)]
        return {"wer": sum(errors) / 10 / len(errors), "rtf": 0.1 * sum(errors), "rows": rows}

    good, bad, mixed = scores([1, 0, 1, 0]), scores([3, 2, 4, 2]), scores([0, 1, 1, 1])
    assert page.agrees("wer", good, bad).startswith("yes: -")
    assert page.agrees("wer", bad, good).startswith("no: +")
    assert page.agrees("wer", good, mixed).startswith("points to it")
    assert page.agrees("speed", good, bad).startswith("yes (5.5x)")
    assert page.agrees("wer", {"wer": 0.2}, {"wer": 0.1}) == "points away"
    pairs = yaml.safe_load((ROOT / "docs/ablations.yaml").read_text())
    assert all(pair.keys() == {"system", "run", "set", "what", "claim", "says"} for pair in pairs)
