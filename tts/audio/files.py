"""Atomic output files, and files handed to C libraries."""

from __future__ import annotations

import errno
import io
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, TextIO

from tts.errors import OutputError, UsageError

__all__ = [
    "CallbackFile", "atomic_output", "check_apart", "check_distinct", "check_kind", "check_parent",
    "check_writable", "is_device", "standard_output", "write_all", "write_error", "write_file",
    "write_to",
]  # fmt: skip

#: what files are whose names end so
_KINDS = {
    "audio": "wav wave flac ogg oga opus mp3 aac m4a mp4 webm aif aiff au caf w64 wma",
    "captions": "srt vtt",
    "codes or a voice": "safetensors",
    "JSON": "json jsonl",
    "a table": "csv tsv",
    "text": "txt md",
    "a config": "yaml yml",
    "a picture": "png jpg jpeg svg pdf",
}
_KIND_OF = {f".{suffix}": kind for kind, found in _KINDS.items() for suffix in found.split()}


def standard_output() -> TextIO:
    """Standard output; OutputError where it was closed before this process began (`>&-`)."""
    if sys.stdout is None:
        raise OutputError("standard output is closed")
    return sys.stdout


def check_writable(folder: str | os.PathLike[str]) -> None:
    """Make a folder if needed, and check that files can be written into it.

    Raises:
        OutputError: it cannot be made, or no file can be written into it.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise write_error(folder, error) from error


def write_error(
    path: str | os.PathLike[str], exc: OSError, left: str = "nothing was changed there"
) -> OutputError:
    """One clear line for a failed write, with what is `left` there."""
    what = {
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "the disk quota is used up",
        errno.EFBIG: "the file is larger than the system allows",
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "permission denied",
        errno.EPERM: "permission denied",
    }.get(exc.errno or 0, exc.strerror or str(exc))
    return OutputError(f"cannot write {os.fspath(path)!r}: {what}; {left}")


def write_all(raw: BinaryIO, data: Any) -> None:
    """Write all of `data` to an unbuffered file, which may take less than it is given."""
    view = memoryview(data).cast("B")
    while len(view):
        written = raw.write(view)
        # None: a non-blocking pipe that is full. Waiting here would spin, so it is an error.
        if written is None:
            raise BlockingIOError("the output does not accept data (non-blocking pipe)")
        view = view[written:]


def write_to(file: Any, data: bytes, what: str) -> None:
    """Write bytes into a file that is open.

    Args:
        what: is written, for messages.

    Raises:
        UsageError: not a file to write bytes into. OutputError: it does not take them.
    """
    if not hasattr(file, "write") or isinstance(file, io.TextIOBase):
        raise UsageError(f"{what} is saved to a path or a binary file, not {type(file).__name__}")
    try:
        write_all(file, data)
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot write {what}: {error}") from error


class CallbackFile(io.RawIOBase):
    """A file that libsndfile reads or writes through callbacks; keeps the first exception.

    Exceptions cannot cross the C library: they would be printed and lost, Ctrl-C included. A
    failed call returns 0 to the library, and `check` raises the exception afterwards.
    """

    def __init__(self, raw: IO[bytes]) -> None:
        self.raw: Any = raw
        self.error: BaseException | None = None

    def write(self, data: Any) -> int:
        def drain() -> int:
            write_all(self.raw, data)
            return len(data)

        return self._guard(drain)

    def readinto(self, data: Any) -> int:
        def fill() -> int:
            got = self.raw.read(len(data))
            data[: len(got)] = got
            return len(got)

        return self._guard(fill)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._guard(lambda: self.raw.seek(offset, whence))

    def tell(self) -> int:
        return self._guard(self.raw.tell)

    def _guard(self, call: Callable[[], int]) -> int:
        if self.error is not None:
            return 0
        try:
            return int(call())
        except BaseException as exc:
            self.error = exc
            return 0

    def check(self) -> None:
        """Raise what a callback raised."""
        if self.error is not None:
            raise self.error


def is_device(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is an existing pipe, socket or device: written to, never replaced."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """What a file has in common with all its names and links; None where there is no regular one,
    which alone could be lost."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def check_apart(outputs: Iterable[str | os.PathLike[str]], given: Iterable[object]) -> None:
    """Refuse to write over what was given, which may be the only copy of it.

    Args:
        outputs: paths that will be written.
        given: paths that are read; anything else is passed over.

    Raises:
        UsageError: an output is one of them, by whatever name or link.
    """
    paths = [each for each in given if isinstance(each, (str, os.PathLike))]
    known = {found: os.fspath(each) for each in paths if (found := _identity(each))}
    for output in outputs if known else ():
        read = known.get(_identity(output) or (-1, -1))
        if read is not None:
            name = os.fspath(output)
            same = "" if read == name else f" (it is {read!r})"
            raise UsageError(
                f"output {name!r} would replace what is read{same}: choose another name"
            )


