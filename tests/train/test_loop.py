"""The training loop: exact resume, averages, guards, signals."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("accelerate", reason="needs the train extra")
pytest.importorskip("tensorboard", reason="needs the train extra")


from tests.helpers.training import Plain, Toy, Writes, everything
from tts.data.batch import Batch
from tts.errors import CheckpointError, OutputError, TTSError, UsageError  # noqa: E402
from tts.train.batches import Batches
from tts.train.loop import Trainer
from tts.train.publish import join_pieces  # noqa: E402
from tts.train.task import TrainConfig, learning_rate  # noqa: E402
from tts_codecs.checkpoint import save_checkpoint  # noqa: E402


def trainer(folder: Path, steps: int = 12, task: Toy | None = None) -> Trainer:
    random.seed(1)
    config = TrainConfig(steps=steps, lr=1e-2, warmup=3, log_every=1, ema=0.9)
    if task is None:
        torch.manual_seed(2)
        task = Toy()
    return Trainer(task, config, folder, quiet=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path, number: signal.Signals) -> None:
    whole = trainer(tmp_path / "whole")
    whole.run()
    handlers = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    first = trainer(tmp_path / "parts")

    def stop(message: str) -> None:
        if message.startswith("step 5 "):
            signal.raise_signal(number)
            signal.raise_signal(number)  # told twice, it stops once

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


def test_the_state_is_saved_before_loaders_are_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in what is taken down at the end costs none of the training."""
    made, found = trainer(tmp_path), []
    leave = Batches.__exit__

    def watched(batches: Batches, *raised: object) -> None:
        found.append(torch.load(made.state_path, weights_only=True)["step"])
        leave(batches, *raised)
        raise OSError("a loader died")

    monkeypatch.setattr(Batches, "__exit__", watched)
    with pytest.raises(OSError, match="a loader died"):
        made.run(lambda line: signal.raise_signal(15) if line.startswith("step 5 ") else None)
    assert found == [5]
    assert trainer(tmp_path).step == 5


def test_a_run_goes_on_with_other_settings(tmp_path: Path) -> None:
    """What was counted is kept, what was chosen is that of now."""
    trainer(tmp_path, 3).run()
    config = TrainConfig(steps=4, weight_decay=0.25, betas=(0.7, 0.8))
    made = Trainer(Toy(), config, tmp_path, quiet=True)
    saved = torch.load(made.state_path, weights_only=True)["optimizers"]
    for name, optimizer in made.optimizers.items():
        (group,) = optimizer.param_groups
        assert (group["weight_decay"], group["betas"]) == (0.25, (0.7, 0.8))
        state = optimizer.state_dict()["state"]
        assert state.keys() == saved[name]["state"].keys() and state
        for key, kept in state.items():
            for part, value in kept.items():
                assert torch.equal(value, saved[name]["state"][key][part])
    # Without gradients only the decay moves weights.
    weight = next(made.modules["second"].parameters())
    before = weight.detach().clone()
    for parameter in made.modules["second"].parameters():
        made.optimizers["b"].state[parameter]["exp_avg"].zero_()
        parameter.grad = torch.zeros_like(parameter)
    made.optimizers["b"].step()
    rate = made.optimizers["b"].param_groups[0]["lr"]
    assert torch.allclose(weight, before * (1 - 0.25 * rate))


def test_processes_go_on_with_numbers_of_their_own(tmp_path: Path) -> None:
    """Those of the first are the ones that were saved."""
    made = trainer(tmp_path, 3)
    made.run()
    wanted = (torch.rand(3).tolist(), random.random())
    found = []
    for rank, step in ((0, 3), (1, 3), (2, 3), (1, 3), (1, 4)):
        made.rank = rank
        if step == 4:
            state = torch.load(made.state_path, weights_only=True)
            torch.save({**state, "step": step}, made.state_path)
        made.resume()
        found.append((torch.rand(3).tolist(), random.random()))
    assert found[0] == wanted and found[1] == found[3]
    first, second, third, _, later = found
    for part in range(2):
        assert len({str(each[part]) for each in (first, second, third, later)}) == 4


