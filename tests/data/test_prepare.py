"""Corpora in every layout to a packed corpus: what is read, skipped by name, refused."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from tests.helpers.corpora import RATE, audio, librispeech, ljspeech, table, text
from tts.data import prepare as prepare_module
from tts.data.corpus import Corpus
from tts.data.layouts import Entry, read_manifest
from tts.data.prepare import HOP, fundamental, prepare, prepare_corpus
from tts.errors import DataError, OutputError, TextError, UsageError
from tts.voice.speaker import SpeakerEncoder


def letters(content: str) -> tuple[list[int], list[int], list[int]]:
    if not any(c.isalpha() for c in content):
        raise TextError(f"nothing to say in {content!r}")
    ids = [2, *(ord(c) % 20 + 20 for c in content if c.isalpha()), 2]
    return ids, [0] * len(ids), [1]


@pytest.fixture(scope="module")
def encoder() -> SpeakerEncoder:
    torch.manual_seed(0)
    return SpeakerEncoder(hidden=8).eval()


def entries_in(folder: Path, count: int = 3) -> list[Entry]:
    paths = [audio(folder / f"{n}" / "take.wav", 1.0 + n / 10) for n in range(count)]
    return [Entry(path, f"s{n % 2}", f"text {n}") for n, path in enumerate(paths)]


def test_cache_round_trip(tmp_path: Path, encoder: SpeakerEncoder) -> None:
    entries = entries_in(tmp_path)
    steps: list[tuple[int, int]] = []
    progress = lambda done, total: steps.append((done, total))  # noqa: E731
    summary = prepare(
        entries, tmp_path / "c", encoder, letters, 1, "made by hand", progress=progress
    )
    assert (summary.utterances, summary.speakers, summary.skipped) == (3, 2, [])
    assert steps == [(1, 3), (2, 3), (3, 3)]
    corpus = Corpus(tmp_path / "c")
    assert corpus.meta["source"] == "made by hand" and not (tmp_path / "c" / ".part").exists()
    assert summary.hours * 3600 == pytest.approx(sum(i.samples for i in corpus.items) / RATE)
    assert len({item.id for item in corpus.items}) == 3  # same file names, different folders
    for index, entry in enumerate(entries):
        item = corpus.items[index]
        assert (item.speaker, item.text) == (entry.speaker, entry.text)
        assert (item.phones, item.mods, item.words) == letters(entry.text)
        # Aligned to the text: nothing is trimmed but the last part of a frame.
        source, _ = sf.read(entry.path, dtype="float32")
        wav = corpus.audio(index)
        assert len(wav) == len(source) // HOP * HOP == corpus.frames(index) * HOP
        gain = np.dot(wav, source[: len(wav)]) / np.dot(source, source)
        offset = np.mean(source) * gain
        np.testing.assert_allclose(wav, source[: len(wav)] * gain - offset, atol=1e-3)
        again = fundamental(wav)
        assert corpus.frames(index) == len(corpus.f0(index)) == len(again) - 1
        voiced = (corpus.f0(index) > 0) & (again[1:] > 0)
        assert voiced.sum() > 10
        np.testing.assert_allclose(corpus.f0(index)[voiced], again[1:][voiced], rtol=0.01)
        assert np.median(corpus.f0(index)[voiced]) == pytest.approx(150, rel=0.02)
        np.testing.assert_array_equal(corpus.audio(index, 3, 5), wav[3 * HOP : 8 * HOP])
        np.testing.assert_array_equal(corpus.f0(index, 3, 5), corpus.f0(index)[3:8])
        expected = encoder.embed(torch.from_numpy(wav)).numpy()
        assert np.dot(corpus.speaker(index), expected) > 0.999


def test_pitch_is_found_under_rumble() -> None:
    t = np.arange(2 * RATE) / RATE
    hertz = 140 + 30 * np.sin(2 * np.pi * t)
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    said = t > 0.5
    tone = said * np.sum([np.sin(k * phase) / k for k in range(1, 15)], axis=0)
    rng = np.random.default_rng(0)
    rumble = said * np.sin(2 * np.pi * 23 * t)
    hiss = 0.1 * rng.normal(size=len(t))
    found = fundamental((0.1 * (tone + rumble + hiss)).astype(np.float32))
    assert found.dtype == np.float32 and len(found) == 2 * RATE // HOP + 1
    at = np.arange(len(found)) * HOP
    voiced = found > 0
    assert voiced[29:-3].all() and not voiced[:22].any()
    # Each value belongs to its frame's boundary: half a frame off is 2 Hz here.
    np.testing.assert_allclose(found[29:-3], hertz[at[29:-3]], atol=1.5)
    assert len(fundamental(np.zeros(100, np.float32))) == 1
    assert not fundamental(np.zeros(5 * HOP, np.float32)).any()


def test_damaged_files_are_named_and_skipped(tmp_path: Path, encoder: SpeakerEncoder) -> None:
    good = entries_in(tmp_path, 1)
    bad = {
        "empty.wav": b"",
        "junk.wav": os.urandom(5000),
        "note.wav": b"this is a text file, not a recording " * 50,
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    whole = audio(tmp_path / "whole.flac", 3.0).read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    whole = audio(tmp_path / "whole.wav", 3.0).read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    sf.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    audio(tmp_path / "short.wav", 0.3)
    audio(tmp_path / "long.wav", 61, 8000)
    names = [*bad, "cut.flac", "cut.wav", "silent.wav", "short.wav", "long.wav", "gone.wav"]
    entries = [Entry(tmp_path / name, "s", "some text") for name in names]
    dumb = Entry(good[0].path, "s", "12 !")
    lines: list[str] = []
    summary = prepare(
        [*entries, dumb, *good], tmp_path / "c", encoder, letters, 1, report=lines.append
    )
    assert summary.utterances == 1 == len(Corpus(tmp_path / "c"))
    assert summary.skipped == lines and len(lines) == len(names) + 1
    for name, line in zip(names, lines, strict=False):
        assert str(tmp_path / name) in line and "\n" not in line
    assert "nothing to say" in lines[-1]
    with pytest.raises(DataError, match=r"none of 9 .*empty\.wav"):
        prepare(entries, tmp_path / "c", encoder, letters, 1)
    assert len(Corpus(tmp_path / "c")) == 1  # a failed run leaves the older corpus


def test_a_killed_run_is_refused_and_redone(
    tmp_path: Path, encoder: SpeakerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries, out = entries_in(tmp_path), tmp_path / "c"

    class Killed(BaseException):
        pass

    def die(done: int, total: int) -> None:
        if done == 2:
            raise Killed

    with pytest.raises(Killed):
        prepare(entries, out, encoder, letters, 1, progress=die)
    with pytest.raises(DataError, match="not a prepared corpus"):
        Corpus(out)
    prepare(entries, out, encoder, letters, 1)
    (out / "durations.json").write_text("{}")
    coded = [out / "coded" / f"rvq-12345678.{ending}" for ending in ("u16", "u32", "f16")]
    for path in coded:
        text(path, "codes of the older corpus")
    open_map = Corpus(out)
    before = open_map.audio(2)
    # Killed between the renames: old and new files are mixed, and there is no cache.json.
    replace, calls = os.replace, []

    def die_later(a, b) -> None:  # type: ignore[no-untyped-def]
        calls.append(b)
        if len(calls) == 3:
            raise Killed
        replace(a, b)

    monkeypatch.setattr(prepare_module.os, "replace", die_later)
    with pytest.raises(Killed):
        prepare(entries[:2], out, encoder, letters, 1)
    monkeypatch.undo()
    with pytest.raises(DataError):
        Corpus(out)
    np.testing.assert_array_equal(open_map.audio(2), before)  # a training run is not disturbed
    prepare(entries[:2], out, encoder, letters, 1)
    assert len(Corpus(out)) == 2
    # Durations belong to the utterances of the older corpus.
    assert not (out / "durations.json").exists() and not (out / ".part").exists()
    assert not any(path.exists() for path in coded)


def test_damaged_caches_are_refused(tmp_path: Path, encoder: SpeakerEncoder) -> None:
    out = tmp_path / "c"
    prepare(entries_in(tmp_path), out, encoder, letters, 1)
    for name in ("audio.i16", "f0.f32", "speaker.f32", "items.jsonl", "cache.json"):
        content = (out / name).read_bytes()
        for damaged in (b"", content[: len(content) // 2], content + b"\0\0\0\0", None):
            if damaged is None:
                (out / name).unlink()
            else:
                (out / name).write_bytes(damaged)
            with pytest.raises(DataError, match="tts data prepare"):
                Corpus(out)
        (out / name).write_bytes(content)
    lines = (out / "items.jsonl").read_text().splitlines()
    (out / "items.jsonl").write_text("\n".join([lines[1], lines[0], lines[2]]))
    with pytest.raises(DataError, match="damaged"):
        Corpus(out)


def test_unwritable_output(tmp_path: Path, encoder: SpeakerEncoder) -> None:
    entries = entries_in(tmp_path, 1)
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        prepare(entries, tmp_path / "file" / "c", encoder, letters, 1)


def test_prepare_corpus(tmp_path: Path) -> None:
    librispeech(tmp_path / "libri")
    ljspeech(tmp_path / "lj")
    text(tmp_path / "lj" / "metadata.csv", "LJ001-0001|hi|hi there\nLJ009-0009|a|gone\n")
    lines: list[str] = []
    summary = prepare_corpus(
        [tmp_path / "libri", tmp_path / "lj"], tmp_path / "c", workers=1, report=lines.append
    )
    corpus = Corpus(tmp_path / "c")
    assert summary.utterances == len(corpus) == 5 and summary.speakers == 3
    assert summary.skipped == lines and any("LJ009-0009" in line for line in lines)
    assert len(lines) == 3  # one audio missing, two recordings without text
    assert corpus.meta["source"] == "libri, lj"
    item = corpus.items[0]
    assert item.text == "HELLO FROM 19 0"
    assert len(item.phones) == len(item.mods) > 10 and item.phones[0] == item.phones[-1] == 2
    assert len(item.words) == 4 and item.words == sorted(item.words) and item.words[0] == 1
    assert np.linalg.norm(corpus.speaker(0)) == pytest.approx(1, abs=1e-3)
    assert len(read_manifest(tmp_path / "c" / "manifest.tsv")) == 5


def test_a_corpus_that_is_there_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is what was made from it, by whichever command would make another one."""
    librispeech(tmp_path / "libri")
    ljspeech(tmp_path / "lj")
    out, told = tmp_path / "c", list[str]()
    first = prepare_corpus([tmp_path / "libri"], out, workers=1)
    text(out / "durations.json", "{}")
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def unchanged() -> bool:
        return {path.name: path.read_bytes() for path in out.iterdir()} == before

    with monkeypatch.context() as patch:
        patch.setattr(prepare_module, "prepare", pytest.fail)
        same = prepare_corpus([tmp_path / "libri"], out, workers=1, tell=told.append)
        assert (same.utterances, same.hours, same.speakers, len(same.skipped)) == (
            first.utterances, first.hours, first.speakers, len(first.skipped),
        )  # fmt: skip
        assert unchanged() and told == [f"{out} is made of the same: nothing to do"]
        for sources, language, source in (
            (["lj"], "en-us", ""), (["libri"], "de", ""), (["libri"], "en-us", "theirs"),
            (["libri", "lj"], "en-us", ""),
        ):  # fmt: skip
            paths = [tmp_path / name for name in sources]
            with pytest.raises(UsageError, match=r"durations\.json made from it.*--again"):
                prepare_corpus(paths, out, language=language, workers=1, source=source)
            assert unchanged()
    assert prepare_corpus([tmp_path / "lj"], out, workers=1, again=True).speakers == 1
    assert not (out / "durations.json").exists() and len(Corpus(out)) != first.utterances
    # What has no end is made again.
    (out / "audio.i16").write_bytes(b"")
    prepare_corpus([tmp_path / "libri"], out, workers=1)
    assert len(Corpus(out)) == first.utterances


