"""The mel, feature and spectral codecs keep the codec contract, at every size of the networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import tts_codecs
from codec_helpers import (
    TOLERANCE,
    check_codec_contract,
    chunkings,
    decode_in_chunks,
    example_wav,
    tiny_vocoder,
)
from tts_codecs.base import Codec
from tts_codecs.dmel import DMelCodec
from tts_codecs.errors import CodecError
from tts_codecs.mel_codec import FeatureCodec, MelCodec
from tts_codecs.spectral import SpectralAutoencoder, SpectralCodec
from tts_codecs.vocoder.source_filter import SourceFilterVocoder


def tiny_spectral(
    seed: int = 0, patch: int = 2, look_ahead: int = 1, quantizer: dict[str, Any] | None = None
) -> SpectralCodec:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = SpectralAutoencoder(
            82, patch, 16, 1, look_ahead, (5, 4), 3, quantizer=quantizer, name="tiny"
        )
        with torch.no_grad():
            made.to_features.weight.mul_(3.0)
    return SpectralCodec(made, tiny_vocoder(seed)).eval().requires_grad_(False)


def full_size(kind: str) -> Codec:
    """Untrained networks of the shipped size: their pitch is as ragged as can be."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vocoder = SourceFilterVocoder()
        with torch.no_grad():
            # Bias of a spectrum that is loud at all harmonics, where phase errors show most.
            vocoder.head.bias.view(2, 3, -1)[:, 0] += 1.5
        codecs: dict[str, Callable[[], Codec]] = {
            "mel": lambda: MelCodec(vocoder),
            "features": lambda: FeatureCodec(vocoder),
            "spectral": lambda: SpectralCodec(SpectralAutoencoder(), vocoder),
        }
        return codecs[kind]().eval().requires_grad_(False)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("kind", [MelCodec, FeatureCodec])
def test_frame_codecs_keep_the_contract(kind: type[MelCodec | FeatureCodec], seed: int) -> None:
    check_codec_contract(kind(tiny_vocoder(seed)), 0.55)


@pytest.mark.parametrize("levels", [2, 16])
def test_dmel_keeps_the_contract(levels: int) -> None:
    codec = DMelCodec(tiny_vocoder(), levels)
    check_codec_contract(codec, 0.55)
    assert codec.info.bitrate == pytest.approx(50 * 80 * math.log2(levels))


