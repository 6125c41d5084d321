"""Speakers whose names are spelt in two ways of Unicode are one person."""

from __future__ import annotations

import json
import shutil
import unicodedata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.helpers.corpora import audio, text
from tests.helpers.evaluation import four_speakers
from tts.data.corpus import Corpus, speakers_of
from tts.data.distillation import DistillationData
from tts.data.layouts import Entry, read_manifest, write_manifest
from tts.data.segments import SegmentSampler
from tts.eval.cases import build_cases, load_cases, save_cases
from tts.text.names import speaker_name
from tts_codecs.envelope import CHANNELS

WHOLE, PARTS = (unicodedata.normalize(form, "José Ångström") for form in ("NFC", "NFD"))


def test_a_name_has_one_spelling() -> None:
    assert WHOLE != PARTS and speaker_name(PARTS) == speaker_name(WHOLE) == WHOLE
    assert speaker_name("ﬁ 19") == "ﬁ 19"  # what looks alike is still another name


def test_manifests(tmp_path: Path) -> None:
    for name in ("a", "b"):
        audio(tmp_path / f"{name}.wav")
    table = text(
        tmp_path / "list.tsv", f"path\tspeaker\ttext\na.wav\t{WHOLE}\tone\nb.wav\t{PARTS}\ttwo\n"
    )
    found = read_manifest(table)
    assert [entry.speaker for entry in found] == [WHOLE] * 2
    # Folders are found by the spelling that they have.
    for spelling in (WHOLE, PARTS):
        stem = f"{spelling}_1_0"
        audio(tmp_path / "libri" / spelling / "1" / f"{stem}.wav")
        text(tmp_path / "libri" / spelling / "1" / f"{stem}.normalized.txt", "words")
    found = read_manifest(tmp_path / "libri")
    assert [entry.speaker for entry in found] == [WHOLE] * 2
    assert len({entry.path for entry in found}) == 2 and all(e.path.is_file() for e in found)
    write_manifest([Entry(tmp_path / "a.wav", PARTS, "one")], tmp_path / "made.tsv")
    assert WHOLE in (tmp_path / "made.tsv").read_text("utf-8")


@pytest.fixture
def mixed(corpus: Corpus, tmp_path: Path) -> Corpus:
    """A corpus made before names had one spelling: s0 is named in both."""
    folder = tmp_path / "mixed"
    shutil.copytree(corpus.folder, folder)
    items = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]
    names = iter([WHOLE, PARTS] * len(items))
    for item in items:
        item["speaker"] = next(names) if item["speaker"] == "s0" else item["speaker"]
    (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    return Corpus(folder)


@pytest.mark.parametrize("spelling", [WHOLE, PARTS])
def test_held_out(mixed: Corpus, spelling: str) -> None:
    assert {item.speaker for item in mixed.items} == {WHOLE, "s1"}
    assert speakers_of(mixed, [spelling]) == {WHOLE}
    assert set(SegmentSampler(mixed, held_out=[spelling]).by_speaker) == {"s1"}
    sampler = SegmentSampler(mixed, shares={spelling[:5]: 0.0})
    drawn = {sampler.corpus.items[sampler.utterances[at].index].speaker
             for at in np.flatnonzero(sampler.weights)}  # fmt: skip
    assert drawn == {"s1"}


def test_probes_leave_them_out(mixed: Corpus) -> None:
    pytest.importorskip("accelerate", reason="needs the train extra")
    from tts.train.tasks.probes import ProbeTask

    task: Any = ProbeTask(mixed, {"dim": 8, "blocks": 1}, 2, held_out=(PARTS,))
    kept = [mixed.speaker(at) for at, item in enumerate(mixed.items) if item.speaker == "s1"]
    np.testing.assert_allclose(task.probe.centre, np.mean(kept, 0), atol=1e-6)


@pytest.mark.parametrize("spelling", [WHOLE, PARTS])
def test_distillation_data(tmp_path: Path, spelling: str) -> None:
    rows = [
        SimpleNamespace(ids=[2], mods=[0], durations=[3], frames=3, prompt_frames=2, speaker=name)
        for name in (WHOLE, PARTS, "s1")
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(vars(row)) + "\n" for row in rows))
    for name, count in (("features.f16", 9 * CHANNELS), ("prompts.f16", 6 * CHANNELS)):
        np.zeros(count, "<f2").tofile(tmp_path / name)
    np.zeros(3 * 256, "<f4").tofile(tmp_path / "speaker.f32")
    data = DistillationData([str(tmp_path)], held_out=[spelling])
    assert [row.speaker for row in data.rows] == ["s1"]


def test_cases(tmp_path: Path) -> None:
    table = four_speakers(tmp_path)
    head, *rows = (line.split("\t") for line in table.read_text("utf-8").splitlines())
    for number, row in enumerate(rows):
        row[1] = {"1": (WHOLE, PARTS)[number % 2]}.get(row[1], row[1])
    table.write_text("\n".join("\t".join(row) for row in [head, *rows]) + "\n", "utf-8")
    cases = build_cases(table, 4, 3)
    assert {case.speaker for case in cases.cases} == {"2", "3", "4", WHOLE}
    path = tmp_path / "cases.json"
    save_cases(cases, path)
    content = path.read_text("utf-8")
    assert WHOLE in content
    path.write_text(content.replace(f'"speaker": "{WHOLE}"', f'"speaker": "{PARTS}"'), "utf-8")
    assert {case.speaker for case in load_cases(path).cases} == {"2", "3", "4", WHOLE}
