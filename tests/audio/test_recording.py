"""Whole recordings: all of them comes back, from the same formats and within the same limits."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from tests.helpers.audio import RATE, contained, talk, write
from tts.audio import recording as recording_module
from tts.audio.recording import read_recording
from tts.audio.reference import load_reference
from tts.errors import AudioError, UsageError


def test_all_of_it_as_it_is(tmp_path: Path) -> None:
    samples = np.concatenate([np.zeros(70 * RATE), talk(2), np.zeros(RATE)]).astype(np.float32)
    found = read_recording(write(tmp_path / "late.wav", samples, subtype="FLOAT"), RATE)
    assert np.array_equal(found.samples, samples) and not found.warnings
    assert read_recording(write(tmp_path / "short.wav", np.zeros(5)), RATE).samples.size == 5


@pytest.mark.parametrize("suffix", ["m4a", "webm"])
def test_containers_are_read_too(tmp_path: Path, suffix: str) -> None:
    rate = 48000
    samples = np.concatenate([np.zeros(3 * rate, np.float32), talk(2, rate)])
    found = read_recording(contained(tmp_path / f"voice.{suffix}", samples, rate), 24000)
    assert found.sample_rate == 24000 and found.seconds == pytest.approx(5, abs=0.1)
    assert np.abs(found.samples[: 2 * 24000]).max() < 1e-3 < np.abs(found.samples).max()


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = tmp_path / "noise.wav"
    noise.write_bytes(np.random.default_rng(0).bytes(5000))
    for path, error, words in (
        (tmp_path / "none.wav", UsageError, "not found"),
        (tmp_path, UsageError, "folder"),
        (noise, AudioError, "not audio"),
        (write(tmp_path / "empty.wav", np.zeros(0)), AudioError, "0 frames"),
        (write(tmp_path / "nan.wav", np.full(99, np.nan), subtype="FLOAT"), AudioError, "finite"),
    ):
        with pytest.raises(error, match=words):
            read_recording(path, RATE)
    monkeypatch.setattr(recording_module, "LONGEST", 1.5)
    for path in (
        write(tmp_path / "long.wav", talk(2)),
        contained(tmp_path / "a.m4a", talk(2), RATE),
    ):
        with pytest.raises(AudioError, match=r"long; 1\.5 s are the most"):
            read_recording(path, RATE)


def test_a_recording_that_ends_early_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    sf.write(path, np.random.default_rng(0).normal(0, 0.1, 20 * RATE), RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = read_recording(path, RATE)
    assert 4 < found.seconds < 12 and len(found.warnings) == 1
    assert "damaged" in found.warnings[0] or "ends early" in found.warnings[0]


def test_a_reference_may_keep_its_rate_and_its_beginning(tmp_path: Path) -> None:
    samples = np.concatenate([np.zeros(3 * 44100, np.float32), talk(2, 44100)])
    path = contained(tmp_path / "voice.m4a", samples, 44100)
    found = load_reference(path, None, target_dbfs=None, trim=False, entire=True)
    assert found.sample_rate == 44100 and found.seconds == pytest.approx(5, abs=0.1)
    with pytest.raises(AudioError, match="4 s are the most"):
        load_reference(path, None, max_seconds=4, entire=True)
