"""Editing of recordings: what stays is the recording itself; tiny random models."""

import io
import json
import os
import stat
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch

from tests.helpers.audio import contained
from tests.helpers.edited import FRAMES, PAUSE, SAID, hearing, layout, spoken
from tests.helpers.systems import NETWORK
from tts import TTS, Edited
from tts.audio.resample import resample
from tts.cli.main import run
from tts.editing.render import Rendered, render
from tts.errors import AlignmentError, AudioError, TextError, UsageError
from tts.generators.base import Infill
from tts.generators.generator import Generator
from tts.registry import build_generator
from tts.text.frontend import Frontend
from tts.text.symbols import SIL
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.spectral import SpectralAutoencoder


@pytest.fixture
def tts(profiled_home: Path, monkeypatch: pytest.MonkeyPatch) -> TTS:
    return hearing(monkeypatch)


@pytest.fixture
def filling(profiled_home: Path, monkeypatch: pytest.MonkeyPatch) -> TTS:
    """A codec language model that was trained to fill in, as SSR-Speech."""
    codec = {"dim": 16, "blocks": 1, "levels": (5, 4), "groups": 3}
    codes = {"kind": "categorical", "num_codebooks": 3, "codebook_size": 20, "levels": [5, 4]}
    arguments = {
        **NETWORK,
        "strategy": {"kind": "autoregressive", "pattern": {"name": "delay"}, "inpaint": 0.5},
        "head": {**codes, "width": 8},
    }
    checkpoints = profiled_home / "checkpoints"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        save_checkpoint(checkpoints / "spectral", SpectralAutoencoder(**codec), "spectral", codec)
        made = build_generator(**arguments)
        save_checkpoint(checkpoints / "flow", made, "generator", arguments)
    config = profiled_home / "configs" / "models" / "default.yaml"
    text = config.read_text().replace("{steps: 2}", "{uncond: phones, silence_penalty: 1.0}")
    config.write_text(text + "codec: spectral\n")
    return hearing(monkeypatch)


@pytest.fixture
def sound() -> np.ndarray:
    return spoken()


def unchanged(edited: Edited, sound: np.ndarray) -> int:
    """Samples that are kept; each is that of the recording."""
    total = 0
    for kept in edited.kept:
        size = kept.end - kept.source
        np.testing.assert_array_equal(
            edited.samples[kept.out : kept.out + size], sound[kept.source : kept.end]
        )
        total += size
    assert np.isfinite(edited.samples).all()
    return total


@pytest.mark.parametrize(
    ("wanted", "changes", "places"),
    [
        ("one seven three four", [(("two",), ("seven",))], 1),
        ("five two three nine", [(("one",), ("five",)), (("four",), ("nine",))], 2),
        ("one six two three eight four", [((), ("six",)), ((), ("eight",))], 2),
        ("zero one two three four", [((), ("zero",))], 1),
        ("one two three four five", [((), ("five",))], 1),
        ("one two four", [(("three",), ())], 0),
        ("two three four", [(("one",), ())], 0),
        ("one two three", [(("four",), ())], 0),
        ("nine eight seven six", [(("one", "two", "three", "four"), ("nine", "eight", "seven",
         "six"))], 1),
    ],
)  # fmt: skip
def test_what_stays_is_the_recording(
    tts: TTS,
    sound: np.ndarray,
    wanted: str,
    changes: list[tuple[tuple[str, ...], ...]],
    places: int,
) -> None:
    edited = tts.edit(sound, SAID, wanted)
    assert [(change.old, change.new) for change in edited.changes] == changes
    kept = unchanged(edited, sound)
    # Both ends of the recording are its silence, which stays.
    assert edited.kept[0].source == edited.kept[0].out == 0
    assert edited.kept[-1].end == len(sound)
    last = edited.kept[-1]
    assert last.out + last.end - last.source == len(edited.samples)
    phones = {word: b - a for word, a, b in Frontend("en-us", pauses="none").one(SAID).words}
    gone = sum(phones[word] for old, _ in changes for word in old) * FRAMES * 320
    # Two fades of 12 ms at each place, and pauses beside words that were taken out.
    lost = len(sound) - kept - gone
    assert -1 <= lost <= (2 * len(changes)) * 192 + PAUSE * 320
    assert [word.text for word in edited.words] == wanted.split()
    times = [each for word in edited.words for each in (word.start, word.end)]
    assert times == sorted(times) and times[-1] <= edited.seconds + 0.03
    assert len(edited.kept) == places + 1 or places == 0


