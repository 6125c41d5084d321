"""Preparing a corpus that was stopped: what is taken from before, and what is done again."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers.cli import Captured, one_line
from tests.helpers.corpora import audio
from tts.cli.main import run
from tts.data import prepare as prepare_module
from tts.data import unfinished
from tts.data.corpus import ARRAYS, Corpus
from tts.data.layouts import Entry
from tts.data.prepare import prepare, prepare_corpus
from tts.data.unfinished import Unfinished
from tts.errors import OutputError, TextError, UsageError
from tts.voice.speaker import SpeakerEncoder

FILES = ("cache.json", "items.jsonl", *ARRAYS)


class Killed(BaseException):
    pass


class InThreads(ThreadPoolExecutor):
    """Stands in for processes, which take long to start."""

    def __init__(self, workers: int, context: Any, start: Any, arguments: Any) -> None:
        threads = torch.get_num_threads()
        start(*arguments)
        torch.set_num_threads(threads)
        super().__init__(workers)


@pytest.fixture(scope="module")
def encoder() -> SpeakerEncoder:
    torch.manual_seed(0)
    return SpeakerEncoder(hidden=8).eval()


@pytest.fixture
def entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Entry]:
    """Nine, of which the third and fourth are left out; stretches are of two."""
    monkeypatch.setattr(unfinished, "STRETCH", 2)
    paths = [audio(tmp_path / f"{n}" / "take.wav", 0.5 + n / 20) for n in range(9)]
    paths[2].write_bytes(b"")
    return [Entry(p, f"s{n % 2}", f"text {n}" if n != 3 else "3") for n, p in enumerate(paths)]


def letters(content: str) -> tuple[list[int], list[int], list[int]]:
    if not content.startswith("text"):
        raise TextError("nothing to say")
    return [2, ord(content[-1]), 2], [0] * 3, [1]


def heard(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Takes the recordings that are analysed."""
    found: list[Path] = []
    analyse = prepare_module._analyse

    def counted(entry: Entry, encoder: SpeakerEncoder) -> Any:
        found.append(entry.path)
        return analyse(entry, encoder)

    monkeypatch.setattr(prepare_module, "_analyse", counted)
    return found


def stopped(entries: list[Entry], out: Path, encoder: SpeakerEncoder, at: int) -> None:
    def die(done: int, total: int) -> None:
        if done == at:
            raise Killed

    with pytest.raises(Killed):
        prepare(entries, out, encoder, letters, 1, progress=die, made_of="w")


def same(one: Path, two: Path) -> bool:
    return all((one / name).read_bytes() == (two / name).read_bytes() for name in FILES)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_was_stopped_goes_on(
    entries: list[Entry], tmp_path: Path, encoder: SpeakerEncoder,
    monkeypatch: pytest.MonkeyPatch, workers: int,
) -> None:  # fmt: skip
    whole = prepare(entries, tmp_path / "whole", encoder, letters, 1)
    out = tmp_path / "out"
    stopped(entries, out, encoder, 8)
    # The line of a stretch that was being written when it was killed.
    with (out / ".part" / "done.jsonl").open("a") as file:
        file.write('{"entries": 8, "of"')

    class Pool(ThreadPoolExecutor):
        def __init__(self, workers: int, context: Any, start: Any, arguments: Any) -> None:
            start(*arguments)
            super().__init__(workers)

    monkeypatch.setattr(prepare_module, "ProcessPoolExecutor", Pool)
    threads = torch.get_num_threads()
    found = heard(monkeypatch)
    lines: list[str] = []
    told: list[str] = []
    steps: list[int] = []
    summary = prepare(
        entries, out, encoder, letters, workers, report=lines.append, made_of="w",
        progress=lambda done, _: steps.append(done), tell=told.append,
    )  # fmt: skip
    torch.set_num_threads(threads)
    assert sorted(found) == [entry.path for entry in entries[6:]] and steps == [6, 7, 8, 9]
    assert told == ["6 of 9 recordings were done by a run before"]
    assert summary == whole and lines == summary.skipped and len(lines) == 2
    assert same(out, tmp_path / "whole") and not (out / ".part").exists()
    # It can be stopped as often as one likes.
    stopped(entries, out, encoder, 4)
    stopped(entries, out, encoder, 6)
    found.clear()
    prepare(entries, out, encoder, letters, 1, made_of="w")
    assert found == [entry.path for entry in entries[4:]] and same(out, tmp_path / "whole")


def touched(entries: list[Entry], part: Path) -> list[Entry]:
    os.utime(entries[3].path, ns=(1, 1))
    return entries


def rewritten(entries: list[Entry], part: Path) -> list[Entry]:
    about = entries[3].path.stat()
    audio(entries[3].path, 2.0)
    os.utime(entries[3].path, ns=(about.st_atime_ns, about.st_mtime_ns))
    return entries


def other_text(entries: list[Entry], part: Path) -> list[Entry]:
    return [*entries[:3], Entry(entries[3].path, "s1", "text of it"), *entries[4:]]


def one_more(entries: list[Entry], part: Path) -> list[Entry]:
    return [*entries[:3], entries[8], *entries[3:8]]


def damaged(entries: list[Entry], part: Path) -> list[Entry]:
    # The first of the third entry, which is the second of speakers: two were left out.
    with (part / "speaker.f32").open("r+b") as file:
        file.seek(4 * 256 * 2)
        file.write(b"\1\2\3\4")
    return entries


