"""`tts train`: a training run from a YAML, or all runs of a recipe."""

import contextlib
import faulthandler
import sys
from typing import Annotated

import typer

from tts.cli.common import logged_warnings, say, set_threads
from tts.cli.complete import devices_for
from tts.errors import UsageError


def train(
    context: typer.Context,
    config: Annotated[
        str,
        typer.Argument(
            help="A YAML such as configs/systems/default.yaml, or the name of one in configs."
        ),
    ] = "",
    recipe: Annotated[
        str,
        typer.Option(
            help="All runs from recordings to a model that speaks, one after the other: a name in "
            "configs/recipes or a YAML, in place of CONFIG."
        ),
    ] = "",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a key: --set train.steps=100."),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            help="auto, cpu or cuda: bfloat16 there, batches made on it.",
            autocompletion=devices_for,
        ),
    ] = "",
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Train the vocoder, spectral codec, aligner, duration model or generator, or by a recipe all
    of them.

    Weights to use land in OUT/export; a finished aligner also writes the durations of its corpus
    into the corpus. Ctrl-C saves and stops; the same command goes on from there. On several GPUs:
    `accelerate launch -m tts train CONFIG`.
    """
    if bool(config) == bool(recipe):
        raise UsageError("give either the YAML of a run or --recipe NAME")
    set_threads(threads)
    _trace_crashes()
    context.with_resource(logged_warnings())
    chosen = [*(overrides or ()), *([f"train.device={device}"] if device else [])]
    bar = sys.stderr.isatty()
    if recipe:
        from tts.train.recipe import load_recipe
        from tts.train.recipe_run import run_recipe

        run_recipe(load_recipe(recipe, chosen), say, quiet, bar)
        return
    from tts.train.config import load_run
    from tts.train.run import train_run

    train_run(load_run(config, chosen), say, quiet, bar)


def _trace_crashes() -> None:
    """Print where every thread was if native code crashes or aborts: hours of training leave more
    than the name of a signal then."""
    # A standard error that is no file, as in tests, or that is closed.
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        if not faulthandler.is_enabled():
            faulthandler.enable()
