"""The state of a run in its folder, by which a run that was stopped anywhere goes on.

    OUT/manifest.jsonl        one line for each row, in their order; written at the end of a run
    OUT/.batch/plan.json      the groups of the run (tts.batch.grouping)
    OUT/.batch/journal.jsonl  one line for each finished row, in any order; deleted at the end

A row is done once its line is in the journal; its files are complete by then. A last line that was
cut off is dropped.
"""

import json
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tts.audio.files import write_all, write_error
from tts.batch.worker import Result
from tts.captions import write_text
from tts.errors import OutputError, UsageError
from tts.folders import lock

MANIFEST = "manifest.jsonl"
_SURROGATES = re.compile("[\ud800-\udfff]")


class Journal:
    """The state of a run in its folder, which one process at a time may use.

    Args:
        out: the folder, made if needed.

    Attributes:
        done: results of rows that are done, by id.

    Raises:
        OutputError: the folder cannot be made or written, or holds other files of these names.
        UsageError: another run is using the folder.
    """

    def __init__(self, out: Path):
        self.out, self.folder = out, out / ".batch"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(out, os.O_RDONLY)
        except OSError as error:
            raise OutputError(f"cannot make the folder {out}: {error.strerror}") from error
        try:
            lock(self._lock)
        except OSError as error:
            os.close(self._lock)
            raise UsageError(f"another run is writing into {out}") from error
        try:
            for stale in [*out.glob(".tts-*.part"), *self.folder.glob(".tts-*.part")]:
                stale.unlink(missing_ok=True)
            # Rows that failed are tried again in a new run, but not when this one goes on.
            before = _results(out / MANIFEST)
            self.done = {name: each for name, each in before.items() if not each.error}
            self.done |= self._replay()
            self._file = (self.folder / "journal.jsonl").open("ab", buffering=0)
        except OSError as error:
            os.close(self._lock)
            raise write_error(self.folder, error) from error
        except BaseException:
            os.close(self._lock)
            raise

    def _replay(self) -> dict[str, Result]:
        """Return the results in the journal of a stopped run, and cut off an incomplete line."""
        path = self.folder / "journal.jsonl"
        if not path.is_file():
            return {}
        data = path.read_bytes()
        complete = data.rfind(b"\n") + 1
        if complete < len(data):
            os.truncate(path, complete)
        return _results(path)

    def is_done(self, name: str, key: str, beside: Sequence[str] = ()) -> bool:
        """Return whether a row is done: it was spoken as it is now and its files are there, or this
        run found that it cannot be spoken.

        Args:
            name: id of the row.
            key: checksum of what its audio depends on.
            beside: extensions of the files that are written beside the audio.
        """
        found = self.done.get(name)
        if found is None or found.key != key:
            return False
        files = [found.file, *(f"{name}.{kind}" for kind in beside)]
        return bool(found.error) or all((self.out / file).is_file() for file in files)

    def groups(self, digest: str) -> list[list[int]] | None:
        """Return the groups of a stopped run over the same rows; None if there is none.

        Args:
            digest: checksum of the rows.
        """
        path = self.folder / "plan.json"
        try:
            plan: Any = json.loads(path.read_text())
        except (OSError, ValueError):
            return None
        is_same = isinstance(plan, dict) and plan.get("rows") == digest
        return plan.get("groups") if is_same else None

    def start(self, digest: str, groups: Sequence[Sequence[int]]) -> None:
        """Save the groups of a run, for `groups`.

        Raises:
            OutputError: the folder cannot be written.
        """
        write_text(self.folder / "plan.json", json.dumps({"rows": digest, "groups": groups}))

    def add(self, results: Iterable[Result]) -> None:
        """Add the results of finished rows, which are on disk when this returns.

        Raises:
            OutputError: the folder cannot be written.
        """
        lines = _lines(results)
        try:
            write_all(self._file, lines.encode())
            os.fsync(self._file.fileno())
        except OSError as error:
            raise write_error(self.folder / "journal.jsonl", error) from error

    def finish(self, results: Sequence[Result]) -> None:
        """Write the manifest, and delete the journal.

        Args:
            results: results of all rows, in their order.

        Raises:
            OutputError: the folder cannot be written.
        """
        write_text(self.out / MANIFEST, _lines(results))
        self._file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Release the folder for other runs."""
        self._file.close()
        os.close(self._lock)


def _lines(results: Iterable[Result]) -> str:
    """Return results as lines of JSON. Letters of all scripts are written as they are; only
    surrogates, which UTF-8 cannot hold, are escaped."""
    lines = "".join(json.dumps(each.record(), ensure_ascii=False) + "\n" for each in results)
    return _SURROGATES.sub(lambda found: f"\\u{ord(found[0]):04x}", lines)


def _results(path: Path) -> dict[str, Result]:
    """Return the results in a manifest or journal by id; of two lines with one id, the later.

    Raises:
        OutputError: the file is not of a batch.
    """
    if not path.is_file():
        return {}
    found = {}
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if not line:
            continue
        try:
            result = Result(**json.loads(line.decode("utf-8")))
        except (ValueError, TypeError, RecursionError) as error:
            raise OutputError(
                f"{path} line {number} is not of a batch: choose another folder"
            ) from error
        found[result.id] = result
    return found
