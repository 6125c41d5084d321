"""The tab for many rows: a table in, a zip of audio files and a manifest out."""

import io
import tempfile
import zipfile
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from tts.errors import UsageError
from tts_demo import page
from tts_demo.fields import (
    VoiceFields,
    ending_in_status,
    recording_fields,
    stopper,
    told,
    warn,
)
from tts_demo.limits import MAX_CHARACTERS, MAX_ROWS
from tts_demo.studio import Studio, Ticket
from tts_demo.wish import Wish

if TYPE_CHECKING:
    from tts.batch.rows import Row
    from tts.batch.run import Summary
    from tts.facade import TTS

HELP = f"""A `.csv` with a header, or `.jsonl`, of up to {MAX_ROWS} rows. The column `text` has to
be there; `id`, `voice` (a name), `language`, `speed`, `seed`, `pitch`, `steps`, `guidance` and
`temperature` may be:
```
id,text,speed
one,The birch canoe slid on the smooth planks.,1.0
two,Glue the sheet to the dark blue background.,0.9
```"""
FORMATS = ("wav", "flac", "mp3", "ogg", "opus")
_LOOK = 0.25  # seconds between looks at how far it is


class _Stopped(BaseException):
    """Nobody wants the batch any more. Not an Exception, which would be taken for the fault of a
    row."""


def checked_rows(path: str, model: str, voice: Any) -> "list[Row]":
    """Rows of an uploaded table that touch no files of this machine.

    Args:
        model: what says them; voice: of the rows that name none, or "default".

    Raises:
        UsageError: the table cannot be used; what is wrong with a row is kept in it.
    """
    from tts.batch.rows import read_rows
    from tts.voice.store import NAME

    try:
        rows = read_rows(path)
    except UsageError as error:
        # The name of the file, not its place on this machine.
        line = str(error).replace(path, Path(path).name)
        raise UsageError(line) from None
    if len(rows) > MAX_ROWS:
        raise UsageError(f"{len(rows)} rows; {MAX_ROWS} are the most: use `tts batch`")

    def checked(row: "Row") -> "Row":
        problem = row.problem
        if not isinstance(row.voice, str) or not NAME.fullmatch(row.voice):
            problem = "only names of voices can be used here, no files"
        elif row.model not in ("", model):
            problem = f"only the model chosen above can be used here, {model!r}"
        elif len(row.text) > MAX_CHARACTERS:
            problem = f"the text is longer than {MAX_CHARACTERS:,} characters"
        if problem:
            return replace(row, voice="default", model="", problem=problem)
        return replace(row, model="", voice=voice if row.voice == "default" else row.voice)

    return [checked(row) for row in rows]


def _compute(
    model: "TTS", rows: "list[Row]", out: Path, format: str, studio: Studio, ticket: Ticket
) -> "Summary":
    from tts.batch.run import run_batch
    from tts.batch.worker import Settings

    def unwanted() -> bool:
        if ticket.stopped:
            raise _Stopped
        return False

    settings = Settings(out, model.config, format, studio.device, watermark=studio.watermark)
    with model.cancellation.watching(unwanted):
        return run_batch(rows, settings, model=model)


