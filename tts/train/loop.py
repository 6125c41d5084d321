"""The training loop every model shares: accelerate, EMA, exact resume, guards, TensorBoard.

A `Task` owns modules, optimizers, data and losses. `Task.losses` is a generator of (optimizer name,
loss, logs): the loop does backward, clipping and the update after each, so an adversarial task is
just one that yields twice.

On a GPU the losses are computed in bfloat16 on float32 weights, and nothing in a step waits for the
device: losses, norms and the count of bad steps stay there until they are logged.
"""

import logging
import pickle
import random
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

from tts.audio.files import write_error
from tts.config import trained_by
from tts.data.batch import Batch
from tts.errors import (
    CheckpointError,
    ConfigError,
    MissingDependencyError,
    OutputError,
    TTSError,
)
from tts.resources import checkpoint_folder
from tts.train.ema import Ema
from tts.train.publish import check_folder, write_pieces
from tts.train.stepping import Batches, Engine, StepClock
from tts.train.task import ResidentTask, Task, TrainConfig, check_training_device, learning_rate
from tts_codecs.checkpoint import load_weights
from tts_codecs.nn.signal_stack import ensure_signal_stack
from tts_codecs.renamed import current_names

_log = logging.getLogger(__name__)

#: what state.pt holds at least
STATE = ("step", "modules", "optimizers", "ema", "torch_rng", "cuda_rng", "python_rng")