def cut(entries: list[Entry], part: Path) -> list[Entry]:
    os.truncate(part / "audio.i16", (part / "audio.i16").stat().st_size // 2)
    return entries


def no_lines(entries: list[Entry], part: Path) -> list[Entry]:
    (part / "done.jsonl").write_text("[]\n")
    return entries


def missing(entries: list[Entry], part: Path) -> list[Entry]:
    (part / "f0.f32").unlink()
    return entries


@pytest.mark.parametrize(
    ("change", "left"),
    [(touched, 2), (rewritten, 2), (other_text, 2), (one_more, 2), (damaged, 4), (cut, None),
     (no_lines, 0), (missing, 0)],
)  # fmt: skip
def test_what_does_not_hold_is_done_again(
    entries: list[Entry], tmp_path: Path, encoder: SpeakerEncoder,
    monkeypatch: pytest.MonkeyPatch, change: Callable[..., list[Entry]], left: int | None,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    stopped(entries, out, encoder, 8)
    now = change(entries, out / ".part")
    found = heard(monkeypatch)
    prepare(now, out, encoder, letters, 1, made_of="w")
    assert left is None or found == [entry.path for entry in now[left:]]
    assert len(found) > 3
    prepare(now, tmp_path / "whole", encoder, letters, 1)
    assert same(out, tmp_path / "whole") and len(Corpus(out)) == len(Corpus(tmp_path / "whole"))


@pytest.mark.parametrize("made_of", ["other weights", ""])
def test_other_settings_begin_anew(
    entries: list[Entry], tmp_path: Path, encoder: SpeakerEncoder,
    monkeypatch: pytest.MonkeyPatch, made_of: str,
) -> None:  # fmt: skip
    stopped(entries, tmp_path / "out", encoder, 8)
    found = heard(monkeypatch)
    prepare(entries, tmp_path / "out", encoder, letters, 1, made_of=made_of)
    assert len(found) == 9


def test_settings_tell_language_weights_and_code(monkeypatch: pytest.MonkeyPatch) -> None:
    made_of = {unfinished.made_with("en-us", "w"), unfinished.made_with("de", "w")}
    monkeypatch.setattr(unfinished, "code_checksum", lambda: "other")
    made_of |= {unfinished.made_with("en-us", "w")}
    monkeypatch.setattr(unfinished.metadata, "version", lambda name: "9")
    assert len(made_of | {unfinished.made_with("en-us", "w")}) == 4


def test_two_do_not_write_into_one_folder(
    entries: list[Entry], tmp_path: Path, encoder: SpeakerEncoder
) -> None:
    with Unfinished(tmp_path / "out", "w", entries):
        with pytest.raises(UsageError, match="another run is writing"):
            prepare(entries, tmp_path / "out", encoder, letters, 1)
    prepare(entries, tmp_path / "out", encoder, letters, 1)


def test_the_same_command_goes_on(
    entries: list[Entry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Captured
) -> None:
    lines = [f"{entry.path}\t{entry.speaker}\tsome words" for entry in entries]
    listed = tmp_path / "list.tsv"
    listed.write_text("\n".join(["path\tspeaker\ttext", *lines]) + "\n")
    given = ["data", "prepare", str(listed), "-o", str(tmp_path / "out"), "--workers", "1", "-q"]
    found = heard(monkeypatch)
    fundamental = prepare_module.fundamental

    def stop(samples: Any) -> Any:
        if len(found) == 6:
            raise KeyboardInterrupt
        return fundamental(samples)

    monkeypatch.setattr(prepare_module, "fundamental", stop)
    assert run(given) == 130 and len(found) == 6
    assert run(given) == 0 and found[6:] == [entry.path for entry in entries[4:]]
    assert "4 of 9 recordings were done by a run before" in capfd.readouterr().err
    prepare_corpus([listed], tmp_path / "whole", workers=1)
    assert same(tmp_path / "out", tmp_path / "whole")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_full_disk_tells_where_it_goes_on(
    entries: list[Entry],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: Captured,
    workers: str,
) -> None:
    """A size limit of files stands for the disk; what is analysed stays in this process."""
    from tests.helpers.disk import no_room

    monkeypatch.setattr(prepare_module, "ProcessPoolExecutor", InThreads)
    del entries[2]
    lines = [f"{entry.path}\t{entry.speaker}\tsome words" for entry in entries]
    listed = tmp_path / "list.tsv"
    listed.write_text("\n".join(["path\tspeaker\ttext", *lines]) + "\n")
    given = ["data", "prepare", str(listed), "-o", str(tmp_path / "out"), "--workers", workers]
    with no_room(100_000):
        assert run([*given, "-q"]) == 1
    told = one_line(capfd, "4 of 8 recordings are done", "the same command goes on", "/out/.part")
    assert "nothing was changed" not in told
    assert not (tmp_path / "out/cache.json").exists()
    found = heard(monkeypatch)
    assert run([*given, "-q"]) == 0 and found == [entry.path for entry in entries[4:]]
    prepare_corpus([listed], tmp_path / "whole", workers=1)
    assert same(tmp_path / "out", tmp_path / "whole")
    assert not (tmp_path / "out/.part").exists()


def test_a_disk_that_is_full_at_the_end_loses_neither_corpus_nor_work(
    entries: list[Entry], tmp_path: Path, encoder: SpeakerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    prepare(entries[:3], out, encoder, letters, 1, made_of="w")
    before = {name: (out / name).read_bytes() for name in FILES}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(unfinished, "write_all", full)
        with pytest.raises(OutputError, match=r"the disk is full; 8 of 9 .* goes on"):
            prepare(entries, out, encoder, letters, 1, made_of="w")
    assert before == {name: (out / name).read_bytes() for name in FILES}
    with pytest.raises(OutputError, match="nothing was changed there"):
        prepare(entries, out, encoder, letters, 1, last=lambda: full())
    prepare(entries, out, encoder, letters, 1, made_of="w")
    prepare(entries, tmp_path / "whole", encoder, letters, 1)
    assert same(out, tmp_path / "whole")
