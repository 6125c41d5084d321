"""Trainable codecs: every encoder, quantizer and decoder keeps the contract, at every bit rate."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

import tts_codecs
from codec_helpers import check_codec_contract, example_wav
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.errors import CodecError, UsageError
from tts_codecs.mel import MelConfig, basis, frame_signal, log_mel
from tts_codecs.neural import DECODERS, ENCODERS, NeuralCodec, build_codec
from tts_codecs.nn.attended import AttendedEncoder
from tts_codecs.nn.freev import FreevDecoder
from tts_codecs.nn.streamed import Scale
from tts_codecs.quantizers import (
    QUANTIZERS,
    ResidualVQ,
    VectorQuantizer,
    build_quantizer,
)

HOP = 20
ENCODER: dict[str, dict[str, Any]] = {
    "seanet": {"kind": "seanet", "channels": 4, "strides": [2, 2, 5]},
    "spectrum": {"kind": "spectrum", "width": 8, "blocks": 1, "look_ahead": 1},
    "mel": {"kind": "mel", "n_fft": 64},
    "bands": {
        "kind": "bands",
        "n_fft": 64,
        "patch": 2,
        "bands": 8,
        "groups": 2,
        "width": 4,
        "blocks": 1,
    },
    "attended": {
        "kind": "attended",
        "layers": 2,
        "heads": 2,
        "hidden": 8,
        "window": 6,
        "under": {"kind": "spectrum", "width": 8, "blocks": 1, "look_ahead": 1},
    },
}
QUANTIZER: dict[str, dict[str, Any]] = {
    "vq": {"kind": "vq", "dim": 4, "codebook_size": 16},
    "rvq": {"kind": "rvq", "dim": 4, "num_codebooks": 3, "codebook_size": 16, "dropout": 0.5},
    "fsq": {"kind": "fsq", "levels": [5, 4]},
    "grouped_fsq": {"kind": "grouped_fsq", "levels": [5, 4], "groups": 2},
    "grouped_rvq": {
        "kind": "grouped_rvq",
        "dim": 4,
        "groups": 2,
        "depth": 2,
        "codebook_size": 16,
    },
    "residual_fsq": {"kind": "residual_fsq", "levels": [5, 4, 3], "num_codebooks": 2},
    "lfq": {"kind": "lfq", "bits": 4, "groups": 2},
    "scalar": {"kind": "scalar", "dim": 4, "scale": 3},
    "binned": {"kind": "binned", "dim": 4, "low": -2.0, "high": 2.0},
    "none": {"kind": "none", "dim": 4},
}
DECODER: dict[str, dict[str, Any]] = {
    "seanet": {"kind": "seanet", "channels": 4, "strides": [2, 2, 5]},
    "spectrum": {"kind": "spectrum", "width": 8, "blocks": 1, "patch": 2, "look_ahead": 2},
    "freev": {"kind": "freev", "n_fft": 64, "width": 8, "phase_blocks": 1, "look_ahead": 3},
}


def arguments(encoder: str, quantizer: str, decoder: str) -> dict[str, Any]:
    return {
        "rate": 4000, "hop": HOP, "dim": 8, "name": "tiny", "encoder": ENCODER[encoder],
        "quantizer": QUANTIZER[quantizer], "decoder": DECODER[decoder],
        "output": "latents" if quantizer == "none" else "codes",
    }  # fmt: skip


def tiny(encoder: str, quantizer: str, decoder: str, seed: int = 0) -> NeuralCodec:
    """Random weights, with codes and samples that follow the input."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        codec = build_codec(**arguments(encoder, quantizer, decoder))
        codec.to_code.weight.mul_(4)
        codec.from_code.weight.mul_(4)
        for part in codec.modules():
            if isinstance(part, Scale):
                part.scale.fill_(1)
            if isinstance(part, VectorQuantizer):
                part.codebook.copy_(torch.randn_like(part.codebook))
        for last in ("exit", "head", "angle"):
            if layer := getattr(codec.decoder, last, None):
                getattr(layer, "conv", layer).weight.mul_(3)
    return codec.eval().requires_grad_(False)


