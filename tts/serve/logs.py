"""The log of a server: lines on standard error, not more of them than can be read."""

import logging
import sys
import time

#: lines a second, and how many may come at once
RATE, BURST = 20, 100
_LOGGERS = ("uvicorn.error", "uvicorn.access", "asyncio", "tts")


class RateLimit(logging.Filter):
    """Passes `rate` lines a second after `burst` of them, and says how many were left out."""

    def __init__(self, rate: float = RATE, burst: int = BURST):
        super().__init__()
        self.rate, self.burst = rate, burst
        self._left, self._last, self.dropped = float(burst), time.monotonic(), 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is told."""
        now = time.monotonic()
        self._left = min(self.burst, self._left + (now - self._last) * self.rate)
        self._last = now
        if self._left < 1:
            self.dropped += 1
            return False
        self._left -= 1
        if self.dropped:
            record.msg = f"{record.getMessage()} ({self.dropped} lines before it were left out)"
            record.args, self.dropped = None, 0
        return True


def log_to_stderr(requests: bool = True) -> None:
    """Warnings and errors on standard error, and, with `requests`, a line for each of those."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RateLimit())
    for name in _LOGGERS:
        log = logging.getLogger(name)
        log.handlers, log.propagate = [handler], False
        log.setLevel(logging.WARNING)
    if requests:
        logging.getLogger("uvicorn.access").setLevel(logging.INFO)
