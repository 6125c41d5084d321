"""Signals that arrive during matrix products."""

import subprocess
import sys
import threading

import pytest
import torch

from tts_codecs.nn.half import packs
from tts_codecs.nn.signal_stack import ensure_signal_stack, has_signal_stack

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")

# Three seconds of products of several shapes, with a signal every half millisecond. Without a
# signal stack it aborts on processors with AVX-512.
_PRODUCTS = """
import signal, time
import torch
from tts_codecs.nn.inference import onednn
from tts_codecs.nn.signal_stack import ensure_signal_stack, has_signal_stack

assert not has_signal_stack()
ensure_signal_stack()
assert has_signal_stack()
torch.set_num_threads(1)
count = 0

def handler(*_):
    global count
    count += 1

signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
end = time.monotonic() + 3
with torch.no_grad():
    while time.monotonic() < end:
        for m, k, n in ((200, 1024, 256), (200, 256, 1024), (800, 512, 256), (100, 3000, 300)):
            x, weight, grad = torch.randn(m, k), torch.randn(k, n), torch.randn(m, n)
            onednn(x, weight.t())
            onednn(grad.t(), x.t())
signal.setitimer(signal.ITIMER_REAL, 0)
print("signals", count > 100)
"""


def test_signals_do_not_damage_memory() -> None:
    if not packs(torch.zeros(1, 1)):
        pytest.skip("no products of oneDNN")
    done = subprocess.run(
        [sys.executable, "-c", _PRODUCTS], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "signals True\n", "")


def test_other_threads_get_none() -> None:
    found = []

    def run() -> None:
        ensure_signal_stack()
        found.append(has_signal_stack())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [False]


def test_a_second_call_changes_nothing() -> None:
    ensure_signal_stack()
    assert has_signal_stack()
    ensure_signal_stack()
    assert has_signal_stack()
