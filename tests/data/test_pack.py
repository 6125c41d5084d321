"""Packed corpora and pieces of checkpoints: what comes back, and what is refused."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tts.audio.files import atomic_output
from tts.data.corpus import Corpus
from tts.data.pack import (
    Pack,
    choose_items,
    cosines,
    open_corpus,
    quantize_features,
    restore_features,
    write_pack,
)
from tts.data.segments import SegmentSampler
from tts.errors import CheckpointError, DataError, UsageError
from tts.train.publish import join_pieces, write_pieces


def test_the_transform_is_orthonormal() -> None:
    table = cosines(80)
    assert np.abs(table @ table.T - np.eye(80)).max() < 1e-5


def test_features_come_back_within_half_a_step() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (70_000, 82)).astype(np.float32)  # more than one block
    features[:, 81] = np.sign(features[:, 81])
    found = restore_features(*quantize_features(features)).astype(np.float32)
    error = found - features
    # Errors are uniform over a step in each coefficient, and the transform keeps their sum.
    assert np.sqrt(np.mean(error[:, :80] ** 2)) == pytest.approx(0.15 / 12**0.5, rel=0.02)
    assert np.abs(error[:, 80]).max() < 1 / 400  # half a step and what float16 loses
    assert np.array_equal(found[:, 81], features[:, 81])


def test_training_reads_a_pack_as_it_does_a_cache(corpus: Corpus, tmp_path: Path) -> None:
    path = tmp_path / "corpus.pack"
    size = write_pack(corpus, path)
    assert size == path.stat().st_size < (Path(corpus.folder) / "features.f16").stat().st_size
    pack = open_corpus(path)
    assert isinstance(pack, Pack) and isinstance(open_corpus(corpus.folder), Corpus)
    assert pack.durations() == corpus.durations() and pack.vtlp_copies == corpus.vtlp_copies
    for n, item in enumerate(corpus.items):
        assert vars(pack.items[n]) == vars(item)
        error = pack.features(n) - corpus.features(n)
        assert np.sqrt(np.mean(error[:, :80] ** 2)) < 0.06
        assert np.array_equal(pack.features(n)[:, 81], corpus.features(n)[:, 81])
        assert np.abs(pack.speaker(n) - corpus.speaker(n)).max() < 1e-3
        warped = pack.vtlp_speaker(n, 1)
        assert warped is not None
        assert np.abs(warped - corpus.vtlp_speaker(n, 1)).max() < 2e-3  # type: ignore[operator]
    a = SegmentSampler(pack, 80, 30).draw(np.random.default_rng(1), 4)
    b = SegmentSampler(corpus, 80, 30).draw(np.random.default_rng(1), 4)
    for key in ("ids", "durations", "frames", "prompt_frames"):
        assert (a[key] == b[key]).all()
    with pytest.raises(DataError, match="audio"):
        pack.audio(0)


def test_audio_comes_back_as_long_as_it_was(corpus: Corpus, tmp_path: Path) -> None:
    path = tmp_path / "audio.pack"
    write_pack(corpus, path, audio=True)
    pack = Pack(path)
    for n in range(len(corpus)):
        was, found = corpus.audio(n), pack.audio(n)
        assert was.shape == found.shape
        # The codec keeps neither phases nor all of the noise: sums over 20 ms.
        a, b = (np.sqrt((x.reshape(-1, 320) ** 2).mean(1)) for x in (was, found))
        assert np.corrcoef(a, b)[0, 1] > 0.95
        assert np.abs(pack.f0(n) - corpus.f0(n)).max() <= 1 / 16
    with pytest.raises(DataError, match="features"):
        pack.features(0)


def test_a_part_has_all_speakers_alike(corpus: Corpus, tmp_path: Path) -> None:
    seconds = sum(item.samples for item in corpus.items) / 16000
    some = choose_items(corpus, seconds / 2 / 3600)
    assert 0 < len(some) < len(corpus) and some == sorted(some)
    assert {corpus.items[n].speaker for n in some} == {"s0", "s1"}
    write_pack(corpus, tmp_path / "a.pack", leave_out=["s1"])
    pack = Pack(tmp_path / "a.pack")
    assert {item.speaker for item in pack.items} == {"s0"}
    assert np.abs(pack.features(1) - corpus.features(2)).max() < 0.6
    with pytest.raises(DataError):
        choose_items(corpus, None, ["s0", "s1"])


@pytest.mark.parametrize(
    ("name", "speakers", "words"),
    [
        ("s-1", 2, "'s-1' to leave out; did you mean 's1'?"),
        ("bob", 2, "'bob' to leave out; there is: s0, s1"),
        ("bob", 50, "'bob' to leave out, but 50 others"),
    ],
)
def test_a_speaker_to_leave_out_is_one_of_the_corpus(
    corpus: Corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    speakers: int,
    words: str,
) -> None:
    several = [replace(corpus.items[0], speaker=f"s{number}") for number in range(speakers)]
    monkeypatch.setattr(corpus, "items", several)
    with pytest.raises(UsageError) as caught:
        write_pack(corpus, tmp_path / "a.pack", leave_out=["s1", name])
    assert str(caught.value).endswith(words) and not (tmp_path / "a.pack").exists()


@pytest.mark.parametrize("name", ["items.jsonl", "features.f16", "audio.i16"])
def test_a_pack_replaces_no_file_of_its_corpus(corpus: Corpus, name: str) -> None:
    path = Path(corpus.folder) / name
    before = path.read_bytes()
    with pytest.raises(UsageError, match="would replace what is read"):
        write_pack(corpus, path)
    assert path.read_bytes() == before


def test_damaged_packs_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    path = tmp_path / "corpus.pack"
    write_pack(corpus, path)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for n in range(30):
        broken = bytearray(data)
        if n % 3 == 0:
            del broken[int(rng.integers(len(data))) :]
        else:
            broken[int(rng.integers(len(data)))] ^= 255
        path.write_bytes(broken)
        try:
            Pack(path)  # a byte of a date may be another
        except DataError:
            continue
    for content in (b"", b"PK\x05\x06" + bytes(18), data[: len(data) // 2]):
        path.write_bytes(content)
        with pytest.raises(DataError):
            Pack(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pack.json", json.dumps({"version": 99}))
    with pytest.raises(DataError, match="version"):
        Pack(path)
    with pytest.raises(DataError):
        open_corpus(tmp_path / "none")


def test_a_checkpoint_travels_in_pieces(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    content = np.random.default_rng(0).bytes(2500)
    (folder / "model.safetensors").write_bytes(content)
    (folder / "config.yaml").write_text("kind: toy\n")
    pieces = write_pieces(folder, tmp_path / "out" / "run", size=1000)
    assert len(pieces) == 3 and all(p.stat().st_size <= 1000 for p in pieces)
    index = tmp_path / "out" / "run.json"
    joined = join_pieces(index, tmp_path / "joined")
    assert {p.name: p.read_bytes() for p in joined.iterdir()} == {
        p.name: p.read_bytes() for p in folder.iterdir()
    }
    with pytest.raises(CheckpointError, match="exists"):
        join_pieces(index, tmp_path / "joined")
    pieces[1].write_bytes(pieces[1].read_bytes()[::-1])
    with pytest.raises(CheckpointError, match="one set"):
        join_pieces(index, tmp_path / "other")
    pieces[1].unlink()
    with pytest.raises(CheckpointError):
        join_pieces(index, tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("written", [0, 1, 2, 3])
def test_the_last_whole_set_of_pieces_stays_until_the_next_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """A set that stops after so many of its three pieces, before the index."""
    folder, out = tmp_path / "export", tmp_path / "out"
    folder.mkdir()
    contents = [bytes(np.random.default_rng(seed).bytes(2500)) for seed in range(3)]
    weights = folder / "model.safetensors"
    weights.write_bytes(contents[0])
    old = write_pieces(folder, out / "run", size=1000)
    # As older versions named them; joining asks the index alone.
    for number, piece in enumerate(old):
        piece.rename(out / f"run.{number:03d}")
    index = out / "run.json"
    about = json.loads(index.read_text())
    names = {"pieces": [f"run.{number:03d}" for number in range(3)]}
    index.write_text(json.dumps(about | names))
    others = [out / "run.log", out / "runs.000", out / "other.12345678.000"]
    for other in others:
        other.write_text("of something else")

    left = [written]

    def stops(path: Path) -> Any:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return atomic_output(path)

    weights.write_bytes(contents[1])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("tts.train.publish.atomic_output", stops)
        write_pieces(folder, out / "run", size=1000)
    assert (join_pieces(index, tmp_path / "first") / weights.name).read_bytes() == contents[0]
    weights.write_bytes(contents[2])
    pieces = write_pieces(folder, out / "run", size=1000)
    assert (join_pieces(index, tmp_path / "last") / weights.name).read_bytes() == contents[2]
    assert sorted(out.iterdir()) == sorted([*pieces, index, *others])
    # The same weights again are the same pieces.
    assert write_pieces(folder, out / "run", size=1000) == pieces
    assert all(piece.is_file() for piece in pieces)
