"""Progress of a batch: a bar on standard error, or a function that is called."""

import sys
import time
from collections.abc import Callable, Sequence

from tqdm import tqdm

from tts.batch.rows import Row
from tts.batch.worker import Result


class ProgressBar:
    """A bar over characters, which tell more about the time than rows do, with ETA and RTF.

    Args:
        rows: all rows of the batch.
        todo: rows that are not done yet.
        show: whether there is a bar, or a function that is called with (rows done, all rows).
    """

    def __init__(
        self, rows: Sequence[Row], todo: Sequence[Row], show: bool | Callable[[int, int], object]
    ):
        self._sizes = {row.id: max(1, len(row.text)) for row in todo}
        self._done, self._total = len(rows) - len(todo), len(rows)
        self._failed = 0
        self._audio_seconds, self._begin = 0.0, time.perf_counter()
        self._callback = show if callable(show) else None
        self._bar = tqdm(
            total=sum(self._sizes.values()),
            disable=show is not True,
            file=sys.stderr,
            leave=False,
            bar_format="{percentage:3.0f}%|{bar:30}| {postfix}, ETA {remaining}",
        )
        self._report()

    def _report(self) -> None:
        elapsed = time.perf_counter() - self._begin
        rtf = elapsed / self._audio_seconds if self._audio_seconds else 0.0
        failed = f", {self._failed} failed" if self._failed else ""
        self._bar.set_postfix_str(f"{self._done}/{self._total} rows{failed}, RTF {rtf:.3f}")
        if self._callback is not None:
            self._callback(self._done, self._total)

    def add(self, results: Sequence[Result]) -> None:
        """Count the results of a group."""
        self._done += len(results)
        self._audio_seconds += sum(result.seconds for result in results)
        self._failed += sum(1 for result in results if result.error)
        self._bar.update(sum(self._sizes[result.id] for result in results))
        self._report()

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
