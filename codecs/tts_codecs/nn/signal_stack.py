"""Signal stack of the main thread, without which a signal during a matrix product damages memory.

The float32 matrix product of oneDNN for AVX-512 uses a buffer on the heap as its stack while it
runs. When a signal arrives, the kernel of the system saves the registers below the stack pointer,
that is over whatever lies before the buffer on the heap. Soon afterwards the process aborts, with a
message such as "corrupted size vs. prev_size". Python asks for its handlers to run on the signal
stack of the thread if there is one (`sigaltstack`), but makes none itself.

Signals of a process are handled by its main thread whenever that is possible.
"""

import ctypes
import mmap
import sys
import threading
from typing import Any

#: bytes: the registers of any processor, and the handler of Python, which only notes the signal
_SIZE = 1 << 16
#: `ss_flags` of a thread without a signal stack
_DISABLED = 2
#: never freed, since the system writes into it until the process ends
_kept: list[Any] = []


class _Stack(ctypes.Structure):
    """`stack_t` of Linux."""

    _fields_ = (
        ("pointer", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("size", ctypes.c_size_t),
    )


def has_signal_stack() -> bool:
    """Whether the calling thread has a signal stack; False where there are none (not Linux)."""
    if not sys.platform.startswith("linux"):
        return False
    found = _Stack()
    failed = ctypes.CDLL(None).sigaltstack(None, ctypes.byref(found))
    return not failed and not found.flags & _DISABLED


def ensure_signal_stack() -> None:
    """Give the main thread a signal stack, if it is the caller and has none.

    Called by everything that loads models, trains them, or runs a command. Elsewhere than on Linux,
    and in other threads, nothing is done.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or not sys.platform.startswith("linux") or has_signal_stack():
        return
    memory = mmap.mmap(-1, _SIZE)
    buffer = (ctypes.c_char * _SIZE).from_buffer(memory)
    stack = _Stack(ctypes.addressof(buffer), 0, _SIZE)
    if ctypes.CDLL(None).sigaltstack(ctypes.byref(stack), None) == 0:
        # Kept through the end of the interpreter too, when modules are cleared.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(buffer))
        _kept.append(buffer)
