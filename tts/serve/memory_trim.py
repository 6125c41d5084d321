"""Freed memory of a server is returned to the operating system.

The allocator of glibc keeps freed memory between blocks that are still used. Sentences have all
lengths, each with buffers of its own size, so after a crowd of long ones a server would hold for
ever what it needed for a minute.
"""

import ctypes
import sys
import time
from collections.abc import Callable
from functools import cache


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    """Return malloc_trim of glibc; None with other allocators."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # musl has none
        return None
    return trim


class MemoryTrimmer:
    """Calls malloc_trim from time to time. A call takes some milliseconds, and what is computed
    next has to ask for memory again, so it is called less often while requests wait.

    Args:
        idle_interval: seconds between two calls while no request waits.
        busy_interval: seconds between two calls while requests wait.
        trim: the function to call, by default malloc_trim; it is given the bytes to keep.
    """

    def __init__(
        self,
        idle_interval: float = 5.0,
        busy_interval: float = 60.0,
        trim: Callable[[int], int] | None = None,
    ):
        self.idle_interval, self.busy_interval = idle_interval, busy_interval
        self._malloc_trim = trim or _malloc_trim()
        self._last_trim = time.monotonic()
        self._has_work_since = False

    def before_work(self) -> None:
        """Note that something will be computed, and trim first if the last time is long ago."""
        if time.monotonic() - self._last_trim >= self.busy_interval:
            self.trim()
        self._has_work_since = True

    def seconds_until_due(self) -> float | None:
        """Return the seconds until memory should be trimmed if no request comes; None for never."""
        if not self._has_work_since or self._malloc_trim is None:
            return None
        return max(0.0, self._last_trim + self.idle_interval - time.monotonic())

    def trim(self) -> None:
        """Return freed memory to the operating system."""
        self._last_trim, self._has_work_since = time.monotonic(), False
        if self._malloc_trim is not None:
            self._malloc_trim(0)
