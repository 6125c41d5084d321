"""Training steps: the gradients of batches, and the update of the weights.

Nothing here waits for the device unless its docstring says so. Losses and gradients can be recorded
as a CUDA graph for each shape of a batch and replayed, which saves the time between small kernels.
"""

from __future__ import annotations

import contextlib
import logging
import math
import random
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tts.data.batch import Batch
from tts.train.task import Logs, ResidentTask, TrainingRun
from tts.train.throughput import FLOP_MAPPING, peak_flops

_log = logging.getLogger(__name__)


class Engine:
    """Computes the steps of a run.

    Attributes:
        step_flops: floating-point operations of a step; 0 before they were counted, NaN where they
            cannot be.
        peak_flops: floating-point operations per second of a large matrix product.
        graphs: recorded CUDA graphs by the shapes of a batch.
    """

    def __init__(self, run: TrainingRun):
        self.run = run
        self.graphs: dict[Any, _RecordedStep] = {}
        self.recording = (
            run.config.graphs
            and run.device.type == "cuda"
            and run.resident
            and isinstance(run.task, ResidentTask)
            and not run.task.varies
        )
        self.step_flops = 0.0
        self.peak_flops = math.nan
        if run.config.compile:
            compile_blocks([*run.modules.values(), *getattr(run.task, "frozen", ())])

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The autocast context of the run's precision."""
        lower = self.run.precision == torch.bfloat16
        return torch.autocast(self.run.device.type, torch.bfloat16, enabled=lower)

    def step(self, batches: list[Batch]) -> Logs:
        """Compute the mean gradient of the batches, and update the weights of each optimizer.

        A GPU skips an update whose gradient is not finite; `bad_steps` of the run counts these.

        Returns:
            the logs of the losses, and the gradient norm of each optimizer as "norm/NAME".
        """
        run, number = self.run, self.run.step
        measured = run.config.budget or run.device.type == "cuda"
        if measured and not self.step_flops:
            self.measure(batches)
        logs: dict[str, float | Tensor] = {}
        bad: Tensor | None = None
        for name, values in self._gradients(batches, number):
            norm = self._update(name)
            nonfinite = ~torch.isfinite(norm)
            bad = nonfinite if bad is None else bad | nonfinite
            logs |= values
            logs[f"norm/{name}"] = torch.where(nonfinite, math.nan, norm)
        if bad is not None:
            run.bad_steps = torch.where(bad, run.bad_steps + 1, 0)
        return logs

    def _gradients(self, batches: list[Batch], number: int) -> Iterator[tuple[str, Logs]]:
        """Compute the gradients for each optimizer in turn, and yield its name and logs.

        The caller updates the weights before it asks for the next optimizer.
        """
        if self.recording:
            try:
                yield from self._replayed(batches, number)
                return
            except RuntimeError as error:
                if self.graphs:  # graphs worked before, so the error is another one
                    raise
                self.recording = False
                _log.warning("no CUDA graphs, going on without: %s", error)
        stages = [self.run.task.losses(batch, number) for batch in batches]
        while True:
            name, logs = "", list[Logs]()
            for stage in stages:
                with self.autocast():
                    item = next(stage, None)
                if item is None:
                    continue
                name, loss, values = item
                if not logs:
                    self.run.optimizers[name].zero_grad(set_to_none=True)
                logs.append(values)
                self.run.accelerator.backward(loss / len(batches))
            if not logs:
                return
            yield name, _mean(logs)

    def _replayed(self, batches: list[Batch], number: int) -> Iterator[tuple[str, Logs]]:
        """Do as `_gradients` by CUDA graphs, which are recorded for new shapes; for tasks with one
        optimizer."""
        (name, optimizer), *_ = self.run.optimizers.items()
        gradients = _gradient_tensors(_parameters(optimizer))
        torch._foreach_zero_(gradients)
        logs = []
        for batch in batches:
            key = tuple((k, v.shape) for k, v in batch.items() if isinstance(v, Tensor))
            if key not in self.graphs:
                self.graphs[key] = _RecordedStep(self, batch, number, len(batches), gradients)
            logs.append(self.graphs[key].replay(batch))
        yield name, _mean(logs)

    def _update(self, name: str) -> Tensor:
        """Clip the gradients and take a step of an optimizer; return the gradient norm.

        The device skips the step if gradients are not finite, so that nothing waits for the norm.
        """
        run, optimizer = self.run, self.run.optimizers[name]
        parameters = _parameters(optimizer)
        if run.accelerator.num_processes > 1:
            average_gradients(parameters)
        norm = nn.utils.clip_grad_norm_(parameters, run.config.clip).to(run.device)
        # A GradScaler sets these: the fused kernel then leaves weights and moments unchanged.
        optimizer.found_inf = (~torch.isfinite(norm)).float()  # type: ignore[attr-defined]
        optimizer.grad_scale = None  # type: ignore[attr-defined]
        for group in optimizer.param_groups:
            group["lr"] = run.learning_rate
        optimizer.step()
        # The fused kernel does not increment the version counter of the weights, by which caches of
        # derived tensors notice a change (tts_codecs.nn.derived_cache).
        torch.autograd.graph.increment_version(parameters)
        return norm

    def measure(self, batches: list[Batch]) -> None:
        """Count the operations of a step, and measure the peak of the device.

        The step that is counted changes nothing: weights, buffers and random numbers are restored.
        It waits for the device.
        """
        run, begin = self.run, time.monotonic()
        devices = [run.device] if run.device.type == "cuda" else []
        state, rng = random.getstate(), np.random.get_state()
        recording, self.recording = self.recording, False
        # Computing losses changes running averages and codebooks, some of which are parameters.
        modules = run.task.modules.values()
        tensors = [each for m in modules for each in (*m.buffers(), *m.parameters())]
        saved = [each.detach().clone() for each in tensors]
        with torch.random.fork_rng(devices):
            from torch.utils.flop_counter import FlopCounterMode

            counter = FlopCounterMode(display=False, custom_mapping=FLOP_MAPPING)
            with counter:
                for name, _ in self._gradients(batches, run.step):
                    run.optimizers[name].zero_grad(set_to_none=True)
            self.step_flops = float(counter.get_total_flops()) or math.nan
            self.peak_flops = peak_flops(run.device, run.precision)
        self.recording = recording
        with torch.no_grad():
            for each, before in zip(tensors, saved, strict=True):
                each.copy_(before)
        random.setstate(state)
        np.random.set_state(rng)
        run.begun += time.monotonic() - begin  # the budget does not pay for it

    def describe_throughput(self, seconds: float) -> str:
        """Describe the throughput for the log at `seconds` per step; "" if it was not measured."""
        if not self.step_flops or math.isnan(seconds):
            return ""
        rate = self.step_flops / seconds
        of_peak = rate / self.peak_flops
        return f" ms={1000 * seconds:.1f} tflops={rate / 1e12:.3f} of_peak={of_peak:.1%}"


