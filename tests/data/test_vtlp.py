"""Source-filter features: what the envelope keeps, the pitch channels, warping to other voices."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from tts.data.vtlp import VTLP_FACTORS, vtlp_features, vtlp_samples
from tts_codecs.envelope import EXTRA, mel_envelope, pack_pitch, shift_pitch, unpack_pitch
from tts_codecs.mel import log_mel

RATE, HOP = 16000, 320


def vowel(pitch: float, frames: int = 40, scale: float = 1.0) -> Tensor:
    """[1, N] harmonics of `pitch` under three broad resonances at `scale` times their place."""
    t = torch.arange(frames * HOP, dtype=torch.float64) / RATE
    wav = torch.zeros_like(t)
    for k in range(1, int(7600 / pitch)):
        gain = sum(math.exp(-0.5 * ((k * pitch / scale - f) / 350) ** 2) for f in (700, 1900, 3300))
        wav += (gain + 0.02) * torch.cos(2 * math.pi * k * pitch * t + k * k)
    # Equal power of each stretch of the spectrum, however many harmonics lie in it.
    return (0.02 * math.sqrt(pitch / 100) * wav).float()[None]


def envelope(pitch: float, scale: float = 1.0) -> Tensor:
    """Mean of the inner frames, [80]."""
    wav = vowel(pitch, scale=scale)
    return mel_envelope(wav, torch.full((1, 40), pitch))[0, 5:-5].mean(0)


def test_the_envelope_hardly_depends_on_the_pitch() -> None:
    inner = slice(6, 64)  # 250 Hz to 5 kHz; below the first harmonic there is nothing to see
    low, high = envelope(100.0)[inner], envelope(230.0)[inner]
    plain = [log_mel(vowel(pitch))[0, 5:-5].mean(0)[inner] for pitch in (100.0, 230.0)]
    apart = (low - high).abs().mean()
    assert apart < 0.15 and apart < 0.4 * (plain[0] - plain[1]).abs().mean()
    # But on the resonances.
    other = envelope(100.0, scale=1.2)[inner]
    assert (low - other).abs().mean() > 2 * apart


def test_the_envelope_has_the_scale_of_the_mel() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = 0.1 * torch.randn(1, 60 * HOP, generator=generator)
    smooth = mel_envelope(noise, torch.zeros(1, 60))
    mel = log_mel(noise)
    assert smooth.shape == mel.shape == (1, 60, 80)
    assert (smooth - mel).mean().abs() < 0.1
    assert smooth[..., 10:60].std() < mel[..., 10:60].std()
    silence = mel_envelope(torch.zeros(1, 3 * HOP), torch.zeros(1, 3))
    torch.testing.assert_close(silence, log_mel(torch.zeros(1, 3 * HOP)))


def test_batch_equals_single() -> None:
    wav = torch.cat([vowel(120.0), vowel(200.0), torch.zeros(1, 40 * HOP)])
    f0 = torch.tensor([120.0, 200.0, 0.0]).unsqueeze(1).repeat(1, 40)
    f0[0, 10:15] = 0
    together, pitch = mel_envelope(wav, f0), pack_pitch(f0)
    for row in range(3):
        part = slice(row, row + 1)
        alone = mel_envelope(wav[part], f0[part])
        torch.testing.assert_close(alone, together[part], rtol=0, atol=1e-4)
        torch.testing.assert_close(pack_pitch(f0[part]), pitch[part])
    assert mel_envelope(vowel(120.0, 1), torch.tensor([[120.0]])).shape == (1, 1, 80)


def test_pitch_comes_back() -> None:
    generator = torch.Generator().manual_seed(0)
    f0 = 60 * 2 ** (3 * torch.rand(3, 50, generator=generator))
    f0[torch.rand(3, 50, generator=generator) < 0.4] = 0
    packed = pack_pitch(f0)
    assert packed.shape == (3, 50, EXTRA) and packed.abs().max() < 4
    torch.testing.assert_close(unpack_pitch(packed), f0.double(), rtol=1e-5, atol=0)
    assert torch.equal(packed[..., 1] > 0, f0 > 0)


def test_unvoiced_stretches_are_bridged() -> None:
    f0 = torch.tensor([[0.0, 0, 160, 0, 0, 0, 320, 0], [0.0] * 8])
    height = pack_pitch(f0)[..., 0]
    expected = [0, 0, 0, 0.5, 1, 1.5, 2, 2]  # half octaves above 160 Hz
    assert height[0].tolist() == pytest.approx(expected, abs=1e-6)
    assert (height[1] == 0).all() and (unpack_pitch(pack_pitch(f0))[1] == 0).all()
    assert unpack_pitch(pack_pitch(f0))[0].tolist() == pytest.approx(f0[0].tolist())


@pytest.mark.parametrize("factor", [0.5, 0.88, 1.0, 1.3])
def test_shifted_pitch_is_scaled_pitch(factor: float) -> None:
    f0 = torch.tensor([[0.0, 110, 220, 0, 150]])
    packed = pack_pitch(f0)
    packed[..., 0] = shift_pitch(packed[..., 0], factor)
    torch.testing.assert_close(unpack_pitch(packed), f0.double() * factor, rtol=1e-5, atol=0)
    numbers = shift_pitch(pack_pitch(f0)[..., 0].numpy(), factor)
    np.testing.assert_allclose(numbers, packed[..., 0].numpy(), rtol=1e-6)


# ---- warping ---------------------------------------------------------------------------------


def features_of(wav: Tensor, pitch: float) -> np.ndarray:
    f0 = torch.full((1, wav.shape[1] // HOP), pitch)
    return torch.cat([mel_envelope(wav, f0), pack_pitch(f0)], -1)[0].numpy()


def test_a_factor_of_one_changes_nothing() -> None:
    features = features_of(vowel(130.0), 130.0)
    kept = features.copy()
    np.testing.assert_allclose(vtlp_features(features, 1.0), features, atol=1e-4)
    vtlp_features(features, 1.2)
    np.testing.assert_array_equal(features, kept)  # works on a copy
    assert 1.0 not in VTLP_FACTORS


@pytest.mark.parametrize("factor", VTLP_FACTORS)
def test_warped_features_are_those_of_the_warped_recording(factor: float) -> None:
    wav = vowel(130.0, 60)
    played = torch.from_numpy(vtlp_samples(wav[0].numpy(), factor, RATE))[None]
    assert played.shape[1] == pytest.approx(wav.shape[1] / factor, abs=2)
    played = played[:, : played.shape[1] // HOP * HOP]
    expected = features_of(played, 130.0 * factor)[5:-5].mean(0)
    plain = features_of(wav, 130.0)
    found = vtlp_features(plain, factor)[5:-5].mean(0)
    inner = slice(6, 60)
    wrong = np.abs(plain[5:-5].mean(0)[inner] - expected[inner]).mean()
    assert np.abs(found[inner] - expected[inner]).mean() < 0.5 * wrong
    assert found[-EXTRA] == pytest.approx(expected[-EXTRA], abs=1e-4)
    assert found[-1] == expected[-1] == 1
