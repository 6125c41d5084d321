"""Training steps: batches, losses and gradients, the update of the weights, and their speed.

Nothing here waits for the device unless its docstring says so. Losses and gradients can be recorded
as a CUDA graph for each shape of batch and replayed, which saves the time between small kernels.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import random
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from tts.data.batch import Batch
from tts.train.task import Logs, ResidentTask, Task, TrainConfig

_log = logging.getLogger(__name__)


class Run(Protocol):
    """A run as its steps see it (tts.train.loop.Trainer).

    Attributes:
        plain: networks by name; optimizers: by name.
        resident: whether the task makes its batches on the device.
        begun: time of the monotonic clock at which the run would have begun without interruptions.
        bad_steps: scalar, how many steps in a row had a loss or gradient that was not finite.
    """

    task: Task
    config: TrainConfig
    device: torch.device
    rank: int
    step: int
    precision: torch.dtype
    resident: bool
    plain: dict[str, nn.Module]
    optimizers: dict[str, Any]
    accelerator: Any
    begun: float
    bad_steps: Tensor

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next update."""
        ...

    def draw(self, number: int) -> Batch:
        """Batch `number` of the run."""
        ...


class Batches:
    """The batches of a run from its current step on: drawn ahead by threads and sent to the device,
    or made on it if the task can. A context manager and an iterator."""

    def __init__(self, trainer: Run):
        self.trainer, self.device = trainer, trainer.device
        self.numbers = itertools.count(trainer.step * trainer.config.accumulate)
        self.pool: ThreadPoolExecutor | None = None
        self.queue: deque[Future[Batch]] = deque()

    def __enter__(self) -> Batches:
        if not self.trainer.resident:
            workers = 8 if self.device.type == "cuda" else 1
            self.pool = ThreadPoolExecutor(workers)
            for _ in range(workers * 2):
                self._ask()
        return self

    def _ask(self) -> None:
        assert self.pool is not None
        self.queue.append(self.pool.submit(self.trainer.draw, next(self.numbers)))

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Batch:
        if self.pool is None:
            return resident_batch(self.trainer, next(self.numbers))
        batch = self.queue.popleft().result()
        self._ask()
        pinned = self.device.type == "cuda"
        return {
            k: (v.pin_memory() if pinned else v).to(self.device, non_blocking=True)
            if isinstance(v, Tensor)
            else v
            for k, v in batch.items()
        }

    def __exit__(self, *_: object) -> None:
        for future in self.queue:
            future.cancel()
        if self.pool is not None:
            self.pool.shutdown()


def resident_batch(trainer: Run, number: int) -> Batch:
    """Batch `number` of a run, made on the device and seeded by its number, so that a resumed run
    sees the same batches as an uninterrupted one."""
    seed = (trainer.config.seed, trainer.rank, number)
    state = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> 1)
    rng = torch.Generator(trainer.device).manual_seed(state)
    assert isinstance(trainer.task, ResidentTask)
    return trainer.task.resident_batch(rng, np.random.default_rng(seed))


class StepClock:
    """Seconds per step, measured between the steps after which the device was waited for."""

    def __init__(self, device: torch.device):
        self.device = device
        self.seconds = math.nan
        self._last: tuple[int, float] | None = None
        self._looks = 0

    def tick(self, step: int, waited: bool) -> None:
        """Note the end of a step; `waited` tells whether the device has finished it."""
        if not waited:
            return
        now = time.monotonic()
        if self._last is not None and step > self._last[0]:
            self.seconds = (now - self._last[1]) / (step - self._last[0])
        self._last = (step, now)
        self._looks += 1

    def slower_than(self, milliseconds: float) -> bool:
        """Whether steps take longer than a limit, 0 for none; True once at most, at the third
        measurement."""
        return bool(milliseconds) and self._looks == 3 and 1000 * self.seconds > milliseconds


