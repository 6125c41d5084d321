"""A training run, from its checked YAML to the weights in its folder."""

from collections.abc import Callable

import torch

from tts.data.pack import open_corpus
from tts.errors import ConfigError
from tts.train.config import RunConfig
from tts.train.durations import write_durations
from tts.train.loop import Trainer
from tts.train.parts import option_of_data
from tts.train.run_folder import describe_changes, exclusive, run_settings


def train_run(
    run: RunConfig, report: Callable[[str], None], quiet: bool = False, bar: bool = True
) -> bool:
    """Train a run from its beginning, or from where it was stopped, and export to OUT/export.

    A finished aligner also writes the durations of its corpus, unless the corpus is a pack.

    Args:
        report: called with lines for the user, by the first process of a distributed training.
        quiet: whether to leave out lines about progress.
        bar: whether to show a progress bar in place of these lines.

    Returns:
        whether the run is finished; False if it was stopped before.

    Raises:
        UsageError: another process trains into the folder.
        ConfigError: the run is finished and had other settings, or parts do not fit together.
        DataError, CheckpointError: the corpus or a part is missing or damaged.
        TTSError: as of `tts.train.loop.Trainer.run`.
    """
    # Initial weights depend on the seed alone, not on what ran in this process before.
    torch.manual_seed(run.train.seed)
    with option_of_data("data"):
        corpus = open_corpus(run.data)
    task = run.build(corpus)
    with exclusive(run.out):
        trainer = Trainer(task, run.train, run.out, quiet or not bar, run_settings(run))
        if not trainer.accelerator.is_main_process:
            report = _ignore
        if trainer.step:
            report(f"continuing {run.out} at step {trainer.step}")
        elif trainer.new_tensors:
            report(f"started from {run.train.init}, new: {', '.join(trainer.new_tensors)}")
        if not _keeps_export(trainer, run, report):
            _train(trainer, run, report, quiet)
    if run.task == "aligner" and trainer.finished and trainer.accelerator.is_main_process:
        if run.data.is_file():
            report(
                f"{run.data} is a pack, into which no durations are written: tts data align FOLDER "
                f"--aligner {run.out / 'export'}"
            )
            return True
        for line in write_durations(run.data, run.out / "export"):
            report(line)
    return trainer.finished


def _ignore(line: str) -> None:
    """A report that other processes than the first use."""


def _keeps_export(trainer: Trainer, run: RunConfig, report: Callable[[str], None]) -> bool:
    """Whether a run is finished and now has other settings.

    Its export is then not written again, as it would name settings with which its weights were not
    trained.

    Raises:
        ConfigError: the run is finished at just the steps that were asked for.
    """
    changed = (
        describe_changes(trainer.saved_settings, trainer.settings) if trainer.saved_settings else ""
    )
    if not changed:
        return False
    if not trainer.finished:
        report(f"from step {trainer.step} on with other settings: {changed}")
        return False
    if trainer.step <= run.train.steps:
        raise ConfigError(
            f"{run.out} is finished, with other settings: {changed}; train into another folder "
            "(--set out=FOLDER), or go on with more train.steps or train.budget"
        )
    report(f"{run.out / 'export'}: at step {trainer.step} with other settings, left as it is")
    return True


def _train(trainer: Trainer, run: RunConfig, report: Callable[[str], None], quiet: bool) -> None:
    """Train, and report progress and the end."""
    logged = 0

    def progress(line: str) -> None:
        nonlocal logged
        # Without a bar every tenth line is enough, so that a log file stays readable.
        if trainer.quiet and logged % 10 == 0:
            report(line)
        logged += 1

    trainer.run(None if quiet else progress)
    stopped = "" if trainer.finished else ", stopped early: run again to go on"
    of = f"{trainer.elapsed:.0f} s" if run.train.budget else f"of {run.train.steps}"
    report(f"{run.out / 'export'}: step {trainer.step} {of}{stopped}")
