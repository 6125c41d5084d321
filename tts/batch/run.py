"""A batch from rows to a folder of files: plan, compute, keep account, go on where it stopped."""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from tts.arguments import check_flag, check_whole
from tts.audio.files import check_apart, check_kind
from tts.audio.formats import output_format
from tts.batch.engines import engine, run_here
from tts.batch.journal import Journal
from tts.batch.plan import GROUP_CHARS, GROUP_ROWS, plan
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
    """What a run came to.

    Attributes:
        results: one per row, in their order; skipped: how many were there before.
        elapsed: seconds of this run.
    """

    results: list[Result]
    skipped: int
    elapsed: float

    @property
    def failed(self) -> int:
        """Rows with an error."""
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
    """Say all rows that are not there yet into `settings.out`.

    Args:
        rows: from tts.batch.rows, ids unique.
        model: for a single worker in this process, the loaded model of the settings.
        workers: processes; 1 computes in this one (but for Ray).
        progress: a bar on standard error, or a function called with (rows done, all rows).

    Raises:
        UsageError: settings out of range, a file of the folder that would replace a recording of
            a row, or another run uses the folder.
        OutputError: the folder cannot be written, the disk is full.
    """
    workers = check_whole("workers", workers, 1, 256)
    if not callable(progress):
        progress = check_flag("progress", progress)
    if not settings.out.is_dir():
        check_kind(settings.out, "a folder is", "speech")
    compute = engine(engine_name)
    settings = replace(settings, format=_format(settings.format))
    for kind in settings.timestamps:
        if kind not in TIMESTAMPS:
            raise UsageError(f"unknown timestamps {kind!r}; there is: {', '.join(TIMESTAMPS)}")
    if settings.watermark:
        load_watermark(settings.watermark)
    beside = _beside(settings)
    _check_apart(rows, settings)
    begin = time.perf_counter()
    digests: dict[str, str] = {}
    shared = _shared(settings)
    models = {name: f" {_model_digest(name)}" for name in {row.model for row in rows} if name}
    keys = [
        hashlib.sha256(
            f"{row.key(digests)} {shared}{models.get(row.model, '')}".encode()
        ).hexdigest()
        for row in rows
    ]
    with closing(Journal(settings.out)) as journal:
        done = [journal.is_done(row.id, key, beside) for row, key in zip(rows, keys, strict=True)]
        digest = _digest(rows, keys)
        groups = journal.groups(digest)
        if groups is None:
            groups = plan(rows, [n for n in range(len(rows)) if not done[n]])
            journal.start(digest, groups)
        # A group of which a row is missing is computed whole: see tts.batch.plan.
        todo = [group for group in groups if not all(done[n] for n in group)]
        lists = [[replace(rows[n], mate=done[n]) for n in group] for group in todo]
        key_of = {row.id: key for row, key in zip(rows, keys, strict=True)}
        found = {row.id: journal.done[row.id] for row, d in zip(rows, done, strict=True) if d}
        skipped = len(found)
        alone = workers == 1 and engine_name == "processes"
        results = (
            (run_here(settings, lists, model) if alone else compute(settings, lists, workers))
            if lists
            else iter(())
        )
        with Progress(
            rows, [row for each in lists for row in each if not row.mate], progress
        ) as bar:
            for each in _closing(results):
                new = [replace(result, key=key_of[result.id]) for result in each]
                journal.add(new)
                found.update((result.id, result) for result in new)
                bar.add(new)
        # What else the table says now, also of rows that were there.
        summary = [replace(found[row.id], meta=dict(row.meta)) for row in rows]
        journal.finish(summary)
    return Summary(summary, skipped, time.perf_counter() - begin)


def _format(format: object) -> str:
    """The audio format of a batch as it stands in names of files; UsageError for none."""
    if not isinstance(format, str) or not format:
        raise UsageError(f"an audio format is a name such as 'wav', not {format!r:.40}")
    return output_format("-", format)


def _beside(settings: Settings) -> list[str]:
    """Extensions of what is written beside the audio of a row."""
    return [*settings.timestamps, *(["provenance.json"] if settings.provenance else [])]


def _check_apart(rows: Sequence[Row], settings: Settings) -> None:
    """UsageError where a file of the folder would replace a recording or voice of a row."""
    kinds = [settings.format, *_beside(settings)]
    made = (settings.out / f"{row.id}.{kind}" for row in rows for kind in kinds)
    check_apart(made, {row.voice for row in rows if isinstance(row.voice, (str, Path))})


def _closing(results: Iterator[list[Result]]) -> Iterator[list[Result]]:
    """The same; processes end whatever happens to who takes them."""
    try:
        yield from results
    finally:
        close = getattr(results, "close", None)
        if close is not None:
            close()


def _shared(settings: Settings) -> str:
    """What all audio of a run depends on, as text."""
    return json.dumps(
        [*made_with(settings.model), settings.format, settings.watermark], sort_keys=True
    )


def _model_digest(name: str) -> str:
    """What the audio of rows with a model of their own depends on, as text; what is wrong with it
    becomes an error of these rows."""
    try:
        return json.dumps(made_with(load_model_config(model_config(name))), sort_keys=True)
    except TTSError:
        return "missing"


def _digest(rows: Sequence[Row], keys: Sequence[str]) -> str:
    parts = [[row.id, key] for row, key in zip(rows, keys, strict=True)]
    limits = [GROUP_ROWS, GROUP_CHARS]
    return hashlib.sha256(json.dumps([parts, limits]).encode()).hexdigest()


class Progress:
    """A bar over characters, which say more of the time than rows do, with ETA and RTF."""

    def __init__(
        self, rows: Sequence[Row], todo: Sequence[Row], show: bool | Callable[[int, int], object]
    ):
        self._sizes = {row.id: max(1, len(row.text)) for row in todo}
        self._rows = len(rows) - len(todo)
        self._total = len(rows)
        self._audio, self._begin = 0.0, time.perf_counter()
        self._failed = 0
        self._call = show if callable(show) else None
        self._bar = tqdm(
            total=sum(self._sizes.values()),
            disable=show is not True,
            file=sys.stderr,
            leave=False,
            bar_format="{percentage:3.0f}%|{bar:30}| {postfix}, ETA {remaining}",
        )
        self._tell()

    def _tell(self) -> None:
        rtf = (time.perf_counter() - self._begin) / self._audio if self._audio else 0.0
        failed = f", {self._failed} failed" if self._failed else ""
        self._bar.set_postfix_str(f"{self._rows}/{self._total} rows{failed}, RTF {rtf:.3f}")
        if self._call is not None:
            self._call(self._rows, self._total)

    def add(self, results: Sequence[Result]) -> None:
        """A group is done."""
        self._rows += len(results)
        self._audio += sum(result.seconds for result in results)
        self._failed += sum(1 for result in results if result.error)
        self._bar.update(sum(self._sizes[result.id] for result in results))
        self._tell()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
