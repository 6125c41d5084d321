"""Folders of the user."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def xdg_folder(variable: str, default: str) -> Path:
    """A folder of the user by the XDG convention: what the variable names, if that is an absolute
    path (a relative one would be another in every folder), else `default` in the home."""
    named = Path(os.environ.get(variable, ""))
    return named if named.is_absolute() else Path.home() / default


def lock(descriptor: int, wait: bool = False) -> None:
    """Lock an open file or folder, until it is closed or the process ends.

    Args:
        wait: for whoever holds it.

    Raises:
        OSError: somebody holds it, or it cannot be locked.
    """
    try:
        import fcntl
    except ImportError:  # Windows, where nobody is told from others
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """A block that one thread of one process at a time is in for this folder; where the folder is
    not there or the system cannot lock it, as any other block."""
    descriptor = None
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        lock(descriptor, wait=True)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
