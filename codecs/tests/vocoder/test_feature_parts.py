"""Waveform codecs of source-filter features of all bands, and the shipped parts that they begin
with."""

from typing import Any

import pytest
import torch
from torchaudio.functional import resample

from codec_helpers import decode_in_chunks, example_wav
from tts_codecs.envelope import EXTRA, held_pitch, pack_pitch, unpack_pitch
from tts_codecs.errors import CodecError
from tts_codecs.mel import MelConfig, full_band, log_mel
from tts_codecs.neural import NeuralCodec, build_codec
from tts_codecs.quantizers import VectorQuantizer
from tts_codecs.quantizers.rvq import ResidualVQ
from tts_codecs.spectral import SpectralAutoencoder
from tts_codecs.vocoder.feature_init import copy_autoencoder
from tts_codecs.vocoder.feature_parts import FeatureDecoder, FeatureEncoder

PITCH = {"pitch_dim": 8, "pitch_blocks": 1}
VOCODER = {"dim": 16, "hidden": 32, "blocks": 2, **PITCH}
RVQ: dict[str, Any] = {"kind": "rvq", "dim": 6, "num_codebooks": 3, "codebook_size": 16}
NARROW_RVQ = {**RVQ, "dim": 4, "num_codebooks": 2}
MODEL: dict[str, Any] = {
    "rate": 24000, "hop": 960, "dim": 6, "project": False, "quantizer": RVQ,
    "encoder": {"kind": "features", "width": 16, "blocks": 1, **PITCH},
    "decoder": {"kind": "features", "width": 16, "blocks": 1, "vocoder": VOCODER},
}  # fmt: skip


def made(**changes: Any) -> NeuralCodec:
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        codec = build_codec(**{**MODEL, **changes})
        for part in codec.modules():
            if isinstance(part, VectorQuantizer):
                part.codebook.copy_(torch.randn_like(part.codebook))
        assert isinstance(codec.encoder, FeatureEncoder)
        assert isinstance(codec.decoder, FeatureDecoder)
        codec.encoder.to_code.weight.mul_(4)
        codec.decoder.vocoder.head.weight.mul_(3)
    return codec.eval().requires_grad_(False)


def test_the_bands_go_on_above_those_of_16_khz() -> None:
    """The common bands of one sound are the same, whatever the rate."""
    assert full_band(16000) == MelConfig()
    wide = full_band(24000)
    assert wide.n_mels == 90 and wide.frame_rate == 50 and 11_000 < wide.f_max <= 12_000
    assert full_band(48000).n_mels == 108
    time = torch.arange(48000) / 24000
    sound = sum(torch.sin(2 * torch.pi * hertz * time) for hertz in (220, 950, 2300, 5200)) / 8
    sound = sound * (1 + 0.5 * torch.sin(2 * torch.pi * 3 * time))
    high = log_mel(sound[None], wide)
    low = log_mel(resample(sound[None], 24000, 16000, lowpass_filter_width=64), MelConfig())
    loud = low > 0  # at the floor of a band the leakage of the windows differs
    loud[:, :2] = loud[:, -2:] = False  # beyond the ends one filter rings
    difference = (high[..., :80] - low).abs()[loud]
    assert loud.float().mean() > 0.05 and difference.median() < 0.02 and difference.max() < 0.3
    for rate in (8000, 22050):
        with pytest.raises(CodecError, match=str(rate)):
            full_band(rate)


def test_pitch_is_held_where_there_is_none() -> None:
    """Of a stream as of a whole; voiced frames are as in `pack_pitch`."""
    f0 = torch.tensor([[0, 0, 110, 120, 0, 0, 200, 0], [90, 0, 0, 95, 95, 0, 0, 0]]).double()
    whole, last = held_pitch(f0, torch.zeros(2))
    assert torch.equal(unpack_pitch(whole) > 0, f0 > 0)
    torch.testing.assert_close(unpack_pitch(whole), f0, rtol=1e-6, atol=1e-6)
    voiced = f0 > 0
    torch.testing.assert_close(whole[voiced], pack_pitch(f0)[voiced].double(), rtol=0, atol=1e-6)
    assert torch.equal(whole[0, 4:6, 0], whole[0, 3:4, 0].expand(2)) and whole[0, 0, 0] == 0
    pieces, memory = [], torch.zeros(2)
    for piece in f0.split(3, 1):
        part, memory = held_pitch(piece, memory)
        pieces.append(part)
    assert torch.equal(torch.cat(pieces, 1), whole) and torch.equal(memory, last)


