"""`tts voices`: list, add, export and remove voices."""

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tts.cli.common import (
    ADAPT_HELP,
    STRENGTH_HELP,
    adapting,
    check_strength,
    load_model,
    say,
    set_threads,
    show,
    warn,
    warn_new,
    warn_unfit,
    warn_without_weights,
)
from tts.cli.complete import added_names_for, model_names_for, voice_names_for

if TYPE_CHECKING:
    from tts.catalog import VoiceInfo

app = typer.Typer(
    help="List, show, hear, add, mix, rename, export and remove voices.", rich_markup_mode=None
)

SAMPLE = "This is how I sound. The birch canoe slid on the smooth planks."
CONSENT = "only clone a voice with its owner's consent, and say that the speech is synthetic"


def _told(voice: "VoiceInfo") -> dict[str, Any]:
    """What is known of a voice, for JSON."""
    return {
        "name": voice.name, "path": str(voice.path), "kind": voice.kind, "sex": voice.sex,
        "accent": voice.accent, "seconds": voice.seconds, "adapted": voice.adapted,
        "sample": voice.sample, "problem": voice.problem, "meta": voice.meta,
    }  # fmt: skip


def _list(as_json: bool) -> None:
    from tts.catalog import voices

    known = voices()
    if as_json:
        show(json.dumps([_told(voice) for voice in known], ensure_ascii=False))
        return
    for voice in known:
        show(f"{voice.name:24} {voice.kind:9} {voice.words}".rstrip())
    warn_without_weights()
    if known:
        say("hear one: tts voices sample NAME -o NAME.wav")
    else:
        say("no voices; add one with: tts voices add NAME --ref FILE")


@app.callback(invoke_without_command=True)
def voices(context: typer.Context) -> None:
    """List, show, hear, add, mix, rename, export and remove voices; alone, it lists them."""
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
    model: Annotated[
        str, typer.Option(help="The model to encode it for.", autocompletion=model_names_for)
    ] = "default",
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

    from tts.facade import TTS

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
    name: Annotated[
        str, typer.Argument(help="A voice of `tts voices`.", autocompletion=voice_names_for)
    ],
    path: Annotated[str, typer.Argument(help="Where its file goes, ending in .safetensors.")],
    force: Annotated[bool, typer.Option(help="Replace a file of this name.")] = False,
) -> None:
    """Copy a voice to a file, which `--voice FILE` takes on any machine; asks before it replaces
    one."""
    from tts.audio.files import atomic_output
    from tts.errors import UsageError
    from tts.voice.file import decode
    from tts.voice.store import find_voice

    if not path.endswith(".safetensors"):
        raise UsageError(f"a voice file ends in .safetensors, not {path!r}")
    source = find_voice(name)
    decode(source)  # a damaged one is of no use elsewhere
    if os.path.islink(path):
        raise UsageError(f"{path!r} is a link: remove it first, or choose another name")
    taken = UsageError(f"there is a file {path!r} already: replace it with --force")
    if os.path.exists(path) and not force:
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
def remove(
    name: Annotated[str, typer.Argument(help="A voice you added.", autocompletion=added_names_for)],
) -> None:
    """Delete a voice you added."""
    from tts.voice.store import remove_voice

    say(f"removed {remove_voice(name)}")


@app.command("show")
def show_voice(
    name: Annotated[
        str, typer.Argument(help="A voice of `tts voices`.", autocompletion=voice_names_for)
    ],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show what is known of a voice: where it is from, its licence, what it was fitted to."""
    from tts.catalog import voice_info
    from tts.voice.file import printable
    from tts.voice.store import find_stored

    voice = voice_info(find_stored(name))
    if as_json:
        show(json.dumps(_told(voice), ensure_ascii=False))
        return
    rows = {
        "name": voice.name, "kind": voice.kind, "sex": voice.sex, "accent": voice.accent,
        "adapted": "yes" if voice.adapted else "no", "file": str(voice.path),
        "sample": voice.sample, "problem": voice.problem,
        **{key: value for key, value in voice.meta.items() if key != "sex"},
    }  # fmt: skip
    for key, value in rows.items():
        if value not in ("", None):
            show(f"{printable(key)}: {printable(str(value), 1000)}")


@app.command()
def rename(
    name: Annotated[str, typer.Argument(help="A voice you added.", autocompletion=added_names_for)],
    new: Annotated[str, typer.Argument(help="Letters, digits, '-' and '_'.")],
) -> None:
    """Give a voice you added another name."""
    from tts.voice.store import rename_voice

    say(f"{name} is now {new}: {rename_voice(name, new)}")


@app.command()
def sample(
    name: Annotated[
        str, typer.Argument(help="A voice of `tts voices`.", autocompletion=voice_names_for)
    ],
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE|-", help="Audio file.")],
    text: Annotated[str, typer.Option(help="What it says.")] = SAMPLE,
    model: Annotated[
        str, typer.Option(help="The model that speaks.", autocompletion=model_names_for)
    ] = "default",
) -> None:
    """Let a voice say a sentence."""
    from tts.audio.writer import check_writable, write_audio
    from tts.voice.store import find_stored

    find_stored(name)
    check_writable(output)
    synthesizer, _ = load_model(model)
    with synthesizer.stream(text, name) as stream:
        write_audio(output, (chunk.samples for chunk in stream), synthesizer.sample_rate)


@app.command()
def mix(
    first: Annotated[
        str, typer.Argument(help="A voice of `tts voices`.", autocompletion=voice_names_for)
    ],
    second: Annotated[str, typer.Argument(help="Another.", autocompletion=voice_names_for)],
    name: Annotated[str, typer.Argument(help="Of the mixture: letters, digits, '-' and '_'.")],
    share: Annotated[float, typer.Option(help="Of the second voice, 0 to 1.")] = 0.5,
    force: Annotated[bool, typer.Option(help="Replace a voice of this name.")] = False,
) -> None:
    """Make a voice that lies between two."""
    from tts.voice.store import find_voice, new_voice_path
    from tts.voice.voice import Voice

    voices = [Voice.load(find_voice(each)) for each in (first, second)]
    mixed = voices[0].mix(voices[1], share)
    path = new_voice_path(name, force)
    mixed.name = name
    mixed.save(path, new=not force)
    say(f"added {name}: {path}")
