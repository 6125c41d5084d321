"""Worker processes that do not outlive the process that started them."""

import multiprocessing
import os
import threading

__all__ = ["end_with_parent"]


def end_with_parent() -> None:
    """End this process as soon as the one that started it through `multiprocessing` is gone, also
    where that was killed and could tell nobody; of the first process nothing changes.

    A worker that waits for work would otherwise wait for ever, and one that works go on writing
    while the next run does the same.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        # No clean-up: the other threads may be anywhere, and what they write is written whole or
        # not at all.
        os._exit(1)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()
