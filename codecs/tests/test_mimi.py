"""Mimi: the output of transformers on the same weights, and the codec contract."""

import os

import pytest
import torch
from torch import Tensor

from codec_helpers import check_codec_contract, example_wav
from tts_codecs.mimi import MimiCodec, MimiConfig, own_names

SMALL = MimiConfig(
    dim=16,
    filters=4,
    ratios=(4, 3),
    codebooks=5,
    codebook_size=32,
    codebook_dim=8,
    layers=2,
    heads=2,
    hidden=24,
    window=7,
)


def enlivened(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights whose output follows their input: published initial values are faint."""
    generator = torch.Generator().manual_seed(0)
    out = {}
    for name, value in weights.items():
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith("cluster_usage"):
            out[name] = 1 + noise.abs()
        elif name.endswith("embed_sum"):
            out[name] = noise
        elif name.endswith("scale"):
            out[name] = 0.5 + 0.1 * noise
        elif value.dim() > 1:
            fan = value[0].numel()
            out[name] = noise * (2.0 / fan) ** 0.5
        else:
            out[name] = 0.1 * noise if name.endswith("bias") else value
    return out


@pytest.fixture(scope="module")
def small() -> MimiCodec:
    codec = MimiCodec(SMALL)
    codec.load_state_dict(enlivened(codec.state_dict()))
    return codec.eval().requires_grad_(False)


def test_keeps_the_contract(small: MimiCodec) -> None:
    assert small.hop == 24 and small.info.causal
    check_codec_contract(small, 20.5 * 24 / 24000)
    small.use_codebooks(2)
    try:
        check_codec_contract(small, 6 * 24 / 24000)
    finally:
        small.use_codebooks(5)


def test_encodes_in_pieces_as_at_once(small: MimiCodec) -> None:
    wav = example_wav(2, 24 * 30 + 5, 24000)
    whole = small.encode(wav).data
    for size in (7, 24, 100):
        state, found = small.init_encoding(2), []
        for piece in wav.split(size, 2):
            codes, state = small.encode_chunk(piece, state)
            found.append(codes)
        codes, _ = small.encode_chunk(wav[..., :0], state, last=True)
        assert (torch.cat([*found, codes], 1) == whole).float().mean() > 0.99


@pytest.mark.peer
def test_equals_the_public_package(small: MimiCodec) -> None:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    package = pytest.importorskip("transformers")
    config = package.MimiConfig(
        hidden_size=16,
        num_filters=4,
        upsampling_ratios=[4, 3],
        num_quantizers=5,
        codebook_size=32,
        codebook_dim=8,
        vector_quantization_hidden_dimension=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=24,
        sliding_window=7,
        upsample_groups=16,
        head_dim=8,
        frame_rate=1000.0,
    )
    peer = package.MimiModel(config).eval()
    weights = enlivened(peer.state_dict())
    peer.load_state_dict(weights)
    codec = MimiCodec(SMALL)
    codec.load_state_dict(own_names(published(weights)))
    wav = 10 * example_wav(2, 24 * 40, 24000)
    with torch.no_grad():
        wanted = peer.encode(wav).audio_codes
        codes = codec.encode(wav).data
        assert (codes.transpose(1, 2) == wanted).float().mean() > 0.995
        assert len(codes.unique()) > 12
        heard = peer.decode(wanted).audio_values
    made = codec.decode(wanted.transpose(1, 2))
    assert heard.abs().max() > 0.01
    torch.testing.assert_close(made, heard, rtol=1e-4, atol=1e-4)


def published(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names as in the published file: newer versions of the package nest what is in it."""
    out = {}
    for name, value in weights.items():
        for side in ("encoder", "decoder"):
            name = name.replace(f"{side}.{side}_seanet.", f"{side}.")
            name = name.replace(f"{side}.{side}_transformer.", f"{side}_transformer.")
        name = name.replace("encoder.downsample.", "downsample.").replace(
            "decoder.upsample.", "upsample."
        )
        out[name] = value
    return out
