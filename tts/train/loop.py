"""The training loop every model shares: accelerate, EMA, exact resume, guards, TensorBoard.

A `Task` owns modules, optimizers, data and losses. `Task.losses` is a generator of (optimizer name,
loss, logs): the loop does backward, clipping and the update after each, so an adversarial task is
just one that yields twice.

On a GPU the losses are computed in bfloat16 on float32 weights, and nothing in a step waits for the
device: losses, norms and the count of bad steps stay there until they are logged.
"""

import math
import os
import pickle
import random
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from tts.devices import choose_device
from tts.errors import (
    CheckpointError,
    ConfigError,
    MissingDependencyError,
    TTSError,
    UsageError,
)
from tts.registry import checkpoint_folder
from tts.train.publish import write_pieces
from tts.train.stepping import Batches, Engine, StepClock
from tts_codecs.checkpoint import load_weights
from tts_codecs.renamed import current_names

Batch = dict[str, Any]
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
        budget: seconds of training after which the run is done, whatever `steps` says: the learning
            rate then falls with the time spent, so a run ends well on any machine. 0 for none.
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
    """One thing to train.

    One that makes its batches on the device of the training has two methods more: `place(device)`,
    called once, tells whether it does, and `resident_batch(rng, host)` draws a batch from a
    torch.Generator of the device and a numpy Generator for what shapes depend on. `precision` of a
    task is that of "auto"; `varies` says that its steps of one shape are not all alike, which rules
    out CUDA graphs.
    """

    modules: dict[str, nn.Module]
    groups: dict[str, list[str]]  # optimizer name -> module names

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draw one batch of tensors; called from a worker thread, pure in `rng`."""
        ...

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, Logs]]:
        """Yield (optimizer name, scalar loss, logs); values of logs are numbers or, where they are
        not to be waited for, scalar tensors."""
        ...

    def export(self, folder: Path, step: int) -> None:
        """Write the checkpoint a user loads; called with the averaged weights in place."""
        ...

    def sample(self, writer: Any, step: int) -> None:
        """Log pictures or audio to TensorBoard."""
        ...


class Ema:
    """Exponential moving average of all parameters and buffers of a state dict, with a warm-up of
    the decay; what is not a floating point number is copied."""

    def __init__(self, modules: dict[str, nn.Module], decay: float):
        self.decay = decay
        self.shadow: dict[str, Tensor] = {}
        # Where each is kept in its module: a buffer may be another tensor after a step.
        self._places: list[tuple[dict[str, Any], str]] = []
        for name, module in modules.items():
            for key, value in module.state_dict().items():
                self.shadow[f"{name}.{key}"] = value.detach().clone()
                path, _, last = key.rpartition(".")
                owner = module.get_submodule(path)
                kept = owner._parameters if last in owner._parameters else owner._buffers
                self._places.append((kept, last))

    def _pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Averages and current values."""
        for average, (kept, name) in zip(self.shadow.values(), self._places, strict=True):
            yield average, kept[name]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the average towards the current weights."""
        rate = 1 - min(self.decay, (1 + step) / (10 + step))
        averages, values = [], []
        for average, value in self._pairs():
            if value.is_floating_point():
                averages.append(average)
                values.append(value)
            else:
                average.copy_(value)
        # One call for all; they may be of several types and devices.
        torch._foreach_lerp_(averages, values, rate)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange averaged and current weights in place; call twice to restore."""
        for average, value in self._pairs():
            keep = value.clone()
            value.copy_(average)
            average.copy_(keep)


