"""The training loop: exact resume, averages, guards, signals."""

from __future__ import annotations

import math
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("accelerate", reason="needs the train extra")
pytest.importorskip("tensorboard", reason="needs the train extra")

from tts.errors import CheckpointError, TTSError  # noqa: E402
from tts.train.loop import Batch, Ema, TrainConfig, Trainer, learning_rate  # noqa: E402
from tts_codecs.checkpoint import save_checkpoint  # noqa: E402


class Toy:
    """Two modules with two optimizers, dropout, and draws from every random generator."""

    def __init__(self, bad: set[int] | None = None, inf_gradient: bool = False) -> None:
        self.first = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 2))
        self.second = nn.Linear(2, 1)
        self.modules: dict[str, nn.Module] = {"first": self.first, "second": self.second}
        self.groups = {"a": ["first"], "b": ["second"]}
        self.bad, self.inf_gradient = bad or set(), inf_gradient
        self.exported: dict[str, Tensor] = {}

    def batch(self, rng: np.random.Generator) -> Batch:
        return {"x": torch.from_numpy(rng.normal(size=(6, 4)).astype(np.float32)), "tag": "t"}

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, dict[str, float]]]:
        hidden = self.modules["first"](batch["x"] + 0.1 * torch.randn(6, 4))
        loss = (hidden - batch["x"][:, :2]).square().mean() * (1 + 0.01 * random.random())
        if step in self.bad:
            loss = (loss * 0).sqrt() if self.inf_gradient else loss * math.nan
        yield "a", loss, {"loss": loss.item()}
        second = self.modules["second"](hidden.detach()).square().mean()
        yield "b", second, {"second": second.item()}

    def export(self, folder: Path, step: int) -> None:
        self.exported = {k: v.clone() for k, v in self.first.state_dict().items()}

    def sample(self, writer: Any, step: int) -> None:
        """Nothing."""


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    state = random.getstate()
    with torch.random.fork_rng(devices=[]):
        yield
    random.setstate(state)


def trainer(folder: Path, steps: int = 12, task: Toy | None = None) -> Trainer:
    random.seed(1)
    config = TrainConfig(steps=steps, lr=1e-2, warmup=3, log_every=1, ema=0.9)
    if task is None:
        torch.manual_seed(2)
        task = Toy()
    return Trainer(task, config, folder, quiet=True)


def everything(made: Trainer) -> dict[str, Tensor]:
    found = {f"ema/{k}": v for k, v in made.ema.shadow.items()}
    for name, module in made.plain.items():
        found |= {f"{name}/{k}": v for k, v in module.state_dict().items()}
    for name, optimizer in made.optimizers.items():
        for at, state in optimizer.state_dict()["state"].items():
            found |= {f"{name}/{at}/{k}": torch.as_tensor(v) for k, v in state.items()}
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path, number: signal.Signals) -> None:
    whole = trainer(tmp_path / "whole")
    whole.run()
    handlers = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    first = trainer(tmp_path / "parts")

    def stop(message: str) -> None:
        if message.startswith("step 5 "):
            signal.raise_signal(number)

    first.run(stop)
    assert first.step == 5 and first.state_path.exists()
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)] == handlers
    torch.manual_seed(77)  # the new process starts elsewhere
    second = trainer(tmp_path / "parts", task=Toy())
    random.seed(3)
    second.resume()
    assert second.step == 5
    second.run()
    expected, found = everything(whole), everything(second)
    assert second.step == 12 and expected.keys() == found.keys()
    for key, value in expected.items():
        assert torch.equal(found[key], value), key
    # A finished run is extended.
    third = trainer(tmp_path / "parts", steps=14)
    third.run()
    assert third.step == 14
    assert not list(tmp_path.rglob("*.part"))


def test_averaged_weights_are_exported(tmp_path: Path) -> None:
    made = trainer(tmp_path, 8)
    made.run()
    current = made.plain["first"].state_dict()
    for key, value in made.task.exported.items():  # type: ignore[attr-defined]
        assert torch.equal(value, made.ema.shadow[f"first.{key}"])
    assert not torch.equal(made.task.exported["0.weight"], current["0.weight"])  # type: ignore[attr-defined]


def test_the_average_follows_its_definition() -> None:
    module = nn.Linear(1, 1, bias=False)
    average = Ema({"m": module}, 0.5)
    expected = float(module.weight.detach())
    for step in range(20):
        with torch.no_grad():
            module.weight.fill_(float(step))
        average.update(step)
        rate = 1 - min(0.5, (1 + step) / (10 + step))
        expected += rate * (step - expected)
    assert average.shadow["m.weight"].item() == pytest.approx(expected, rel=1e-5)
    average.swap()
    assert module.weight.item() == pytest.approx(expected, rel=1e-5)
    average.swap()
    assert module.weight.item() == 19.0


