"""Corpora in every layout: what is read, skipped by name, refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.helpers.corpora import audio, librispeech, libritts, ljspeech, table, text, vctk
from tts.data.layouts import Entry, read_manifest, write_manifest
from tts.errors import DataError, UsageError


@pytest.mark.parametrize(
    ("build", "layout", "expected"),
    [
        (librispeech, "librispeech", [
            ("19-198-0000.flac", "19", "HELLO FROM 19 0"), None, None, None,
        ]),
        (libritts, "libritts", [
            ("103_1241_000000_000000.wav", "103", "Mister 103, 0."), None, None, None,
        ]),
        (ljspeech, "ljspeech", [
            ("LJ001-0001.wav", "corpus", 'Doctor "A'),
            ("LJ001-0002.wav", "corpus", "no third column"),
            ("LJ001-0003.wav", "corpus", "raw, text"),
        ]),
        (vctk, "vctk", [
            ("p225_001_mic1.flac", "p225", "Please call 1."),
            ("p225_002_mic2.flac", "p225", "Please call 2."),
            None, None,
        ]),
        (lambda root: vctk(root, False), "vctk", [
            ("p225_001.wav", "p225", "Please call 1."), None, None, None,
        ]),
    ],
)  # fmt: skip
def test_folder_layouts(tmp_path: Path, build, layout, expected) -> None:
    root = tmp_path / "corpus"
    build(root)
    problems: list[str] = []
    found = read_manifest(root, report=problems.append)
    assert not problems
    assert found == read_manifest(root, layout)
    assert len(found) == len(expected) == len({e.path for e in found})
    assert len({e.speaker for e in found}) == (1 if layout == "ljspeech" else 2)
    for entry, wanted in zip(found, expected, strict=True):
        assert entry.path.is_file()
        if wanted is not None:
            assert (entry.path.name, entry.speaker, entry.text) == wanted


def test_tables(tmp_path: Path) -> None:
    tsv = read_manifest(table(tmp_path / "t"))
    assert [e.text for e in tsv] == ['"quoted, he said', "x y", "third"]  # quoting off
    assert [e.speaker for e in tsv] == ["ann", "bob", "ann"]
    assert tsv[2].path == tmp_path / "t" / "sub" / "c.wav"
    comma = read_manifest(table(tmp_path / "t", ".csv"))
    assert [e.text for e in comma] == ['one, two "three"', "x y", "third"]
    assert [e.path for e in comma] == [e.path for e in tsv]


@pytest.mark.parametrize("build", [librispeech, libritts, ljspeech, vctk])
def test_missing_audio_and_text_are_named(tmp_path: Path, build) -> None:
    root = tmp_path / "corpus"
    build(root)
    before = read_manifest(root)
    before[1].path.unlink()
    stray = audio(before[0].path.with_name("zz-0-0.wav"))
    problems: list[str] = []
    after = read_manifest(root, report=problems.append)
    assert after == [before[0], *before[2:]]
    assert len(problems) == 2
    missing = before[1].path.stem.removesuffix("_mic2")
    assert any(missing in p and "audio missing" in p for p in problems)
    assert any(stray.name in p and "text missing" in p for p in problems)
    for path in root.rglob("*"):
        if path.suffix in (".wav", ".flac"):
            path.unlink()
    with pytest.raises(DataError, match="no usable utterance"):
        read_manifest(root)


def test_bad_rows_are_named(tmp_path: Path) -> None:
    path = table(tmp_path)
    with path.open("a", encoding="utf-8") as file:
        file.write("a.wav\tann\n\t\t\t\nnone.wav\tann\tF\thi\na.wav\tann\tF\t \n\tann\tF\thi\n")
    problems: list[str] = []
    assert len(read_manifest(path, report=problems.append)) == 3
    assert len(problems) == 4
    for words in ("line 5 has 2 fields", "none.wav: audio missing", "text missing", "line 9 names"):
        assert any(words in p for p in problems), words


def test_a_quoted_text_of_several_lines_keeps_its_words_apart(tmp_path: Path) -> None:
    audio(tmp_path / "a.wav")
    path = text(tmp_path / "l.csv", 'path,speaker,text\r\na.wav,ann,"one\r\ntwo"\r\nb.wav,x,y\r\n')
    problems: list[str] = []
    assert [each.text for each in read_manifest(path, report=problems.append)] == ["one two"]
    assert problems == [f"{tmp_path / 'b.wav'}: audio missing"]


def test_recordings_with_large_endings_are_found(tmp_path: Path) -> None:
    ljspeech(tmp_path)
    for path in (tmp_path / "wavs").iterdir():
        path.rename(path.with_suffix(".WAV"))
    problems: list[str] = []
    assert len(read_manifest(tmp_path, report=problems.append)) == 3 and not problems


def test_a_separator_in_a_text_is_not_the_end_of_a_line(tmp_path: Path) -> None:
    ljspeech(tmp_path)
    text(tmp_path / "metadata.csv", "LJ001-0001|so\u2028long\r\nLJ001-0002|second\n")
    found = read_manifest(tmp_path)
    assert [each.text for each in found] == ["so\u2028long", "second"]


def test_one_name_that_cannot_be_kept_is_left_out(tmp_path: Path) -> None:
    """The others are prepared, and not lost when the manifest is written at the end."""
    libritts(tmp_path)
    strange = sorted(tmp_path.rglob("*.wav"))[0]
    for path in (strange, strange.with_suffix(".normalized.txt")):
        name = os.fsencode(path.name).replace(b"000000.", b"caf\xe9.")
        try:
            os.rename(path, os.fsencode(path.parent) + b"/" + name)
        except OSError:
            pytest.skip("the file system takes UTF-8 alone")
    problems: list[str] = []
    found = read_manifest(tmp_path, report=problems.append)
    assert len(found) == 3 and len(problems) == 1 and "UTF-8" in problems[0]
    problems[0].encode()
    write_manifest(found, tmp_path / "m.tsv")
    path = text(tmp_path / "l.tsv", f"path\tspeaker\ttext\n{'x' * 400}.wav\ta\tb\n")
    audio(tmp_path / "a.wav")
    path.write_text(path.read_text() + "a.wav\ta\tb\n")
    assert len(read_manifest(path, report=problems.append)) == 1
    assert "too long" in problems[1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no column path"),
        (b"path\ttext\na.wav\thi\n", "no column speaker"),
        (b"path\tspeaker\ttext\n", "no usable utterance"),
        (b"path\tspeaker\ttext\na.wav\tann\t\xff\xfe\n", "not UTF-8"),
        (b"path,speaker,text\na.wav,ann," + b"x" * 200_000, "field larger"),
    ],
)
def test_unreadable_tables(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "list.tsv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        read_manifest(path)
    assert "\n" not in str(caught.value)


def test_unknown_corpora(tmp_path: Path) -> None:
    audio(tmp_path / "x" / "a.wav")
    for name in ("a.wav", "A.MP3"):
        with pytest.raises(DataError, match="is a recording: give a folder"):
            read_manifest(audio(tmp_path / "alone" / name))
    with pytest.raises(DataError, match="not a known corpus.*LibriSpeech"):
        read_manifest(tmp_path / "x")
    with pytest.raises(DataError, match="not found"):
        read_manifest(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="librispeech"):
        read_manifest(tmp_path, "librispeach")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="is a file"):
        read_manifest(tmp_path, "table")
    with pytest.raises(DataError, match="is a folder"):
        read_manifest(tmp_path / "x" / "a.wav", "vctk")


def test_manifest_round_trip(tmp_path: Path) -> None:
    entries = read_manifest(table(tmp_path / "t"))
    for target in (tmp_path / "t" / "out.tsv", tmp_path / "other.tsv"):
        write_manifest(entries, target)
        assert read_manifest(target) == entries
    assert "\na.wav\t" in (tmp_path / "t" / "out.tsv").read_text()
    odd = Entry(entries[0].path, "ann", " a\tb\r\nc ")
    write_manifest([odd], tmp_path / "odd.tsv")
    assert read_manifest(tmp_path / "odd.tsv")[0].text == "a b c"
    with pytest.raises(DataError, match="tab"):
        write_manifest([Entry(entries[0].path, "a\tb", "hi")], tmp_path / "bad.tsv")
    assert not (tmp_path / "bad.tsv").exists()