def test_no_change_is_the_recording(tts: TTS, sound: np.ndarray) -> None:
    edited = tts.edit(sound, SAID, "One, two -- three: four!")
    assert not edited.changes and edited.sample_rate == 16000
    np.testing.assert_array_equal(edited.samples, sound)
    assert [word.text for word in edited.words] == SAID.split()


def test_times_of_words_are_those_of_the_recording(tts: TTS, sound: np.ndarray) -> None:
    edited = tts.edit(sound, SAID, "one two three four")
    starts = [word.start for word in edited.words]
    heard = layout()
    first = next(n for n, phone in enumerate(heard) if phone != SIL)
    assert starts[0] == pytest.approx(first * 0.02, abs=0.041)


def test_other_rates_seeds_and_speeds(tts: TTS, sound: np.ndarray) -> None:

    wide = resample(sound, 16000, 44100)
    edited = tts.edit(wide, SAID, "one seven three four", sample_rate=44100)
    assert edited.sample_rate == 44100 and unchanged(edited, wide) > 0.6 * len(wide)
    one = tts.edit(sound, SAID, "one seven three four", seed=1)
    again = tts.edit(sound, SAID, "one seven three four", seed=1)
    other = tts.edit(sound, SAID, "one seven three four", seed=2)
    np.testing.assert_array_equal(one.samples, again.samples)
    assert not np.array_equal(one.samples, other.samples)
    slow = tts.edit(sound, SAID, "one seven three four", speed=0.5)
    assert len(slow.samples) > len(one.samples)


def test_containers_keep_their_rate(tts: TTS, sound: np.ndarray, tmp_path: Path) -> None:
    path = contained(tmp_path / "said.m4a", resample(sound, 16000, 44100), 44100)
    edited = tts.edit(path, SAID, "one five three four")
    assert edited.sample_rate == 44100 and edited.kept[0].end > 1000


