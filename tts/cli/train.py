"""`tts train`: one run from a YAML."""

import sys
from typing import Annotated

import typer

from tts.cli.common import say, set_threads
from tts.cli.data import write_durations


def train(
    config: Annotated[str, typer.Argument(help="A YAML such as configs/systems/default.yaml.")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a key: --set train.steps=100."),
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu or cuda: bfloat16 there, batches made on it.")
    ] = "",
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Train the vocoder, spectral codec, aligner, duration model or generator.

    Weights to use land in OUT/export; a finished aligner also writes the durations of its corpus
    into the corpus. Ctrl-C saves and stops; the same command goes on from there. On several GPUs:
    `accelerate launch -m tts train CONFIG`.
    """
    set_threads(threads)
    from tts.train.config import load_run

    chosen = [f"train.device={device}"] if device else []
    run = load_run(config, [*(overrides or ()), *chosen])

    from tts.data.pack import open_corpus
    from tts.train.loop import Trainer

    task = run.build(open_corpus(run.data))
    trainer = Trainer(task, run.train, run.out, quiet=quiet or not sys.stderr.isatty())
    if trainer.step:
        say(f"continuing {run.out} at step {trainer.step}")
    elif trainer.fresh:
        say(f"started from {run.train.init}, new: {', '.join(trainer.fresh)}")
    logged = 0

    def progress(line: str) -> None:
        nonlocal logged
        # Without a bar every tenth line: a log file stays readable.
        if trainer.quiet and logged % 10 == 0:
            say(line)
        logged += 1

    trainer.run(None if quiet else progress)
    stopped = "" if trainer.finished else ", stopped early: run again to go on"
    of = f"{trainer.elapsed:.0f} s" if run.train.budget else f"of {run.train.steps}"
    say(f"{run.out / 'export'}: step {trainer.step} {of}{stopped}")
    if run.task == "aligner" and not stopped and trainer.accelerator.is_main_process:
        write_durations(run.data, run.out / "export")