def test_averaged_weights_are_exported(tmp_path: Path) -> None:
    made = trainer(tmp_path, 8)
    made.run()
    current = made.modules["first"].state_dict()
    for key, value in made.task.exported.items():  # type: ignore[attr-defined]
        assert torch.equal(value, made.ema.shadow[f"first.{key}"])
    assert not torch.equal(made.task.exported["0.weight"], current["0.weight"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("inf_gradient", [False, True])
def test_bad_steps_are_skipped(tmp_path: Path, inf_gradient: bool) -> None:
    made = trainer(tmp_path, 8, Toy({3, 4}, inf_gradient))
    seen: dict[int, Tensor] = {}
    made.run(lambda _: seen.__setitem__(made.step, made.modules["first"][0].weight.clone()))  # type: ignore[index]
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


def test_a_full_disk_leaves_the_state_before(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    from tests.helpers.disk import no_room

    made = trainer(tmp_path, 2)
    made.run()
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.pt")}
    with pytest.raises(OutputError, match=r"cannot write .*state\.pt"), no_room():
        made.save()
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.pt")} == before
    assert not list(tmp_path.rglob("*.part"))


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
        assert torch.equal(started.modules["first"].state_dict()[key], value)
        assert torch.equal(started.ema.shadow[f"first.{key}"], value)
    # Of several the later ones count, as far as they go.
    part = nn.Sequential(nn.Linear(4, 8))
    save_checkpoint(tmp_path / "part", part, "toy", {}, half=False)
    both = TrainConfig(steps=1, init=(str(tmp_path / "weights"), str(tmp_path / "part")))
    mixed = Trainer(Toy(), both, tmp_path / "mixed", quiet=True)
    assert not mixed.new_tensors
    found = mixed.modules["first"].state_dict()
    assert torch.equal(found["0.weight"], part.state_dict()["0.weight"])
    assert torch.equal(found["2.weight"], source.first.state_dict()["2.weight"])
    with pytest.raises(CheckpointError):
        missing = TrainConfig(init=str(tmp_path / "nothing"))
        Trainer(Toy(), missing, tmp_path / "other", quiet=True)


def test_two_halves_are_one_batch(tmp_path: Path) -> None:
    """Accumulated gradients are those of the whole batch."""

    class Halves(Toy):
        size = 6

        def batch(self, rng: np.random.Generator) -> Batch:
            rows = np.random.default_rng(5).normal(size=(6, 4)).astype(np.float32)
            begin = 0
            if self.size == 3:
                begin = 3 - getattr(self, "begin", 3)
                self.begin = begin
            return {"x": torch.from_numpy(rows[begin : begin + self.size])}

        def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, dict[str, float]]]:
            hidden = self.first[2](self.first[0](batch["x"]))
            yield "a", hidden.square().mean(), {}
            yield "b", self.second(hidden.detach()).square().mean(), {}

    found = []
    for size, accumulate in ((6, 1), (3, 2)):
        torch.manual_seed(3)
        task = Halves()
        task.size = size
        config = TrainConfig(steps=3, lr=1e-2, accumulate=accumulate)
        made = Trainer(task, config, tmp_path / str(size), quiet=True)
        made.run()
        found.append(everything(made))
    for key, value in found[0].items():
        assert torch.allclose(value, found[1][key], atol=1e-6), key


def test_a_budget_ends_a_run_with_a_low_rate(tmp_path: Path) -> None:
    torch.manual_seed(2)
    config = TrainConfig(steps=10**6, lr=1e-2, warmup=2, budget=1.0, publish=0.3, log_every=1)
    made = Trainer(Writes(), config, tmp_path / "run", quiet=True)
    lines: list[str] = []
    made.run(lines.append)
    assert made.finished and made.elapsed >= 1 and 2 <= made.step < 10**6
    rate = made.optimizers["a"].param_groups[0]["lr"]
    assert rate < 0.7 * config.lr
    assert learning_rate(9, config, 1.0) == pytest.approx(config.final * config.lr)
    assert learning_rate(9, config, 0.5) > 0.4 * config.lr
    assert "tflops=" in lines[-1] and "of_peak=" in lines[-1]
    join_pieces(tmp_path / "run" / "pieces" / "run.json", tmp_path / "joined")
    assert (tmp_path / "joined" / "config.yaml").exists()
    # Its time is spent; more of it goes on.
    again = Trainer(Writes(), config, tmp_path / "run", quiet=True)
    assert again.finished and again.step == made.step


def test_steps_that_are_done_before_the_budget_end_with_a_low_rate() -> None:
    config = TrainConfig(steps=100, lr=1e-2, warmup=10, budget=1000.0)
    assert learning_rate(99, config, 20.0) < 1.01 * config.final * config.lr
    assert learning_rate(10, config, 0.0) == config.lr
    assert learning_rate(55, config, 900.0) == learning_rate(12, config, 900.0)


def test_a_step_of_several_batches_logs_all_of_them(tmp_path: Path) -> None:
    class Told(Plain):
        def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, dict[str, float]]]:
            for name, loss, _ in super().losses(batch, step):
                yield name, loss, {"first": float(batch["x"][0, 0])}

    made = Trainer(Told(), TrainConfig(accumulate=3), tmp_path, quiet=True)
    batches = [made.draw(number) for number in range(3)]
    logs = made.engine.step(batches)
    assert logs["first"] == pytest.approx(np.mean([float(b["x"][0, 0]) for b in batches]))
    assert float(logs["norm/a"]) > 0


