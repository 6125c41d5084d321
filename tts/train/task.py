"""Protocols of training tasks and of a run, and the settings of the training loop."""

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from tts.data.batch import Batch
from tts.devices import choose_device
from tts.errors import UsageError

#: values to log by name; those computed on the device stay there as scalar tensors
Logs = Mapping[str, float | Tensor]

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "fp32", "bf16")


@dataclass
class TrainConfig:
    """Settings of the training loop, the section `train` of a YAML.

    Attributes:
        steps: total optimizer steps; extending a finished run continues it.
        lr: peak learning rate; linear warm-up over `warmup`, then cosine to `lr * final`.
        clip: largest norm of the gradient; larger gradients are scaled down to it.
        ema: decay of the averaged weights that are exported.
        save_minutes: minutes between checkpoints.
        init: checkpoint (name or folder) from which a new run takes the weights whose names and
            shapes fit; thus shipped weights can be trained further without the state of their own
            run, and one family of models can start from another. Later checkpoints override earlier
            ones.
        freeze: prefixes of the names of tensors of the first module that are not trained, such as
            "conditioner".
        device: "auto" (a GPU where there is one), "cpu" or "cuda".
        precision: "fp32", "bf16", or "auto": that of the task if it has one, else bf16 on a GPU and
            fp32 on a CPU.
        accumulate: batches per step; their gradients are averaged.
        budget: seconds of training after which the run ends, if `steps` are not reached before; 0
            for no limit. The learning rate decays by time or by steps, whichever is nearer to its
            end, so that the decay is complete on any machine.
        slowest: milliseconds; a run whose first steps take longer stops with an error; 0 for no
            limit.
        graphs: whether to replay the losses and gradients of a step as a CUDA graph, for tasks that
            make their batches on the GPU; where the capture fails, training goes on without.
        compile: whether to fuse the kernels of repeated blocks by torch.compile, which takes a
            minute to start.
        publish: seconds between exports of the averaged weights in pieces (tts.train.publish), for
            machines that may go away; 0 for none. They are written to `publish_to`, by default
            OUT/pieces.
    """

    steps: int = 10000
    lr: float = 5e-4
    warmup: int = 200
    final: float = 0.1
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.999
    seed: int = 0
    save_minutes: float = 5.0
    log_every: int = 20
    sample_minutes: float = 15.0
    init: str | tuple[str, ...] = ()
    freeze: tuple[str, ...] = ()
    device: str = "auto"
    precision: str = "auto"
    accumulate: int = 1
    budget: float = 0.0
    slowest: float = 0.0
    graphs: bool = False
    compile: bool = False
    publish: float = 0.0
    publish_to: str = ""


class Task(Protocol):
    """Networks with their batches and losses.

    A task may also have an attribute `precision`, for `TrainConfig.precision` "auto", and `frozen`,
    networks that the losses run but do not train. ResidentTask is for tasks that can make their
    batches on the device.

    Attributes:
        modules: the networks by name; the first is the one that is warm-started and frozen.
        groups: for each optimizer by name, the names of the networks that it trains.
    """

    modules: dict[str, nn.Module]
    groups: dict[str, list[str]]

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draw a batch of tensors on the CPU.

        Worker threads call this, so that it must depend on `rng` alone and change nothing.
        """
        ...

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Yield (optimizer name, scalar loss, logs) for each optimizer in turn.

        The loop updates the weights before it asks for the next item, so that a discriminator's
        loss follows the generator's. Logs that are computed on the device stay scalar tensors, for
        which the step does not wait.
        """
        ...

    def export(self, folder: Path, step: int) -> None:
        """Write the checkpoint that users load, while the networks hold the averaged weights."""
        ...

    def sample(self, writer: Any, step: int) -> None:
        """Log pictures or audio to `writer`, a TensorBoard SummaryWriter."""
        ...


@runtime_checkable
class ResidentTask(Protocol):
    """A Task that can make its batches on the device of the training.

    Attributes:
        varies: whether the computation may differ between steps on batches of one shape, which
            rules out CUDA graphs.
    """

    varies: bool

    def place(self, device: torch.device) -> bool:
        """Move the data to the device before training; return whether to use `resident_batch`."""
        ...

    def resident_batch(self, rng: torch.Generator, host: np.random.Generator) -> Batch:
        """Draw a batch on the device.

        Args:
            rng: generator on the device.
            host: generator on the CPU, for choices on which shapes depend.
        """
        ...


class TrainingRun(Protocol):
    """The state of a run that its batches and steps need (tts.train.loop.Trainer).

    Attributes:
        rank: index of this process; step: number of the next step.
        precision: of the losses; the weights are float32.
        resident: whether the task makes its batches on the device.
        modules: networks by name; optimizers: by name.
        accelerator: an accelerate.Accelerator.
        begun: time of the monotonic clock at which the run would have begun without interruptions.
        bad_steps: scalar, how many steps in a row had a gradient that was not finite.
    """

    task: Task
    config: TrainConfig
    device: torch.device
    rank: int
    step: int
    precision: torch.dtype
    resident: bool
    modules: dict[str, nn.Module]
    optimizers: dict[str, Any]
    accelerator: Any
    begun: float
    bad_steps: Tensor

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next update."""
        ...

    def draw(self, number: int) -> Batch:
        """Draw batch `number` of the run on the CPU."""
        ...


def learning_rate(step: int, config: TrainConfig, elapsed: float = 0.0) -> float:
    """Compute the learning rate of a step: linear warm-up, then cosine decay.

    The decay follows the steps, or the share of the budget that `elapsed` seconds are, if that is
    larger.
    """
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    if config.budget:
        progress = max(progress, elapsed / config.budget)
    progress = min(1.0, progress)
    return config.lr * (
        config.final + (1 - config.final) * 0.5 * (1 + math.cos(math.pi * progress))
    )


def check_training_device(name: str) -> str:
    """Choose "cpu" or "cuda" for one of DEVICES.

    Raises:
        UsageError: the name is unknown, or the device is not there.
    """
    if name not in DEVICES:
        raise UsageError(f"device is auto, cpu or cuda, not {name!r}")
    if name == "cuda":
        return choose_device(name)
    # The switch of accelerate counts as well.
    force_cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
    return "cpu" if force_cpu else choose_device(name)
