"""An unfinished corpus in a hidden folder, so that `tts data prepare` can be resumed after an
interruption.

    OUT/.part/items.jsonl, audio.i16 ...   the files of the corpus, as far as they are written
    OUT/.part/done.jsonl                   a journal: what the files depend on, then a line per
                                           block of entries

Entries are processed in order, and the files only grow. After each block of entries the files are
synced, and a line is added to the journal: the entries of the block with the state of their
recordings, the sizes of the files, and a checksum of the added data. A resumed run uses the blocks
that are still valid, truncates the files to them and continues. The files are then identical to
those of an uninterrupted run.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

from tts.audio.files import atomic_output, sync_folder, write_all
from tts.data.corpus import ARRAYS, CODED, MADE_LATER
from tts.data.layouts import Entry
from tts.errors import UsageError
from tts.folders import lock
from tts.resources import code_checksum

#: entries per block, the most that an interruption loses
STRETCH = 64
NAMES = ("items.jsonl", *ARRAYS)
CACHE = "cache.json"
_JOURNAL = "done.jsonl"
_BLOCK = 1 << 20
#: packages on which the data of a recording and its text depend
_PACKAGES = (
    "torch", "torchaudio", "numpy", "soundfile", "av", "praat-parselmouth", "phonemizer",
    "espeakng-loader", "num2words",
)  # fmt: skip


def made_with(*settings: str) -> str:
    """What the data of an entry depend on, besides the entry: settings, code, and versions of the
    packages."""
    versions = []
    for package in _PACKAGES:
        try:
            versions.append(metadata.version(package))
        except metadata.PackageNotFoundError:
            versions.append("")
    return json.dumps([settings, code_checksum(), versions])


def identity(entries: Sequence[Entry], *settings: str) -> str:
    """A checksum of entries, their recordings as they are now, and settings."""
    return _checksum([[*settings], *(_state(entry) for entry in entries)])


class Unfinished:
    """The files of an unfinished corpus, as a context manager that closes them.

    Args:
        out: folder of the corpus, created if needed.
        made_of: what the files depend on besides the entries; "" starts from scratch.
        entries: all entries in order.

    Attributes:
        folder: folder of the files.
        done: number of entries that are processed, including those that were skipped.
        skipped: a line per skipped entry.
        replaced: whether replacing the files of the corpus has begun.
        kept: number of entries that a resumed run with the same `made_of` will not repeat.

    Raises:
        UsageError: another run is writing into the folder.
        OSError: the folder cannot be written.
    """

    def __init__(self, out: Path, made_of: str, entries: Sequence[Entry]):
        self.folder = out / ".part"
        self.done, self.skipped, self.replaced = 0, list[str](), False
        self._entries = [_state(entry) for entry in entries]
        self._waiting: list[str] = []  # lines of the incomplete block
        out.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(out, os.O_RDONLY)
        self._files: list[BinaryIO] = []
        try:
            try:
                lock(self._lock)
            except OSError as error:
                raise UsageError(f"another run is writing into {out}") from error
            sizes = self._replay(made_of)
            if not self.done:
                shutil.rmtree(self.folder, ignore_errors=True)
                self.folder.mkdir()
                with (self.folder / _JOURNAL).open("wb") as file:
                    _sync(file, {"made_of": made_of})
            for name, size in zip(NAMES, sizes, strict=True):
                self._files.append((self.folder / name).open("r+b" if self.done else "wb"))
                self._files[-1].truncate(size)
                self._files[-1].seek(size)
        except BaseException:
            self.__exit__()
            raise
        self._begin, self._resumed = self.done, bool(made_of)
        self._digests = [hashlib.sha256() for _ in NAMES]

    def __enter__(self) -> "Unfinished":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for file in self._files:
                # An error of a full disk was already raised by the write.
                with suppress(OSError):
                    file.close()
        finally:
            os.close(self._lock)

    @property
    def kept(self) -> int:
        """Number of entries in complete blocks."""
        return self._begin if self._resumed else 0

    def items(self) -> Iterator[dict[str, Any]]:
        """The lines of items.jsonl that are there."""
        with (self.folder / NAMES[0]).open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)

    def add(self, line: str, arrays: Sequence[bytes]) -> None:
        """The next entry: its line of items.jsonl and what comes into ARRAYS."""
        content = (line.encode() + b"\n", *arrays)
        for file, digest, data in zip(self._files, self._digests, content, strict=True):
            file.write(data)
            digest.update(data)
        self._step()

    def skip(self, message: str) -> None:
        """The next entry is left out."""
        self._waiting.append(message)
        self._step()

    def _step(self) -> None:
        self.done += 1
        if self.done - self._begin < STRETCH:
            return
        for file in self._files:
            file.flush()
            os.fsync(file.fileno())
        with (self.folder / _JOURNAL).open("ab") as journal:
            _sync(journal, {
                "entries": self.done,
                "of": _checksum(self._entries[self._begin : self.done]),
                "sizes": [file.tell() for file in self._files],
                "added": [digest.hexdigest() for digest in self._digests],
                "skipped": self._waiting,
            })  # fmt: skip
        self._begin = self.done
        self._digests = [hashlib.sha256() for _ in NAMES]
        self._close_stretch()

    def _close_stretch(self) -> None:
        self.skipped += self._waiting
        self._waiting = []

    def finish(self) -> list[str]:
        """Close the files, which are whole; a line per entry that was left out."""
        for file in self._files:
            # Closing alone may not tell that the disk is full.
            file.flush()
            os.fsync(file.fileno())
            file.close()
        self._close_stretch()
        return self.skipped

    def replace(self, meta: bytes) -> None:
        """The files become those of the corpus, `meta` as its cache.json last of all; nothing is
        kept any more as soon as the first has moved."""
        with atomic_output(self.folder / CACHE) as file:
            write_all(file, meta)
        self._resumed, self.replaced = False, True
        out = self.folder.parent
        (out / CACHE).unlink(missing_ok=True)
        later = [path for ending in CODED for path in (out / "coded").glob(f"*.{ending}")]
        for path in (*(out / name for name in MADE_LATER), *later):
            path.unlink(missing_ok=True)
        for name in (*NAMES, CACHE):
            os.replace(self.folder / name, out / name)
        sync_folder(out)
        self.remove()

    def remove(self) -> None:
        """Delete the folder of the interrupted run."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _replay(self, made_of: str) -> list[int]:
        """Read the journal, set what is done, and return the sizes of the files at that point.

        A truncated or damaged line ends the journal.
        """
        sizes = [0] * len(NAMES)
        try:
            lines = (self.folder / _JOURNAL).read_bytes().splitlines(keepends=True)
            if not made_of or json.loads(lines[0]) != {"made_of": made_of}:
                return sizes
            whole = len(lines[0])
            for line in lines[1:]:
                state = json.loads(line)
                done, ends, skipped = state["entries"], state["sizes"], state["skipped"]
                stretch = self._entries[self.done : done]
                if not line.endswith(b"\n") or state["of"] != _checksum(stretch):
                    break
                if state["added"] != self._read(sizes, ends):
                    break
                self.done, sizes, self.skipped = done, ends, self.skipped + skipped
                whole += len(line)
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            pass  # missing or unreadable entries are computed again
        if self.done:
            os.truncate(self.folder / _JOURNAL, whole)
        return sizes

    def _read(self, begins: Sequence[int], ends: Sequence[int]) -> list[str]:
        """Compute checksums of ranges of the files."""
        checksums = []
        for name, begin, end in zip(NAMES, begins, ends, strict=True):
            digest = hashlib.sha256()
            with (self.folder / name).open("rb") as file:
                file.seek(begin)
                left = end - begin
                while left > 0 and (block := file.read(min(left, _BLOCK))):
                    digest.update(block)
                    left -= len(block)
            checksums.append(digest.hexdigest())
        return checksums


def _state(entry: Entry) -> list[Any]:
    """Values that identify an entry and detect changes of its recording."""
    try:
        about = entry.path.stat()
        recording = [about.st_size, about.st_mtime_ns]
    except OSError:
        recording = []
    return [os.path.abspath(entry.path), entry.speaker, entry.text, *recording]


def _checksum(states: Sequence[list[Any]]) -> str:
    return hashlib.sha256(json.dumps(states).encode()).hexdigest()


def _sync(file: BinaryIO, record: dict[str, Any]) -> None:
    """A line of JSON; on the disk when this returns."""
    file.write(json.dumps(record).encode() + b"\n")
    file.flush()
    os.fsync(file.fileno())
