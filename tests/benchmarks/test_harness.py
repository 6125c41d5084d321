"""The timer and the report of the benchmarks; what is timed is checked by the rows themselves."""

import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.harness.report import markdown, write
from benchmarks.harness.row import Goal, faster, within
from benchmarks.harness.run import names, parse, started
from benchmarks.harness.timing import Cost, medians, paired, ratio
from benchmarks.studies.quantizers import parted, vectors


@pytest.mark.parametrize("count", [2, 7, 40])
def test_quantizers_are_tested_on_utterances_that_they_were_not_fitted_on(count: int) -> None:
    frames = []

    class Recorded:
        folder = "stub"
        items = [SimpleNamespace(speaker=str(n % 3)) for n in range(count)]

        def __len__(self) -> int:
            return count

        def frames(self, index: int) -> int:
            return 300

        def features(self, index: int, start: int, length: int) -> np.ndarray:
            frames.append(index)
            return np.zeros((length, 82), np.float32)

    auto: Any = SimpleNamespace(latents=lambda batch: torch.zeros(len(batch), 100, 32))
    corpus: Any = Recorded()
    seen = []
    for seed, utterances in enumerate(parted(count)):
        frames.clear()
        vectors(auto, corpus, 2000, seed, utterances)
        seen.append(set(frames))
    assert all(seen) and not seen[0] & seen[1]


def costs(*seconds: float, units: float = 1.0) -> list[Cost]:
    return [Cost(value, 2 * value, units) for value in seconds]


def test_contestants_take_turns_and_warm_rounds_do_not_count() -> None:
    calls: list[str] = []

    def run(name: str) -> float:
        calls.append(name)
        return 4.0

    found = paired({"a": lambda: run("a"), "b": lambda: run("b")}, repeats=3, warm=1)
    assert calls == ["a", "b"] * 4
    assert [len(each) for each in found.values()] == [3, 3]
    assert all(cost.units == 4 and cost.wall > 0 for cost in found["a"])


def test_a_run_may_time_itself() -> None:
    given = iter(costs(9, 1, 2, 3))
    assert paired({"a": lambda: next(given)}, repeats=3)["a"] == costs(1, 2, 3)


def test_repeats_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        paired({"a": lambda: 1.0}, repeats=0)


def test_medians_are_per_unit_and_ratios_within_a_round() -> None:
    assert medians(costs(1, 100, 3, units=2)) == (1.5, 3.0)
    # A slow round is slow for both: the ratio of medians would be 3.
    assert ratio(costs(2, 20, 3), costs(1, 10, 1)) == 2
    assert ratio(costs(2, units=2), [Cost(1, 8)], "wall") == 0.25


def test_goals_take_the_best_peer_that_is_there() -> None:
    found = {"ours": costs(1), "slow": costs(5), "quick": costs(1.5)}
    goal = faster("ours", ["slow", "quick", "absent"], 2.0)
    assert goal.judged(found)["value"] == 1.5 and goal.judged(found)["met"] is False
    assert faster("ours", ["slow"], 2.0).judged(found)["met"] is True
    assert faster("ours", ["absent"], 2.0).judged(found)["met"] is None
    assert within("quick", "ours", 1.6).judged(found)["met"] is True
    assert Goal("", lambda _: 3.0, 2.0, at_least=False).judged(found)["met"] is False


def result() -> dict[str, Any]:
    runs = {
        "ours": {"cpu": 0.010, "wall": 0.020, "all": [[0.010, 0.020], [0.011, 0.021]]},
        "peer": {"cpu": 0.025, "wall": 0.050, "all": [[0.025, 0.050], [0.024, 0.049]]},
    }
    goal = {"text": "ours faster", "wanted": 2.0, "value": 2.5, "met": True}
    row = {
        "title": "A step", "unit": "step", "clock": "cpu", "scale": 1000.0, "note": "Noted.",
        "repeats": 2, "load": 0.1, "missing": {"absent": "no module"}, "runs": runs,
        "goals": [goal], "extra": {"weights": 1.0},
    }  # fmt: skip
    return {"machine": {"device": "test"}, "rows": {"fake": row, "broken": {"error": "x\nbad"}}}


def test_report_has_goals_contestants_and_failures() -> None:
    text = markdown({**result(), "rows": {"fake": result()["rows"]["fake"]}})
    assert "| fake | ours faster | 2.5 | 2 | met |" in text
    assert "| fake | peer | 25 | 50 | ms / step | 2.5 |" in text
    assert "Not there: absent (no module)." in text and "Run without a GPU." in text
    broken = {"rows": {"broken": {"title": "B", "error": "x\nbad"}}}
    assert "| broken | runs and is right | - | - | failed |" in markdown(broken)
    assert "Failed: bad" in markdown(broken)


def test_report_is_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    results = {"rows": {"fake": result()["rows"]["fake"]}}
    write(results, tmp_path)
    assert json.loads((tmp_path / "cpu.json").read_text()) == results
    assert (tmp_path / "cpu_fake.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "cpu.md").read_text() == markdown(results)


def test_rows_of_another_machine_or_size_do_not_stand_under_one_header() -> None:
    machine = {"device": "a", "cores": 2, "threads": 1, "torch": "2", "load": 0.5}
    there = {"rows": {"one": {}, "two": {}}, "smoke": False, "machine": machine}
    now = {"smoke": False, "gpu": False, "machine": {**machine, "load": 3.0}}
    assert started(there, now, {"two"}, Path("x"))["machine"]["load"] == 3.0
    assert started({"rows": {}}, now, {"two"}, Path("x"))["rows"] == {}
    for other in ({**now, "smoke": True}, {**now, "machine": {**machine, "threads": 4}}):
        with pytest.raises(SystemExit, match="x has one of (smoke|threads) .*another --out"):
            started(there, other, {"two"}, Path("x"))
        assert started(there, other, {"one", "two"}, Path("x"))["smoke"] == other["smoke"]


def test_rows_can_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"ar_step", "flow", "rvq", "startup", "training"} <= set(names())
    assert parse(["rvq", "--repeats", "2"]).repeats == 2
    for wrong in (["nothing"], ["--smoke"]):
        with pytest.raises(SystemExit):
            parse(wrong)
    assert re.search("no such row: nothing", capsys.readouterr().err)


@pytest.mark.slow
def test_the_kit_for_a_gpu_runs_on_a_cpu(tmp_path: Path) -> None:
    """Trains a made-up corpus, exports in pieces, times generation."""
    from tts.train.publish import join_pieces

    script = Path(__file__).parents[2] / "benchmarks" / "gpu.sh"
    run = subprocess.run(
        [str(script), "--smoke", str(tmp_path / "out")],
        timeout=700,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["training"] == 0 and {row["family"] for row in report["generation"]} == {
        "flow",
        "ar",
    }
    made = join_pieces(tmp_path / "out" / "run.json", tmp_path / "export")
    assert (made / "model.safetensors").stat().st_size > 1000


def test_every_module_is_importable() -> None:
    """Rows and studies run by hand, so that nothing else tells where what they import has moved."""
    import benchmarks

    for module in pkgutil.walk_packages(benchmarks.__path__, "benchmarks."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