def test_one_call_averages_as_tensor_by_tensor() -> None:
    """Of all types, to the last bit; a buffer may be replaced by another tensor."""
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2).double())
    module.register_buffer("count", torch.zeros(2, dtype=torch.int64))
    module.register_buffer("mean", torch.zeros(3))
    module.register_buffer("left out", torch.zeros(3), persistent=False)
    average = Ema({"m": module, "n": nn.Linear(1, 1)}, 0.9)
    plain = {key: value.clone() for key, value in average.shadow.items()}
    for step in range(5):
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter))
        module.count += 1  # type: ignore[operator]
        module.mean = torch.randn(3)
        average.update(step)
        for key, value in module.state_dict().items():
            if value.is_floating_point():
                plain[f"m.{key}"].lerp_(value, 1 - min(0.9, (1 + step) / (10 + step)))
            else:
                plain[f"m.{key}"].copy_(value)
    assert list(average.shadow) == list(plain) and len(plain) == 13
    for key, value in plain.items():
        assert torch.equal(average.shadow[key], value), key
    now = {key: value.clone() for key, value in module.state_dict().items()}
    average.swap()
    for key, value in module.state_dict().items():
        assert torch.equal(value, plain[f"m.{key}"]), key
    average.swap()
    for key, value in module.state_dict().items():
        assert torch.equal(value, now[key]), key


@pytest.mark.parametrize("inf_gradient", [False, True])
def test_bad_steps_are_skipped(tmp_path: Path, inf_gradient: bool) -> None:
    made = trainer(tmp_path, 8, Toy({3, 4}, inf_gradient))
    seen: dict[int, Tensor] = {}
    made.run(lambda _: seen.__setitem__(made.step, made.plain["first"][0].weight.clone()))  # type: ignore[index]
    for before, after in ((1, 2), (5, 6), (7, 8)):
        assert not torch.equal(seen[before], seen[after])
    assert torch.equal(seen[3], seen[4]) and torch.equal(seen[4], seen[5])
    assert all(torch.isfinite(v).all() for v in everything(made).values())


def test_divergence_is_an_error(tmp_path: Path) -> None:
    made = trainer(tmp_path, 100, Toy(set(range(10, 100))))
    with pytest.raises(TTSError, match="diverged"):
        made.run()
    assert 29 <= made.step <= 31
    assert all(torch.isfinite(v).all() for v in everything(made).values())


def test_damaged_or_foreign_states_are_refused(tmp_path: Path) -> None:
    made = trainer(tmp_path, 2)
    made.run()
    content = made.state_path.read_bytes()
    made.state_path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="damaged"):
        trainer(tmp_path)
    made.state_path.write_bytes(content)
    other = Toy()
    other.modules["first"] = other.first = nn.Sequential(nn.Linear(4, 9), nn.Linear(9, 2))
    with pytest.raises(CheckpointError, match="another shape"):
        trainer(tmp_path, task=other)


def test_the_learning_rate_warms_up_and_falls() -> None:
    config = TrainConfig(steps=100, lr=1.0, warmup=10, final=0.1)
    rates = [learning_rate(step, config) for step in range(101)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == pytest.approx(1.0)
    assert all(a <= b for a, b in zip(rates[:10], rates[1:10], strict=False))
    assert all(a >= b for a, b in zip(rates[10:], rates[11:], strict=False))
    assert rates[100] == pytest.approx(0.1)


def test_a_fresh_run_starts_from_given_weights(tmp_path: Path) -> None:
    source = Toy()
    save_checkpoint(tmp_path / "weights", source.first, "toy", {}, half=False)
    config = TrainConfig(steps=1, init=str(tmp_path / "weights"))
    started = Trainer(Toy(), config, tmp_path / "run", quiet=True)
    for key, value in source.first.state_dict().items():
        assert torch.equal(started.plain["first"].state_dict()[key], value)
        assert torch.equal(started.ema.shadow[f"first.{key}"], value)
    # Of several the later ones count, as far as they go.
    part = nn.Sequential(nn.Linear(4, 8))
    save_checkpoint(tmp_path / "part", part, "toy", {}, half=False)
    both = TrainConfig(steps=1, init=(str(tmp_path / "weights"), str(tmp_path / "part")))
    mixed = Trainer(Toy(), both, tmp_path / "mixed", quiet=True)
    assert not mixed.fresh
    found = mixed.plain["first"].state_dict()
    assert torch.equal(found["0.weight"], part.state_dict()["0.weight"])
    assert torch.equal(found["2.weight"], source.first.state_dict()["2.weight"])
    with pytest.raises(CheckpointError):
        missing = TrainConfig(init=str(tmp_path / "nothing"))
        Trainer(Toy(), missing, tmp_path / "other", quiet=True)