class Engine:
    """Computes the steps of a run."""

    def __init__(self, trainer: Run):
        self.trainer = trainer
        self.graphs: dict[Any, _Recorded] = {}
        self.recording = (
            trainer.config.graphs
            and trainer.device.type == "cuda"
            and trainer.resident
            and isinstance(trainer.task, ResidentTask)
            and not trainer.task.varies
        )
        self.work = 0.0  # floating-point operations of a step
        self.peak = math.nan  # floating-point operations a second of a large matrix product
        if trainer.config.compile:
            fuse([*trainer.plain.values(), *getattr(trainer.task, "frozen", ())])

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The autocast context of the run's precision."""
        lower = self.trainer.precision == torch.bfloat16
        return torch.autocast(self.trainer.device.type, torch.bfloat16, enabled=lower)

    def step(self, batches: list[Batch]) -> Logs:
        """Compute the mean gradient of the batches, and update the weights of each optimizer in
        turn; the logs of the step."""
        trainer, number = self.trainer, self.trainer.step
        measured = trainer.config.budget or trainer.device.type == "cuda"
        if measured and not self.work:
            self.measure(batches)
        logs: dict[str, float | Tensor] = {}
        bad: Tensor | None = None
        for name, values in self._gradients(batches, number):
            norm = self._update(name)
            wrong = ~torch.isfinite(norm)
            bad = wrong if bad is None else bad | wrong
            logs |= values
            logs[f"norm/{name}"] = torch.where(wrong, math.nan, norm)
        if bad is not None:
            trainer.bad_steps = torch.where(bad, trainer.bad_steps + 1, 0)
        return logs

    def _gradients(self, batches: list[Batch], number: int) -> Iterator[tuple[str, Logs]]:
        """For each optimizer in turn, compute its gradients and yield its name and logs."""
        if self.recording:
            try:
                yield from self._replayed(batches, number)
                return
            except RuntimeError as error:
                if self.graphs:  # graphs worked before, so the error is another one
                    raise
                self.recording = False
                _log.warning("no CUDA graphs, going on without: %s", error)
        stages = [self.trainer.task.losses(batch, number) for batch in batches]
        while True:
            name, told = "", list[Logs]()
            for stage in stages:
                with self.autocast():
                    item = next(stage, None)
                if item is None:
                    continue
                name, loss, values = item
                if not told:
                    self.trainer.optimizers[name].zero_grad(set_to_none=True)
                told.append(values)
                self.trainer.accelerator.backward(loss / len(batches))
            if not told:
                return
            yield name, _mean(told)

    def _replayed(self, batches: list[Batch], number: int) -> Iterator[tuple[str, Logs]]:
        (name, optimizer), *_ = self.trainer.optimizers.items()
        gradients = _kept_gradients(optimizer)
        torch._foreach_zero_(gradients)
        told = []
        for batch in batches:
            key = tuple((k, v.shape) for k, v in batch.items() if isinstance(v, Tensor))
            if key not in self.graphs:
                self.graphs[key] = _Recorded(self, batch, number, len(batches), gradients)
            told.append(self.graphs[key].replay(batch))
        yield name, _mean(told)

    def _update(self, name: str) -> Tensor:
        """Take a step of an optimizer, which the device skips if gradients are not finite; returns
        their norm."""
        trainer, optimizer = self.trainer, self.trainer.optimizers[name]
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        if trainer.accelerator.num_processes > 1:
            average_gradients(parameters)
        norm = nn.utils.clip_grad_norm_(parameters, trainer.config.clip).to(trainer.device)
        # What a GradScaler would set: the fused kernel then leaves weights and moments alone.
        optimizer.found_inf = (~torch.isfinite(norm)).float()  # type: ignore[attr-defined]
        optimizer.grad_scale = None  # type: ignore[attr-defined]
        for group in optimizer.param_groups:
            group["lr"] = trainer.learning_rate
        optimizer.step()
        # The fused kernel does not count the version of the weights up, by which caches of what is
        # derived from them notice a change (tts_codecs.nn.derived_cache).
        torch.autograd.graph.increment_version(parameters)
        return norm

    def measure(self, batches: list[Batch]) -> None:
        """Count the operations of a step, by a step whose result is thrown away, and measure the
        peak of the device."""
        trainer, begin = self.trainer, time.monotonic()
        devices = [trainer.device] if trainer.device.type == "cuda" else []
        state, rng = random.getstate(), np.random.get_state()
        recording, self.recording = self.recording, False
        # Computing losses changes running averages and codebooks, some of which are parameters.
        modules = trainer.task.modules.values()
        moved = [each for m in modules for each in (*m.buffers(), *m.parameters())]
        kept = [each.detach().clone() for each in moved]
        with torch.random.fork_rng(devices):
            from torch.utils.flop_counter import FlopCounterMode

            counter = FlopCounterMode(display=False, custom_mapping=_ONEDNN)
            with counter:
                for name, _ in self._gradients(batches, trainer.step):
                    trainer.optimizers[name].zero_grad(set_to_none=True)
            self.work = float(counter.get_total_flops()) or math.nan
            self.peak = measured_peak(trainer.device, trainer.precision)
        self.recording = recording
        with torch.no_grad():
            for each, before in zip(moved, kept, strict=True):
                each.copy_(before)
        random.setstate(state)
        np.random.set_state(rng)
        trainer.begun += time.monotonic() - begin  # not of the budget

    def told(self, seconds: float) -> str:
        """The throughput in words for the log, "" if it was not measured."""
        if not self.work or math.isnan(seconds):
            return ""
        rate = self.work / seconds
        return f" ms={1000 * seconds:.1f} tflops={rate / 1e12:.3f} of_peak={rate / self.peak:.1%}"


