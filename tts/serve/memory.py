"""Memory that a server does not need any more, given back to the system.

The allocator of glibc keeps what is freed between blocks that are still used. Sentences come in
all lengths, each with buffers of its own size, so after a crowd of long ones a server would hold
for ever what it needed for a minute.
"""

import ctypes
import sys
import time
from collections.abc import Callable
from functools import cache


@cache
def _trim() -> Callable[[int], int] | None:
    """glibc's malloc_trim; None with other allocators."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # musl has none
        return None
    return trim


class Tidy:
    """Gives memory back now and then.

    Args:
        idle, busy: seconds between two times, where nobody waits and where somebody does: it takes
            some milliseconds, and what is computed next has to ask for memory again.
        give_back: does it.
    """

    def __init__(
        self,
        idle: float = 5.0,
        busy: float = 60.0,
        give_back: Callable[[int], int] | None = None,
    ):
        self.idle, self.busy = idle, busy
        self._give_back = give_back or _trim()
        self._last = time.monotonic()
        self._worked = False

    def worked(self) -> None:
        """Something is computed; before that, give back what is free, if the last time was long
        ago."""
        if time.monotonic() - self._last >= self.busy:
            self.now()
        self._worked = True

    def due(self) -> float | None:
        """Seconds until it should be done, where nobody comes until then; None: never."""
        if not self._worked or self._give_back is None:
            return None
        return max(0.0, self._last + self.idle - time.monotonic())

    def now(self) -> None:
        """Give back what is free."""
        self._last, self._worked = time.monotonic(), False
        if self._give_back is not None:
            self._give_back(0)
