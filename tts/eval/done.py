"""Items that are made and scored, kept in the folder of a report so that a run can go on.

    OUT/MODEL/items.jsonl   a line per item, written as soon as it is scored
    OUT/MODEL/wav/          what was made

A line holds a checksum of all that its item depends on and one of its audio: an item is taken from
there only where it would be made and scored alike now. Items that failed, or could not be measured,
are tried again.
"""

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from tts.audio.files import write_all, write_error
from tts.eval.report import Row, Scores
from tts.eval.score import Item, RealScores

#: settings that tell which items there are, and nothing of how one of them is made
OF_THE_LIST = ("cases", "cases_seed", "limit", "fast")

#: names of phones and the second at which each ends
Phones = tuple[tuple[str, float], ...]


class Kept(NamedTuple):
    """An item of an earlier run: its row, without the scores of the real recording, and phones."""

    row: Row
    phones: Phones


class Done:
    """The items of a folder that are done.

    Args:
        folder: of the report.
        known: real recordings, whose content an item depends on.
        made_of: what every item depends on, as JSON can write it.
        again: take none of an earlier run.

    Raises:
        OutputError: items.jsonl cannot be read, or repaired after a run that was cut off.
    """

    def __init__(self, folder: Path, known: RealScores, made_of: Any, again: bool = False) -> None:
        self.path, self._folder, self._known = folder / "items.jsonl", folder, known
        self._made_of = json.dumps(made_of, sort_keys=True)
        self._lines: dict[str, dict[str, Any]] = {}
        try:
            data = self.path.read_bytes() if self.path.is_file() else b""
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                # A line that was cut off would spoil the next one.
                os.truncate(self.path, whole)
        except OSError as error:
            raise write_error(self.path, error) from error
        for line in data[:whole].splitlines() if not again else ():
            try:
                found = json.loads(line)
                self._lines[found["row"]["id"]] = found
            except (ValueError, KeyError, TypeError):
                continue  # what cannot be read is made again

    def find(self, item: Item, path: Path) -> Kept | None:
        """An item as an earlier run made it into `path`; None where there is none, or it would be
        made or scored otherwise now."""
        line = self._lines.get(item.id, {})
        key = self._key(item)
        if not key or line.get("key") != key:
            return None
        try:
            if line["sha256"] != _checksum(path):
                return None
            row = Row(**line["row"])
            row.made = Scores(**line["row"]["made"])
            return Kept(row, tuple((str(name), float(end)) for name, end in line["phones"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def add(self, item: Item, row: Row, phones: Phones, path: Path) -> None:
        """Keep an item whose audio is in `path`; on the disk when this returns.

        Raises:
            OutputError: it cannot be written.
        """
        key = self._key(item)
        if not key or row.failure or row.made.notes:
            return
        fields = {name: value for name, value in asdict(row).items() if name != "real"}
        try:
            line = {"key": key, "sha256": _checksum(path), "row": fields, "phones": phones}
            with self.path.open("ab", buffering=0) as file:
                write_all(file, json.dumps(line).encode() + b"\n")
                os.fsync(file.fileno())
        except OSError as error:
            raise write_error(self.path, error) from error

    def _key(self, item: Item) -> str:
        """A checksum of what an item depends on; "" where one of its recordings cannot be read."""
        files = (item.real, item.anchor, item.anchor_twin, item.own)
        try:
            content = [path and self._known.checksum(path) for path in files]
        except OSError:
            return ""
        parts = [self._made_of, item.id, item.speaker, item.text, content]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
