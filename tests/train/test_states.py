"""What lies in the folder of a run: the state it goes on from, what it exports and publishes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytest.importorskip("accelerate", reason="needs the train extra")
pytest.importorskip("tensorboard", reason="needs the train extra")

from tests.helpers.training import Toy, Writes
from tts.errors import CheckpointError, OutputError  # noqa: E402
from tts.train.loop import Trainer
from tts.train.task import TrainConfig  # noqa: E402


def test_what_is_frozen_later_stays_as_it_was_exported(tmp_path: Path) -> None:
    """Whatever the other weights do: features may have been made with the export."""
    Trainer(Toy(), TrainConfig(steps=4, lr=1e-2, ema=0.9), tmp_path, quiet=True).run()
    found = []
    for steps in (4, 9):
        config = TrainConfig(steps=steps, lr=1e-2, warmup=3, ema=0.9, freeze=("0",))
        made = Trainer(Toy(), config, tmp_path, quiet=True)
        if steps == 4:
            average = {key: value.clone() for key, value in made.ema.shadow.items()}
            saved = torch.load(made.state_path, weights_only=True)
            assert not torch.equal(saved["modules"]["first"]["0.weight"], average["first.0.weight"])
        made.run()
        found.append(made.task.exported)  # type: ignore[attr-defined]
    for key in ("0.weight", "0.bias"):
        assert torch.equal(found[0][key], average[f"first.{key}"])
        assert torch.equal(found[0][key], found[1][key])
    assert not torch.equal(found[0]["2.weight"], found[1]["2.weight"])


@pytest.mark.parametrize("other", [{"weights": torch.zeros(2)}, [1, 2], {"step": 3}])
def test_other_files_are_no_states(tmp_path: Path, other: object) -> None:
    torch.save(other, tmp_path / "state.pt")
    with pytest.raises(CheckpointError, match="no state of a training run"):
        Trainer(Toy(), TrainConfig(), tmp_path, quiet=True)


@pytest.mark.parametrize("place", ["taken", "taken/below"])
def test_a_place_that_cannot_be_written_is_told_at_the_start(tmp_path: Path, place: str) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="taken"):
        Trainer(Toy(), TrainConfig(), tmp_path / place, quiet=True)
    config = TrainConfig(steps=3, publish=1, publish_to=str(tmp_path / place))
    with pytest.raises(OutputError, match="taken"):
        Trainer(Toy(), config, tmp_path / "run", quiet=True)
    # Who does not publish needs no place for it.
    Trainer(Toy(), replace(config, publish=0), tmp_path / "run", quiet=True)


def test_what_cannot_be_published_is_saved(tmp_path: Path) -> None:
    place = tmp_path / "place"
    config = TrainConfig(steps=9, publish=1e-9, publish_to=str(place), log_every=1)
    made = Trainer(Writes(), config, tmp_path / "run", quiet=True)
    place.rmdir()
    place.write_text("")
    with pytest.raises(OutputError, match="place"):
        made.run()
    assert Trainer(Writes(), replace(config, publish=0), tmp_path / "run", quiet=True).step == 1