class Trainer:
    """Runs a Task. `folder` holds state.pt (resume), export/ (weights to use) and logs. `settings`
    are kept in the state; `before` has those that it was written with.

    Raises:
        ConfigError: a precision that the task cannot be trained in, or nothing to freeze.
        OutputError: `folder`, or where weights are to be published, cannot be written.
        CheckpointError: the state in it is damaged or of another run.
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
        self.settings, self.before = dict(settings or {}), dict[str, str]()
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
        self.fresh: list[str] = []  # tensors that `config.init` did not have
        torch.manual_seed(config.seed + self.rank)
        self._freeze(next(iter(task.modules.values())))
        for module in task.modules.values():
            module.to(self.device)
            share_weights(module)
        # Not wrapped for several processes: tasks call more than `forward`, so the loop itself
        # averages the gradients.
        self.plain = task.modules
        self.resident = isinstance(task, ResidentTask) and task.place(self.device)
        self.optimizers = {
            name: torch.optim.AdamW(
                # Frozen ones too, which have no gradients and stay: what is frozen may change when
                # a run goes on.
                [p for part in parts for p in self.plain[part].parameters()],
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
            check_folder(self.folder)
            if config.publish:
                # Hours later would be late to find out.
                check_folder(self.pieces)
            check_folder(self.folder / "logs")
        self.resume()
        if self.accelerator.is_main_process:
            again = self.step + 1 if self.step else None  # what was logged after the last save
            self.writer = SummaryWriter(str(self.folder / "logs"), purge_step=again)

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

    @property
    def pieces(self) -> Path:
        """The folder that weights are published into."""
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
            "modules": {n: m.state_dict() for n, m in self.plain.items()},
            "optimizers": {n: o.state_dict() for n, o in self.optimizers.items()},
            "ema": self.ema.shadow,
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "python_rng": random.getstate(),
            "settings": self.settings,
        }
        part = self.state_path.with_suffix(".part")
        try:
            torch.save(state, part)
            part.replace(self.state_path)
        except (OSError, RuntimeError) as error:  # of a full disk PyTorch makes a RuntimeError
            part.unlink(missing_ok=True)
            told = getattr(error, "strerror", None) or "is the disk full?"
            raise OutputError(f"cannot write {self.state_path}: {told}") from error

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
        """Weights of `config.init` into the task's first module and its average."""
        name, module = next(iter(self.plain.items()))
        init = self.config.init
        lacking = []
        for each in [init] if isinstance(init, str) else init:
            try:
                lacking.append(load_weights(checkpoint_folder(each), module, partial=True))
            except CheckpointError as error:
                raise CheckpointError(f"train.init: {error}{trained_by(each)}") from error
        self.fresh = [key for key in lacking[0] if all(key in names for names in lacking)]
        for key, value in module.state_dict().items():
            self.ema.shadow[f"{name}.{key}"].copy_(value)

    def resume(self) -> None:
        """Continue from state.pt when there is one: weights, optimizers, EMA, step, RNG."""
        if not self.state_path.exists():
            if self.config.init:
                self._warm_start()
            return
        state = self._read_state()
        self.step, self.elapsed = state["step"], state.get("elapsed", 0.0)
        self.before = state.get("settings", {})
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
                saved = state["optimizers"][name]
                for group in saved["param_groups"]:
                    # A run may go on with another decay, other betas, on another device: only what
                    # was counted is the past's.
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
        self._restore_chance(state)

    def _read_state(self) -> dict[str, Any]:
        """What `save` wrote."""
        # The file is this trainer's own; python_rng is a plain tuple, so no code is unpickled.
        try:
            state = torch.load(self.state_path, map_location="cpu", weights_only=True)
        except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
            raise CheckpointError(
                f"{self.state_path} is damaged; remove it to start over"
            ) from error
        if not isinstance(state, dict) or not state.keys() >= set(STATE):
            raise CheckpointError(
                f"{self.state_path} is no state of a training run; remove it to start over"
            )
        return state

    def _restore_chance(self, state: dict[str, Any]) -> None:
        """Random numbers go on where they were in the first process, which is the one that saved
        them. The others begin anew, each with its own: with those of the first all processes would
        draw the same."""
        if self.rank:
            numbers = np.random.SeedSequence((self.config.seed, self.rank, self.step))
            seed = int(numbers.generate_state(1, np.uint64)[0] >> 1)
            torch.manual_seed(seed)
            random.seed(seed)
            return
        torch.set_rng_state(state["torch_rng"])
        if torch.cuda.is_available():
            # Of as many devices as there are now.
            torch.cuda.set_rng_state_all(state["cuda_rng"][: torch.cuda.device_count()])
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
        """Whether there is nothing left to train."""
        spent = self.config.budget and self.elapsed >= self.config.budget
        return self.step >= self.config.steps or bool(spent)

    def _run(self, progress: Callable[[str], None] | None) -> None:
        from tqdm import tqdm

        config = self.config
        self.begun = time.monotonic() - self.elapsed
        saved = sampled = published = time.monotonic()
        bar = tqdm(total=config.steps, initial=self.step, disable=self.quiet, mininterval=5)
        clock = StepClock(self.device)
        with Batches(self) as batches:
            while not self.finished and not self._halted():
                logs = self.engine.step([next(batches) for _ in range(config.accumulate)])
                self.ema.update(self.step)
                self.step += 1
                bar.update()
                looks = self.step % config.log_every == 0 or self.step >= config.steps
                # On a CPU a look costs nothing; on a GPU it waits for all that was asked for.
                if looks or self.device.type == "cpu":
                    if float(self.bad_steps) > 20:
                        raise TTSError(f"training diverged: 20 bad steps before {self.step}")
                    self.elapsed = self._agreed(time.monotonic() - self.begun)
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
                        self._sample()
                due = config.publish and now - published > config.publish
                # Saved before it is published: a place that takes no more loses no training.
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
        """Something to hear and see in the log. It is made when the clock says so, and the run must
        not depend on the clock: random numbers are drawn beside those of the training."""
        devices = [self.device] if self.device.type == "cuda" else []
        try:
            with torch.random.fork_rng(devices):
                self.task.sample(self.writer, self.step)
        except Exception as error:  # a look is not worth a run
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
        """Export the averaged weights in half precision, in pieces that are small to carry.

        Raises:
            OutputError: they cannot be written.
        """
        if not self.accelerator.is_main_process:
            return
        self.ema.swap()
        try:
            with tempfile.TemporaryDirectory(dir=self.folder) as made:
                self.task.export(Path(made), self.step)
                write_pieces(made, self.pieces / self.folder.name)
        except OSError as error:
            raise write_error(self.folder, error) from error
        finally:
            self.ema.swap()


def share_weights(module: nn.Module) -> None:
    """Every process begins with the weights and buffers of the first."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        for value in [*module.parameters(), *module.buffers()]:
            torch.distributed.broadcast(value.detach(), 0)