def test_errors(tts: TTS, sound: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(AlignmentError, match="does not say 'seven eleven"):
        tts.edit(sound, "seven eleven sixty five", "one")
    with pytest.raises(AlignmentError):
        tts.edit(sound, SAID + " and many more words than it has time for" * 9, "one")
    for said, wanted in (("", "one"), (SAID, " "), (SAID, "...")):
        with pytest.raises(TextError):
            tts.edit(sound, said, wanted)
    with pytest.raises(UsageError):
        tts.edit(tmp_path / "nothing.wav", SAID, "one")
    with pytest.raises(AudioError, match="60 s"):
        tts.edit(np.tile(sound, 40), SAID, "one")
    with pytest.raises(UsageError, match="out of range"):
        tts.edit(sound, SAID, "one", speed=9)
    tts.acoustic.shifts = None
    with pytest.raises(UsageError, match="phone probe"):
        tts.edit(sound, SAID, "one")


def test_files_hold_the_same_values(tts: TTS, sound: np.ndarray, tmp_path: Path) -> None:
    values = np.rint(sound * 32767).astype(np.int16)
    sf.write(tmp_path / "in.wav", values, 16000)
    for name in ("out.wav", "out.flac"):
        edited = tts.edit(tmp_path / "in.wav", SAID, "one seven three four")
        edited.save(tmp_path / name)
        found, rate = sf.read(tmp_path / name, dtype="int16")
        assert rate == 16000 and len(found) == len(edited.samples)
        for kept in edited.kept:
            size = kept.end - kept.source
            part = found[kept.out : kept.out + size]
            np.testing.assert_array_equal(part, values[kept.source : kept.end])


@pytest.mark.parametrize("said", [SAID, None])
def test_continuing(tts: TTS, sound: np.ndarray, said: str | None) -> None:
    longer = tts.extend(sound, "Five six. Seven!", said)
    assert unchanged(longer, sound) > len(sound) - PAUSE * 320
    assert len(longer.kept) == 1 and longer.kept[0].out == 0
    assert [word.text for word in longer.words] == ["Five", "six", "Seven"]
    assert longer.words[0].start >= longer.kept[0].end / 16000 - 0.03
    assert longer.words[-1].end <= longer.seconds + 0.03
    with pytest.raises(TextError):
        tts.extend(sound, "  ")


@pytest.mark.parametrize("paused", [True, False])
@pytest.mark.parametrize("said", [SAID, None])
def test_words_that_go_on_are_where_they_are_heard(
    tts: TTS, sound: np.ndarray, said: str | None, paused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a recording that ends in silence, and one that ends in speech."""

    def beeps(*given: Any) -> Rendered:
        made = render(*given)
        spoken = [bool(segment.word) and segment.source is None for segment in made.segments]
        lengths = torch.tensor([320 * segment.length for segment in made.segments])
        samples = torch.repeat_interleave(0.05 * torch.tensor(spoken).float(), lengths)
        return replace(made, samples=samples)

    monkeypatch.setattr("tts.editing.extend.render", beeps)
    if not paused:
        sound = sound[: -PAUSE * 320]
    longer = tts.extend(sound, "Five six. Seven! Eight nine.", said)
    unchanged(longer, sound)
    end = longer.kept[-1].out + longer.kept[-1].end - longer.kept[-1].source + 200
    loud = np.abs(longer.samples[end:]) > 0.02
    (edges,) = np.diff(loud, prepend=False, append=False).nonzero()
    times = (edges + end) / 16000
    words = longer.words
    told = [words[0].start, words[1].end, words[2].start, words[2].end, words[3].start,
            words[4].end]  # fmt: skip
    np.testing.assert_allclose(times, told, rtol=0, atol=0.013)
    gaps = [each.pause_after + 0.25 for each in tts.phonemize("Five six. Seven! Eight nine.")]
    np.testing.assert_allclose([times[2] - times[1], times[4] - times[3]], gaps[:2], atol=0.02)
    assert words[0].start - longer.kept[-1].end / 16000 == pytest.approx(
        0 if paused else 0.24, abs=0.02
    )


@pytest.mark.parametrize("module", ["edit", "extend"])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_generated_peaks_are_bent_below_full_scale(
    tts: TTS, sound: np.ndarray, module: str, rate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a loud recording, which stays as it is."""

    def clicks(*given: Any) -> Rendered:
        made = render(*given)
        time = torch.arange(len(made.samples))
        return replace(made, samples=torch.where(time % 160 < 8, 0.5, 0.0))

    monkeypatch.setattr(f"tts.editing.{module}.render", clicks)
    loud = resample(sound, 16000, rate)
    loud *= 0.99 / np.abs(loud).max()
    if module == "edit":
        edited = tts.edit((loud, rate), SAID, "one seven three four")
    else:
        edited = tts.extend((loud, rate), "Five. Six.")
    assert unchanged(edited, loud) > 0.5 * len(loud)
    assert 0.8 < np.abs(edited.samples).max() < 1
    made = np.ones(len(edited.samples), bool)
    for kept in edited.kept:
        made[kept.out : kept.out + kept.end - kept.source] = False
    assert 0.7 < np.abs(edited.samples[made]).max() < 1


def test_command_lines(
    tts: TTS,
    sound: np.ndarray,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tts.cli.edit.load_model", lambda *_: (tts, 0.0))
    source, out = tmp_path / "in.wav", tmp_path / "out.wav"
    sf.write(source, sound, 16000)
    given = ["edit", str(source), "--from", SAID, "-o", str(out)]
    assert run([*given, "--to", "one nine three four", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["changes"] == [{"from": "two", "to": "nine"}] and out.exists()
    assert run(["continue", str(source), "Five.", "-o", str(out), "-q"]) == 0
    out.unlink()
    capsys.readouterr()
    assert run(["edit", str(source), "--from", "sixty five", "--to", "x", "-o", str(out)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "does not say 'sixty five'" in error
    assert run([*given, "--to", " "]) == 2
    assert not out.exists()
    reading, writing = tmp_path / "in.pipe.wav", tmp_path / "out.pipe.wav"
    os.mkfifo(reading)
    os.mkfifo(writing)
    heard: list[bytes] = []
    threads = [
        threading.Thread(target=reading.write_bytes, args=(source.read_bytes(),), daemon=True),
        threading.Thread(target=lambda: heard.append(writing.read_bytes()), daemon=True),
    ]
    for thread in threads:
        thread.start()
    piped = ["edit", str(reading), "--from", SAID, "--to", "one nine three four"]
    assert run([*piped, "-o", str(writing), "-q"]) == 0, "pipes are read once and not replaced"
    for thread in threads:
        thread.join(10)
    assert heard and sf.info(io.BytesIO(heard[0])).samplerate == 16000
    assert stat.S_ISFIFO(writing.stat().st_mode)
    assert run(["edit", str(tmp_path / "no.wav"), "--from", "a", "--to", "b"]) == 2
    assert not out.exists()


def test_takes_of_single_sentences(
    tts: TTS, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "One two. Three four. Five six."
    plain = tts.synthesize(text, seed=5)
    same = tts.synthesize(text, seed=5, takes=((2, 6),))
    np.testing.assert_array_equal(plain.samples, same.samples)  # sentence 2 had seed 6
    other = tts.synthesize(text, seed=5, takes=((2, 99),))
    assert len(other.samples) == len(plain.samples)
    begin = round(plain.words[2].start * tts.sample_rate)
    np.testing.assert_array_equal(other.samples[: begin - 2000], plain.samples[: begin - 2000])
    assert not np.array_equal(other.samples, plain.samples)
    for wrong in (((0, 1),), ((1, -1),), ((1, 1.5),)):
        with pytest.raises(UsageError):
            tts.synthesize(text, takes=wrong)  # type: ignore[arg-type]
    out = ["-o", str(tmp_path / "out.wav"), "-q"]
    assert run(["synthesize", text, "--take", "2=99", "--take", "3=1", *out]) == 0
    assert run(["synthesize", text, "--take", "two", *out]) == 2
    assert "N=SEED" in capsys.readouterr().err
    assert run(["synthesize", text, "--take", "2=99", "--take", "2=7", *out]) == 2
    assert "several takes of sentence 2" in capsys.readouterr().err


def test_a_codec_language_model_fills_in_codes(
    filling: TTS, sound: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The codes of the words that stay are given, on both sides of the new one."""
    seen: list[tuple[Infill, torch.Tensor]] = []
    generate = Generator.generate

    def noted(self: Generator, request: object, rngs: object, *rest: object, **named: object):  # type: ignore[no-untyped-def]
        made = generate(self, request, rngs, *rest, **named)  # type: ignore[arg-type]
        seen.append((rest[1], made))  # type: ignore[arg-type]
        return made

    monkeypatch.setattr(Generator, "generate", noted)
    edited = filling.edit(sound, SAID, "one seven three four", seed=1)
    unchanged(edited, sound)
    ((infill, made),) = seen
    known = infill.known[0]
    first = int((~known).nonzero()[0])
    assert first > 5 and known[first:].sum() > 5 and (~known).sum() > 3
    assert torch.equal(made[0, known], infill.latents[0, known])
    # What the pauses of the recording are coded as is told.
    assert infill.silent is not None and 0 < int(infill.silent.sum()) < 20
    again = filling.edit(sound, SAID, "one seven three four", seed=1)
    assert np.array_equal(edited.samples, again.samples)