class _Recorded:
    """Losses and gradients of batches of one shape as a CUDA graph, which adds to gradients."""

    def __init__(
        self, engine: Engine, batch: Batch, number: int, count: int, gradients: list[Tensor]
    ):
        self.inputs = {k: v.clone() if isinstance(v, Tensor) else v for k, v in batch.items()}
        self.graph = torch.cuda.CUDAGraph()

        def compute() -> Logs:
            with engine.autocast():
                _, loss, values = next(engine.trainer.task.losses(self.inputs, number))
            (loss / count).backward()
            return values

        # Capture needs a few runs on another stream before; their effects are undone below.
        kept = [g.clone() for g in gradients]
        state = torch.cuda.get_rng_state()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                compute()
        torch.cuda.current_stream().wait_stream(stream)
        pool = next((r.graph.pool() for r in engine.graphs.values()), None)
        with torch.cuda.graph(self.graph, pool=pool):
            self.values = compute()
        torch._foreach_copy_(gradients, kept)
        torch.cuda.set_rng_state(state)

    def replay(self, batch: Batch) -> Logs:
        """Add the gradients of a batch to the present ones."""
        for key, value in batch.items():
            if isinstance(value, Tensor):
                self.inputs[key].copy_(value)
        self.graph.replay()
        # Graphs share their memory.
        return {k: v.clone() if isinstance(v, Tensor) else v for k, v in self.values.items()}


def _mean(told: list[Logs]) -> Logs:
    """The mean logs of the batches of a step."""
    if len(told) == 1:
        return told[0]
    return {key: sum(each[key] for each in told) / len(told) for key in told[0]}


def _kept_gradients(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    found = []
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if not parameter.requires_grad:
                continue
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            found.append(parameter.grad)
    return found


def average_gradients(parameters: list[nn.Parameter]) -> None:
    """Average the gradients over all processes in one message; missing ones count as zero."""
    gradients = []
    for parameter in parameters:
        if not parameter.requires_grad:
            continue
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        gradients.append(parameter.grad)
    flat = torch.cat([g.flatten() for g in gradients])
    torch.distributed.all_reduce(flat)
    flat /= torch.distributed.get_world_size()
    parts = flat.split([g.numel() for g in gradients])
    torch._foreach_copy_(gradients, [p.view_as(g) for p, g in zip(parts, gradients, strict=True)])


def fuse(modules: list[nn.Module]) -> None:
    """Apply torch.compile to the repeated blocks of networks: few kernels, each compiled once."""
    torch._dynamo.config.recompile_limit = 64
    torch._dynamo.config.suppress_errors = True  # what it cannot compile is run as it is
    for module in modules:
        for part in module.modules():
            if isinstance(part, nn.ModuleList):
                for block in part:
                    block.compile(dynamic=False)


def _onednn_work(x: Any, weight: Any, *_: Any, **__: Any) -> int:
    return 2 * math.prod(x) * int(weight[0])


_ONEDNN: dict[Any, Any] = {}
with contextlib.suppress(AttributeError, RuntimeError):  # not in every build
    _ONEDNN[torch.ops.mkldnn._linear_pointwise] = _onednn_work


def measured_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of a large matrix product, the best of a few."""
    size, best = (8192 if device.type == "cuda" else 512), math.inf
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    for _ in range(6):
        _wait(device)
        begin = time.perf_counter()
        torch.mm(a, b)
        _wait(device)
        best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
