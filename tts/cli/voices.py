"""`tts voices`: list, add, import, export and remove voices."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tts.cli.common import (
    ADAPT_HELP,
    ENHANCE_HELP,
    STRENGTH_HELP,
    check_strength,
    load_model,
    making_voice,
    say,
    set_threads,
    show,
    warn,
    warn_without_weights,
    warnings_of_voice,
)
from tts.cli.complete import added_names_for, model_names_for, voice_names_for
from tts.cli.voice_arguments import FILE, check_recordings, load_recordings, voice_of, voice_path

if TYPE_CHECKING:
    from tts.catalog import VoiceInfo
    from tts.voice.voice import Voice

app = typer.Typer(
    help="List, show, hear, add, mix, rename, import, export and remove voices.",
    rich_markup_mode=None,
)

SAMPLE = "This is how I sound. The birch canoe slid on the smooth planks."
#: what to do with a recording where a voice is asked for, and what to give for one
MAKE = "make a voice first: tts voices add NAME --ref {}"
VOICE = typer.Argument(
    metavar="NAME|FILE",
    help="A voice of `tts voices`, or a voice file.",
    autocompletion=voice_names_for,
)
CONSENT = "only clone a voice with its owner's consent, and say that the speech is synthetic"


def _kind(voice: "VoiceInfo") -> str:
    """The kind of a voice: built-in, added, or "file" for a voice file elsewhere."""
    return "file" if voice.name.endswith(FILE) else voice.kind


def _told(voice: "VoiceInfo") -> dict[str, Any]:
    """Describe a voice for JSON."""
    return {
        "name": voice.name, "path": str(voice.path), "kind": _kind(voice), "sex": voice.sex,
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
    """List, show, hear, add, mix, rename, import, export and remove; alone, it lists them."""
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
    enhance: Annotated[bool, typer.Option(help=ENHANCE_HELP)] = True,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    force: Annotated[bool, typer.Option(help="Replace a voice of this name.")] = False,
) -> None:
    """Encode recordings once and keep them as a voice for `--voice NAME`.

    A voice file from elsewhere is taken in with `tts voices import`.
    """
    from tts.audio.files import check_apart
    from tts.config import load_model_config
    from tts.resources import model_config
    from tts.voice.store import new_voice_path

    config = load_model_config(model_config(model))
    config.check_transcript(ref_text)
    check_recordings(ref, "it has a name already", f"import it with tts voices import {{}} {name}")
    path = new_voice_path(name, force)
    check_apart([path], ref)
    say(f"note: {CONSENT}")
    references = load_recordings(ref, config.sample_rate, False)
    check_strength(strength, adapt)
    set_threads(threads)

    from tts.facade import TTS

    with making_voice(references, adapt) as progress, warnings_of_voice(references):
        voice = TTS.of(config, "cpu").voice(
            references, ref_text, adapt=adapt, strength=strength, progress=progress, enhance=enhance
        )
    voice.name = name
    _keep(voice, path, force)


@app.command("import")
def import_voice(
    path: Annotated[str, typer.Argument(help="A voice file, such as of `tts voices export`.")],
    name: Annotated[
        str | None,
        typer.Argument(help="Letters, digits, '-' and '_'; by default that of the file."),
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace a voice of this name.")] = False,
) -> None:
    """Keep a voice file as a voice for `--voice NAME`, as `export` wrote it on another machine."""
    from tts.audio.files import check_apart
    from tts.errors import UsageError
    from tts.voice.store import new_voice_path
    from tts.voice.voice import Voice

    if not path.endswith(FILE):
        told = "for a recording, " + MAKE.format(path).replace("NAME", name or "NAME")
        raise UsageError(f"a voice file ends in .safetensors, not {path!r}; {told}")
    voice = Voice.load(path)
    voice.name = Path(path).stem if name is None else name
    target = new_voice_path(voice.name, force)
    check_apart([target], [path])
    say(f"note: {CONSENT}")
    _keep(voice, target, force)


def _keep(voice: "Voice", path: Path, force: bool) -> None:
    """Save an added voice, and report it."""
    from tts.errors import UsageError

    try:
        voice.save(path, new=not force)
    except UsageError as error:
        raise UsageError(f"{error}: replace it with --force") from error
    say(f"added {voice.name}: {path}")


@app.command()
def export(
    name: Annotated[str, VOICE],
    path: Annotated[str, typer.Argument(help="Where its file goes, ending in .safetensors.")],
    force: Annotated[bool, typer.Option(help="Replace a file of this name.")] = False,
) -> None:
    """Copy a voice to a file, which `--voice FILE` takes on any machine; asks before it replaces
    one."""
    from tts.audio.files import atomic_output, check_apart
    from tts.errors import UsageError
    from tts.voice.file import decode

    if not path.endswith(FILE):
        raise UsageError(f"a voice file ends in .safetensors, not {path!r}")
    source = voice_path(name, MAKE)
    check_apart([path], [source])
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
    name: Annotated[str, VOICE],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show what is known of a voice: where it is from, its licence, what it was fitted to."""
    from tts.catalog import voice_info
    from tts.voice.file import printable

    voice = voice_info(voice_of(name, MAKE))
    if as_json:
        show(json.dumps(_told(voice), ensure_ascii=False))
        return
    rows = {
        "name": voice.name, "kind": _kind(voice), "sex": voice.sex, "accent": voice.accent,
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
    name: Annotated[str, VOICE],
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE|-", help="Audio file.")],
    text: Annotated[str, typer.Option(help="What it says.")] = SAMPLE,
    model: Annotated[
        str, typer.Option(help="The model that speaks.", autocompletion=model_names_for)
    ] = "default",
) -> None:
    """Let a voice say a sentence."""
    from tts.audio.files import check_apart
    from tts.audio.writer import check_writable, write_audio

    path = voice_path(name, MAKE)
    check_writable(output)
    check_apart([output], [path])
    synthesizer, _ = load_model(model)
    chosen = synthesizer.voice(str(path))
    if line := synthesizer.untuned(chosen):
        warn(line)
    with synthesizer.stream(text, chosen) as stream:
        rate = synthesizer.sample_rate
        samples = write_audio(output, (chunk.samples for chunk in stream), rate)
    say(f"{'standard output' if output == '-' else output}: {samples / rate:.2f} s of audio")


@app.command()
def mix(
    first: Annotated[str, VOICE],
    second: Annotated[str, VOICE],
    name: Annotated[str, typer.Argument(help="Of the mixture: letters, digits, '-' and '_'.")],
    share: Annotated[float, typer.Option(help="Of the second voice, 0 to 1.")] = 0.5,
    force: Annotated[bool, typer.Option(help="Replace a voice of this name.")] = False,
) -> None:
    """Make a voice that lies between two."""
    from tts.audio.files import check_apart
    from tts.voice.store import new_voice_path
    from tts.voice.voice import Voice

    sources = [voice_path(each, MAKE) for each in (first, second)]
    voices = [Voice.load(each) for each in sources]
    mixed = voices[0].mix(voices[1], share)
    path = new_voice_path(name, force)
    check_apart([path], sources)
    mixed.name = name
    mixed.save(path, new=not force)
    say(f"added {name}: {path}")
