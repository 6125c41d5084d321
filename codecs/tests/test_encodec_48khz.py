"""EnCodec of 48 kHz: the output of its package on the same weights, segment by segment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import tts_codecs
from codec_helpers import check_codec_contract, example_wav
from tts_codecs import encodec_48khz
from tts_codecs.encodec import EncodecConfig
from tts_codecs.encodec_48khz import GREATEST, LEAST, SegmentedEncodecCodec, SegmentQuantizer
from tts_codecs.errors import CodecError

RATE, SEGMENT, OVERLAP = 4000, 320, 20


@pytest.fixture(scope="module")
def package() -> Any:
    """The 48 kHz model of the package, narrow and of short segments, with random weights."""
    encodec = pytest.importorskip("encodec")
    shape: dict[str, Any] = {"channels": 2, "dimension": 12, "n_filters": 4, "ratios": [5, 4, 2]}
    shape |= {"norm": "time_group_norm", "causal": False}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(3)
        model = encodec.EncodecModel(
            encodec.modules.SEANetEncoder(**shape),
            encodec.modules.SEANetDecoder(**shape),
            encodec.quantization.ResidualVectorQuantizer(dimension=12, n_q=4, bins=1024),
            target_bandwidths=[2.0, 4.0],  # 100 vectors a second of 10 bits a codebook
            sample_rate=RATE,
            channels=2,
            normalize=True,
            segment=SEGMENT / RATE,
            overlap=OVERLAP / SEGMENT,
        )
        for name, weight in model.named_parameters():
            if ".norm." in name:
                weight.add_(0.3 * torch.randn(weight.shape))
        left = model.encoder(torch.randn(8, 2, SEGMENT)).transpose(1, 2).flatten(0, 1)
        for layer in model.quantizer.vq.layers:
            book = layer._codebook
            book.embed.copy_(left.mean(0) + left.std(0) * torch.randn(book.embed.shape))
            left = left - book.embed[book.quantize(left)]
    model.set_target_bandwidth(4.0)
    return model.eval()


@pytest.fixture(scope="module")
def codec(package: Any) -> SegmentedEncodecCodec:
    return SegmentedEncodecCodec.from_package(package, None)


@torch.no_grad()
def test_equals_the_package(codec: SegmentedEncodecCodec, package: Any) -> None:
    assert package.segment_stride == codec.hop == 300 and codec.quantizer.vectors == 8
    for samples in (1, 299, 320, 321, 1300):
        wav = example_wav(2, samples, RATE) * torch.linspace(0.01, 10, samples)
        frames = codec.encode(wav).data
        assert frames.shape == (2, -(-samples // 300), 2 + 8 * 4)
        # The package leaves the last segment short; here silence fills it.
        filled = torch.nn.functional.pad(wav, (0, frames.shape[1] * 300 + 20 - samples))
        wanted = package.encode(filled.expand(-1, 2, -1))[: frames.shape[1]]
        codes = torch.stack([found for found, _ in wanted], 1).flatten(2)  # [B, T, K * vectors]
        assert torch.equal(frames[..., 2:], codes), samples
        level = codec.quantizer.decode(frames)[..., -1]
        scales = torch.cat([scale for _, scale in wanted], 1)
        torch.testing.assert_close(level, scales, rtol=1.1e-5, atol=0)
        stereo = package.decode(wanted)[..., : frames.shape[1] * 300]
        assert stereo.std() > 0.05 or samples == 1
        torch.testing.assert_close(
            codec.decode(frames), stereo.mean(1, keepdim=True), rtol=2e-5, atol=1e-5
        )


def test_keeps_the_contract(codec: SegmentedEncodecCodec) -> None:
    check_codec_contract(codec, 12 * 300 / RATE)
    info = codec.info
    assert info.causal and info.hop == 300 and info.residual
    assert info.bitrate == pytest.approx((2 + 8 * 4) * 10 * RATE / 300)


def test_encodes_in_pieces(codec: SegmentedEncodecCodec) -> None:
    wav = example_wav(2, 1510, RATE)
    whole = codec.encode(wav).data
    for size in (1, 7, 300, 321, 1510):
        state, found = codec.init_encoding(2), []
        for piece in wav.split(size, 2):
            codes, state = codec.encode_chunk(piece, state)
            found.append(codes)
        # All segments that are complete are there before the end.
        assert sum(codes.shape[1] for codes in found) == (1510 - 20) // 300
        codes, state = codec.encode_chunk(wav[..., :0], state, last=True)
        assert torch.equal(torch.cat([*found, codes], 1), whole), size
    with pytest.raises(CodecError, match="ended"):
        codec.encode_chunk(wav, state)


def test_a_bandwidth_is_the_leading_codebooks(package: Any, codec: SegmentedEncodecCodec) -> None:
    fewer = SegmentedEncodecCodec.from_package(package, 2.4)  # with the level
    wav = example_wav(1, 900, RATE)
    assert torch.equal(fewer.encode(wav).data, codec.encode(wav).data[..., : 2 + 8 * 2])
    assert codec.decode(codec.encode(wav)).shape == fewer.decode(fewer.encode(wav)).shape
    with pytest.raises(CodecError, match="3 kbit/s is not one of 2.4, 4.53"):
        SegmentedEncodecCodec.from_package(package, 3.0)
    published = SegmentedEncodecCodec.__new__(SegmentedEncodecCodec)
    torch.nn.Module.__init__(published)
    published.config, published.hop = encodec_48khz.PUBLISHED, 47520
    published.quantizer = SegmentQuantizer(published.config, 150)
    published.name = "encodec_48khz"
    for kbits, books in ((3, 2), (6, 4), (12, 8), (24, 16)):
        published.use_bandwidth(kbits)
        assert published.num_codebooks == 2 + 150 * books


def test_every_level_is_kept() -> None:
    quantizer = SegmentQuantizer(EncodecConfig(dim=1, codebooks=1, counts=(1,)), 1)
    levels = torch.logspace(-9, 3, 2000)
    z = torch.stack([torch.zeros(2000), levels], -1)[None]
    made = quantizer.decode(quantizer.encode(z))[0, :, -1]
    torch.testing.assert_close(made, levels.clamp(LEAST, GREATEST), rtol=1.1e-5, atol=0)


def test_files(
    package: Any, codec: SegmentedEncodecCodec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({name: value.contiguous() for name, value in package.state_dict().items()}, path)
    sizes = (codec.config, SEGMENT, OVERLAP, None)
    monkeypatch.setattr(SegmentedEncodecCodec.__init__, "__defaults__", (*sizes, "small"))
    monkeypatch.setattr(SegmentedEncodecCodec.from_file.__func__, "__defaults__", (None, None))
    loaded = tts_codecs.load(path)
    assert isinstance(loaded, SegmentedEncodecCodec)
    wav = example_wav(1, 900, RATE)
    assert torch.equal(loaded.encode(wav).data, codec.encode(wav).data)
    assert tts_codecs.load(f"{path}@2.4").info.num_codebooks == 2 + 8 * 2


def test_refuses_other_models() -> None:
    encodec = pytest.importorskip("encodec")
    model = encodec.EncodecModel.encodec_model_24khz(pretrained=False)
    with pytest.raises(CodecError, match="stereo"):
        SegmentedEncodecCodec.from_package(model)
