"""Stopping a computation from another thread.

Python code can stop between two chunks, but a network that fills a whole sentence takes longer
than a listener who left should cost. So every block of the networks asks first whether the request
that its thread works for is still wanted.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from tts.errors import TTSError


class Cancelled(TTSError):
    """The request is not wanted any more."""


class Cancellation:
    """What the threads of one model work for."""

    def __init__(self) -> None:
        self._current = threading.local()

    def watch(self, network: nn.Module) -> None:
        """Make the blocks of a network ask."""
        for module in network.modules():
            if isinstance(module, nn.ModuleList):
                for block in module:
                    block.register_forward_pre_hook(self.check)

    @contextmanager
    def watching(self, unwanted: Callable[[], bool]) -> Iterator[None]:
        """In this thread, raise Cancelled from within the networks once `unwanted()` is true."""
        before = getattr(self._current, "unwanted", None)
        self._current.unwanted = unwanted
        try:
            yield
        finally:
            self._current.unwanted = before

    def check(self, *_: Any) -> None:
        """Raise Cancelled where this thread's request is not wanted any more."""
        unwanted = getattr(self._current, "unwanted", None)
        if unwanted is not None and unwanted():
            raise Cancelled("cancelled")