@pytest.mark.parametrize("rate", [16000, 24000])
def test_streams_are_as_the_whole_both_ways(rate: int) -> None:
    codec = made(rate=rate, hop=rate // 25)
    wav = example_wav(2, 13 * codec.hop - 7, rate)
    codes = codec.encode(wav).data
    assert codes.shape == (2, 13, 3) and len(codes.unique()) > 8
    state, found = codec.init_encoding(2), []
    for piece in (*wav.split(1777, 2), wav[..., :0]):
        part, state = codec.encode_chunk(piece, state, last=not piece.shape[2])
        found.append(part)
    assert torch.equal(torch.cat(found, 1), codes)
    whole = codec.decode(codes)
    assert whole.shape == (2, 1, 13 * codec.hop) and whole.abs().max() > 1e-2
    pieces = decode_in_chunks(codec, codes, [1, 3, 0, 2, 7])
    torch.testing.assert_close(torch.cat(pieces, 2), whole, rtol=0, atol=1e-4)


def test_nothing_is_heard_before_its_look_ahead() -> None:
    codec = made()
    encoder, ahead = codec.encoder, codec.encoder.look_ahead
    wav = example_wav(1, 16 * codec.hop, 24000)[:, 0]
    other = wav.clone()
    other[:, 10 * codec.hop :] *= -0.3
    moved = (codec.vectors(wav) - codec.vectors(other)).abs().amax((0, 2)) > 1e-5
    assert not moved[: 10 - ahead].any() and moved[10:].any()
    assert isinstance(encoder, FeatureEncoder) and encoder.analysis_ahead < ahead


def test_a_codec_begins_as_what_is_shipped_sounds() -> None:
    """Codes of the known codebooks, features and samples below 8 kHz of the narrow parts are those
    of the wide codec."""
    torch.manual_seed(1)
    old = narrow()
    with torch.no_grad():
        for part in old.modules():
            if isinstance(part, VectorQuantizer):
                part.codebook.copy_(torch.randn_like(part.codebook))
    codec = made()
    encoder, decoder = codec.encoder, codec.decoder
    assert isinstance(encoder, FeatureEncoder) and isinstance(decoder, FeatureDecoder)
    copy_autoencoder(encoder, decoder, codec.quantizer, old)
    quantizer = codec.quantizer
    assert isinstance(quantizer, ResidualVQ) and isinstance(old.quantizer, ResidualVQ)
    for new, given in zip(quantizer.codebooks, old.quantizer.codebooks, strict=False):
        assert torch.equal(new[:, :4], given) and not new[:, 4:].any()
    values = torch.cat([torch.randn(2, 7, 4), torch.zeros(2, 7, 2)], -1)
    features = decoder.features(values)
    kept = torch.cat([features[..., :80], features[..., -EXTRA:]], -1)
    torch.testing.assert_close(kept, old.restore(values[..., :4]), rtol=0, atol=1e-4)


def test_the_upper_band_is_what_its_bands_say() -> None:
    """Before training already: noise of a colour has that colour again, above 8 kHz, and below it
    the samples are those of the vocoder alone."""
    codec = made()
    decoder = codec.decoder
    assert isinstance(decoder, FeatureDecoder) and isinstance(codec.encoder, FeatureEncoder)
    torch.manual_seed(2)
    hertz = torch.fft.rfftfreq(48000, 1 / 24000)
    colour = torch.where((hertz > 9000) & (hertz < 10500), 0.01, 0.1)
    wav = torch.fft.irfft(torch.fft.rfft(torch.randn(1, 48000)) * colour)
    features = codec.encoder.features(wav)
    features[..., -1] = -1  # unvoiced

    def spoken(features: torch.Tensor) -> torch.Tensor:
        return decoder._speak(features, decoder.initial(1, features)[2:])[0]

    def level(wav: torch.Tensor, low: int, high: int) -> float:
        inner = wav[:, 8000:-8000]
        power = torch.fft.rfft(inner * torch.hann_window(inner.shape[1])).abs().square()
        low, high = (hertz * inner.shape[1] // 24000 for hertz in (low, high))
        return float(10 * power[:, low:high].mean().log10())

    made_again = spoken(features)
    for low, high in ((8300, 8800), (9200, 10200), (10900, 11400)):
        assert abs(level(made_again, low, high) - level(wav, low, high)) < 3, low
    louder = features.clone()
    louder[..., 80:90] += 1  # 19 dB
    changed = spoken(louder)
    gained = level(changed, 9200, 10200) - level(made_again, 9200, 10200)
    assert gained == pytest.approx(19.1, abs=0.5)
    assert level(changed - made_again, 100, 7500) < level(made_again, 100, 7500) - 40


def narrow(**changes: Any) -> SpectralAutoencoder:
    return SpectralAutoencoder(**{"dim": 16, "blocks": 1, "quantizer": NARROW_RVQ, **changes})


@pytest.mark.parametrize(
    ("old", "message"),
    [
        ({"dim": 8}, "other sizes"),
        ({"quantizer": {**NARROW_RVQ, "num_codebooks": 4}}, "at least 4"),
        ({"quantizer": {**NARROW_RVQ, "dim": 7}}, "7 dimensions"),
    ],
)
def test_parts_of_other_sizes_are_told(old: dict[str, Any], message: str) -> None:
    codec = made()
    assert isinstance(codec.encoder, FeatureEncoder) and isinstance(codec.decoder, FeatureDecoder)
    with pytest.raises(CodecError, match=message):
        copy_autoencoder(codec.encoder, codec.decoder, codec.quantizer, narrow(**old))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hop": 480}, "hop is 960, not 480"),
        ({"rate": 22050, "hop": 882}, "22050"),
        ({"rate": 17000, "hop": 680}, "17000 Hz has too little above 8 kHz"),
        ({"decoder": {**MODEL["decoder"], "vocoder": {"dims": 3}}}, "did you mean 'dim'"),
        ({"decoder": {**MODEL["decoder"], "vocoder": 3}}, "holds its arguments, not 3"),
    ],
)
def test_sizes_that_do_not_fit_are_told(change: dict[str, Any], message: str) -> None:
    with pytest.raises(CodecError, match=message):
        build_codec(**{**MODEL, **change})
