"""Files: atomic output, checks before writing, and callbacks for C libraries."""

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
    "CallbackFile", "atomic_output", "check_apart", "check_distinct", "check_folder_writable",
    "check_kind", "check_parent", "is_device", "standard_output", "write_all", "write_error",
    "write_file", "write_to",
]  # fmt: skip

#: extensions of files by their kind
_KINDS = {
    "audio": "wav wave flac ogg oga opus mp3 aac m4a mp4 webm aif aiff au caf w64 wma",
    "captions": "srt vtt",
    "codes or a voice": "safetensors",
    "JSON": "json jsonl",
    "a NumPy array": "npy npz",
    "a PyTorch file": "pt pth th ckpt",
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


def check_folder_writable(folder: str | os.PathLike[str]) -> None:
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
    """Make the error for a failed write, one line for the user.

    Args:
        left: state of the path after the failure.
    """
    reason = {
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "the disk quota is used up",
        errno.EFBIG: "the file is larger than the system allows",
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "permission denied",
        errno.EPERM: "permission denied",
    }.get(exc.errno or 0, exc.strerror or str(exc))
    return OutputError(f"cannot write {os.fspath(path)!r}: {reason}; {left}")


def write_all(raw: BinaryIO, data: Any) -> None:
    """Write all of `data` to an unbuffered file, which may take less in one call.

    Raises:
        BlockingIOError: the file is a full pipe that does not block.
    """
    view = memoryview(data).cast("B")
    while len(view):
        written = raw.write(view)
        # None: a non-blocking pipe that is full. Waiting here would spin, so it is an error.
        if written is None:
            raise BlockingIOError("the output does not accept data (non-blocking pipe)")
        view = view[written:]


def write_to(file: Any, data: bytes, what: str) -> None:
    """Write bytes to an open file.

    Args:
        what: name of the data, for messages.

    Raises:
        UsageError: `file` is no binary file. OutputError: writing fails.
    """
    if not hasattr(file, "write") or isinstance(file, io.TextIOBase):
        raise UsageError(f"{what} is saved to a path or a binary file, not {type(file).__name__}")
    try:
        write_all(file, data)
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot write {what}: {error}") from error


class CallbackFile(io.RawIOBase):
    """A file that libsndfile reads or writes through callbacks.

    Exceptions cannot pass through the C library: they would be printed and lost, also Ctrl-C. A
    failed call returns 0 to the library, and `check` raises its exception afterwards.
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
        """Raise the first exception of a callback."""
        if self.error is not None:
            raise self.error


def is_device(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is an existing pipe, socket or device, which must not be replaced."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Device and inode of a regular file, which all of its names and links share; None for others,
    which cannot be lost."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def check_apart(outputs: Iterable[str | os.PathLike[str]], given: Iterable[object]) -> None:
    """Check that no output would replace an input, which may be the only copy.

    Args:
        outputs: paths that will be written.
        given: inputs; those that are no paths are ignored.

    Raises:
        UsageError: an output and an input are the same file, under any name or link.
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
    """Check that the outputs of a command are different files; pipes and devices may be equal.

    Raises:
        UsageError: two outputs are the same file, under any name or link.
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
    """Check that the extension of an output is not that of another kind of file.

    Unknown extensions, such as that of "x.bin", are accepted.

    Args:
        what: kind of the output with its verb, such as "codes are"; example: a name for it.
        own: extensions that are right, besides that of the example.

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
    """Check that a file can be written at `path`, without writing; return its target behind links.

    Raises:
        UsageError: it is a folder, its parent folder is missing, or the name is impossible.
        OutputError: there is no permission.
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
    """Open an unbuffered file that becomes `path` when the block ends without an exception.

    It is written beside the target under a hidden name, synced and renamed. After any exception,
    also KeyboardInterrupt, it is removed, and an older file at `path` is unchanged.

    Args:
        new: whether `path` must not exist; if several processes write at once, one succeeds.

    Raises:
        UsageError: as of `check_parent`.
        OutputError: the file cannot be written.
        FileExistsError: `path` exists, and `new` is set.
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
    """Write a whole file atomically; write to a pipe or device as it is.

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
    """Rename a file to a name that must not exist; FileExistsError if it does."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:
        # The file system has no hard links: creating the name reserves it.
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        os.replace(temporary, target)
    else:
        os.unlink(temporary)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable, on systems that can sync a folder."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
