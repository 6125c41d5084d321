"""A vocoder of a higher rate than its mel: streamed equals offline, and what it keeps of a narrow
one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchaudio
from torch import Tensor

from codec_helpers import HOP, RATE, tiny_vocoder, voice
from tts_codecs.errors import CodecError
from tts_codecs.mel_codec import FeatureCodec, MelCodec
from tts_codecs.spectral import SpectralAutoencoder, SpectralCodec
from tts_codecs.vocoder.source_filter import SourceFilterVocoder
from tts_codecs.vocoder.widen import widen

WIDE = 24000


def wide_vocoder(narrow: SourceFilterVocoder) -> SourceFilterVocoder:
    model = SourceFilterVocoder(16, 32, 2, 8, 1, 2, 960, sample_rate=WIDE)
    widen(narrow, model)
    return model.eval().requires_grad_(False)


def test_streamed_equals_offline() -> None:
    model = wide_vocoder(tiny_vocoder())
    assert (model.sample_rate, model.hop) == (WIDE, 480)
    mel = voice(29, batch=2)
    offline, _ = model(mel)
    assert offline.shape == (2, 29 * 480)
    for sizes in ([1] * 29, [7, 7, 7, 8], [29], [3, 11, 1, 14]):
        state, out, at = model.initial(2, mel), [], 0
        for size in sizes:
            wav, state, _ = model.chunk(mel[:, at : at + size], state)
            out.append(wav)
            at += size
        whole = torch.cat([*out, model.flush(2, state)], 1)
        torch.testing.assert_close(whole, offline, rtol=0, atol=1e-4)


def spectrum(wav: Tensor, n_fft: int) -> Tensor:
    """[B, bins, T], the same times and frequencies at either rate."""
    window = torch.hann_window(n_fft)
    return torch.stft(wav, n_fft, n_fft // 4, window=window, return_complex=True) / n_fft


def test_says_what_the_narrow_one_does_within_its_band() -> None:
    narrow = tiny_vocoder()
    wide = wide_vocoder(narrow)
    for model in (narrow, wide):
        model.noise.zero_()  # a table of noise is another one at another rate
    mel = voice(40)
    f0 = torch.full((1, 40), 125.0)
    low = spectrum(narrow(mel, f0)[0], 1024)
    high = spectrum(wide(mel, f0)[0], 1536)
    top = int(7000 / RATE * 1024)
    error = (low[:, :top] - high[:, :top]).abs().square().sum()
    assert error < 0.01 * low[:, :top].abs().square().sum()
    above = high[:, int(8500 / WIDE * 1536) :].abs().square().sum()
    assert above > 1e-4 * high.abs().square().sum()


def test_noise_is_as_loud_within_the_band() -> None:
    narrow = tiny_vocoder()
    wide = wide_vocoder(narrow)
    mel = voice(60)
    f0 = torch.zeros(1, 60)
    low = torchaudio.functional.lowpass_biquad(narrow(mel, f0)[0], RATE, 4000)
    high = torchaudio.functional.lowpass_biquad(wide(mel, f0)[0], WIDE, 4000)
    assert abs(10 * (low.square().mean() / high.square().mean()).log10()) < 1.0


def test_refuses_what_does_not_fit() -> None:
    narrow = tiny_vocoder()
    with pytest.raises(CodecError, match="n_fft 960"):
        widen(narrow, SourceFilterVocoder(16, 32, 2, 8, 1, 2, 640, sample_rate=WIDE))
    with pytest.raises(CodecError, match="differ"):
        widen(narrow, SourceFilterVocoder(24, 32, 2, 8, 1, 2, 960, sample_rate=WIDE))
    with pytest.raises(CodecError, match="whole samples"):
        SourceFilterVocoder(16, 32, 2, 8, 1, 2, 640, sample_rate=22050 + 1)
    assert narrow.hop == HOP


def tiny_spectral(vocoder: SourceFilterVocoder) -> SpectralCodec:
    torch.manual_seed(0)
    return SpectralCodec(SpectralAutoencoder(dim=16, blocks=1), vocoder).eval()


@pytest.mark.parametrize("make", [MelCodec, FeatureCodec, tiny_spectral])
def test_codecs_have_the_rate_of_their_vocoder(make: Callable[[SourceFilterVocoder], Any]) -> None:
    narrow = tiny_vocoder()
    low, high = make(narrow), make(wide_vocoder(narrow))
    assert (high.info.sample_rate, high.info.frame_rate) == (WIDE, low.info.frame_rate)
    t = torch.arange(WIDE) / WIDE
    wav = (0.2 * torch.sin(2 * torch.pi * 150 * t) * (1 + torch.sin(2 * torch.pi * 1200 * t)))[None]
    encoded = high.encode(wav[None])
    same = low.encode(torchaudio.functional.resample(wav, WIDE, RATE)[None])
    assert encoded.data.shape == same.data.shape
    assert (encoded.data.double() - same.data).abs().mean() < 0.3 * same.data.double().abs().mean()
    made = high.decode(encoded)
    assert made.shape[-1] == encoded.data.shape[1] * high.info.hop >= WIDE
