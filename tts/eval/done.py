"""Finished items of an evaluation, saved in the folder of its report so that a run can be resumed.

    OUT/MODEL/items.jsonl   a line per item, written as soon as it is scored
    OUT/MODEL/wav/          synthesized or resynthesized audio

A line contains a checksum of everything that the item depends on, and a checksum of its audio. An
item is reused only if both are unchanged. Items that failed or could not be measured are tried
again.
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

#: settings that select items, but do not change how an item is synthesized
OF_THE_LIST = ("cases", "cases_seed", "limit", "fast")

#: phones of an utterance: name and end time in seconds of each
Phones = tuple[tuple[str, float], ...]


class Kept(NamedTuple):
    """An item of an earlier run: its row, without the scores of the real recording, and its
    phones."""

    row: Row
    phones: Phones


class Done:
    """The finished items in the folder of a report.

    Args:
        folder: of the report.
        known: the real recordings, on whose content items depend.
        made_of: what all items depend on, as a value that JSON can represent.
        again: whether to ignore the items of earlier runs.

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
                # Remove an incomplete last line, as the next line would be appended to it.
                os.truncate(self.path, whole)
        except OSError as error:
            raise write_error(self.path, error) from error
        for line in data[:whole].splitlines() if not again else ():
            try:
                found = json.loads(line)
                self._lines[found["row"]["id"]] = found
            except (ValueError, KeyError, TypeError):
                continue  # an unreadable item is synthesized again

    def find(self, item: Item, path: Path) -> Kept | None:
        """The item of an earlier run with audio in `path`; None if there is none, or if it would be
        synthesized or scored differently now."""
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
        """Save a finished item whose audio is in `path`. It is on disk when this returns.

        Raises:
            OutputError: the item cannot be written.
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
        """Checksum of what an item depends on; "" if one of its recordings cannot be read."""
        files = (item.real, item.anchor, item.anchor_twin, item.own)
        try:
            content = [path and self._known.checksum(path) for path in files]
        except OSError:
            return ""
        parts = [self._made_of, item.id, item.speaker, item.text, content]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
