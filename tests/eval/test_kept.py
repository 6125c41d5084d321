"""Scores that are kept: where, what of them, and what a run changed of its system."""

import json
import shutil
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest
import yaml

from tests.helpers.systems import ROOT
from tts.catalog import model_info
from tts.config import load_model_config
from tts.errors import ConfigError, UsageError
from tts.eval.cases import Case, CaseList
from tts.eval.kept import changed, kept, kept_at, rows_of, scores_folder, with_sampling
from tts.eval.report import Report, Row, Scores
from tts.systems import read_resolved

CASE = Case("a-0", "a", "F", "a.wav", "one", "b.wav", "two", "three", "c.wav", "b")


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


@pytest.fixture
def page() -> dict[str, Any]:
    return run_path(str(ROOT / "docs/systems.py"))


def scores(errors: list[int | None], begin: int = 0, quality: float | None = 3.0) -> dict[str, Any]:
    """What is kept of items `begin`, `begin + 1` ... of ten words each."""
    rows = [[str(begin + n), each, 10, 0.5, quality] for n, each in enumerate(errors)]
    known = [each for each in errors if each is not None]
    total = sum(known) / 10 / max(1, len(known)) if known else None
    return {"wer": total, "quality": quality, "rtf": 0.1 * sum(known), "rows": rows}


def test_the_table_of_ablations_tells_directions(page: dict[str, Any]) -> None:
    agrees = page["agrees"]
    good, bad, mixed = scores([1, 0, 1, 0]), scores([3, 2, 4, 2]), scores([0, 1, 1, 1])
    assert agrees("wer", good, bad).startswith("yes: -")
    assert agrees("wer", bad, good).startswith("no: +")
    assert agrees("wer", good, mixed).startswith("points to it")
    assert agrees("speed", good, bad).startswith("yes (5.5x)")
    pairs = yaml.safe_load((ROOT / "docs/ablations.yaml").read_text())
    assert all(pair.keys() == {"system", "run", "set", "what", "claim", "says"} for pair in pairs)


@pytest.mark.parametrize(
    ("system", "run", "switch", "over", "beside"),
    [
        ("melle", "melle", {"sampling.temperature": 0.0}, {"trained_steps": 95}, []),
        ("melle", "melle", {"model.head.flux": 0.0}, {"trained_steps": 89}, ["100 and 89 steps"]),
        ("melle", "melle", {"model.head.flux": 0.0}, {"trained_steps": None}, ["100 and ? steps"]),
        ("melle", "melle", {"model.head.flux": 0.0}, {"distilled": True}, ["distilled"]),
        # What was not distilled says so, or is of before that was kept.
        ("melle", "melle", {"model.head.flux": 0.0}, {"distilled": None}, []),
        ("melle", "melle", {}, {"changed": {"model.head.flux": 0.0}}, ["model (head.flux)"]),
        (
            "f5",
            "e2",
            {"model.conditioner.content_blocks": 0},
            {},
            ["sampling (sway)", "train (init, warmup)"],
        ),
        # Arguments of another pattern are a part of the choice, but not what lies beside it.
        ("stack_delay", "flat", {"model.strategy.pattern.name": "flat"}, {}, []),
        (
            "livespeech",
            "parallel",
            {"model.strategy.pattern.name": "parallel"},
            {},
            ["model (strategy.own)"],
        ),
    ],
)
def test_a_pair_that_differs_in_more_is_told_and_not_judged(
    page: dict[str, Any],
    system: str,
    run: str,
    switch: dict[str, Any],
    over: dict[str, Any],
    beside: list[str],
) -> None:
    base = {"system": system, "trained_steps": 100, "distilled": False}
    # Sampling is kept as it was written on the command line.
    changed = {key: str(value) for key, value in switch.items()} if system == run else {}
    pair = {"system": system, "run": run, "set": switch}
    found = page["also_differs"](pair, base, {**base, "system": run, "changed": changed, **over})
    assert found == beside


