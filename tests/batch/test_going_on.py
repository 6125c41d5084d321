"""What the folder of a batch holds when a run goes on: files beside the audio, columns, models."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tts import TTS
from tts.batch.rows import make_rows
from tts.cli.main import run
from tts.errors import UsageError
from tts.resources import model_config

TEXT = "Hello."


@pytest.fixture
def tts(tiny_home: Path) -> TTS:
    return TTS.load("default", device="cpu")


def test_files_beside_the_audio_are_made_later_and_again(tiny_home: Path, tmp_path: Path) -> None:
    table, out = tmp_path / "rows.csv", tmp_path / "out"
    table.write_text(f"id,text\na,{TEXT}\n")
    command = ["batch", str(table), "-o", str(out), "-q"]
    assert run(command) == 0
    audio = (out / "a.wav").read_bytes()
    beside = ["--timestamps", "srt", "--provenance"]
    assert run([*command, *beside]) == 0
    assert (out / "a.srt").read_text() and (out / "a.provenance.json").is_file()
    (out / "a.srt").unlink()
    assert run([*command, *beside]) == 0 and (out / "a.srt").is_file()
    assert (out / "a.wav").read_bytes() == audio


@pytest.mark.parametrize("value", ["a\u2028b", "a\u2029b", "a\x85b", "\ud83d", "a\nb"])
def test_kept_columns_may_hold_any_character(tts: TTS, tmp_path: Path, value: str) -> None:
    rows = [{"id": "a", "text": TEXT, "title": value}, {"id": "b", "text": TEXT}]
    first = tts.batch(rows, tmp_path)
    assert first[0].meta["title"] == value
    lines = (tmp_path / "manifest.jsonl").read_text("utf-8").split("\n")
    assert json.loads(lines[0])["meta"]["title"] == value
    before = (tmp_path / "a.wav").stat().st_mtime_ns
    assert tts.batch(rows, tmp_path) == first
    assert (tmp_path / "a.wav").stat().st_mtime_ns == before


def test_a_strange_folder_is_free_again(tts: TTS, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("nothing of a batch\n")
    for _ in range(2):
        with pytest.raises(Exception, match="another folder"):
            tts.batch([("a", TEXT)], tmp_path)
    manifest.unlink()
    assert not tts.batch([("a", TEXT)], tmp_path)[0].error


def test_a_model_of_a_row_that_changed_says_it_again(
    tts: TTS, tiny_home: Path, tmp_path: Path
) -> None:
    config = tmp_path / "mine" / "own.yaml"
    config.parent.mkdir()
    shutil.copy(model_config("default"), config)
    table, out = tmp_path / "rows.csv", tmp_path / "out"
    table.write_text(f"id,text,model\na,{TEXT},mine/own.yaml\nb,{TEXT},\nc,{TEXT},mine/none.yaml\n")
    command = ["batch", str(table), "-o", str(out), "-q"]
    assert run(command) == 1, "paths are taken from the folder of the table"
    told = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert not told[0]["error"] and "none.yaml" in told[2]["error"]
    before = {name: (out / f"{name}.wav").read_bytes() for name in "ab"}
    times = {name: (out / f"{name}.wav").stat().st_mtime_ns for name in "ab"}
    config.write_text(config.read_text().replace("{steps: 2}", "{steps: 3}"))
    assert run(command) == 1
    assert (out / "a.wav").read_bytes() != before["a"]
    assert (out / "b.wav").stat().st_mtime_ns == times["b"]


@pytest.mark.parametrize(
    ("seed", "expected"),
    [("3", 3), ("3.0", 3), ("3,0", 3), ("1e3", 1000), (" 7 ", 7), (str(2**53 + 1), 2**53 + 1)],
)
def test_whole_numbers_of_tables_with_gaps(seed: str, expected: int) -> None:
    (row,) = make_rows([{"text": TEXT, "seed": seed}])
    assert not row.problem and row.options.seed == expected
    (wrong,) = make_rows([{"text": TEXT, "seed": "3.5"}])
    assert "seed" in wrong.problem


def test_captions_of_a_model_without_times_are_refused(
    tts: TTS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tts, "capabilities", replace(tts.capabilities, word_times=False))
    (found,) = tts.batch([("a", TEXT)], tmp_path, timestamps=["srt"])
    assert "does not know when its words are said" in found.error
    assert not list(tmp_path.glob("a.*"))
    with pytest.raises(UsageError):
        tts.batch([("a", TEXT)], tmp_path, timestamps=["x"])