@pytest.mark.parametrize(
    "parts",
    [*itertools.product(["seanet", "spectrum"], ["rvq"], ["seanet", "spectrum"]),
     ("mel", "rvq", "spectrum"), ("bands", "rvq", "spectrum"),
     ("attended", "rvq", "spectrum"), ("spectrum", "rvq", "freev"),
     *(("spectrum", quantizer, "spectrum") for quantizer in QUANTIZER if quantizer != "rvq")],
    ids="-".join,
)  # fmt: skip
def test_every_part_keeps_the_contract(parts: tuple[str, str, str]) -> None:
    check_codec_contract(tiny(*parts), 14.5 * HOP / 4000)


def test_the_parts_above_are_all() -> None:
    assert (ENCODER.keys(), QUANTIZER.keys(), DECODER.keys()) == (
        ENCODERS.keys() - {"features"},  # in vocoder/test_feature_parts.py, with its decoder
        QUANTIZERS.keys(),
        DECODERS.keys() - {"source_filter", "features"},  # the first in test_neural_parts.py
    )


def test_a_transformer_is_skipped_by_rows_of_training() -> None:
    codec = tiny("attended", "rvq", "spectrum")
    encoder = codec.encoder
    assert isinstance(encoder, AttendedEncoder)
    wav = example_wav(1, 40 * HOP, 4000)[:, 0]
    under, _ = encoder.under(wav, encoder.under.initial(1, wav))
    half, _ = encoder(wav, encoder.initial(1, wav))
    whole = 2 * half - under
    assert (whole - under).abs().max() > 0.1
    # A vector beyond the windows of both layers is not heard.
    other = wav.clone()
    other[:, : 4 * HOP] = 0
    late = (encoder(other, encoder.initial(1, wav))[0] - half).abs().amax((0, 2)) < 1e-5
    assert not late[8] and bool(late[-1])
    encoder.train()
    torch.manual_seed(0)
    rows = encoder(wav.expand(200, -1), encoder.initial(200, wav))[0]
    shares = ((rows - under) / (whole - under)).nanmedian(2).values.nanmedian(1).values
    found = [(shares - value).abs().lt(1e-2).float().mean().item() for value in (0.0, 0.5, 1.0)]
    assert sum(found) == pytest.approx(1) and found == pytest.approx([0.1, 0.6, 0.3], abs=0.1)


@pytest.mark.parametrize("encoder", list(ENCODER))
def test_encodes_in_pieces_as_at_once(encoder: str) -> None:
    codec = tiny(encoder, "grouped_fsq", "seanet")
    wav = example_wav(2, 733, 4000)
    whole = codec.encode(wav).data
    for size in (1, 7, HOP, 3 * HOP + 1):
        state, found = codec.init_encoding(2), []
        for piece in wav.split(size, 2):
            codes, state = codec.encode_chunk(piece, state)
            assert codes.shape[1] <= -(-piece.shape[2] // HOP)
            found.append(codes)
        codes, state = codec.encode_chunk(wav[..., :0], state, last=True)
        streamed = torch.cat([*found, codes], 1)
        assert streamed.shape == whole.shape
        # Rounding may tip a value that lies between two levels.
        assert (streamed == whole).float().mean() > 0.99, size
        with pytest.raises(CodecError, match="has ended"):
            codec.encode_chunk(wav, state)


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "scalar", "dim": 6, "scale": 4},
        {"kind": "binned", "dim": 6, "low": -1.0, "high": 2.0},
        {"kind": "fsq", "levels": [8, 5, 3]},
        {"kind": "grouped_fsq", "levels": [4, 5, 8], "groups": 2},
        {"kind": "grouped_fsq", "levels": [2, 5], "groups": 3, "symmetric": True},
        {"kind": "residual_fsq", "levels": [4, 5, 2], "num_codebooks": 3},
        {"kind": "lfq", "bits": 3, "groups": 2, "scale": 0.5},
    ],
    ids=lambda spec: spec["kind"],
)
def test_what_is_near_to_values_with_levels_is_decoded_as_them(spec: dict[str, Any]) -> None:
    generator = torch.Generator().manual_seed(0)
    quantizer = build_quantizer(spec).eval()
    z = 2 * torch.randn(2, 50, quantizer.dim, generator=generator)
    values = quantizer.decode(quantizer.encode(z))
    near = values + 0.005 * (2 * torch.rand(values.shape, generator=generator) - 1)
    for each in (values, near):
        torch.testing.assert_close(quantizer.snap(each), values, rtol=0, atol=1e-6)
    assert quantizer.snap(9 + near).isfinite().all()  # beyond the last
    codec = build_codec(
        dim=8, output="latents", quantizer=spec, encoder={"kind": "spectrum", "width": 4,
        "blocks": 1}, decoder={"kind": "spectrum", "width": 4, "blocks": 1},
    ).eval()  # fmt: skip
    torch.testing.assert_close(codec.decode(near), codec.decode(values))


