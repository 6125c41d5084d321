"""What a command does about signals at its end, and about a crash of native code."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

_LATE = """
import atexit, os, sys
from tts.cli.main import main
atexit.register(lambda: os.kill(os.getpid(), int(sys.argv.pop())))
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_at_the_end_says_nothing(number: signal.Signals) -> None:
    """Like a program that has no handlers: no exception in the interpreter's own end."""
    done = subprocess.run(
        [sys.executable, "-c", _LATE.replace("sys.argv.pop()", str(int(number))), "--version"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=120,
    )
    assert done.returncode == -number
    assert done.stdout.startswith("tts ") and done.stderr == ""


_ABORTS = """
import os, tts.train.run
tts.train.run.train_run = lambda *given: os.abort()
from tts.cli.main import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_training_that_aborts_tells_where() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ABORTS, "train", "configs/train/pitch.yaml"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=120,
    )
    assert done.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in done.stderr and " in train\n" in done.stderr


_STACK = """
import atexit
from tts.cli.main import main
from tts_codecs.nn.signal_stack import has_signal_stack
atexit.register(lambda: print(has_signal_stack()))
main()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="signal stacks of Linux")
def test_commands_have_a_signal_stack() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _STACK, "--version"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=120,
    )
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "True"