def learning_rate(step: int, config: TrainConfig, elapsed: float = 0.0) -> float:
    """Warm-up then cosine, over the steps or, with a budget, the seconds `elapsed`."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    if config.budget:
        done = min(1.0, elapsed / config.budget)
    else:
        done = min(1.0, (step - config.warmup) / max(1, config.steps - config.warmup))
    return config.lr * (config.final + (1 - config.final) * 0.5 * (1 + math.cos(math.pi * done)))


class Trainer:
    """Runs a Task. `folder` holds state.pt (resume), export/ (weights to use) and logs."""

    def __init__(self, task: Task, config: TrainConfig, folder: str | Path, quiet: bool = False):
        try:
            from accelerate import Accelerator
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingDependencyError(
                f"training needs {error.name}: pip install 'tts[train]'"
            ) from error
        self.task, self.config, self.folder, self.quiet = task, config, Path(folder), quiet
        self.accelerator = Accelerator(cpu=check_training_device(config.device) == "cpu")
        self.device: torch.device = self.accelerator.device
        self.rank = self.accelerator.process_index
        precision = config.precision
        if precision == "auto":
            usual = "bf16" if self.device.type == "cuda" else "fp32"
            precision = getattr(task, "precision", usual)
        self.precision = torch.bfloat16 if precision == "bf16" else torch.float32
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high")
        self.step = 0
        self.halt = False
        self.begun = 0.0  # when training would have begun without a break, by the monotonic clock
        self.elapsed = 0.0  # seconds of training before the last look at the clock
        self.bad_steps = torch.zeros((), device=self.device)
        self.fresh: list[str] = []  # tensors that `config.init` did not have
        torch.manual_seed(config.seed + self.rank)
        self._freeze(next(iter(task.modules.values())))
        for module in task.modules.values():
            module.to(self.device)
            share_weights(module)
        # Not wrapped for several processes: tasks call more than `forward`, so the loop itself
        # averages the gradients.
        self.plain = task.modules
        place = getattr(task, "place", None)
        self.resident = place is not None and bool(place(self.device))
        self.optimizers = {
            name: torch.optim.AdamW(
                [p for part in parts for p in self.plain[part].parameters() if p.requires_grad],
                lr=config.lr,
                betas=config.betas,
                weight_decay=config.weight_decay,
                fused=self.device.type in ("cpu", "cuda"),
            )
            for name, parts in task.groups.items()
        }
        self.ema = Ema(self.plain, config.ema)
        self.engine = Engine(self)
        if self.accelerator.is_main_process:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.writer = SummaryWriter(str(self.folder / "logs"))
        self.resume()

    def _freeze(self, module: nn.Module) -> None:
        for prefix in self.config.freeze:
            found = [p for name, p in module.named_parameters() if name.startswith(prefix)]
            if not found:
                raise ConfigError(f"train.freeze: no tensor is called {prefix!r}")
            for parameter in found:
                parameter.requires_grad_(False)

    @property
    def state_path(self) -> Path:
        """Where the resumable state lives."""
        return self.folder / "state.pt"

    def save(self) -> None:
        """Write state.pt atomically, then export the averaged weights."""
        if not self.accelerator.is_main_process:
            return
        state = {
            "step": self.step,
            "elapsed": self.elapsed,
            "modules": {n: m.state_dict() for n, m in self.plain.items()},
            "optimizers": {n: o.state_dict() for n, o in self.optimizers.items()},
            "ema": self.ema.shadow,
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "python_rng": random.getstate(),
        }
        part = self.state_path.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.state_path)
        self.ema.swap()
        try:
            self.task.export(self.folder / "export", self.step)
        finally:
            self.ema.swap()

    def _warm_start(self) -> None:
        """Weights of `config.init` into the task's first module and its average."""
        name, module = next(iter(self.plain.items()))
        init = self.config.init
        lacking = [
            load_weights(checkpoint_folder(each), module, partial=True)
            for each in ([init] if isinstance(init, str) else init)
        ]
        self.fresh = [key for key in lacking[0] if all(key in names for names in lacking)]
        for key, value in module.state_dict().items():
            self.ema.shadow[f"{name}.{key}"].copy_(value)

    def resume(self) -> None:
        """Continue from state.pt when there is one: weights, optimizers, EMA, step, RNG."""
        if not self.state_path.exists():
            if self.config.init:
                self._warm_start()
            return
        # The file is this trainer's own; python_rng is a plain tuple, so no code is unpickled.
        try:
            state = torch.load(self.state_path, map_location="cpu", weights_only=True)
        except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
            raise CheckpointError(
                f"{self.state_path} is damaged; remove it to start over"
            ) from error
        self.step, self.elapsed = state["step"], state.get("elapsed", 0.0)
        for name, module in self.plain.items():
            if name in state["modules"]:
                try:
                    module.load_state_dict(current_names(state["modules"][name]))
                except RuntimeError as error:
                    raise CheckpointError(
                        f"{self.state_path} was written by a model of another shape; train into "
                        "another folder or remove it"
                    ) from error
        for name, optimizer in self.optimizers.items():
            if name in state["optimizers"]:
                optimizer.load_state_dict(state["optimizers"][name])
        for key, value in current_names(state["ema"]).items():
            if key in self.ema.shadow:
                self.ema.shadow[key].copy_(value)
        torch.set_rng_state(state["torch_rng"])
        if state["cuda_rng"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(state["cuda_rng"])
        version, internal, gauss = state["python_rng"]
        random.setstate((version, tuple(internal), gauss))

    def draw(self, number: int) -> Batch:
        """Batch `number` of the run."""
        # Seeding by number makes the data of a resumed run equal to an uninterrupted one.
        return self.task.batch(np.random.default_rng((self.config.seed, self.rank, number)))

    @property
    def learning_rate(self) -> float:
        """That of the next update."""
        return learning_rate(self.step, self.config, self.elapsed)

    def run(self, progress: Callable[[str], None] | None = None) -> None:
        """Train up to `config.steps`, or for `config.budget` seconds; SIGTERM and Ctrl-C save
        before they stop.

        Raises:
            TTSError: more than 20 steps in a row had a loss or gradient that is not finite, or
                steps are slower than `config.slowest`.
        """
        stop = threading.Event()
        before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                before[number] = signal.signal(number, lambda *_: stop.set())
        try:
            self._run(stop, progress)
        finally:
            for which, handler in before.items():
                signal.signal(which, handler)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        spent = self.config.budget and self.elapsed >= self.config.budget
        return self.step >= self.config.steps or bool(spent)

    def _run(self, stop: threading.Event, progress: Callable[[str], None] | None) -> None:
        from tqdm import tqdm

        config = self.config
        self.begun = time.monotonic() - self.elapsed
        saved = sampled = published = time.monotonic()
        bar = tqdm(total=config.steps, initial=self.step, disable=self.quiet, mininterval=5)
        clock = StepClock(self.device)
        with Batches(self) as batches:
            while not self.finished and not self._halted(stop):
                logs = self.engine.step([next(batches) for _ in range(config.accumulate)])
                self.ema.update(self.step)
                self.step += 1
                bar.update()
                looks = self.step % config.log_every == 0 or self.step >= config.steps
                # On a CPU a look costs nothing; on a GPU it waits for all that was asked for.
                if looks or self.device.type == "cpu":
                    if float(self.bad_steps) > 20:
                        raise TTSError(f"training diverged: 20 bad steps before {self.step}")
                    self.elapsed = self._agreed(time.monotonic() - self.begun, stop)
                clock.tick(self.step, looks)
                if clock.slower_than(config.slowest):
                    raise TTSError(
                        f"a step takes {1000 * clock.seconds:.0f} ms, more than the "
                        f"{config.slowest:.0f} allowed (train.slowest)"
                    )
                if self.accelerator.is_main_process and self.step % config.log_every == 0:
                    values = {key: float(value) for key, value in logs.items()}
                    for key, value in values.items():
                        self.writer.add_scalar(key, value, self.step)
                    text = " ".join(f"{k}={v:.3f}" for k, v in values.items())
                    text += self.engine.told(clock.seconds)
                    bar.set_postfix_str(text)
                    if progress is not None:
                        progress(f"step {self.step} {text}")
                now = time.monotonic()
                if now - sampled > 60 * config.sample_minutes:
                    sampled = now
                    if self.accelerator.is_main_process:
                        self.task.sample(self.writer, self.step)
                if now - saved > 60 * config.save_minutes:
                    saved = now
                    self.save()
                if config.publish and now - published > config.publish:
                    published = now
                    self.publish()
        self.save()
        if config.publish:
            self.publish()
        bar.close()

    def _halted(self, stop: threading.Event) -> bool:
        # Processes stop at the same step, which they agree on when they look at the clock.
        return self.halt if self.accelerator.num_processes > 1 else stop.is_set()

    def _agreed(self, elapsed: float, stop: threading.Event) -> float:
        """The first process' clock, and a stop if any was asked to."""
        if self.accelerator.num_processes == 1:
            return elapsed
        wish = torch.tensor([elapsed * (self.rank == 0), float(stop.is_set())], device=self.device)
        torch.distributed.all_reduce(wish)
        self.halt = float(wish[1]) > 0
        return float(wish[0])

    def publish(self) -> None:
        """Export the averaged weights in half precision, in pieces that are small to carry."""
        if not self.accelerator.is_main_process:
            return
        self.ema.swap()
        try:
            with tempfile.TemporaryDirectory(dir=self.folder) as made:
                self.task.export(Path(made), self.step)
                target = Path(self.config.publish_to or self.folder / "pieces")
                write_pieces(made, target / self.folder.name)
        finally:
            self.ema.swap()


def check_training_device(name: str) -> str:
    """ "cpu" or "cuda"; UsageError for a device that is not there."""
    if name not in DEVICES:
        raise UsageError(f"device is auto, cpu or cuda, not {name!r}")
    if name == "cuda":
        return choose_device(name)
    # accelerate's own switch counts as well.
    wished = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
    return "cpu" if wished else choose_device(name)


def share_weights(module: nn.Module) -> None:
    """Every process begins with the weights and buffers of the first."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        for value in [*module.parameters(), *module.buffers()]:
            torch.distributed.broadcast(value.detach(), 0)
