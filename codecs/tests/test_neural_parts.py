"""Parts of trainable codecs beside those of test_neural.py: the source-filter vocoder as a decoder,
and SEANet that is not causal."""

from typing import Any

import pytest
import torch
from torch import Tensor

from codec_helpers import decode_in_chunks, example_wav
from tts_codecs.errors import CodecError
from tts_codecs.mel_codec import MelCodec
from tts_codecs.neural import NeuralCodec, build_codec
from tts_codecs.quantizers import VectorQuantizer
from tts_codecs.vocoder.decoder import SourceFilterDecoder

SOURCE_FILTER: dict[str, Any] = {
    "kind": "source_filter", "patch": 2,
    "vocoder": {"dim": 16, "hidden": 32, "blocks": 2, "pitch_dim": 8, "pitch_blocks": 1},
}  # fmt: skip
RVQ = {"kind": "rvq", "dim": 4, "num_codebooks": 3, "codebook_size": 16}


def lively(**arguments: Any) -> NeuralCodec:
    """Random weights, with codes and samples that follow the input."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        codec = build_codec(**{"quantizer": RVQ, **arguments})
        codec.to_code.weight.mul_(4)
        codec.from_code.weight.mul_(4)
        for part in codec.modules():
            if isinstance(part, VectorQuantizer):
                part.codebook.copy_(torch.randn_like(part.codebook))
        last = codec.decoder.vocoder.head if hasattr(codec.decoder, "vocoder") else None
        (codec.decoder.exit.conv if last is None else last).weight.mul_(3)  # type: ignore[union-attr, operator]
    return codec.eval().requires_grad_(False)


def check_pieces(codec: NeuralCodec, codes: Tensor, sizes: list[int]) -> Tensor:
    """What codes [B, T, K] decode to, in pieces, in batches and by themselves; no sample is later
    than the codec declares, and none depends on frames beyond that."""
    whole, hop, ahead = codec.decode(codes), codec.hop, codec.info.look_ahead
    pieces, fed, made = decode_in_chunks(codec, codes, sizes), 0, 0
    torch.testing.assert_close(torch.cat(pieces, 2), whole, rtol=0, atol=1e-4)
    for size, piece in zip(sizes, pieces, strict=True):
        fed, made = fed + size, made + piece.shape[2]
        assert made >= (fed - ahead) * hop
    torch.testing.assert_close(codec.decode(codes[1:]), whole[1:], rtol=0, atol=1e-4)
    other = codes.clone()
    other[:, 8:] = (other[:, 8:] + 1) % 16
    moved = (codec.decode(other) - whole).abs().amax((0, 1))
    assert moved[: (8 - ahead) * hop].max() < 1e-4 < moved[(8 - ahead) * hop :].max()
    return whole


def test_the_vocoder_is_a_decoder_of_any_vectors() -> None:
    """At a higher rate than its mel, in pieces and batches as at once."""
    codec = lively(
        rate=24000, hop=960, dim=160, decoder=SOURCE_FILTER,
        encoder={"kind": "seanet", "channels": 2, "strides": [2, 4, 6, 20]},
    )  # fmt: skip
    assert isinstance(codec.decoder, SourceFilterDecoder)
    ahead = codec.info.look_ahead
    assert ahead == -(-codec.decoder.vocoder.total_look_ahead // 2) and codec.decoder.early > 0
    codes = codec.encode(example_wav(2, 11 * 960 - 7, 24000)).data
    whole = check_pieces(codec, codes, [1, 3, 0, 2, 5])
    assert whole.shape == (2, 1, 11 * 960) and whole.abs().max() > 1e-2


def test_the_vocoder_decodes_its_own_mel_as_by_itself() -> None:
    """The vectors of the mel encoder are what the vocoder analyses."""
    codec = build_codec(
        rate=16000, hop=640, dim=160, project=False, output="latents",
        encoder={"kind": "mel", "patch": 2}, quantizer={"kind": "none", "dim": 160},
        decoder=SOURCE_FILTER,
    ).eval().requires_grad_(False)  # fmt: skip
    assert isinstance(codec.decoder, SourceFilterDecoder)
    wav = example_wav(2, 20 * 640, 16000)
    alone = MelCodec(codec.decoder.vocoder)
    frames = alone.encode(wav)
    found = codec.encode(wav).data
    mel = found.unflatten(2, (2, 80)).flatten(1, 2)
    # Beyond the ends one hears silence, the other the mirrored sound.
    torch.testing.assert_close(mel[:, 2:-2], frames.data[:, 2:-2], rtol=0, atol=1e-4)
    late = codec.info.look_ahead * codec.hop  # whose context beyond the end differs
    one, other = codec.decode(found), alone.decode(mel)
    torch.testing.assert_close(one[..., :-late], other[..., :-late], rtol=0, atol=1e-4)
    assert one.abs().max() > 1e-3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hop": 320}, "hop is 640 and dim 160, not 320 and 160"),
        ({"dim": 80}, "hop is 640 and dim 160, not 640 and 80"),
        ({"rate": 22050, "hop": 882}, "22050 Hz needs whole samples"),
        ({"decoder": {**SOURCE_FILTER, "vocoder": {"dims": 3}}}, "did you mean 'dim'"),
        ({"decoder": {**SOURCE_FILTER, "vocoder": 3}}, "holds its arguments, not 3"),
    ],
)
def test_a_vocoder_that_does_not_fit_is_told(change: dict[str, Any], message: str) -> None:
    fitting = {"rate": 16000, "hop": 640, "dim": 160, "quantizer": RVQ, "decoder": SOURCE_FILTER}
    encoder = {"kind": "spectrum", "width": 8, "blocks": 1}
    with pytest.raises(CodecError, match=message):
        build_codec(**{**fitting, "encoder": encoder, **change})


def test_seanet_sees_later_vectors() -> None:
    """In both directions, as far as it declares and no farther."""
    part = {"kind": "seanet", "channels": 2, "strides": [2, 2, 5], "look_ahead": 3}
    codec = lively(rate=4000, hop=20, dim=8, encoder=part, decoder=part)
    assert codec.info.look_ahead == 3 and not codec.info.causal
    wav = example_wav(2, 12 * 20, 4000)
    codes = codec.encode(wav).data
    check_pieces(codec, codes, [1, 3, 0, 2, 6])
    state, found = codec.init_encoding(2), []
    for piece in (*wav.split(47, 2), wav[..., :0]):
        part_codes, state = codec.encode_chunk(piece, state, last=not piece.shape[2])
        found.append(part_codes)
    assert (torch.cat(found, 1) == codes).float().mean() > 0.99
    other = wav[:, 0].clone()
    other[:, 6 * 20 :] *= -1
    moved = (codec.vectors(wav[:, 0]) - codec.vectors(other)).abs().amax((0, 2)) > 1e-4
    assert moved.tolist() == [place >= 6 - 3 for place in range(12)]
