"""A run that goes on: by one process at a time, and what is other than before is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("accelerate", reason="needs the train extra")
pytest.importorskip("tensorboard", reason="needs the train extra")

from tts.cli.main import run as command
from tts.data.corpus import Corpus
from tts.errors import ConfigError, UsageError
from tts.folders import lock
from tts.train.config import check_run, load_run
from tts.train.run import train_run

OPTIONS = {"batch_size": 2, "pool": 2}


def aligner(corpus: Corpus, out: Path, **over: Any) -> dict[str, Any]:
    train = {"steps": 1, "sample_minutes": 1e9, "device": "cpu", **over.pop("train", {})}
    options = {**OPTIONS, **over}
    return {
        "task": "aligner", "data": str(corpus.folder), "out": str(out), "options": options,
        "train": train,
    }  # fmt: skip


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "logs" not in path.parts
    }


@pytest.mark.parametrize(
    ("over", "told"),
    [
        ({"train": {"seed": 5}}, r"train\.seed 5 \(was 0\)"),
        ({"train": {"lr": 1e-5}}, r"train\.lr 1e-05 \(was 0\.0005\)"),
        ({"batch_size": 3}, r"options\.batch_size 3 \(was 2\)"),
    ],
)
def test_a_finished_run_does_not_take_other_settings(
    over: dict[str, Any], told: str, corpus: Corpus, tmp_path: Path
) -> None:
    """Its export would say that the weights are of the other ones."""
    out = tmp_path / "out"
    assert train_run(check_run(aligner(corpus, out), "x"), print, quiet=True)
    before = files(out)
    with pytest.raises(ConfigError, match=rf"out is finished, .*{told}; train into another"):
        train_run(check_run(aligner(corpus, out, **over), "x"), print, quiet=True)
    assert files(out) == before
    # How long it takes, and where, is no other setting.
    free = aligner(corpus, out, train={"log_every": 7, "slowest": 1e9, "publish": 1e9})
    assert train_run(check_run(free, "x"), print, quiet=True)


def test_a_run_that_goes_on_tells_what_is_other(corpus: Corpus, tmp_path: Path) -> None:
    out, said = tmp_path / "out", list[str]()
    assert train_run(check_run(aligner(corpus, out), "x"), said.append, quiet=True)
    assert not any("other settings" in line for line in said)
    longer = aligner(corpus, out, batch_size=3, train={"steps": 2, "seed": 5})
    assert train_run(check_run(longer, "x"), said.append, quiet=True)
    told = [line for line in said if "other settings" in line]
    assert told == [
        "from step 1 on with other settings: options.batch_size 3 (was 2), train.seed 5 (was 0)"
    ]
    # A run of fewer steps that another one went on with, as of the pitch network before the
    # vocoder: the same command again changes nothing.
    before = files(out)
    said.clear()
    assert train_run(check_run(aligner(corpus, out), "x"), said.append, quiet=True)
    assert any("left as it is" in line for line in said) and files(out) == before


def test_one_training_writes_into_a_folder(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    run = check_run(aligner(corpus, out), "x")
    held = os.open(out, os.O_RDONLY)
    lock(held)
    with pytest.raises(UsageError, match="another training is writing into .*out"):
        train_run(run, print, quiet=True)
    assert not list(out.iterdir())
    os.close(held)
    assert train_run(run, print, quiet=True)


def test_runs_are_named_as_systems_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_run("durations").task == "durations" and load_run("default").task == "generator"
    assert command(["train", "duration"]) == 2
    assert "no run or system 'duration'; did you mean 'durations'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "given", ["a", "=1", "a=[1", "a: &x {y: 1, y: 2}", "train={steps: 1, steps: 2}"]
)
def test_wrong_assignments_are_one_line(given: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump({"task": "aligner", "out": "x"}))
    with pytest.raises(ConfigError, match="^--set ") as error:
        load_run(path, [given])
    assert "\n" not in str(error.value)


def test_only_the_first_process_reports(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With several processes, each line would come once from each of them."""
    from accelerate import Accelerator

    monkeypatch.setattr(Accelerator, "is_main_process", property(lambda self: False))
    said = list[str]()
    assert train_run(check_run(aligner(corpus, tmp_path / "out"), "x"), said.append)
    assert not said