@pytest.mark.parametrize("rate", [16000, 24000])
def test_mels_are_made_in_pieces(rate: int) -> None:
    vocoder = tiny_vocoder(rate=rate)
    codec = MelCodec(vocoder)
    hop = codec.info.hop
    wav = example_wav(2, 9 * hop + 17, rate)
    # A reflected clip is no shorter than half of a window; one is padded with silence.
    for samples in (wav.shape[2], 1, hop - 1, hop + 40, 2 * hop):
        some = wav[..., :samples]
        whole = codec.encode(some).data
        for size in (113, 3 * hop + 1):
            state, found = codec.init_encoding(2), []
            for piece in some.split(size, 2):
                frames, state = codec.encode_chunk(piece, state)
                found.append(frames)
            late = -(-samples // hop) - sum(each.shape[1] for each in found)
            assert late <= (3 if rate == 16000 else 4) + size // hop
            frames, state = codec.encode_chunk(wav[..., :0], state, last=True)
            streamed = torch.cat([*found, frames], 1)
            assert streamed.shape == whole.shape
            torch.testing.assert_close(streamed, whole, rtol=0, atol=1e-4)
    with pytest.raises(CodecError, match="has ended"):
        codec.encode_chunk(wav, state)
    coded = DMelCodec(vocoder)
    state, found = coded.init_encoding(2), []
    for piece in wav.split(500, 2):
        codes, state = coded.encode_chunk(piece, state)
        found.append(codes)
    codes, _ = coded.encode_chunk(wav[..., :0], state, last=True)
    same = torch.cat([*found, codes], 1) == coded.encode(wav).data
    assert same.float().mean() > 0.999  # rounding may tip a value between two levels


def test_dmel_is_the_mel_rounded() -> None:
    vocoder = tiny_vocoder()
    wav = example_wav(1, 16000, 16000)
    mel, codec = MelCodec(vocoder).encode(wav).data, DMelCodec(vocoder, 256)
    levels = codec.quantizer.decode(codec.encode(wav).data)
    assert (levels - mel).abs().max() <= codec.quantizer.step / 2 + 1e-5
    assert torch.equal(codec.decode(codec.encode(wav)), MelCodec(vocoder).decode(levels))


@pytest.mark.parametrize(("patch", "look_ahead"), [(2, 1), (1, 0), (3, 2)])
def test_the_spectral_codec_keeps_the_contract(patch: int, look_ahead: int) -> None:
    check_codec_contract(tiny_spectral(0, patch, look_ahead), 0.7)


RVQ = {"kind": "rvq", "dim": 6, "num_codebooks": 3, "codebook_size": 16}


@pytest.mark.parametrize(
    "quantizer",
    [
        RVQ,
        {"kind": "residual_fsq", "levels": [5, 4, 3], "num_codebooks": 2},
        {"kind": "lfq", "bits": 4, "groups": 2},
    ],
    ids=lambda spec: spec["kind"],
)
def test_the_spectral_codec_with_any_quantizer(quantizer: dict[str, Any]) -> None:
    codec = tiny_spectral(quantizer=quantizer)
    wav = example_wav(1, 1600, codec.info.sample_rate)
    for count, rate in reversed(codec.bandwidths().items()):
        codec.use_codebooks(count)
        assert codec.info.num_codebooks == count and codec.info.bitrate == rate
        assert codec.encode(wav).data.shape[2] == count
    # With the fewest codebooks, and with all.
    check_codec_contract(codec, 0.7)
    if len(codec.bandwidths()) > 1:
        codec.use_bandwidth(max(codec.bandwidths().values()) / 1000)
        check_codec_contract(codec, 0.7)


def test_vectors_are_bounded_by_one_of_both() -> None:
    wide = 100 * torch.randn(1, 8, 82, generator=torch.Generator().manual_seed(0))
    assert tiny_spectral(quantizer=RVQ).autoencoder.vectors(wide).abs().max() <= 1
    assert tiny_spectral().autoencoder.vectors(wide).abs().max() > 1  # an FSQ bounds them itself


def test_a_spectral_codec_is_loaded_at_a_bandwidth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tts_codecs.checkpoint import save_checkpoint

    made = tiny_spectral(quantizer=RVQ)
    saved = {"dim": 16, "blocks": 1, "quantizer": RVQ, "name": "tiny"}
    save_checkpoint(tmp_path / "rvq", made.autoencoder, "spectral", saved, half=False)
    plain = {"dim": 16, "hidden": 32, "blocks": 2, "pitch_dim": 8, "pitch_blocks": 1}
    save_checkpoint(tmp_path / "vocoder", made.vocoder, "source_filter_vocoder", plain, half=False)
    loaded = tts_codecs.load(tmp_path / "rvq", vocoder=tmp_path / "vocoder", bandwidth=0.2)
    wav = example_wav(1, 8000, 16000)
    assert loaded.info.name == "tiny" and loaded.info.bitrate == 200
    assert torch.equal(loaded.encode(wav).data, made.encode(wav).data[..., :2])


def test_shipped_rvq(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TTS_HOME", raising=False)
    codec = tts_codecs.load("rvq")
    assert isinstance(codec, SpectralCodec) and codec.info.bitrate == 2000
    assert codec.bandwidths() == {count: 250.0 * count for count in range(1, 9)}
    assert codec.info.sample_rate == 24000
    wav = example_wav(1, 36000, 24000)
    full = codec.encode(wav).data
    features = codec.vocoder.analyse(codec.vocoder.at_mel_rate(wav[:, 0]))[0]
    errors = []
    for kbits, count in ((0.25, 1), (1.0, 4), (2.0, 8)):
        codec.use_bandwidth(kbits)
        encoded = codec.encode(wav).data
        assert torch.equal(encoded, full[..., :count])
        made = codec.autoencoder.decode(encoded)[:, : features.shape[1]]
        errors.append(float((made - features).abs().mean()))
    assert errors[0] > errors[1] > errors[2]  # more codes, closer
    offline = codec.decode(full)
    for sizes in chunkings(full.shape[1])[:4]:
        streamed = torch.cat(decode_in_chunks(codec, full, sizes), 2)
        assert (streamed - offline).abs().max() <= TOLERANCE, sizes[:5]


@pytest.mark.parametrize("kind", ["mel", "features", "spectral"])
@pytest.mark.parametrize("halves", [False, True])  # the weights of checkpoints are halves
def test_full_size_networks_stream_as_offline(kind: str, halves: bool) -> None:
    codec = full_size(kind)
    if halves:
        for weight in codec.parameters():
            weight.copy_(weight.half())
    encoded = codec.encode(example_wav(1, 32000, 16000)).data
    offline = codec.decode(encoded)
    assert offline.std() > 0.01
    for sizes in chunkings(encoded.shape[1])[4:6]:
        streamed = torch.cat(decode_in_chunks(codec, encoded, sizes), 2)
        assert (streamed - offline).abs().max() <= TOLERANCE, sizes[:5]


def test_units_are_what_they_are_said_to_be() -> None:
    vocoder = tiny_vocoder()
    mel, features = MelCodec(vocoder), FeatureCodec(vocoder)
    wav = example_wav(1, 16000, 16000)
    assert mel.info.name == "mel" and features.info.name == "features"
    assert (mel.info.dim, features.info.dim) == (80, 82)
    assert mel.info.frame_rate == features.info.frame_rate == 50
    assert mel.info.look_ahead == features.info.look_ahead == vocoder.total_look_ahead
    found = features.encode(wav).data
    assert set(found[..., -1].unique().tolist()) <= {-1.0, 1.0}  # voicing
    # The pitch of the latents is what is heard: an octave up changes the waveform.
    higher = found.clone()
    higher[..., -2] += 2
    higher[..., -1] = 1
    assert (features.decode(higher) - features.decode(found)).abs().max() > 1e-3


def test_a_stream_that_ended_takes_no_more() -> None:
    for codec in (MelCodec(tiny_vocoder()), tiny_spectral()):
        encoded = codec.encode(example_wav(1, 3200, 16000)).data
        _, state = codec.decode_chunk(encoded, codec.init_state(1), last=True)
        with pytest.raises(CodecError, match="has ended"):
            codec.decode_chunk(encoded, state)