def test_latents_are_values_of_the_quantizer_and_snap_to_them() -> None:
    codec = build_codec(
        **{**arguments("spectrum", "scalar", "spectrum"), "output": "latents"}
    ).eval()
    assert (codec.info.kind, codec.info.num_codebooks, codec.info.bitrate) == ("latents", 0, None)
    check_codec_contract(codec, 14.5 * HOP / 4000)
    values = codec.encode(example_wav(1, 33 * HOP, 4000)).data
    # S = 3: thirds from -1 to 1.
    torch.testing.assert_close(3 * values, (3 * values).round(), rtol=0, atol=1e-5)
    near = codec.decode(values + 0.1)
    torch.testing.assert_close(near, codec.decode(values), rtol=0, atol=1e-5)


def test_the_mel_encoder_is_the_analysis_of_the_mel() -> None:
    codec = build_codec(
        rate=16000,
        hop=640,
        dim=80,
        output="latents",
        project=False,
        encoder={"kind": "mel", "n_fft": 1024, "patch": 2},
        quantizer={"kind": "none", "dim": 80},
        decoder={"kind": "freev", "patch": 2, "width": 8, "phase_blocks": 1, "look_ahead": 1},
    )
    wav = example_wav(2, 640 * 12, 16000)
    found = codec.encode(wav).data.unflatten(2, (2, 40)).flatten(1, 2)
    wanted = log_mel(wav[:, 0], MelConfig(n_mels=40))
    # At the ends the one continues by silence, the other by reflection.
    torch.testing.assert_close(found[:, 2:-2], wanted[:, 2:-2], rtol=0, atol=1e-4)


def test_freev_starts_from_the_amplitudes_of_the_mel() -> None:
    decoder = FreevDecoder(320, 80, width=8, phase_blocks=1)
    wav = example_wav(1, 320 * 20, 16000)[:, 0]
    mel = log_mel(wav)
    prior = decoder.prior(mel).exp()
    bank, _ = basis(MelConfig(), "cpu")
    # An inverse of the bank: what it gives has the mel it was made from, but for its sign.
    close = (prior @ bank - (mel * 2.2 - 5.5).exp()).norm() / (mel * 2.2 - 5.5).exp().norm()
    assert close < 0.2
    truth = frame_signal(wav, MelConfig()).abs()
    apart = (prior - truth).norm() / truth.norm()
    assert apart < 0.6 and (truth.mean() - truth).norm() / truth.norm() > 0.8
    # Windows overlap to one: the inverse transform of a spectrum with its own phase is the signal.
    made = decoder.overlapped(frame_signal(wav, MelConfig()))
    torch.testing.assert_close(made[:, 1024:-1024], wav[:, 1024:-1024], rtol=0, atol=1e-4)


def test_one_model_at_every_bit_rate(tmp_path: Path) -> None:
    codec = tiny("spectrum", "rvq", "spectrum")
    wav = example_wav(1, 800, 4000)
    full = codec.encode(wav).data
    assert codec.info.bitrate == 3 * 4 * 200
    for count in (1, 2):
        codec.use_codebooks(count)
        assert codec.info.num_codebooks == count and codec.info.bitrate == count * 4 * 200
        codes = codec.encode(wav).data
        assert torch.equal(codes, full[..., :count])
        check_codec_contract(codec, 40.5 * HOP / 4000)
    save_checkpoint(tmp_path, codec, "neural", arguments("spectrum", "rvq", "spectrum"), half=False)
    for kbits, count in ((0.8, 1), (0.804, 1), (1.6, 2), (2.4, 3)):
        loaded = tts_codecs.load(f"{tmp_path}@{kbits}")
        assert loaded.info.num_codebooks == count
        assert torch.equal(loaded.encode(wav).data, full[..., :count])
    for kbits in (0.1, 1.7, 50):
        with pytest.raises(CodecError, match=f"{kbits} kbit/s is not one of 0.8, 1.6, 2.4"):
            tts_codecs.load(tmp_path, bandwidth=kbits)
    with pytest.raises(UsageError, match="names its bandwidth"):
        tts_codecs.load(f"{tmp_path}@0.8", bandwidth=1.6)
    for kbits in ("0", "-1", "nan", "1001"):
        with pytest.raises(UsageError, match="above 0 and at most 1000"):
            tts_codecs.load(f"{tmp_path}@{kbits}")
    with pytest.raises(CodecError, match="4 codebooks of 3"):
        codec.use_codebooks(4)
    fixed = tiny("spectrum", "grouped_fsq", "spectrum")
    with pytest.raises(CodecError, match="only a residual"):
        fixed.use_codebooks(1)
    save_checkpoint(
        tmp_path / "vq",
        tiny("seanet", "vq", "seanet"),
        "neural",
        arguments("seanet", "vq", "seanet"),
        half=False,
    )
    with pytest.raises(UsageError, match="one bandwidth"):
        tts_codecs.load(tmp_path / "vq", bandwidth=6)


