"""`tts edit` and `tts continue`: other words in a recording, and more after it."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tts.cli.common import load_model, quick_start, say, set_threads, show
from tts.cli.complete import Device, model_names_for
from tts.errors import UsageError

if TYPE_CHECKING:
    from tts.editing.edit import Edited

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
QUIET = typer.Option("--quiet", "-q", help="Only errors.")


def edit(
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
    values = {"seed": seed, "speed": speed, "steps": steps, "language": language}
    synthesizer = _loaded(recording, output, model, device, threads, values)
    edited = synthesizer.edit(recording, said, wanted, **values)
    edited.save(output)
    _tell(edited, output, json_line, quiet)


def extend(
    recording: Annotated[str, typer.Argument(help="What comes before, up to 60 s of one person.")],
    text: Annotated[str, typer.Argument(help="What is said after it.")],
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
    values = {"seed": seed, "speed": speed, "steps": steps, "language": language}
    synthesizer = _loaded(recording, output, model, device, threads, values)
    edited = synthesizer.extend(recording, text, said, **values)
    edited.save(output)
    _tell(edited, output, json_line, quiet)


def _loaded(
    recording: str,
    output: str,
    model: str,
    device: str,
    threads: int | None,
    values: dict[str, Any],
) -> Any:
    """The model, once all that can be refused early was looked at."""
    with quick_start():
        from tts.audio.reference import load_reference
        from tts.audio.writer import check_writable
        from tts.types import options_of

        if output == "-" or recording == "-":
            raise UsageError("recordings are edited from file to file: give their names")
        check_writable(output)
        options_of(None, values)
        load_reference(recording, trim=False)
        set_threads(threads)
        return load_model(model, device, values["language"])[0]


def _tell(edited: "Edited", output: str, json_line: bool, quiet: bool) -> None:
    rate = edited.sample_rate
    kept = sum(each.end - each.source for each in edited.kept) / rate
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
                },
                ensure_ascii=False,
            )
        )
    elif not quiet:
        said = "; ".join(
            f"{' '.join(each.old) or '(nothing)'} -> {' '.join(each.new) or '(nothing)'}"
            for each in edited.changes
        )
        say(f"{output}: {edited.seconds:.2f} s, {kept:.2f} s as recorded: {said or 'no change'}")