def test_a_recording_that_is_named_twice_is_taken_once(tmp_path: Path) -> None:
    """Else a prompt would hold what is to be learned."""
    librispeech(tmp_path / "libri")
    given = tmp_path / "libri" / "train-clean-5" / "19"
    lines: list[str] = []
    summary = prepare_corpus(
        [tmp_path / "libri", given], tmp_path / "c", workers=1, report=lines.append
    )
    assert summary.utterances == 4 and summary.skipped == lines
    assert len(lines) == 2 and all("named before" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "linked"),
    [("manifest.tsv", False), ("manifest.tsv", True), ("items.jsonl", False), ("cache.json", True)],
)
def test_a_table_that_would_be_replaced_is_refused(
    tmp_path: Path, name: str, linked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have other columns, and rows of audio that is missing, which the manifest has not."""
    out = tmp_path / "c"
    given = table(out)
    if linked:
        (out / name).symlink_to(given)
    else:
        given = given.rename(out / name)
    librispeech(tmp_path / "libri")
    before = given.read_bytes()
    monkeypatch.setattr(prepare_module, "read_manifest", pytest.fail)
    for sources in ([given], [tmp_path / "libri", given]):
        with pytest.raises(UsageError, match=f"{name}.* would replace what is read"):
            prepare_corpus(sources, out, workers=1)
    assert given.read_bytes() == before and not (out / "audio.i16").exists()


def test_recordings_that_would_be_replaced_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "c"
    audio(tmp_path / "a.wav").rename(text(out / "audio.i16", ""))
    given = text(tmp_path / "list.tsv", "path\tspeaker\ttext\nc/audio.i16\ts\thello\n")
    before = (out / "audio.i16").read_bytes()
    with pytest.raises(UsageError, match="would replace what is read"):
        prepare_corpus([given], out, workers=1)
    assert (out / "audio.i16").read_bytes() == before


def test_a_pool_gives_the_same_in_order(
    tmp_path: Path, encoder: SpeakerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads stand in for processes, which take long to start; what they are sent must pickle."""
    entries = [e for e in entries_in(tmp_path, 3) for _ in range(8)]
    entries.insert(1, Entry(tmp_path / "gone.wav", "s", "x"))
    started: list[int] = []
    waiting: list[int] = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, workers, context, start, arguments) -> None:  # type: ignore[no-untyped-def]
            assert context.get_start_method() == "spawn"
            start(*pickle.loads(pickle.dumps(arguments)))
            super().__init__(workers)

        def submit(self, work, entry):  # type: ignore[no-untyped-def, override]
            started.append(1)
            waiting.append(len(started) - len(done))
            return super().submit(pickle.loads(pickle.dumps(work)), entry)

    done: list[int] = []
    threads = torch.get_num_threads()
    monkeypatch.setattr(prepare_module, "ProcessPoolExecutor", Pool)
    two = prepare(
        entries, tmp_path / "two", encoder, letters, 2, progress=lambda n, _: done.append(n)
    )
    torch.set_num_threads(threads)
    assert max(waiting) <= 17 < len(entries)  # memory stays bounded
    one = prepare(entries, tmp_path / "one", encoder, letters, 1)
    assert one == two and len(one.skipped) == 1
    for name in ("audio.i16", "f0.f32", "speaker.f32", "items.jsonl", "cache.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