def test_what_is_measured_otherwise_is_no_pair(page: dict[str, Any]) -> None:
    """Items of one name are other sentences in another case list."""
    base = {"system": "melle", "trained_steps": 100, "settings": {"cases": "a", "limit": 25}}
    pair = {"system": "melle", "run": "melle", "set": {}}
    told = page["also_differs"]
    assert told(pair, base, {**base, "settings": {"cases": "a", "limit": None}}) == []
    assert told(pair, base, {**base, "settings": {"limit": 25}}) == []  # kept before it was told
    assert told(pair, base, {**base, "settings": {"cases": "b"}}) == ["measured by cases"]
    one, other = ({**base, "metrics": {"wer": f"whisper {name}"}} for name in ("base", "small"))
    assert told(pair, one, other) == ["measured by wer"]
    lists = [CaseList(Path(root), 0, cases) for root in ("a", "b") for cases in ((), (CASE,))]
    sums = [each.checksum() for each in lists]
    assert sums[0] == sums[2] != sums[1] == sums[3]


def test_no_verdict_stands_beside_what_also_differs() -> None:
    text = (ROOT / "docs/systems.md").read_text()
    assert text.count("also differs: ") == text.count("| not a clean pair |") > 0


@pytest.mark.parametrize(
    ("system", "run", "denied", "beside"),
    [
        ([1, 0, 1, 0], [3, 2, 4, 2], False, False),
        ([0, 1, 1, 1], [1, 0, 1, 0], False, False),
        ([3, 2, 4, 2], [1, 0, 1, 0], True, False),
        ([1, 0, 1, 0], [1, 0, 1, 0], False, True),
    ],
)
def test_what_speaks_against_a_system_is_told_in_every_metric(
    page: dict[str, Any],
    system: list[int | None],
    run: list[int | None],
    denied: bool,
    beside: bool,
) -> None:
    kept = {"melle": scores(system, quality=2.5 if beside else 3.0), "melle_x": scores(run)}
    for each in kept.values():
        each.update(system="melle", trained_steps=100)
    page["against"].__globals__["scores_of"] = kept.get
    pair = {"system": "melle", "run": "melle_x", "set": {}, "claim": "wer"}
    told = page["against"]([pair, {**pair, "run": "none"}])
    assert told.startswith("No difference contradicts") == (not denied)
    assert told.count("`melle` less `melle_x`: ") == denied + beside
    assert ("[-0.500, -0.500] in DistillMOS" in told) == beside
    assert ("in WER" in told) == denied


def test_only_items_measured_on_both_sides_are_compared(page: dict[str, Any]) -> None:
    agrees, difference, metrics = page["agrees"], page["difference"], page["METRICS"]
    good = scores([1, 0, 1, 0])
    # Totals, of whatever sentences, are no comparison.
    totals = {key: value for key, value in good.items() if key != "rows"}
    assert agrees("wer", good, totals) == agrees("wer", totals, totals) == "not comparable"
    assert agrees("wer", good, scores([3, 2], begin=9)) == "no common items"
    # Without a word error there is nothing to compare, and it is not 0 %.
    assert agrees("wer", good, scores([None] * 4)) == "not comparable"
    assert agrees("quality", good, scores([1, 0, 1, 0], quality=None)) == "not comparable"
    assert agrees("wer", good, scores([None, 2, None, None])) == "not comparable"
    # An item that only one side has does not move the difference.
    some = scores([None, 2, 3, 2])
    value, low, high = difference(good, some, metrics["wer"])
    assert value == pytest.approx(-0.2) and low <= value <= high
    uneven = scores([1, 0, 1, 0])
    uneven["rows"][0][4] = None
    uneven["rows"][1][4] = 4.0
    assert difference(uneven, good, metrics["quality"])[0] == pytest.approx(1 / 3)
    # Times of the processor are not compared with those of the clock.
    assert agrees("speed", {"rtf": 0.1}, {"processor_rtf": 0.4}) == "not comparable"
    assert agrees("speed", {"rtf": 0.1, "processor_rtf": 9.0}, {"rtf": 0.4}) == "yes (4.0x)"
