"""`tts batch`: a table of texts and voices to audio files."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tts.cli.common import (
    INT8_HELP,
    check_device,
    say,
    set_threads,
    show,
    tell_of_texts,
    warn,
    warn_language,
)
from tts.cli.complete import Device, formats_for, model_names_for

if TYPE_CHECKING:
    from tts.batch.worker import Result

_SHOWN = 10  # failed rows whose errors are shown, and warnings


def batch(
    context: typer.Context,
    rows: Annotated[Path, typer.Argument(metavar="ROWS", help="A table with a header, or .jsonl.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the files.")],
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME|YAML", help="Of rows without one.", autocompletion=model_names_for
        ),
    ] = "default",
    format: Annotated[
        str, typer.Option(help="wav, flac, ogg, opus or mp3.", autocompletion=formats_for)
    ] = "wav",
    timestamps: Annotated[
        list[str] | None,
        typer.Option(help="srt, vtt or json: when words are said; may be repeated."),
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes.")] = 1,
    engine: Annotated[
        str, typer.Option(help="processes, or ray for a Ray cluster (RAY_ADDRESS).")
    ] = "processes",
    provenance: Annotated[
        bool, typer.Option("--provenance", help="Write ID.provenance.json: what made it.")
    ] = False,
    watermark: Annotated[
        str, typer.Option(metavar="MODULE:FUNCTION", help="Mark the audio: see docs/api.md.")
    ] = "",
    device: Device = "auto",
    int8: Annotated[bool, typer.Option("--int8", help=INT8_HELP)] = False,
    threads: Annotated[int, typer.Option(help="CPU threads of each process.")] = 1,
    json_line: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON line.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")] = False,
) -> None:
    """Say the rows of a table into DIR/ID.wav and write DIR/manifest.jsonl.

    Columns: text, and optionally id, voice (name or file), ref (recording), ref_text (what it
    says), adapt (yes, no or a strength), enhance (no: keep noise and room of ref), model,
    language, speed, seed, pitch, steps, guidance, temperature, markup, emoji (yes or no); others
    are kept in the manifest. Commas, semicolons or tabs, as spreadsheets save them. Rows that are
    done are skipped: the same command goes on after Ctrl-C, a crash or a full disk. What is wrong
    with a row stands in the manifest; the exit code is then 1.

    Example: `tts batch rows.csv --out speech --workers 4 --format mp3 --timestamps srt`
    """
    from tts.batch.rows import read_rows

    tell_of_texts(context, quiet)
    found = read_rows(rows)
    from tts.audio.files import check_apart

    check_apart([out / "manifest.jsonl"], [rows])
    check_device(device, int8)
    set_threads(threads)
    from tts.batch.run import run_batch
    from tts.batch.worker import Settings
    from tts.config import load_model_config
    from tts.progress import ProgressLines
    from tts.resources import model_config

    config = load_model_config(model_config(model))
    if not quiet:
        warn_language(config, _spoken({row.options.language for row in found}))
    settings = Settings(
        out,
        config.with_int8() if int8 else config,
        format,
        device,
        tuple(timestamps or ()),
        provenance,
        watermark,
        threads,
        int8,
    )
    summary = run_batch(
        found,
        settings,
        workers=workers,
        engine_name=engine,
        progress=False if quiet else sys.stderr.isatty() or ProgressLines(say, "batch", "rows"),
    )
    made = sum(r.seconds for r in summary.results) if not summary.skipped else None
    if json_line:
        result = {
            "out": str(out), "rows": len(found), "failed": summary.failed,
            "skipped": summary.skipped, "seconds": round(summary.seconds, 3),
            "elapsed": round(summary.elapsed, 3),
            "rtf": round(summary.elapsed / made, 4) if made else None,
        }  # fmt: skip
        show(json.dumps(result))
    elif not quiet:
        before = f", {summary.skipped} of them were there" if summary.skipped else ""
        rtf = f", RTF {summary.elapsed / made:.3f}" if made else ""
        say(
            f"{out}: {len(found) - summary.failed} of {len(found)} rows{before}, "
            f"{summary.seconds:.1f} s of audio in {summary.elapsed:.1f} s{rtf}"
        )
    if not quiet:
        _warn_of_voices(summary.results)
    if summary.failed:
        bad = [result for result in summary.results if result.error]
        if not quiet:
            for each in bad[:_SHOWN]:
                say(f"row {each.id}: {each.error}")
            more = f", of which {_SHOWN} are told here" if len(bad) > _SHOWN else ""
            failed = "1 row" if summary.failed == 1 else f"{summary.failed} rows"
            say(f"{failed} failed{more} (see {out / 'manifest.jsonl'})")
        raise typer.Exit(1)


def _warn_of_voices(results: "Sequence[Result]") -> None:
    """Show the warnings about recordings and voices, each once with the rows that it holds for."""
    rows: dict[str, list[str]] = {}
    for each in results:
        for line in each.warnings:
            rows.setdefault(line, []).append(each.id)
    for line, ids in [*rows.items()][:_SHOWN]:
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        warn(f"row {ids[0]}{more}: {line}")
    if len(rows) > _SHOWN:
        say(f"{len(rows)} warnings, of which {_SHOWN} are told here")


def _spoken(languages: Iterable[str | None]) -> Iterator[str]:
    """Those that somebody speaks; the others are errors of their rows."""
    from tts.errors import UsageError
    from tts.text.phonemes import check_language

    for language in languages:
        if language is not None:
            with suppress(UsageError):
                yield check_language(language)
