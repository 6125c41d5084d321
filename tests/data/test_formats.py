"""Corpora of recordings in containers of phones and browsers, beside those of libsndfile."""

from pathlib import Path

import pytest
import torch

from tests.helpers.audio import contained, decoded_here, talk, write
from tts.data.corpus import Corpus
from tts.data.layouts import Entry, read_manifest
from tts.data.prepare import prepare
from tts.voice.speaker import SpeakerEncoder


@pytest.fixture(scope="module")
def encoder() -> SpeakerEncoder:
    torch.manual_seed(0)
    return SpeakerEncoder(hidden=8).eval()


def ids_of(content: str) -> tuple[list[int], list[int], list[int]]:
    """Made-up phones."""
    ids = [2, *(ord(c) % 20 + 20 for c in content), 2]
    return ids, [0] * len(ids), [1]


def test_what_phones_record_is_packed(
    tmp_path: Path, encoder: SpeakerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A corpus may be in every format that a voice may be recorded in."""
    decoded_here(monkeypatch)
    live = contained(tmp_path / "live.webm", talk(1, 48000), 48000, live=True)
    entries = [Entry(live, "s", "some text")]
    for suffix in ("m4a", "webm", "mov", "3gp", "avi"):
        path = contained(tmp_path / f"said.{suffix}", talk(2, 48000), 48000)
        entries.append(Entry(path, "s", f"some more of {suffix}"))
    summary = prepare(entries, tmp_path / "c", encoder, ids_of, 1)
    assert (summary.utterances, summary.skipped) == (6, [])
    corpus = Corpus(tmp_path / "c")
    lengths = [item.samples / 16000 for item in corpus.items]
    assert lengths == pytest.approx([1, 2, 2, 2, 2, 2], rel=0.1)


def test_containers_that_are_cut_off_are_left_out(tmp_path: Path, encoder: SpeakerEncoder) -> None:
    good = [Entry(write(tmp_path / "good.wav", talk(1)), "s", "some text")]
    whole = contained(tmp_path / "whole.webm", talk(3, 48000), 48000).read_bytes()
    (tmp_path / "cut.webm").write_bytes(whole[: len(whole) // 2])
    summary = prepare(
        [Entry(tmp_path / "cut.webm", "s", "some text"), *good], tmp_path / "c", encoder, ids_of, 1
    )
    assert summary.utterances == 1 and "cut.webm" in summary.skipped[0]


def test_recordings_of_phones_are_found_beside_transcripts(tmp_path: Path) -> None:
    (tmp_path / "1-2.trans.txt").write_text("1-2-0000 ONE\n1-2-0001 TWO\n")
    for name in ("1-2-0000.m4a", "1-2-0001.webm"):
        (tmp_path / name).write_bytes(b"")
    found = read_manifest(tmp_path)
    assert [entry.path.name for entry in found] == ["1-2-0000.m4a", "1-2-0001.webm"]