def test_training_pass_is_what_is_decoded() -> None:
    codec = tiny("seanet", "rvq", "spectrum")
    wav = example_wav(2, 30 * HOP, 4000)
    made, out, vectors = codec(wav[:, 0])
    torch.testing.assert_close(made, codec.decode(codec.encode(wav))[:, 0], rtol=0, atol=1e-4)
    assert torch.equal(out.codes, codec.encode(wav).data)
    assert torch.equal(codec.quantizer.encode(vectors), out.codes)


def test_wrong_parts_are_told() -> None:
    good = arguments("seanet", "rvq", "spectrum")
    wrong = [
        ({"encoder": {"kind": "seanett"}}, "encoder, 'seanett'; did you mean 'seanet'"),
        ({"encoder": {**ENCODER["attended"], "heads": 3}}, "3 heads"),
        ({"encoder": {**ENCODER["attended"], "under": "spectrum"}}, "under of encoder"),
        ({"encoder": {**ENCODER["attended"], "under": {"kind": "spectrumm"}}}, "'spectrum'"),
        ({"quantizer": {**QUANTIZER["rvq"], "codebooksize": 3}}, "did you mean 'codebook_size'"),
        ({"encoder": {"kind": "seanet", "strides": [2, 2]}}, "must multiply to hop"),
        ({"encoder": {**ENCODER["seanet"], "channels": 1}}, "channels are at least 2, not 1"),
        ({"decoder": {"kind": "spectrum", "patch": 3}}, "must divide hop"),
        ({"hop": 0}, "hop is a whole number of at least 1, not 0"),
        ({"rate": "16k"}, "rate is a whole number of at least 1, not '16k'"),
        ({"encoder": "seanet"}, "encoder is given as"),
        ({"quantizer": None}, "quantizer is given as"),
        ({"decoder": [{"kind": "spectrum"}]}, "decoder is given as"),
    ]
    for change, message in wrong:
        with pytest.raises(CodecError, match=message):
            build_codec(**{**good, **change})


def test_other_codecs_have_one_bandwidth(tmp_path: Path) -> None:
    from tts_codecs.vocos import VocosCodec, VocosConfig

    sizes = {"n_mels": 6, "n_fft": 64, "hop": 16, "dim": 24, "hidden": 48, "blocks": 2}
    codec = VocosCodec.random(VocosConfig(**sizes))
    save_checkpoint(tmp_path, codec, "vocos", sizes)
    with pytest.raises(UsageError, match="one bandwidth"):
        tts_codecs.load(tmp_path, bandwidth=2)


def test_residual_quantizer_is_the_one_that_drops() -> None:
    assert isinstance(tiny("seanet", "rvq", "seanet").quantizer, ResidualVQ)


def test_a_checkpoint_with_the_names_of_earlier_versions_is_read(tmp_path: Path) -> None:
    made = arguments("spectrum", "none", "spectrum")
    codec = build_codec(**made)
    old = {"units" if name == "output" else name: value for name, value in made.items()}
    save_checkpoint(tmp_path / "old", codec, "neural", old)
    again = tts_codecs.load(str(tmp_path / "old"))
    assert isinstance(again, NeuralCodec) and again.output == "latents"