def batch(
    studio: Studio, session: str, table: str | None, wish: Wish, format: str
) -> Generator[tuple[Any, ...], None, None]:
    """A table as what changes on the page: status, and in the end what was made.

    Raises:
        gr.Error: one line on what is wrong with the request; what is wrong with one row stands in
            its line and in the manifest.
    """
    with told(), studio.ticket(session) as ticket, tempfile.TemporaryDirectory() as folder:
        if not table:
            raise UsageError("no table: give a .csv, .tsv or .jsonl file")
        if format not in FORMATS:
            raise UsageError(f"unknown format {format!r}; there is: {', '.join(FORMATS)}")
        yield page.state("Loading the model", 0.0), ""
        model = studio.model(wish.model)
        voice, warnings = studio.voice(model, wish, session)
        warn(warnings)
        rows = checked_rows(table, wish.model, voice)
        out = Path(folder) / "speech"
        # A thread of its own, so that this one can tell how far it is; it ends with the block.
        with ThreadPoolExecutor(1) as pool:
            task = pool.submit(_compute, model, rows, out, format, studio, ticket)
            try:
                while not wait([task], timeout=_LOOK).done:
                    made = len(list(out.glob(f"*.{format}"))) if out.is_dir() else 0
                    yield page.state(f"{made} of {len(rows)} rows", made / len(rows)), ""
            finally:
                if not task.done():
                    ticket.stop()
            try:
                summary = task.result()
            except _Stopped:
                yield page.state("Stopped."), ""
                return
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
            for file in sorted(out.iterdir()):
                if file.is_file() and not file.name.startswith("."):
                    packed.write(file, file.name)
        url = studio.sounds.add(session, "speech.zip", archive.getvalue())
        failed = f", {summary.failed} failed" if summary.failed else ""
        rtf = f", RTF {summary.elapsed / summary.seconds:.3f}" if summary.seconds else ""
        text = (
            f"{len(rows) - summary.failed} of {len(rows)} rows{failed}: {summary.seconds:.1f} s "
            f"of audio in {summary.elapsed:.1f} s{rtf}"
        )
        yield page.state(text), _results(studio, session, out, summary, url)


def _results(studio: Studio, session: str, out: Path, summary: "Summary", url: str) -> str:
    """All that was made with a player each, and apart from it what was not and why."""
    said = [each for each in summary.results if each.file]
    failed = [(each.id, each.error) for each in summary.results if not each.file]
    parts = [f"<p class='links'><a href='{url}' download>Download all, with manifest.jsonl</a></p>"]
    if failed:
        parts.append(f"<h3>Failed: {len(failed)}</h3>{page.table(('id', 'error'), failed)}")
    if said:
        urls = [
            studio.sounds.add(session, each.file, (out / each.file).read_bytes()) for each in said
        ]
        players = [page.player(f"row {each.id}", url) for each, url in zip(said, urls, strict=True)]
        rows = [(each.id, f"{each.seconds:.2f} s") for each in said]
        parts.append(
            f"<h3>Said: {len(said)}</h3>{page.table(('id', 'seconds', 'audio'), rows, players)}"
        )
    return "".join(parts)


def batch_tab(studio: Studio, voices: VoiceFields) -> None:
    """Lay out the tab in the Blocks that are being built."""
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            table = gr.File(
                label="Table", file_types=[".csv", ".tsv", ".txt", ".jsonl"], height=140
            )
            gr.Markdown(HELP)
        with gr.Column(scale=5, min_width=320):
            with gr.Row():
                model = gr.Dropdown(
                    studio.models, value=studio.models[0], label="Model", min_width=120
                )
                voice = voices.field()
                format = gr.Dropdown(list(FORMATS), value="wav", label="Format", min_width=100)
            recording = recording_fields(studio)
            with gr.Row():
                start = gr.Button("Say all rows", variant="primary", scale=3, min_width=120)
                stop = gr.Button("Stop", variant="stop", scale=1, min_width=80)
            status = gr.HTML(page.state("Ready."))
    results = gr.HTML("", elem_id="rows")

    def run(
        request: gr.Request,
        table: str | None,
        model: str,
        voice: str | None,
        format: str,
        *given: Any,
    ) -> Generator[tuple[Any, ...], None, None]:
        wish = Wish("", model, voice, *given)
        with closing(batch(studio, request.session_hash or "", table, wish, format)) as steps:
            yield from ending_in_status(steps, 2, page.state)

    event = start.click(
        run,
        [table, model, voice, format, *recording.given],
        [status, results],
        show_progress="hidden",
        concurrency_limit=1,
        concurrency_id="batch",
        api_visibility="private",
    )
    stopper(studio, stop, status, [event], page.state("Stopped."))
