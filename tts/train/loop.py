"""The training loop every model shares: accelerate, EMA, exact resume, guards, TensorBoard.

A `Task` owns modules, optimizers, data and losses. `Task.losses` is a generator of (optimizer name,
loss, logs): the loop does backward, clipping and the update after each, so an adversarial task is
just one that yields twice.
"""

import math
import pickle
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from tts.builder import checkpoint_folder
from tts.errors import CheckpointError, ConfigError, MissingDependencyError, TTSError
from tts_codecs.checkpoint import load_weights

Batch = dict[str, Any]


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


class Task(Protocol):
    """One thing to train."""

    modules: dict[str, nn.Module]
    groups: dict[str, list[str]]  # optimizer name -> module names

    def batch(self, rng: np.random.Generator) -> Batch:
        """Draw one batch of tensors; called from a worker thread, pure in `rng`."""
        ...

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, dict[str, float]]]:
        """Yield (optimizer name, scalar loss, logs)."""
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


def learning_rate(step: int, config: TrainConfig) -> float:
    """Warm-up then cosine."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
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
        self.accelerator = Accelerator()
        self.rank = self.accelerator.process_index
        self.step = 0
        self.bad_steps = 0
        self.fresh: list[str] = []  # tensors that `config.init` did not have
        torch.manual_seed(config.seed + self.rank)
        self._freeze(next(iter(task.modules.values())))
        for name, module in task.modules.items():
            module.to(self.accelerator.device)
            task.modules[name] = self.accelerator.prepare_model(module)
        self.plain = {n: self.accelerator.unwrap_model(m) for n, m in task.modules.items()}
        self.optimizers = {
            name: torch.optim.AdamW(
                [p for part in parts for p in self.plain[part].parameters() if p.requires_grad],
                lr=config.lr,
                betas=config.betas,
                weight_decay=config.weight_decay,
                fused=self.accelerator.device.type in ("cpu", "cuda"),
            )
            for name, parts in task.groups.items()
        }
        self.ema = Ema(self.plain, config.ema)
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
        self.step = state["step"]
        for name, module in self.plain.items():
            if name in state["modules"]:
                try:
                    module.load_state_dict(state["modules"][name])
                except RuntimeError as error:
                    raise CheckpointError(
                        f"{self.state_path} was written by a model of another shape; train into "
                        "another folder or remove it"
                    ) from error
        for name, optimizer in self.optimizers.items():
            if name in state["optimizers"]:
                optimizer.load_state_dict(state["optimizers"][name])
        for key, value in state["ema"].items():
            if key in self.ema.shadow:
                self.ema.shadow[key].copy_(value)
        torch.set_rng_state(state["torch_rng"])
        if state["cuda_rng"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(state["cuda_rng"])
        version, internal, gauss = state["python_rng"]
        random.setstate((version, tuple(internal), gauss))

    def _draw(self, step: int) -> Batch:
        # Seeding by step makes the data of a resumed run equal to an uninterrupted one.
        return self.task.batch(np.random.default_rng((self.config.seed, self.rank, step)))

    def _update(self, name: str, loss: Tensor) -> float | None:
        """One optimizer step; None when loss or gradients are not finite (the step is skipped)."""
        optimizer = self.optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        if not torch.isfinite(loss):
            return None
        self.accelerator.backward(loss)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        norm = float(nn.utils.clip_grad_norm_(parameters, self.config.clip))
        if not math.isfinite(norm):
            optimizer.zero_grad(set_to_none=True)
            return None
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.config)
        optimizer.step()
        return norm

    def run(self, progress: Callable[[str], None] | None = None) -> None:
        """Train up to `config.steps`; SIGTERM and Ctrl-C save before they stop.

        Raises:
            TTSError: more than 20 steps in a row had a loss or gradient that is not finite.
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

    def _run(self, stop: threading.Event, progress: Callable[[str], None] | None) -> None:
        from tqdm import tqdm

        device = self.accelerator.device
        saved = sampled = time.monotonic()
        workers = 8 if device.type == "cuda" else 1
        bar = tqdm(total=self.config.steps, initial=self.step, disable=self.quiet, mininterval=5)
        with ThreadPoolExecutor(workers) as pool:
            queue = [pool.submit(self._draw, self.step + i) for i in range(workers * 2)]
            while self.step < self.config.steps and not stop.is_set():
                batch = {
                    k: v.to(device, non_blocking=True) if isinstance(v, Tensor) else v
                    for k, v in queue.pop(0).result().items()
                }
                queue.append(pool.submit(self._draw, self.step + len(queue) + 1))
                logs: dict[str, float] = {}
                bad = False
                for name, loss, values in self.task.losses(batch, self.step):
                    norm = self._update(name, loss)
                    logs.update(values)
                    logs[f"norm/{name}"] = math.nan if norm is None else norm
                    bad = bad or norm is None
                self.bad_steps = self.bad_steps + 1 if bad else 0
                if self.bad_steps > 20:
                    raise TTSError(f"training diverged: 20 bad steps before {self.step}")
                self.ema.update(self.step)
                self.step += 1
                bar.update()
                if self.accelerator.is_main_process and self.step % self.config.log_every == 0:
                    for key, value in logs.items():
                        self.writer.add_scalar(key, value, self.step)
                    text = " ".join(f"{k}={v:.3f}" for k, v in logs.items())
                    bar.set_postfix_str(text)
                    if progress is not None:
                        progress(f"step {self.step} {text}")
                now = time.monotonic()
                if now - sampled > 60 * self.config.sample_minutes:
                    sampled = now
                    if self.accelerator.is_main_process:
                        self.task.sample(self.writer, self.step)
                if now - saved > 60 * self.config.save_minutes:
                    saved = now
                    self.save()
            for future in queue:
                future.cancel()
        self.save()
        bar.close()
