"""Worker processes of a command that is killed: they end with it."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.helpers.corpora import audio

SECONDS = 120  # a busy machine is no failure


def prepare(folder: Path) -> tuple[list[str], Path]:
    """A command with two workers, and the file that has something in it once they work."""
    take = audio(folder / "take0.wav", 1.1)
    paths = [take, *(folder / f"take{n}.wav" for n in range(1, 400))]
    for path in paths[1:]:
        shutil.copy(take, path)
    lines = [f"{path}\tann\thello" for path in paths]
    (folder / "list.tsv").write_text("\n".join(["path\tspeaker\ttext", *lines]) + "\n")
    given = ["data", "prepare", str(folder / "list.tsv"), "-o", str(folder / "out"), "-q"]
    return [*given, "--workers", "2"], folder / "out/.part/items.jsonl"


def batch(folder: Path) -> tuple[list[str], Path]:
    """As `prepare`."""
    texts = "".join(f"Row {n} says some words, and then some more of them.\n" for n in range(2000))
    (folder / "rows.txt").write_text("text\n" + texts)
    given = ["batch", str(folder / "rows.txt"), "--out", str(folder / "out"), "-q"]
    return [*given, "--workers", "2"], folder / "out/.batch/journal.jsonl"


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is killed like this there")
@pytest.mark.parametrize("command", [prepare, batch])
def test_workers_end_with_a_command_that_is_killed(
    command: Callable[[Path], tuple[list[str], Path]], tiny_home: Path, tmp_path: Path
) -> None:
    given, begun = command(tmp_path)
    parent = subprocess.Popen(
        [sys.executable, "-m", "tts", *given], stderr=subprocess.PIPE, cwd=Path(__file__).parents[1]
    )
    workers: list[psutil.Process] = []
    try:
        until = time.monotonic() + SECONDS
        while not (begun.is_file() and begun.stat().st_size):
            assert parent.poll() is None, parent.stderr and parent.stderr.read()
            assert time.monotonic() < until
            time.sleep(0.05)
        workers = psutil.Process(parent.pid).children(recursive=True)
        assert len(workers) >= 2
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        left = psutil.wait_procs(workers, timeout=SECONDS / 4)[1]
        assert not left, [each.cmdline() for each in left]
    finally:
        for each in workers:
            if each.is_running():
                each.kill()
        parent.kill()
        parent.wait()
        if parent.stderr:
            parent.stderr.close()