def check_distinct(outputs: Iterable[str | os.PathLike[str]]) -> None:
    """Refuse to write two results of one command into the same file, where the last would replace
    the others. Pipes and devices take several.

    Raises:
        UsageError: two are the same, by whatever name or link.
    """
    seen: dict[object, str] = {}
    for output in outputs:
        name = os.fspath(output)
        if name == "-" or is_device(name):
            continue
        same: object = _identity(name) or os.path.realpath(name)
        if same in seen:
            two = repr(name) if seen[same] == name else f"{seen[same]!r} and {name!r}"
            raise UsageError(f"two outputs go to one file, {two}: give another name")
        seen[same] = name


def check_kind(path: str | os.PathLike[str], what: str, example: str, *own: str) -> None:
    """Refuse to write a file of one kind under a name that says it is of another. A name that says
    nothing, such as "x.bin", is taken.

    Args:
        what: is written, with its verb ("codes are"); example: a name for it.
        own: extensions that such a file may have, besides that of the example.

    Raises:
        UsageError: the extension is that of another kind.
    """
    name = os.fspath(path)
    suffix = Path(name).suffix.lower()
    kind = _KIND_OF.get(suffix)
    if kind is None or suffix == Path(example).suffix or suffix.lstrip(".") in own:
        return
    if name != "-" and not is_device(name):
        raise UsageError(
            f"output {name!r} has the name of {kind}, but {what} written: "
            f"choose a name such as {example!r}"
        )


def check_parent(path: str | os.PathLike[str]) -> Path:
    """The real target of `path` (links followed), after checks that need no writing.

    Raises UsageError for a folder, a missing parent folder or an impossible name, and OutputError
    where the system forbids writing.
    """
    text = os.fspath(path)
    try:
        target = Path(os.path.realpath(text))
        if not text or text.endswith(("/", os.sep)) or target.is_dir():
            raise UsageError(f"output {text!r} is a folder: give a file name in it")
        target.exists()  # raises for names that are too long, which is_dir hides
        os.lstat(target.parent)
    except FileNotFoundError:
        folder = os.fspath(target.parent)
        raise UsageError(f"the folder of output {text!r} does not exist: {folder!r}") from None
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise UsageError(f"output {text!r} is not a usable file name: {reason}") from None
    if not target.parent.is_dir():
        raise UsageError(f"the parent of output {text!r} is not a folder")
    if len(os.fsencode(target.name)) > 255:
        raise UsageError(f"output {text[:40]!r}...: the file name is longer than 255 bytes")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise write_error(text, PermissionError(errno.EACCES, ""))
    if target.exists() and not os.access(target, os.W_OK):
        raise write_error(text, PermissionError(errno.EACCES, ""))
    return target


@contextmanager
def atomic_output(path: str | os.PathLike[str], *, new: bool = False) -> Iterator[BinaryIO]:
    """A new unbuffered file that becomes `path` when the block ends without an exception.

    It is written beside the target under a hidden name, synced, then renamed over it; on any
    exception (also KeyboardInterrupt) it is removed and an older file at `path` stays as it was.
    OSErrors become OutputError; others pass through.

    Args:
        new: nothing may be at `path`: of several that write at once the first wins, and the others
            get FileExistsError.
    """
    target = check_parent(path)
    temporary = target.parent / f".tts-{secrets.token_hex(8)}.part"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        try:
            # 0o666 less the umask, as for any new file; mkstemp would make it private.
            with os.fdopen(os.open(temporary, flags, 0o666), "w+b", buffering=0) as handle:
                yield handle
                os.fsync(handle.fileno())
            if new:
                _take_place(temporary, target)
            else:
                with suppress(FileNotFoundError):
                    os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
                os.replace(temporary, target)
        except FileExistsError:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    except FileExistsError:
        raise
    except OSError as exc:
        raise write_error(path, exc) from exc
    sync_folder(target.parent)


def write_file(path: str | os.PathLike[str], data: bytes) -> None:
    """A whole file, as `atomic_output`; a pipe or device is written into.

    Raises:
        OutputError: it cannot be written.
    """
    if not is_device(path):
        with atomic_output(path) as file:
            write_all(file, data)
        return
    try:
        with open(path, "wb", buffering=0) as device:
            write_all(device, data)
    except OSError as error:
        raise write_error(path, error) from error


def _take_place(temporary: Path, target: Path) -> None:
    """Rename to a name that is not taken; FileExistsError where it is."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links: whoever makes the name owns it, and fills it then.
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        os.replace(temporary, target)
    else:
        os.unlink(temporary)


def sync_folder(folder: Path) -> None:
    # Makes the rename itself durable; not every system can sync a folder, and the file is there.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
