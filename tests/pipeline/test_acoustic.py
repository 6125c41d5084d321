"""A model whose vocoder speaks at 24 kHz while recordings and features are those of 16 kHz."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from tts import TTS
from tts.cli.main import run
from tts.registry import load_module
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.vocoder.source_filter import SourceFilterVocoder
from tts_codecs.vocoder.widen import widen

TEXT = "One, two. And three."


@pytest.fixture
def wide_home(tiny_home: Path) -> Path:
    folder = tiny_home / "checkpoints" / "vocoder"
    narrow = load_module(folder)
    assert isinstance(narrow, SourceFilterVocoder)
    arguments = {
        "dim": 16,
        "hidden": 16,
        "blocks": 1,
        "pitch_dim": 16,
        "pitch_blocks": 1,
        "n_fft": 960,
        "sample_rate": 24000,
    }
    wide = SourceFilterVocoder(**arguments)  # type: ignore[arg-type]
    widen(narrow, wide)
    save_checkpoint(folder, wide, "source_filter_vocoder", arguments)
    return tiny_home


def test_same_speech_at_a_higher_rate(
    wide_home: Path,
    tiny_home_master: Path,
    monkeypatch: pytest.MonkeyPatch,
    recording: Callable[..., Path],
) -> None:
    wide = TTS.load("default", "cpu")
    monkeypatch.setenv("TTS_HOME", str(tiny_home_master))
    narrow = TTS.load("default", "cpu")
    assert (wide.sample_rate, narrow.sample_rate) == (24000, 16000)
    source = recording(rate=44100)
    voice = wide.voice(source)
    np.testing.assert_array_equal(voice.features, narrow.voice(source).features)
    high, low = wide.synthesize(TEXT, voice, seed=3), narrow.synthesize(TEXT, voice, seed=3)
    assert high.seconds == pytest.approx(low.seconds, abs=1e-4)
    assert [each.text for each in high.words] == [each.text for each in low.words]
    for ours, theirs in zip(high.words, low.words, strict=True):
        assert (ours.start, ours.end) == pytest.approx((theirs.start, theirs.end), abs=2e-3)
    spectra = [
        np.abs(np.fft.rfft(each.samples, 1 << 17))[: int(6000 / each.sample_rate * (1 << 17))]
        for each in (high, low)
    ]
    bands = [np.add.reduceat(each**2, np.arange(0, len(each), 4000)) for each in spectra]
    levels = [10 * np.log10(each[:8]) for each in bands]
    assert np.abs(np.diff(levels[0]) - np.diff(levels[1])).max() < 6


def test_streamed_and_in_batches(wide_home: Path, tmp_path: Path) -> None:
    tts = TTS.load("default", "cpu")
    whole = tts.synthesize(TEXT, "default", seed=1).samples
    for chunk_frames in (3, 25):
        with tts.stream(TEXT, "default", seed=1, chunk_frames=chunk_frames) as stream:
            chunks = list(stream)
        assert {each.sample_rate for each in chunks} == {24000}
        streamed = np.concatenate([each.samples for each in chunks])
        np.testing.assert_allclose(streamed, whole, atol=5e-3)
    rows = [{"id": "a", "text": TEXT, "seed": 1}, {"id": "b", "text": "Four.", "seed": 1}]
    results = {each.id: each for each in tts.batch(rows, tmp_path)}
    made, rate = sf.read(tmp_path / results["a"].file, dtype="float32")
    assert rate == 24000 and made.shape == whole.shape
    np.testing.assert_allclose(made, whole, atol=5e-3)


def test_files_have_its_rate(wide_home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    assert run(["synthesize", TEXT, "-o", str(out), "-q"]) == 0
    samples, rate = sf.read(out)
    assert rate == 24000 and len(samples) > 0.3 * rate
    assert run(["synthesize", TEXT, "-o", str(out), "-q", "--rate", "16000"]) == 0
    assert sf.info(out).samplerate == 16000
