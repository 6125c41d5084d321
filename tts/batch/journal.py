"""What is done in a folder: kept so that a run can stop anywhere and go on.

    OUT/manifest.jsonl        a line per row, in the order of the rows; written at the end
    OUT/.batch/plan.json      the groups of the run (tts.batch.plan)
    OUT/.batch/journal.jsonl  a line per row as it is done, in any order; gone at the end

A row counts as done once its line is in the journal; its files are whole by then. A last line that
was cut off is dropped.
"""

import json
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tts.audio.files import write_error
from tts.batch.worker import Result
from tts.captions import write_text
from tts.errors import OutputError, UsageError
from tts.folders import lock

MANIFEST = "manifest.jsonl"
_HALVES = re.compile("[\ud800-\udfff]")


class Journal:
    """The state of a run in its folder; one process at a time.

    Args:
        out: folder, made if needed.

    Raises:
        OutputError: it cannot be made or written. UsageError: another run is using it.
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
        """What the journal of a stopped run holds; a torn end is cut off."""
        path = self.folder / "journal.jsonl"
        if not path.is_file():
            return {}
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(path, whole)
        return _results(path)

    def is_done(self, name: str, key: str, beside: Sequence[str] = ()) -> bool:
        """Whether a row has been said as it is now and its file is there, with those of the kinds
        `beside`, or was found wrong."""
        found = self.done.get(name)
        if found is None or found.key != key:
            return False
        files = [found.file, *(f"{name}.{kind}" for kind in beside)]
        return bool(found.error) or all((self.out / file).is_file() for file in files)

    def groups(self, digest: str) -> list[list[int]] | None:
        """The plan of a stopped run over the same rows."""
        path = self.folder / "plan.json"
        try:
            known: dict[str, Any] = json.loads(path.read_text())
        except (OSError, ValueError):
            return None
        return known["groups"] if known.get("rows") == digest else None

    def start(self, digest: str, groups: Sequence[Sequence[int]]) -> None:
        """Keep the plan of a run."""
        write_text(self.folder / "plan.json", json.dumps({"rows": digest, "groups": groups}))

    def add(self, results: Iterable[Result]) -> None:
        """Rows that are done; on the disk when this returns."""
        lines = _lines(results)
        try:
            self._file.write(lines.encode())
            os.fsync(self._file.fileno())
        except OSError as error:
            raise write_error(self.folder / "journal.jsonl", error) from error

    def finish(self, results: Sequence[Result]) -> None:
        """Write the manifest of all rows; the journal is not needed any more."""
        write_text(self.out / MANIFEST, _lines(results))
        self._file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Let another run in."""
        self._file.close()
        os.close(self._lock)


def _lines(results: Iterable[Result]) -> str:
    """A line of JSON each, in letters; half a character, which no file can hold, as its number."""
    lines = "".join(json.dumps(each.record(), ensure_ascii=False) + "\n" for each in results)
    return _HALVES.sub(lambda found: f"\\u{ord(found[0]):04x}", lines)


def _results(path: Path) -> dict[str, Result]:
    """Results of a manifest or journal by id; a later line wins."""
    if not path.is_file():
        return {}
    found = {}
    for number, line in enumerate(path.read_text("utf-8").split("\n"), 1):
        if not line:
            continue
        try:
            result = Result(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise OutputError(
                f"{path} line {number} is not of a batch: choose another folder"
            ) from error
        found[result.id] = result
    return found