def test_what_was_logged_after_the_last_save_is_not_shown_twice(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    first = trainer(tmp_path, 6)

    def killed(line: str) -> None:
        if line.startswith("step 3 "):
            first.save()
        if line.startswith("step 5 "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.run(killed)
    first.writer.close()
    second = trainer(tmp_path, 6)
    assert second.step == 3
    second.run()
    events = EventAccumulator(str(tmp_path / "logs"))
    events.Reload()
    assert [each.step for each in events.Scalars("loss")] == [1, 2, 3, 4, 5, 6]


def test_a_run_that_is_too_slow_stops(tmp_path: Path) -> None:
    config = TrainConfig(steps=1000, slowest=1e-4, log_every=2)
    made = Trainer(Toy(), config, tmp_path, quiet=True)
    with pytest.raises(TTSError, match="slowest"):
        made.run()
    assert made.step == 6


def test_a_missing_gpu_is_told(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(UsageError, match="CUDA"):
        Trainer(Toy(), TrainConfig(device="cuda"), tmp_path, quiet=True)


def test_bfloat16_on_float32_weights(tmp_path: Path) -> None:
    config = TrainConfig(steps=3, precision="bf16")
    made = Trainer(Toy(), config, tmp_path, quiet=True)
    made.run()
    assert all(v.dtype == torch.float32 for v in made.modules["first"].state_dict().values())
    with made.engine.autocast():
        assert made.modules["first"](torch.ones(1, 4)).dtype == torch.bfloat16


def one_of_two(rank: int, port: int, out: Path) -> None:
    """One process of a run; what the one before it knew of processes is forgotten."""
    from accelerate.state import AcceleratorState, GradientState

    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    torch.manual_seed(100 + rank)  # other weights in each process
    config = TrainConfig(steps=4, lr=1e-2, warmup=1, log_every=2, clip=0.1)
    made = Trainer(Plain(), config, out, quiet=True)
    made.run()
    torch.save(made.modules["first"].state_dict(), f"{out}{rank}")
    assert (made.accelerator.num_processes, made.step) == (2, 4)


def test_two_processes_train_one_model(tmp_path: Path) -> None:
    """Real processes over gloo, each with batches of its own: they end with the weights of one
    process that averages the gradients of both."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Forked: to import everything again would take most of the time.
    forked = multiprocessing.get_context("fork")
    running = [
        forked.Process(target=one_of_two, args=(rank, port, tmp_path / "run")) for rank in range(2)
    ]
    for process in running:
        process.start()
    try:
        for process in running:
            process.join(300)
            assert process.exitcode == 0
    finally:
        for process in running:
            process.kill()
            process.join()
    one, two = (torch.load(f"{tmp_path / 'run'}{rank}") for rank in range(2))

    class Both(Trainer):
        def draw(self, number: int) -> Batch:
            rng = np.random.default_rng((self.config.seed, number % 2, number // 2))
            return self.task.batch(rng)

    torch.manual_seed(100)
    config = TrainConfig(steps=4, lr=1e-2, warmup=1, log_every=2, clip=0.1, accumulate=2)
    both = Both(Plain(), config, tmp_path / "both", quiet=True)
    before = both.modules["first"].state_dict()["0.weight"].clone()
    both.run()
    for key, value in both.modules["first"].state_dict().items():
        assert torch.equal(one[key], two[key]), key
        assert torch.allclose(one[key], value, atol=1e-6), key
    assert not torch.allclose(before, one["0.weight"], atol=1e-3)
