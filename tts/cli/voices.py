"""`tts voices`: list, add, export and remove voices."""

import json
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from tts.cli.common import (
    ADAPT_HELP,
    STRENGTH_HELP,
    adapting,
    check_strength,
    say,
    set_threads,
    show,
    warn,
    warn_new,
    warn_unfit,
)

app = typer.Typer(help="List, add, export and remove voices.", rich_markup_mode=None)

CONSENT = "only clone a voice with its owner's consent, and say that the speech is synthetic"


def _list(as_json: bool) -> None:
    from tts.voice.store import stored_voices

    voices = stored_voices().values()
    if as_json:
        rows = [
            {"name": v.name, "path": str(v.path), "kind": "built-in" if v.shipped else "added"}
            for v in voices
        ]
        show(json.dumps(rows, ensure_ascii=False))
        return
    for voice in voices:
        show(f"{voice.name:24} {'built-in' if voice.shipped else 'added'}")
    if not voices:
        say("no voices; add one with: tts voices add NAME --ref FILE")


@app.callback(invoke_without_command=True)
def voices(context: typer.Context) -> None:
    """List, add, export and remove voices; alone, it lists them."""
    if context.invoked_subcommand is None:
        _list(False)


@app.command("list")
def list_voices(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the built-in voices and those you added."""
    _list(as_json)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Letters, digits, '-' and '_'.")],
    ref: Annotated[
        list[str],
        typer.Option(
            metavar="FILE|-",
            help="A clean recording of 3 to 10 s of one person; may be repeated.",
        ),
    ],
    ref_text: Annotated[
        str | None,
        typer.Option(help="What --ref says, word for word; only some models need it."),
    ] = None,
    model: Annotated[str, typer.Option(help="The model to encode it for.")] = "default",
    adapt: Annotated[bool, typer.Option("--adapt", help=ADAPT_HELP)] = False,
    strength: Annotated[float, typer.Option(help=STRENGTH_HELP)] = 1.0,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    force: Annotated[bool, typer.Option(help="Replace a voice of this name.")] = False,
) -> None:
    """Encode recordings once and keep them as a voice for `--voice NAME`."""
    from tts.audio.reference import load_reference
    from tts.config import load_model_config
    from tts.errors import UsageError
    from tts.resources import model_config
    from tts.voice.store import new_voice_path

    config = load_model_config(model_config(model))
    config.check_transcript(ref_text)
    path = new_voice_path(name, force)
    say(f"note: {CONSENT}")
    references = [load_reference(each, config.sample_rate) for each in ref]
    for reference in references:
        for line in reference.warnings:
            warn(line)
    check_strength(strength, adapt)
    set_threads(threads)

    from tts.synthesizer import TTS

    with adapting(adapt) as progress:
        voice = TTS.of(config, "cpu").voice(
            references, ref_text, adapt=adapt, strength=strength, progress=progress
        )
    warn_new(voice, references)
    warn_unfit(voice, ref_text)
    voice.name = name
    try:
        voice.save(path, new=not force)
    except UsageError as error:
        raise UsageError(f"{error}: replace it with --force") from error
    say(f"added {name}: {path}")


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="A voice of `tts voices`.")],
    path: Annotated[str, typer.Argument(help="Where its file goes, ending in .safetensors.")],
    force: Annotated[bool, typer.Option(help="Replace a file of this name.")] = False,
) -> None:
    """Copy a voice to a file, which `--voice FILE` takes on any machine; asks before it replaces
    one."""
    from tts.audio.files import atomic_output
    from tts.errors import UsageError
    from tts.voice.store import find_voice

    if not path.endswith(".safetensors"):
        raise UsageError(f"a voice file ends in .safetensors, not {path!r}")
    source = find_voice(name)
    if Path(path).is_symlink():
        raise UsageError(f"{path!r} is a link: remove it first, or choose another name")
    taken = UsageError(f"there is a file {path!r} already: replace it with --force")
    if Path(path).exists() and not force:
        force = sys.stdin.isatty() and typer.confirm(f"replace {path}?", err=True)
        if not force:
            raise taken
    try:
        with source.open("rb") as file, atomic_output(path, new=not force) as target:
            shutil.copyfileobj(file, target)
    except FileExistsError as error:
        raise taken from error
    say(f"{name}: {path}")


@app.command()
def remove(name: Annotated[str, typer.Argument(help="A voice you added.")]) -> None:
    """Delete a voice you added."""
    from tts.voice.store import remove_voice

    say(f"removed {remove_voice(name)}")
