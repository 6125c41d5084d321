"""Contract of training tasks, and the settings of the training loop."""

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

#: numbers to log by name; scalar tensors for numbers on the device
Logs = Mapping[str, float | Tensor]

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "fp32", "bf16")


@dataclass
class TrainConfig:
    """Settings of the loop.

    Attributes:
        steps: total optimizer steps; extending a finished run continues it.
        lr: peak learning rate; linear warm-up over `warmup`, then cosine to `lr * final`.
        clip: gradient norm limit.
        ema: decay of the averaged weights that are exported.
        save_minutes: minutes between checkpoints.
        init: checkpoint (name or folder) a fresh run takes its weights from, as far as names and
            shapes fit: shipped weights can be trained on where the state of their own run is gone,
            and one family can start from another. Of several the later ones count.
        freeze: beginnings of the names of tensors of the first module that stay as they are, such
            as "conditioner": the steps cost less.
        device: "auto" (a GPU where there is one), "cpu" or "cuda".
        precision: "auto" (what the task asks for, else bf16 on a GPU and fp32 on a CPU), "fp32" or
            "bf16".
        accumulate: batches per step; their gradients are averaged.
        budget: seconds of training after which the run is done, unless `steps` are done before: the
            learning rate falls with the time spent or with the steps, whichever is nearer to its
            end, so a run ends well on any machine. 0 for none.
        slowest: milliseconds; a run whose first steps take longer stops with an error. 0 for any.
        graphs: replay the losses and gradients of a step as a CUDA graph, for tasks that make their
            batches on the GPU; where it fails, steps are run one kernel after the other.
        compile: fuse the kernels of repeated blocks by torch.compile; takes a minute to start.
        publish: seconds after which averaged weights are exported in pieces (tts.train.publish), to
            be there if the machine goes away; into `publish_to`, default OUT/pieces. 0 for never.
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
    """What is trained: networks, batches and losses.

    A task may also have an attribute `precision`, which `TrainConfig.precision` "auto" stands for,
    and `frozen`, networks that it runs but does not train. See ResidentTask for tasks that can make
    their batches on the device.

    Attributes:
        modules: the networks by name; groups: names of the networks of each optimizer.
    """

    modules: dict[str, nn.Module]
    groups: dict[str, list[str]]

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draw a batch of tensors. It depends on `rng` alone, since worker threads call this."""
        ...

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Yield (optimizer name, scalar loss, logs) for each optimizer in turn. Logs on the device
        stay scalar tensors, for which nothing has to wait."""
        ...

    def export(self, folder: Path, step: int) -> None:
        """Write the checkpoint that users load; the networks hold the averaged weights then."""
        ...

    def sample(self, writer: Any, step: int) -> None:
        """Log pictures or audio to TensorBoard."""
        ...


@runtime_checkable
class ResidentTask(Protocol):
    """A Task that can make its batches on the device of the training.

    Attributes:
        varies: whether steps on batches of one shape may differ in what they compute, which rules
            out CUDA graphs.
    """

    varies: bool

    def place(self, device: torch.device) -> bool:
        """Move what batches are made of to the device, once before training, and tell whether
        `resident_batch` is to be used there."""
        ...

    def resident_batch(self, rng: torch.Generator, host: np.random.Generator) -> Batch:
        """Draw a batch on the device.

        Args:
            rng: on the device; host: for what the shapes of the batch depend on.
        """
        ...


def learning_rate(step: int, config: TrainConfig, elapsed: float = 0.0) -> float:
    """Learning rate of a step: linear warm-up, then cosine decay over the steps, or over `elapsed`
    seconds of a budget if that ends the run sooner."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    if config.budget:
        done = max(done, elapsed / config.budget)
    done = min(1.0, done)
    return config.lr * (config.final + (1 - config.final) * 0.5 * (1 + math.cos(math.pi * done)))


def check_training_device(name: str) -> str:
    """ "cpu" or "cuda"; UsageError for a device that is not there."""
    if name not in DEVICES:
        raise UsageError(f"device is auto, cpu or cuda, not {name!r}")
    if name == "cuda":
        return choose_device(name)
    # accelerate's own switch counts as well.
    wished = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
    return "cpu" if wished else choose_device(name)
