"""The journal of a batch, and what else a run finds in its folder."""

import io
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tts import TTS
from tts.batch.journal import Journal
from tts.batch.rows import Row
from tts.batch.worker import Result, RowSynthesizer, Settings
from tts.errors import OutputError


def test_a_line_that_the_disk_takes_in_parts_is_whole(tmp_path: Path) -> None:
    """A write to a file without buffer may take less than it is given."""

    class Slow(io.FileIO):
        def write(self, data: Any) -> int:
            return super().write(memoryview(data)[:7])

    results = [Result(f"r{n}", "x.wav", key="k") for n in range(3)]
    with closing(Journal(tmp_path)) as journal:
        journal._file.close()
        journal._file = Slow(journal.folder / "journal.jsonl", "ab")
        journal.add(results)
    with closing(Journal(tmp_path)) as journal:
        assert list(journal.done.values()) == results


@pytest.mark.parametrize("manifest", [b"\xff\xfe\n", b"[" * 100_000 + b"\n", b"[1]\n"])
def test_a_manifest_of_something_else_is_left_alone(manifest: bytes, tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_bytes(manifest)
    with pytest.raises(OutputError, match="another folder"):
        Journal(tmp_path)
    assert (tmp_path / "manifest.jsonl").read_bytes() == manifest


def test_a_plan_that_is_none_is_made_anew(tmp_path: Path) -> None:
    with closing(Journal(tmp_path)) as journal:
        (journal.folder / "plan.json").write_text("[]")
        assert journal.groups("digest") is None


def test_a_recording_is_not_the_voice_of_its_name(
    tiny_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both were one: the row with the recording was spoken in the voice."""
    monkeypatch.chdir(tmp_path)
    Path("default").write_bytes(b"a recording")
    named, recorded = (Row("a", "Hello.", voice=voice) for voice in ("default", Path("default")))
    digests: dict[str | Path, str] = {}
    assert named.key(digests) != recorded.key(digests)
    asked: list[Any] = []
    model: Any = SimpleNamespace(voice=lambda given, *_, **__: asked.append(given))
    synthesizer = RowSynthesizer(Settings(tmp_path, TTS.load("default", "cpu").config))
    for row in (named, recorded):
        synthesizer._voice(model, row)
    assert asked == ["default", Path("default")]
