"""A run of a batch: rows become files in a folder, and a run that was stopped goes on."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from tts.arguments import check_flag, check_whole
from tts.audio.files import check_apart, check_kind
from tts.audio.formats import output_format
from tts.batch.engines import engine, run_here
from tts.batch.grouping import GROUP_CHARS, GROUP_ROWS, group_rows
from tts.batch.journal import Journal
from tts.batch.progress_bar import ProgressBar
from tts.batch.rows import Row
from tts.batch.worker import Result, Settings
from tts.captions import FORMATS as TIMESTAMPS
from tts.config import load_model_config
from tts.errors import TTSError, UsageError
from tts.provenance import load_watermark, made_with
from tts.resources import model_config
from tts.synthesizer import Synthesizer


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        results: results of all rows, in their order.
        skipped: how many of them were done before.
        elapsed: seconds of this run.
    """

    results: list[Result]
    skipped: int
    elapsed: float

    @property
    def failed(self) -> int:
        """Number of rows with an error."""
        return sum(1 for result in self.results if result.error)

    @property
    def seconds(self) -> float:
        """Seconds of audio of all rows."""
        return sum(result.seconds for result in self.results)


def run_batch(
    rows: Sequence[Row],
    settings: Settings,
    *,
    model: Synthesizer | None = None,
    workers: int = 1,
    engine_name: str = "processes",
    progress: bool | Callable[[int, int], object] = False,
) -> Summary:
    """Speak all rows that are not done yet into files of `settings.out`.

    Args:
        rows: rows with unique ids (tts.batch.rows).
        settings: what the rows share.
        model: the model of the settings, if it is loaded; used with one worker.
        workers: number of processes, 1 to 256. One worker computes in this process, except with
            Ray.
        engine_name: where the groups are computed (tts.batch.engines).
        progress: whether a bar is shown on standard error, or a function that is called with (rows
            done, all rows).

    Raises:
        UsageError: settings out of range, a file of the folder would replace a recording of a row,
            or another run uses the folder.
        OutputError: the folder cannot be written, or the disk is full.
    """
    begin = time.perf_counter()
    workers = check_whole("workers", workers, 1, 256)
    if not callable(progress):
        progress = check_flag("progress", progress)
    if not settings.out.is_dir():
        check_kind(settings.out, "a folder is", "speech")
    compute = engine(engine_name)
    settings = replace(settings, format=_audio_format(settings.format))
    _check(rows, settings)
    keys = _keys(rows, settings)
    with closing(Journal(settings.out)) as journal:
        extensions = _beside(settings)
        done = [
            journal.is_done(row.id, key, extensions) for row, key in zip(rows, keys, strict=True)
        ]
        results = {
            row.id: journal.done[row.id] for row, is_done in zip(rows, done, strict=True) if is_done
        }
        skipped = len(results)
        todo = _todo(rows, keys, done, journal)
        is_alone = workers == 1 and engine_name == "processes"
        computed: Iterator[list[Result]] = iter(())
        if todo:
            computed = (
                run_here(settings, todo, model) if is_alone else compute(settings, todo, workers)
            )
        key_of = {row.id: key for row, key in zip(rows, keys, strict=True)}
        new_rows = [row for group in todo for row in group if not row.is_done]
        with ProgressBar(rows, new_rows, progress) as bar:
            for group in _closing(computed):
                new = [replace(result, key=key_of[result.id]) for result in group]
                journal.add(new)
                results.update((result.id, result) for result in new)
                bar.add(new)
        # Other columns of the table may have changed, also those of rows that were done before.
        final = [replace(results[row.id], meta=dict(row.meta)) for row in rows]
        journal.finish(final)
    return Summary(final, skipped, time.perf_counter() - begin)


def _check(rows: Sequence[Row], settings: Settings) -> None:
    """Raise UsageError for settings that cannot be, before anything is computed."""
    for kind in settings.timestamps:
        if kind not in TIMESTAMPS:
            raise UsageError(f"unknown timestamps {kind!r}; there is: {', '.join(TIMESTAMPS)}")
    if settings.watermark:
        load_watermark(settings.watermark)
    _check_apart(rows, settings)


def _todo(
    rows: Sequence[Row], keys: Sequence[str], done: Sequence[bool], journal: Journal
) -> list[list[Row]]:
    """Return the groups that are to be computed: those of a stopped run over the same rows, or new
    ones. A group of which some rows are done is computed as a whole (tts.batch.grouping).

    Args:
        rows: all rows.
        keys: checksum of each row.
        done: whether each row is done.
        journal: state of the folder.
    """
    digest = _digest(rows, keys)
    groups = journal.groups(digest)
    if groups is None:
        groups = group_rows(rows, [n for n in range(len(rows)) if not done[n]])
        journal.start(digest, groups)
    return [
        [replace(rows[n], is_done=done[n]) for n in group]
        for group in groups
        if not all(done[n] for n in group)
    ]


def _audio_format(format: object) -> str:
    """Return the audio format of a batch as extension of its files; UsageError for none."""
    if not isinstance(format, str) or not format:
        raise UsageError(f"an audio format is a name such as 'wav', not {format!r:.40}")
    return output_format("-", format)


def _beside(settings: Settings) -> list[str]:
    """Return the extensions of the files that are written beside the audio of a row."""
    return [*settings.timestamps, *(["provenance.json"] if settings.provenance else [])]


def _check_apart(rows: Sequence[Row], settings: Settings) -> None:
    """Raise UsageError if a file of the folder would replace a recording or voice of a row."""
    kinds = [settings.format, *_beside(settings)]
    made = (settings.out / f"{row.id}.{kind}" for row in rows for kind in kinds)
    check_apart(made, {row.voice for row in rows if isinstance(row.voice, (str, Path))})


def _closing(results: Iterator[list[Result]]) -> Iterator[list[Result]]:
    """Yield the results of an engine, and end its processes whatever happens."""
    try:
        yield from results
    finally:
        close = getattr(results, "close", None)
        if close is not None:
            close()


def _keys(rows: Sequence[Row], settings: Settings) -> list[str]:
    """Return for each row a checksum of all that its audio depends on."""
    digests: dict[str | Path, str] = {}
    shared = json.dumps(
        [*made_with(settings.model), settings.format, settings.watermark], sort_keys=True
    )
    models = {name: f" {_model_digest(name)}" for name in {row.model for row in rows} if name}
    return [
        hashlib.sha256(
            f"{row.key(digests)} {shared}{models.get(row.model, '')}".encode()
        ).hexdigest()
        for row in rows
    ]


def _model_digest(name: str) -> str:
    """Return what the audio of rows with a model of their own depends on, as text. If the model
    cannot be found, that becomes an error of these rows."""
    try:
        return json.dumps(made_with(load_model_config(model_config(name))), sort_keys=True)
    except TTSError:
        return "missing"


def _digest(rows: Sequence[Row], keys: Sequence[str]) -> str:
    """Return a checksum of all that the groups of a run depend on."""
    parts = [[row.id, key] for row, key in zip(rows, keys, strict=True)]
    limits = [GROUP_ROWS, GROUP_CHARS]
    return hashlib.sha256(json.dumps([parts, limits]).encode()).hexdigest()