class _RecordedStep:
    """Losses and gradients of batches of one shape as a CUDA graph.

    Args:
        batch: as of the shape; number: of the step; count: batches per step, over which gradients
            are averaged.
        gradients: tensors that the graph adds to.
    """

    def __init__(
        self, engine: Engine, batch: Batch, number: int, count: int, gradients: list[Tensor]
    ):
        self.inputs = {k: v.clone() if isinstance(v, Tensor) else v for k, v in batch.items()}
        self.graph = torch.cuda.CUDAGraph()

        def compute() -> Logs:
            with engine.autocast():
                _, loss, values = next(engine.run.task.losses(self.inputs, number))
            (loss / count).backward()
            return values

        # A capture needs a few warm-up runs on another stream, whose effects are undone below.
        saved = [g.clone() for g in gradients]
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
        torch._foreach_copy_(gradients, saved)
        torch.cuda.set_rng_state(state)

    def replay(self, batch: Batch) -> Logs:
        """Add the gradients of a batch to those that are there, and return its logs."""
        for key, value in batch.items():
            if isinstance(value, Tensor):
                self.inputs[key].copy_(value)
        self.graph.replay()
        # Graphs share a memory pool, so that another replay overwrites these values.
        return {k: v.clone() if isinstance(v, Tensor) else v for k, v in self.values.items()}


def _mean(logs: list[Logs]) -> Logs:
    """Average the logs of the batches of a step."""
    if len(logs) == 1:
        return logs[0]
    return {key: sum(each[key] for each in logs) / len(logs) for key in logs[0]}


def _gradient_tensors(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """The gradients of the parameters that are trained; missing ones are set to zero."""
    gradients = []
    for parameter in parameters:
        if not parameter.requires_grad:
            continue
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        gradients.append(parameter.grad)
    return gradients


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Average the gradients over all processes in one message; missing ones count as zero."""
    gradients = _gradient_tensors(parameters)
    flat = torch.cat([g.flatten() for g in gradients])
    torch.distributed.all_reduce(flat)
    flat /= torch.distributed.get_world_size()
    parts = flat.split([g.numel() for g in gradients])
    torch._foreach_copy_(gradients, [p.view_as(g) for p, g in zip(parts, gradients, strict=True)])


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def compile_blocks(modules: list[nn.Module]) -> None:
    """Apply torch.compile to the repeated blocks of networks, so that equal ones compile once."""
    torch._dynamo.config.recompile_limit = 64
    torch._dynamo.config.suppress_errors = True  # blocks that cannot be compiled run without
    for module in modules:
        for part in module.modules():
            if isinstance(part, nn.ModuleList):
                for block in part:
                    block.compile(dynamic=False)
