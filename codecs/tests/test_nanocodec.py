"""NanoCodec: the output of NeMo's modules on the same weights, and the codec contract."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import tts_codecs
from codec_helpers import check_codec_contract, example_wav
from nanocodec_helpers import HOP, TINY, sines, weights
from tts_codecs.errors import CodecError, UsageError
from tts_codecs.nanocodec import NanoCodec
from tts_codecs.nanocodec_weights import CONFIGS
from tts_codecs.nn import centred


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> NanoCodec:
    path = tmp_path_factory.mktemp("weights") / "nano.safetensors"
    save_file(weights(), path)
    made = tts_codecs.load(path)
    assert isinstance(made, NanoCodec) and made.config == TINY
    return made


# What HiFiGANEncoder, GroupFiniteScalarQuantizer and CausalHiFiGANDecoder of nemo_toolkit 3.0.0
# make of `sines(75)` with `weights()`, built as in `test_equals_nemo` below: all codes, and every
# second sample of what they decode to. No value of the encoder is nearer to a tie than 0.01.
CODES = [
    [32, 32], [32, 32], [31, 33], [31, 32], [32, 32], [26, 58], [34, 5], [51, 59], [0, 50],
    [58, 13], [0, 58], [13, 25], [30, 59],
]  # fmt: skip
SAMPLES = [
    0.01846, 0.01998, 0.02046, 0.03772, -0.01037, 0.01725, 0.08385, 0.11773, -0.1501, -0.17882,
    0.15718, -0.22747, 0.05897, 0.66825, 0.16306, 0.05767, -0.50093, 0.9227, -0.00818, 0.56619,
    0.07623, 0.03291, 0.84968, 0.35699, 0.70753, 1.0, -0.10953, 0.03625, -0.49511, 0.32407,
    0.13467, -0.44678, 0.24951, 0.79742, 0.00845, -0.25065, 1.0, 0.14532, -0.10151,
]  # fmt: skip


def test_equals_what_nemo_was_seen_to_make(codec: NanoCodec) -> None:
    codes = codec.encode(sines(75)).data
    assert codes.tolist() == [CODES]
    made = codec.decode(codes)[0, 0]
    assert made.shape == (78,)
    torch.testing.assert_close(made[::2], torch.tensor(SAMPLES), rtol=0, atol=1e-4)


@pytest.mark.peer
@torch.no_grad()
def test_equals_nemo(codec: NanoCodec) -> None:
    nemo = pytest.importorskip("nemo.collections.tts.modules.audio_codec_modules")
    sizes = {
        "resblock_kernel_sizes": list(TINY.kernels),
        "resblock_dilation_sizes": list(TINY.dilations),
    }
    encoder = nemo.HiFiGANEncoder(
        6, list(TINY.strides), TINY.encoder_dim,
        activation="lrelu", pad_mode="replicate", **sizes,
    )  # fmt: skip
    quantizer = nemo.GroupFiniteScalarQuantizer(TINY.groups, list(TINY.levels))
    decoder = nemo.CausalHiFiGANDecoder(
        6, list(TINY.strides[::-1]), TINY.decoder_dim,
        activation="half_snake", output_activation="clamp", **sizes,
    )  # fmt: skip
    parts = {"audio_encoder": encoder, "vector_quantizer": quantizer, "audio_decoder": decoder}
    for name, part in parts.items():
        start = f"{name}."
        part.load_state_dict({
            key.removeprefix(start): value
            for key, value in weights().items() if key.startswith(start)
        })  # fmt: skip
        part.eval()
    for samples in (1, 5, 6, 7, 500):
        wav = example_wav(2, samples, 22050)
        filled = torch.nn.functional.pad(wav, (0, -samples % HOP))[:, 0]
        lengths = torch.full((2,), filled.shape[1])
        z, frames = encoder(audio=filled, audio_len=lengths)
        wanted = quantizer.encode(inputs=z, input_len=frames).permute(1, 2, 0).long()
        codes = codec.encode(wav).data
        assert torch.equal(codes, wanted), samples
        values = quantizer.decode(indices=codes.permute(2, 0, 1), input_len=frames)
        heard, _ = decoder(inputs=values.float(), input_len=frames)
        torch.testing.assert_close(codec.decode(codes)[:, 0], heard, rtol=0, atol=1e-4)
    # Every entry, and values far beyond those of the encoder.
    every = torch.arange(60)[None, :, None].expand(1, -1, 2)
    frames = torch.tensor([60])
    wanted = quantizer.decode(indices=every.permute(2, 0, 1), input_len=frames)
    assert torch.equal(codec.quantizer.decode(every).transpose(1, 2), wanted.float())
    z = torch.linspace(-20, 20, 6 * 60).sin().mul(5).view(1, 60, 6)
    wanted = quantizer.encode(inputs=z.transpose(1, 2), input_len=frames)
    assert torch.equal(codec.quantizer.encode(z), wanted.permute(1, 2, 0).long())


def test_keeps_the_contract(codec: NanoCodec) -> None:
    check_codec_contract(codec, 60.5 * HOP / 22050)
    info = codec.info
    assert info.causal and info.look_ahead == 0 and not info.residual
    assert info.levels == (5, 4, 3) and info.hop == HOP and info.dim == 6
    assert "NVIDIA Open Model License" in info.licence


def test_sizes_of_the_published_weights() -> None:
    wanted = {0.6: (4, 4032, 16, 12.5), 1.78: (13, 2016, 52, 12.5), 1.89: (8, 2016, 32, 21.5)}
    for kbits, (groups, entries, width, rate) in wanted.items():
        with torch.device("meta"):
            made = NanoCodec(CONFIGS[kbits])
        info = made.info
        assert (info.num_codebooks, info.codebook_size, info.dim) == (groups, entries, width)
        assert math.prod(info.levels) == entries and info.sample_rate == 22050
        assert info.frame_rate == pytest.approx(rate, abs=0.05)
        assert (info.bitrate or 0) / 1000 == pytest.approx(kbits, abs=0.005)
        # NVIDIA counts 62 million.
        assert 61e6 < sum(each.numel() for each in made.parameters()) < 63e6


def test_encodes_in_pieces(codec: NanoCodec) -> None:
    wav = example_wav(2, 50 * HOP + 4, 22050)
    whole = codec.encode(wav).data
    for size in (1, 5, HOP, 100, wav.shape[2]):
        state, found = codec.init_encoding(2), []
        for piece in wav.split(size, 2):
            codes, state = codec.encode_chunk(piece, state)
            found.append(codes)
        # No later than the encoder sees.
        assert sum(each.shape[1] for each in found) == 50 - codec.reach
        codes, state = codec.encode_chunk(wav[..., :0], state, last=True)
        assert torch.equal(torch.cat([*found, codes], 1), whole), size
    with pytest.raises(CodecError, match="ended"):
        codec.encode_chunk(wav, state)
    nothing, _ = codec.encode_chunk(wav[..., :0], codec.init_encoding(2), last=True)
    assert nothing.shape == (2, 0, 2) and nothing.dtype == torch.int64


def test_codes_see_as_far_as_the_reach_says(codec: NanoCodec) -> None:
    wav, at = example_wav(1, 60 * HOP, 22050), 30
    plain = codec.encode(wav).data
    changed = wav.clone()
    changed[..., at * HOP : (at + 1) * HOP] += 2
    moved = (codec.encode(changed).data != plain).any(2)[0].nonzero()
    assert at - codec.reach <= moved.min() < at < moved.max() <= at + codec.reach


def test_long_sounds_are_coded_in_windows(
    codec: NanoCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    wav = example_wav(2, 300 * HOP + 5, 22050)
    codes = codec.encode(wav).data
    made = codec.decode(codes)
    monkeypatch.setattr(centred, "SECONDS", 0.0)
    monkeypatch.setattr("tts_codecs.nanocodec.SECONDS", 0.0)
    assert torch.equal(codec.encode(wav).data, codes)
    torch.testing.assert_close(codec.decode(codes), made, rtol=0, atol=1e-5)


def test_groups_are_independent(codec: NanoCodec, tmp_path: Path) -> None:
    values = codec.quantizer.decode(torch.tensor([[[7, 21], [7, 40]]]))
    assert torch.equal(values[0, 0, :3], values[0, 1, :3])
    with pytest.raises(CodecError, match="2 codebooks"):
        codec.decode(torch.zeros(1, 4, 1, dtype=torch.int64))
    save_file(weights(), tmp_path / "nano.safetensors")
    with pytest.raises(UsageError, match="bandwidth"):
        tts_codecs.load(tmp_path / "nano.safetensors", bandwidth=1.0)
