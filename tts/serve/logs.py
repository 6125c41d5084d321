"""The log of the server on standard error, limited to so many lines a second."""

import logging
import sys
import time

#: lines a second on average, and lines that may come at once
RATE, BURST = 20, 100
_LOGGERS = ("uvicorn.error", "uvicorn.access", "asyncio", "tts")


class RateLimit(logging.Filter):
    """Filter that passes `rate` lines a second after the first `burst` (a token bucket).

    Attributes:
        dropped: lines that were left out since the last one that passed, which the next one tells.
    """

    def __init__(self, rate: float = RATE, burst: int = BURST):
        super().__init__()
        self.rate, self.burst = rate, burst
        self.dropped = 0
        self._tokens, self._last = float(burst), time.monotonic()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a line passes."""
        now = time.monotonic()
        self._tokens = min(self.burst, self._tokens + (now - self._last) * self.rate)
        self._last = now
        if self._tokens < 1:
            self.dropped += 1
            return False
        self._tokens -= 1
        if self.dropped:
            record.msg = f"{record.getMessage()} ({self.dropped} lines before it were left out)"
            record.args, self.dropped = None, 0
        return True


def log_to_stderr(requests: bool = True) -> None:
    """Send the log to standard error: warnings and errors, and a line for each request.

    Args:
        requests: whether there is a line for each request.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RateLimit())
    for name in _LOGGERS:
        log = logging.getLogger(name)
        log.handlers, log.propagate = [handler], False
        log.setLevel(logging.WARNING)
    if requests:
        logging.getLogger("uvicorn.access").setLevel(logging.INFO)
