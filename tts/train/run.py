"""A training run, from its checked YAML to the weights in its folder."""

from collections.abc import Callable

import torch

from tts.data.pack import open_corpus
from tts.train.config import RunConfig
from tts.train.durations import write_durations
from tts.train.loop import Trainer


def train_run(
    run: RunConfig, report: Callable[[str], None], quiet: bool = False, bar: bool = True
) -> bool:
    """Train a run from its beginning, or from where it was stopped; weights go to OUT/export.

    A finished aligner also writes the durations of its corpus, unless that is a pack.

    Args:
        report: called with lines for the user.
        quiet: whether to leave out lines about progress; bar: whether to show a bar in their place.

    Returns:
        True if the run is finished, False if it was stopped before.

    Raises:
        TTSError: as `tts.train.loop.Trainer.run`. DataError, CheckpointError, ConfigError: parts
            are missing or do not go together.
    """
    # Initial weights depend on the seed alone, not on what ran in this process before.
    torch.manual_seed(run.train.seed)
    task = run.build(open_corpus(run.data))
    trainer = Trainer(task, run.train, run.out, quiet=quiet or not bar)
    if trainer.step:
        report(f"continuing {run.out} at step {trainer.step}")
    elif trainer.fresh:
        report(f"started from {run.train.init}, new: {', '.join(trainer.fresh)}")
    logged = 0

    def progress(line: str) -> None:
        nonlocal logged
        # Without a bar every tenth line: a log file stays readable.
        if trainer.quiet and logged % 10 == 0:
            report(line)
        logged += 1

    trainer.run(None if quiet else progress)
    stopped = "" if trainer.finished else ", stopped early: run again to go on"
    of = f"{trainer.elapsed:.0f} s" if run.train.budget else f"of {run.train.steps}"
    report(f"{run.out / 'export'}: step {trainer.step} {of}{stopped}")
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
