"""Output that cannot be written: full disks, closed pipes, terminals."""

import os
import shutil
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli import TEXT, Captured, one_line
from tests.helpers.disk import no_room
from tts.cli import synthesize
from tts.cli.main import run
from tts.voice.store import user_folder


@pytest.fixture
def saved(tiny_home: Path) -> Path:
    """The file of the added voice `me`."""
    user_folder().mkdir(parents=True)
    path = user_folder() / "me.safetensors"
    shutil.copy(tiny_home / "checkpoints/voices/default.safetensors", path)
    return path


def test_unwritable_output(tiny_home: Path, tmp_path: Path, capfd: Captured) -> None:
    (tmp_path / "file").write_text("")
    for target, code in (
        (tmp_path / "nowhere" / "a.wav", 2),
        (tmp_path / "file" / "a.wav", 2),
        (tmp_path, 2),
        (tmp_path / "a.xyz", 2),
        (Path("/proc/a.wav"), 1),
    ):
        assert run(["synthesize", TEXT, "-o", str(target)]) == code
        one_line(capfd)


@pytest.mark.parametrize("closed", ["folder", "file"])
def test_voices_that_cannot_be_kept_are_not_made(
    closed: str, saved: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    access, shut = os.access, saved.parent if closed == "folder" else saved

    # Root, who may run this test, may write everywhere.
    def denied(path: str | os.PathLike[str], mode: int) -> bool:
        return os.fspath(path) != os.path.realpath(shut) and access(path, mode)

    monkeypatch.setattr(os, "access", denied)
    before = saved.read_bytes()
    other = str(shutil.copy(saved, saved.parent.parent / "other.safetensors"))
    # A recording that is not there would be told first if it were looked for.
    for command in (["add", "me", "--ref", "no.wav"], ["import", other, "me"]):
        assert run(["voices", *command, "--force"]) == 1
        one_line(capfd, "permission denied", "me.safetensors")
    assert saved.read_bytes() == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_full_disk(tiny_home: Path, tmp_path: Path, capfd: Captured) -> None:
    assert run(["synthesize", TEXT, "-o", "/dev/full"]) == 1
    one_line(capfd, "full")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("command", [["voices", "list"], ["models", "--json"], ["--version"]])
def test_results_for_a_full_disk(
    command: list[str], tiny_home: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/full", "w", buffering=1) as full:
        monkeypatch.setattr(sys, "stdout", full)
        code = run(command)
        monkeypatch.undo()
        assert code == 1
        assert "No space left" in one_line(capfd)
        with suppress(OSError):
            full.close()


def test_results_for_a_closed_pipe(
    tiny_home: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", buffering=1) as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        code = run(["voices", "list", "--json"])
        monkeypatch.undo()
        with suppress(OSError):
            closed.close()
    assert code == 141
    assert capfd.readouterr() == ("", "")


def test_full_disk_leaves_no_half_file(
    tiny_home: Path, tmp_path: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file size limit stands for a full disk."""
    out = tmp_path / "out.wav"
    out.write_bytes(b"older")
    load = synthesize.load_model
    with ExitStack() as limited:

        def then_no_room(*arguments: Any) -> Any:
            # After loading, which unpacks a library into the temporary folder.
            loaded = load(*arguments)
            limited.enter_context(no_room(4096))
            return loaded

        monkeypatch.setattr(synthesize, "load_model", then_no_room)
        code = run(["synthesize", TEXT, "-o", str(out)])
    assert code == 1
    one_line(capfd, "cannot write")
    assert out.read_bytes() == b"older"
    assert not list(tmp_path.glob(".*.part"))


def test_terminal_is_refused(
    tiny_home: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    os.set_blocking(follower, False)  # nobody reads what would be written
    try:
        with open(follower, "w", closefd=False) as terminal:
            monkeypatch.setattr(sys, "stdout", terminal)
            code = run(["synthesize", TEXT, "-o", "-"])
            monkeypatch.undo()
    finally:
        os.close(follower)
        os.close(leader)
    assert code == 2
    one_line(capfd, "terminal")


def test_closed_pipe_is_quiet(
    tiny_home: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        code = run(["synthesize", TEXT, "-o", "-"])
        monkeypatch.undo()
    assert code == 141
    assert capfd.readouterr() == ("", "")
