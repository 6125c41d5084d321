"""Models beside each other and tables on the demo page, without a browser."""

import io
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

gr = pytest.importorskip("gradio")

from tests.helpers.demo import refusal, sound  # noqa: E402
from tts.facade import TTS  # noqa: E402
from tts_demo.batch import batch, checked_rows  # noqa: E402
from tts_demo.compare import compare  # noqa: E402
from tts_demo.studio import Studio  # noqa: E402
from tts_demo.wish import Wish  # noqa: E402

TEXT = "The birch canoe slid on the smooth planks."


Recording = Callable[..., Path]


def test_models_are_compared_side_by_side(tiny_home: Path) -> None:
    models = tiny_home / "configs" / "models"
    plain = (models / "default.yaml").read_text()
    (models / "other.yaml").write_text(plain.replace("steps: 2", "steps: 3"))
    (models / "gone.yaml").write_text(plain.replace("generator: flow", "generator: gone"))
    studio = Studio(["default", "gone", "other"], "cpu")
    steps = list(compare(studio, "s", Wish(TEXT, ""), studio.models, 3))
    assert "1 of 3" in steps[1][0] and "Done" in steps[-1][0]

    def columns(steps: list[Any]) -> list[str]:
        """What each model shows in the end; each is drawn when it is made and then left alone."""
        return [[s[1 + n] for s in steps if isinstance(s[1 + n], str)][-1] for n in range(3)]

    first, gone, last = columns(steps)
    for name, column, count in (("default", first, 2), ("other", last, 3)):
        assert "Done" in column and "data:image/png" in column
        assert f"<dt>Steps</dt><dd>{count}</dd>" in column
        audio = TTS.load(name, "cpu").synthesize(TEXT, "default", seed=3)
        np.testing.assert_allclose(sound(studio, column)[0], audio.samples, atol=1 / 32767)
    assert "gone" in gone and "<audio" not in gone
    only = columns(list(compare(studio, "s", Wish(TEXT, ""), ["other"], 3)))
    assert only[:2] == ["", ""] and "<audio" in only[2]
    assert "at least one" in refusal(compare(studio, "s", Wish(TEXT, ""), [], 0))
    assert "empty" in refusal(compare(studio, "s", Wish(" ", ""), ["default"], 0))


def test_stopping_a_comparison_skips_the_models_that_are_left(tiny_home: Path) -> None:
    models = tiny_home / "configs" / "models"
    shutil.copy(models / "default.yaml", models / "other.yaml")
    studio = Studio(["default", "other"], "cpu")
    steps = compare(studio, "s", Wish(TEXT, ""), studio.models, 0)
    next(steps)
    studio.stop("s")
    assert "Stopped" in list(steps)[-1][0]
    assert not studio.is_loaded("other")


def table(tmp_path: Path, *lines: str) -> str:
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_a_table_becomes_a_zip(studio: Studio, tmp_path: Path, recording: Recording) -> None:
    rows = table(
        tmp_path,
        "id,text,voice,seed,speed",
        f"one,{TEXT},default,3,",
        "two,Hello there.,,,0.9",
        "three,,,,",
        "four,Hi.,/etc/passwd,,",
        "five,Hi.,voice.safetensors,,",
    )
    wish = Wish("", "default", "default", None)
    last = list(batch(studio, "s", rows, wish, "flac"))[-1]
    assert "2 of 5 rows, 3 failed" in last[0]
    failed, said = last[1].split("<h3>Said: 2</h3>")
    assert "<h3>Failed: 3</h3>" in failed and failed.count("names of voices") == 2
    assert "empty" in failed and "<audio" not in failed and said.count("<audio") == 2
    assert "row one" in said and "row two" in said
    archived = studio.sounds.find(re.search("href='([^']*zip)'", failed)[1])  # type: ignore[index]
    assert archived is not None
    with zipfile.ZipFile(archived.path) as archive:
        assert sorted(archive.namelist()) == ["manifest.jsonl", "one.flac", "two.flac"]
        samples, rate = sf.read(io.BytesIO(archive.read("one.flac")), dtype="float32")
    audio = TTS.load("default", "cpu").synthesize(TEXT, "default", seed=3)
    assert rate == audio.sample_rate and len(samples) == len(audio.samples)
    assert not studio._tickets


def test_tables_that_cannot_be_used(studio: Studio, tmp_path: Path) -> None:
    wish = Wish("", "default")

    def told(rows: str | None, form: str = "wav") -> str:
        message = refusal(batch(studio, "s", rows, wish, form))
        assert str(tmp_path) not in message
        return message

    assert "no table" in told(None)
    assert "no column 'text'" in told(table(tmp_path, "id,speed", "a,1"))
    assert "holds no rows" in told(table(tmp_path, "id,text"))
    assert "201 rows" in told(table(tmp_path, "text", *["Hi."] * 201))
    assert "same id" in told(table(tmp_path, "id,text", "a,Hi.", "a,Ho."))
    assert "unknown format" in told(table(tmp_path, "text", "Hi."), "exe")
    (tmp_path / "rows.csv").write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in told(str(tmp_path / "rows.csv"))


def test_rows_reach_no_files_and_no_other_models(tmp_path: Path, tiny_home: Path) -> None:
    rows = table(
        tmp_path,
        "id,text,voice,model",
        "a,Hi.,anna,",
        "b,Hi.,,other",
        "c,Hi.,,default",
        f"d,{'x' * 4097},,",
    )
    found = {row.id: row for row in checked_rows(rows, "default", "chosen")}
    assert found["a"].voice == "anna" and found["c"].voice == "chosen" and not found["c"].problem
    assert "model" in found["b"].problem and "4,096" in found["d"].problem
    refs = table(tmp_path, "id,text,ref", "a,Hi.,/etc/passwd")
    assert "names of voices" in checked_rows(refs, "default", "chosen")[0].problem


def test_stopping_a_batch(studio: Studio, tmp_path: Path) -> None:
    rows = table(tmp_path, "text", *[" ".join([TEXT] * 20)] * 40)
    steps = batch(studio, "s", rows, Wish("", "default"), "wav")
    next(steps)
    next(steps)
    studio.stop("s")
    assert not [step for step in steps if step[1]]
    assert not studio._tickets
