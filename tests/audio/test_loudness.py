"""Loudness: BS.1770 as a public implementation has it, one level for all, the same in pieces."""

from pathlib import Path

import numpy as np
import pytest

from tts import TTS
from tts.audio.loudness import CEILING, TARGET_LUFS, Leveler, _lufs, _power

RATE = 16000


def speechlike(seconds: float, gain_db: float, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Filtered noise in syllables of 0.2 s at about -20 dBFS and `gain_db` more."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * rate)) / rate
    noise = np.convolve(rng.standard_normal(t.size), np.ones(8) / 8, "same")
    wave = noise * (0.3 + 0.7 * np.sin(2 * np.pi * 2.5 * t) ** 2)
    wave *= 10 ** ((-20 + gain_db) / 20) / np.sqrt(np.mean(wave**2))
    return wave.astype(np.float32)


@pytest.mark.parametrize("rate", [16000, 24000, 48000])
def test_loudness_is_that_of_the_standard(rate: int) -> None:
    pyloudnorm = pytest.importorskip("pyloudnorm")
    # 997 Hz at full scale has -3.01 LUFS by definition; the filters of both libraries miss that by
    # 0.28 dB.
    tone = np.sin(2 * np.pi * 997 * np.arange(2 * rate) / rate).astype(np.float32)
    assert _lufs(_power(tone, rate, rate)) == pytest.approx(-3.01, abs=0.3)
    wave = np.concatenate([speechlike(4, 0, rate), np.zeros(rate, np.float32)])
    leveler = Leveler(rate)
    leveler(wave)
    blocks = np.convolve(leveler._powers, np.full(4, 0.25), "valid")
    loud = blocks[blocks > 10 ** ((-70 + 0.691) / 10)]
    loud = loud[loud > loud.mean() / 10]
    expected = pyloudnorm.Meter(rate).integrated_loudness(wave)
    assert _lufs(loud.mean()) == pytest.approx(expected, abs=0.3)


@pytest.mark.parametrize("gain", [-8.0, 0.0, 8.0, 20.0])
def test_every_level_becomes_one(gain: float) -> None:
    pyloudnorm = pytest.importorskip("pyloudnorm")
    out = Leveler(RATE)(speechlike(12, gain))
    assert np.abs(out).max() < 10 ** (-1 / 20) and np.isfinite(out).all()
    # Of a loud voice the first moments count, until the gain has come down.
    tail = out[2 * RATE :]
    assert pyloudnorm.Meter(RATE).integrated_loudness(tail) == pytest.approx(TARGET_LUFS, abs=1.5)


def test_pieces_of_any_size_give_the_whole() -> None:
    wave = np.concatenate([speechlike(3, 5), np.zeros(RATE, np.float32), speechlike(3, -9)])
    whole = Leveler(RATE)(wave)
    rng = np.random.default_rng(1)
    level, parts, at = Leveler(RATE), [], 0
    while at < len(wave):
        size = int(rng.integers(0, 5000))
        parts.append(level(wave[at : at + size]))
        at += size
    assert np.array_equal(np.concatenate(parts), whole)
    assert len(whole) == len(wave) and not whole[3 * RATE : 4 * RATE].any()


def test_a_level_as_expected_is_one_gain() -> None:
    wave = speechlike(5, 0)
    expected = float(np.median([_lufs(_power(wave, RATE, 4 * RATE))]))
    out = Leveler(RATE, expected)(wave)
    gain = out[RATE:] / np.where(np.abs(wave[RATE:]) > 0.01, wave[RATE:], np.nan)
    small = np.abs(out[RATE:]) < 0.6
    assert np.nanmax(gain[small]) / np.nanmin(gain[small]) < 1.2


def test_peaks_in_every_surface(tiny_home: Path, tmp_path: Path) -> None:
    import soundfile as sf
    import torch

    tts = TTS.load("default", device="cpu")
    original = tts.acoustic.vocoder.chunk

    def loud(*arguments: object) -> object:
        wav, *rest = original(*arguments)  # type: ignore[arg-type]
        return (100 * wav, *rest)

    tts.acoustic.vocoder.chunk = loud  # type: ignore[method-assign]
    text = "The birch canoe slid on the smooth planks."
    audio = tts.synthesize(text)
    assert torch.tensor(audio.samples).abs().max() <= CEILING
    for suffix in ("wav", "flac"):
        audio.save(tmp_path / f"a.{suffix}")
        samples, _ = sf.read(tmp_path / f"a.{suffix}")
        assert np.abs(samples).max() < 10 ** (-1 / 20)
    pieces = [chunk.samples for chunk in tts.stream(text, chunk_frames=7)]
    np.testing.assert_allclose(np.concatenate(pieces), audio.samples, atol=1e-3)


@pytest.mark.parametrize("seconds", [(0, 2), (3, 1), (0.25, 90)])
def test_silence_is_not_measured(
    seconds: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it change what follows, or push out what was heard before it."""
    measured = []
    monkeypatch.setattr(
        "tts.audio.loudness._power", lambda *given: measured.append(1) or _power(*given)
    )
    before, between = (np.zeros(round(RATE * each), np.float32) for each in seconds)
    level = Leveler(RATE)
    level(before)
    assert not measured
    first = level(speechlike(3, 9))
    count = len(measured)
    assert not level(between).any() and len(measured) <= count + 2
    level(speechlike(1, 9))
    # A voice that is forgotten would be as loud as a new one again.
    assert np.abs(level(speechlike(3, 9))).max() < 1.3 * np.abs(first[-RATE:]).max()
