"""The training loop that all networks share, with checkpoints, exact resuming and TensorBoard.

A `Task` has networks, batches and losses. `Task.losses` yields (optimizer name, loss, logs), and
after each item the loop computes gradients and updates the weights, so that an adversarial task is
one that yields twice.

On a GPU the losses are computed in bfloat16 with float32 weights, and no step waits for the device:
losses, gradient norms and the count of bad steps stay there until they are logged.
"""

import logging
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tts.audio.files import check_folder_writable, write_error
from tts.config import trained_by
from tts.data.batch import Batch
from tts.errors import (
    CheckpointError,
    ConfigError,
    MissingDependencyError,
    TTSError,
)
from tts.resources import checkpoint_folder
from tts.train.batches import Batches
from tts.train.ema import Ema
from tts.train.engine import Engine
from tts.train.publish import write_pieces
from tts.train.state import random_state, read_state, restore_random_state, write_state
from tts.train.task import ResidentTask, Task, TrainConfig, check_training_device, learning_rate
from tts.train.throughput import StepClock
from tts_codecs.checkpoint import load_weights
from tts_codecs.nn.signal_stack import ensure_signal_stack
from tts_codecs.renamed import current_names

_log = logging.getLogger(__name__)


class Trainer:
    """Trains a Task.

    Args:
        folder: of the run, which gets state.pt (to resume), export/ (weights to use) and logs/.
        quiet: whether to show no progress bar.
        settings: kept in state.pt; see tts.train.run_folder.

    Attributes:
        saved_settings: the settings with which state.pt was written; empty for a new run.
        new_tensors: names of the tensors that none of the checkpoints of `config.init` has.

    Raises:
        ConfigError: the task cannot be trained in that precision, or no tensor has a name that is
            to be frozen.
        OutputError: `folder`, or the folder to publish weights to, cannot be written.
        CheckpointError: state.pt is damaged or of another run.
    """

    def __init__(
        self,
        task: Task,
        config: TrainConfig,
        folder: str | Path,
        quiet: bool = False,
        settings: Mapping[str, str] | None = None,
    ):
        try:
            from accelerate import Accelerator
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingDependencyError(
                f"training needs {error.name}: pip install 'tts[train]'"
            ) from error
        self.task, self.config, self.folder, self.quiet = task, config, Path(folder), quiet
        self.settings, self.saved_settings = dict(settings or {}), dict[str, str]()
        self.accelerator = Accelerator(cpu=check_training_device(config.device) == "cpu")
        self.device: torch.device = self.accelerator.device
        self.rank = self.accelerator.process_index
        precision = config.precision
        if precision == "auto":
            precision = getattr(task, "precision", "bf16" if self.device.type == "cuda" else "fp32")
        if precision == "bf16" and getattr(task, "precision", "bf16") == "fp32":
            raise ConfigError("train.precision: phases and spectra of waveforms need fp32")
        self.precision = torch.bfloat16 if precision == "bf16" else torch.float32
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high")
        self.step = 0
        self.halt = self.asked = False
        self.begun = 0.0  # when training would have begun without a break, by the monotonic clock
        self.elapsed = 0.0  # seconds of training before the last look at the clock
        self.bad_steps = torch.zeros((), device=self.device)
        self.new_tensors: list[str] = []
        torch.manual_seed(config.seed + self.rank)
        self._freeze(next(iter(task.modules.values())))
        for module in task.modules.values():
            module.to(self.device)
            broadcast_weights(module)
        # They are not wrapped for several processes, as tasks call other methods than `forward`:
        # the engine averages the gradients.
        self.modules = task.modules
        self.resident = isinstance(task, ResidentTask) and task.place(self.device)
        self.optimizers = {
            name: torch.optim.AdamW(
                # With frozen ones, which have no gradients: another choice of what is frozen then
                # finds the same state of the optimizer when the run goes on.
                [p for part in parts for p in self.modules[part].parameters()],
                lr=config.lr,
                betas=config.betas,
                weight_decay=config.weight_decay,
                fused=self.device.type in ("cpu", "cuda"),
            )
            for name, parts in task.groups.items()
        }
        self.ema = Ema(self.modules, config.ema)
        self.engine = Engine(self)
        if self.accelerator.is_main_process:
            check_folder_writable(self.folder)
            if config.publish:
                # Otherwise an error would come only after hours of training.
                check_folder_writable(self.pieces)
            check_folder_writable(self.folder / "logs")
        self.resume()
        if self.accelerator.is_main_process:
            # Logs from after the last save are written again.
            purge = self.step + 1 if self.step else None
            self.writer = SummaryWriter(str(self.folder / "logs"), purge_step=purge)

    def _freeze(self, module: nn.Module) -> None:
        for prefix in self.config.freeze:
            found = [p for name, p in module.named_parameters() if name.startswith(prefix)]
            if not found:
                raise ConfigError(f"train.freeze: no tensor is called {prefix!r}")
            for parameter in found:
                parameter.requires_grad_(False)

    @property
    def state_path(self) -> Path:
        """Path of the state from which the run resumes."""
        return self.folder / "state.pt"

    @property
    def pieces(self) -> Path:
        """Folder that weights are published to."""
        return Path(self.config.publish_to or self.folder / "pieces")

    def save(self) -> None:
        """Write state.pt, then export the averaged weights.

        Raises:
            OutputError: a file cannot be written.
        """
        self.save_state()
        self.export()

    def save_state(self) -> None:
        """Write state.pt atomically; OutputError if it cannot be written."""
        if not self.accelerator.is_main_process:
            return
        state = {
            "step": self.step,
            "elapsed": self.elapsed,
            "modules": {n: m.state_dict() for n, m in self.modules.items()},
            "optimizers": {n: o.state_dict() for n, o in self.optimizers.items()},
            "ema": self.ema.shadow,
            **random_state(),
            "settings": self.settings,
        }
        write_state(self.state_path, state)

    def export(self) -> None:
        """Write the averaged weights to export/, as the task does."""
        if not self.accelerator.is_main_process:
            return
        self.ema.swap()
        try:
            self.task.export(self.folder / "export", self.step)
        finally:
            self.ema.swap()

    def _warm_start(self) -> None:
        """Load the weights of `config.init` into the first module and its average."""
        name, module = next(iter(self.modules.items()))
        init = self.config.init
        missing = []
        for each in [init] if isinstance(init, str) else init:
            try:
                missing.append(load_weights(checkpoint_folder(each), module, partial=True))
            except CheckpointError as error:
                raise CheckpointError(f"train.init: {error}{trained_by(each)}") from error
        self.new_tensors = [key for key in missing[0] if all(key in names for names in missing)]
        for key, value in module.state_dict().items():
            self.ema.shadow[f"{name}.{key}"].copy_(value)

    def resume(self) -> None:
        """Resume from state.pt if it exists: step, weights, optimizers, averages, random state."""
        if not self.state_path.exists():
            if self.config.init:
                self._warm_start()
            return
        state = read_state(self.state_path)
        self.step, self.elapsed = state["step"], state.get("elapsed", 0.0)
        self.saved_settings = state.get("settings", {})
        for name, module in self.modules.items():
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
                saved = state["optimizers"][name]
                for group in saved["param_groups"]:
                    # A run may go on with other settings or on another device: only the moments
                    # are those of the state.
                    group.update(optimizer.defaults)
                try:
                    optimizer.load_state_dict(saved)
                except ValueError as error:
                    raise CheckpointError(
                        f"{self.state_path} was written with other weights frozen; train into "
                        "another folder, from its export (train.init)"
                    ) from error
        for key, value in current_names(state["ema"]).items():
            if key in self.ema.shadow:
                self.ema.shadow[key].copy_(value)
        self.ema.settle()
        restore_random_state(state, self.config.seed, self.rank, self.step)

    def draw(self, number: int) -> Batch:
        """Draw batch `number` of the run on the CPU."""
        # Seeded by its number, so that a resumed run sees the same data as an uninterrupted one.
        return self.task.batch(np.random.default_rng((self.config.seed, self.rank, number)))

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next update."""
        return learning_rate(self.step, self.config, self.elapsed)

    def run(self, progress: Callable[[str], None] | None = None) -> None:
        """Train up to `config.steps`, or for `config.budget` seconds; SIGTERM and Ctrl-C save
        before they stop.

        Raises:
            TTSError: more than 20 steps in a row had a loss or gradient that is not finite, or
                steps are slower than `config.slowest`.
        """
        self.asked = False
        before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            ensure_signal_stack()
            for number in (signal.SIGTERM, signal.SIGINT):
                before[number] = signal.signal(number, self._ask)
        try:
            self._run(progress)
        finally:
            for which, handler in before.items():
                signal.signal(which, handler)

    def _ask(self, *_: object) -> None:
        """Note that the run is to stop, where a signal has come. A lock, such as that of an Event,
        would wait for itself if another signal came while it is held."""
        self.asked = True

    @property
    def finished(self) -> bool:
        """Whether the steps or the budget are used up."""
        spent = self.config.budget and self.elapsed >= self.config.budget
        return self.step >= self.config.steps or bool(spent)

    def _run(self, progress: Callable[[str], None] | None) -> None:
        from tqdm import tqdm

        config = self.config
        self.begun = time.monotonic() - self.elapsed
        saved = sampled = published = time.monotonic()
        bar = tqdm(
            total=config.steps,
            initial=self.step,
            disable=self.quiet or not self.accelerator.is_main_process,
            mininterval=5,
        )
        clock = StepClock(self.device)
        with Batches(self) as batches:
            while not self.finished and not self._halted():
                logs = self.engine.step([next(batches) for _ in range(config.accumulate)])
                self.ema.update(self.step)
                self.step += 1
                bar.update()
                synchronize = self.step % config.log_every == 0 or self.step >= config.steps
                # Reading the device's tensors costs nothing on a CPU; a GPU first has to finish.
                if synchronize or self.device.type == "cpu":
                    if float(self.bad_steps) > 20:
                        raise TTSError(f"training diverged: 20 bad steps before {self.step}")
                    self.elapsed = self._agreed(time.monotonic() - self.begun)
                clock.tick(self.step, synchronize)
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
                    text += self.engine.describe_throughput(clock.seconds)
                    bar.set_postfix_str(text)
                    if progress is not None:
                        progress(f"step {self.step} {text}")
                now = time.monotonic()
                if now - sampled > 60 * config.sample_minutes:
                    sampled = now
                    if self.accelerator.is_main_process:
                        self._sample()
                due = config.publish and now - published > config.publish
                # Saved first, so that no training is lost if publishing fails.
                if due or now - saved > 60 * config.save_minutes:
                    saved = now
                    self.save()
                if due:
                    published = now
                    self.publish()
            # Before anything is taken down: no error in that costs what was learned.
            self.save_state()
        self.export()
        if config.publish:
            self.publish()
        if self.accelerator.is_main_process:
            self.writer.close()
        bar.close()

    def _sample(self) -> None:
        """Log a sample of the task.

        It is due by the clock, on which the training must not depend: the random state is restored
        after it.
        """
        devices = [self.device] if self.device.type == "cuda" else []
        try:
            with torch.random.fork_rng(devices):
                self.task.sample(self.writer, self.step)
        except Exception as error:  # no sample is worth the run
            _log.warning("no sample of step %d: %s: %s", self.step, type(error).__name__, error)

    def _halted(self) -> bool:
        # Processes stop at the same step, which they agree on when they look at the clock.
        return self.halt if self.accelerator.num_processes > 1 else self.asked

    def _agreed(self, elapsed: float) -> float:
        """The first process' clock, and a stop if any was asked to."""
        if self.accelerator.num_processes == 1:
            return elapsed
        wish = torch.tensor([elapsed * (self.rank == 0), float(self.asked)], device=self.device)
        torch.distributed.all_reduce(wish)
        self.halt = float(wish[1]) > 0
        return float(wish[0])

    def publish(self) -> None:
        """Export the averaged weights in small pieces (tts.train.publish).

        Raises:
            OutputError: the pieces cannot be written.
        """
        if not self.accelerator.is_main_process:
            return
        self.ema.swap()
        try:
            with tempfile.TemporaryDirectory(dir=self.folder) as export:
                self.task.export(Path(export), self.step)
                write_pieces(export, self.pieces / self.folder.name)
        except OSError as error:
            raise write_error(self.folder, error) from error
        finally:
            self.ema.swap()


def broadcast_weights(module: nn.Module) -> None:
    """Copy the weights and buffers of the first process to all others."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        for value in [*module.parameters(), *module.buffers()]:
            torch.distributed.broadcast(value.detach(), 0)
