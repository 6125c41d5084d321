"""`tts edit` and `tts continue`: change the words of a recording, or continue it."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tts.cli.common import (
    TextFile,
    check_text,
    load_model,
    quick_start,
    read_text,
    say,
    set_threads,
    show,
    tell_of_texts,
    warn,
)
from tts.cli.complete import Device, model_names_for
from tts.errors import TextError, UsageError

if TYPE_CHECKING:
    from tts.audio.reference import Reference
    from tts.editing.edited import Edited
    from tts.facade import TTS

OUTPUT = typer.Option("--output", "-o", metavar="PATH", help="Audio file.")
MODEL = typer.Option(
    metavar="NAME|YAML",
    help="A model of `tts models` with a phone probe.",
    autocompletion=model_names_for,
)
SEED = typer.Option(help="Same seed, same audio.")
SPEED = typer.Option(help="Of the new words: 0.5 (slow) to 2 (fast).")
STEPS = typer.Option(help="Sampling steps: more is better and slower.")
LANGUAGE = typer.Option(help="espeak code of the texts.")
THREADS = typer.Option(help="CPU threads.")
JSON = typer.Option("--json", help="Print the result as one JSON line.")
#: what an error calls the texts
SAID, WANTED = "--from, the words it says,", "--to, the words it is to say,"
#: changes that the line of status tells, and characters of each side of one
MOST, LONGEST = 4, 40
QUIET = typer.Option("--quiet", "-q", help="Only errors.")


def edit(
    context: typer.Context,
    recording: Annotated[str, typer.Argument(help="What is edited, up to 60 s of one person.")],
    said: Annotated[str, typer.Option("--from", help="The words it says, all of them.")],
    wanted: Annotated[str, typer.Option("--to", help="The words it is to say.")],
    output: Annotated[str, OUTPUT] = "out.wav",
    model: Annotated[str, MODEL] = "default",
    seed: Annotated[int, SEED] = 0,
    speed: Annotated[float, SPEED] = 1.0,
    steps: Annotated[int | None, STEPS] = None,
    language: Annotated[str | None, LANGUAGE] = None,
    device: Device = "auto",
    threads: Annotated[int | None, THREADS] = None,
    json_line: Annotated[bool, JSON] = False,
    quiet: Annotated[bool, QUIET] = False,
) -> None:
    """Make a recording say other words in its own voice.

    Words are put in, taken out or replaced wherever --to differs from --from; the rest stays the
    recording, sample for sample.
    """
    tell_of_texts(context, quiet)
    values: dict[str, Any] = {"seed": seed, "speed": speed, "steps": steps, "language": language}
    texts = {SAID: check_text(said, SAID), WANTED: check_text(wanted, WANTED)}
    synthesizer, heard = _loaded(recording, output, model, device, threads, values)
    _check_words(synthesizer, texts, language)
    edited = synthesizer.edit(heard, said, wanted, **values)
    edited.save(output)
    _tell(edited, output, json_line, quiet)


def extend(
    context: typer.Context,
    recording: Annotated[str, typer.Argument(help="What comes before, up to 60 s of one person.")],
    text: Annotated[
        str | None,
        typer.Argument(help="What is said after it; - or a pipe: from stdin.", show_default=False),
    ] = None,
    text_file: TextFile = None,
    said: Annotated[
        str | None, typer.Option("--from", help="The words it says; else its sounds are read.")
    ] = None,
    output: Annotated[str, OUTPUT] = "out.wav",
    model: Annotated[str, MODEL] = "default",
    seed: Annotated[int, SEED] = 0,
    speed: Annotated[float, SPEED] = 1.0,
    steps: Annotated[int | None, STEPS] = None,
    language: Annotated[str | None, LANGUAGE] = None,
    device: Device = "auto",
    threads: Annotated[int | None, THREADS] = None,
    json_line: Annotated[bool, JSON] = False,
    quiet: Annotated[bool, QUIET] = False,
) -> None:
    """Let a recording go on with a text, in its own voice, pace and room."""
    tell_of_texts(context, quiet)
    values: dict[str, Any] = {"seed": seed, "speed": speed, "steps": steps, "language": language}
    texts = {} if said is None else {SAID: check_text(said, SAID)}
    words = read_text(text, text_file, quiet)
    synthesizer, heard = _loaded(recording, output, model, device, threads, values, text_file)
    _check_words(synthesizer, texts, language)
    edited = synthesizer.extend(heard, words, said, **values)
    edited.save(output)
    _tell(edited, output, json_line, quiet)


def _loaded(
    recording: str,
    output: str,
    model: str,
    device: str,
    threads: int | None,
    values: dict[str, Any],
    text_file: str | None = None,
) -> tuple["TTS", "Reference"]:
    """The model and the recording, which may be a pipe and is read once, when all that can be
    refused early was looked at."""
    with quick_start():
        from tts.audio.files import check_apart
        from tts.audio.writer import check_writable
        from tts.editing.recording import read_recording
        from tts.types import options_of

        if output == "-" or recording == "-":
            raise UsageError("recordings are edited from file to file: give their names")
        check_writable(output)
        check_apart([output], [recording, text_file])
        options_of(None, values)
        heard = read_recording(recording, None, 16_000)
        set_threads(threads)
        return load_model(model, device, values["language"])[0], heard


def _check_words(model: "TTS", texts: Mapping[str, str], language: str | None) -> None:
    """Raise TextError, with the name of the option, for a text without words, such as "..."."""
    for name, text in texts.items():
        try:
            model.phonemize(text, language)
        except TextError as error:
            raise TextError(f"{name} cannot be read: {error}") from error


def _short(words: Sequence[str]) -> str:
    """Shorten a text for a line of status."""
    told = " ".join(words) or "(nothing)"
    return told if len(told) <= LONGEST else f"{told[:LONGEST].rstrip()}..."


def _tell(edited: "Edited", output: str, json_line: bool, quiet: bool) -> None:
    rate = edited.sample_rate
    kept = sum(each.end - each.source for each in edited.kept) / rate
    if not quiet:
        for line in edited.warnings:
            warn(line)
    if json_line:
        show(
            json.dumps(
                {
                    "path": output,
                    "seconds": round(edited.seconds, 3),
                    "sample_rate": rate,
                    "kept_seconds": round(kept, 3),
                    "kept": [[each.source, each.end, each.out] for each in edited.kept],
                    "changes": [
                        {"from": " ".join(each.old), "to": " ".join(each.new)}
                        for each in edited.changes
                    ],
                    "words": [
                        [span.text, round(span.start, 3), round(span.end, 3)]
                        for span in edited.words
                    ],
                    "warnings": list(edited.warnings),
                },
                ensure_ascii=False,
            )
        )
    elif not quiet:
        shown = [f"{_short(each.old)} -> {_short(each.new)}" for each in edited.changes[:MOST]]
        if len(edited.changes) > MOST:
            shown.append(f"and {len(edited.changes) - MOST} more changes")
        said = "; ".join(shown)
        say(f"{output}: {edited.seconds:.2f} s, {kept:.2f} s as recorded: {said or 'no change'}")
