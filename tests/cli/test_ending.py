"""What a command does about signals that come when its work is done."""

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
