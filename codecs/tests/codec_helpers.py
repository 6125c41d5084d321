"""What the tests of codecs share: the contract every codec is held to, and small random codecs."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
import torch
from torch import Tensor

from tts_codecs.base import Codec, Encoded, frames_for
from tts_codecs.encodec import EncodecCodec
from tts_codecs.errors import CodecError
from tts_codecs.mel import log_mel
from tts_codecs.vocoder.source_filter import SourceFilterVocoder
from tts_codecs.vocos import VocosCodec, VocosConfig


def small_encodec(ratios: tuple[int, ...] = (5, 4, 2), seed: int = 0) -> Any:
    """A narrow model of the package `encodec`, of the 24 kHz kind: 4 codebooks of 32, random
    weights."""
    from encodec import EncodecModel
    from encodec.modules import SEANetDecoder, SEANetEncoder
    from encodec.quantization import ResidualVectorQuantizer

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        shape: dict[str, Any] = {
            "dimension": 12,
            "n_filters": 4,
            "ratios": list(ratios),
            "causal": True,
        }
        model = EncodecModel(
            SEANetEncoder(**shape),
            SEANetDecoder(**shape),
            ResidualVectorQuantizer(dimension=12, n_q=4, bins=32),
            target_bandwidths=[24000 // _product(ratios) * 5 * 4 / 1000],
            sample_rate=24000,
            channels=1,
        )
        enliven(model)
    return model


def small_codec(ratios: tuple[int, ...] = (5, 4, 2), seed: int = 0) -> EncodecCodec:
    """`small_encodec` as our codec."""
    model = small_encodec(ratios, seed)
    codec = EncodecCodec.from_package(model, model.target_bandwidths[0])
    codec.name = "small"
    return codec


@torch.no_grad()
def enliven(model: Any, seconds: float = 1.0) -> None:
    """Make an untrained model of the package depend on its input, in place.

    As initialised its codebooks are zeros, and each layer shrinks its input while the biases stay,
    so that neither codes nor waveform move. Here gains keep the variance, biases are small, and
    each codebook is drawn from a Gaussian fitted to the residuals of ``seconds`` of noise of
    varying level. Draws from the global generator.
    """
    for name, weight in model.named_parameters():
        if name.endswith("weight_g"):
            weight.mul_(3**0.5)
        elif ".lstm.weight" in name:
            weight.mul_(2.0)
        elif "bias" in name:
            weight.mul_(0.1)
    samples = round(seconds * model.sample_rate)
    level = torch.linspace(-3, 0.5, samples).exp()
    residual = model.encoder(torch.randn(1, 1, samples) * level)[0].t()
    for layer in model.quantizer.vq.layers:
        book = layer._codebook
        mean, std = residual.mean(0), residual.std(0)
        book.embed.copy_(mean + std * torch.randn(book.embed.shape))
        book.inited.fill_(1)
        residual = residual - book.embed[book.quantize(residual)]


def _product(values: tuple[int, ...]) -> int:
    out = 1
    for value in values:
        out *= value
    return out


SMALL = VocosConfig(n_mels=6, n_fft=64, hop=16, dim=24, hidden=48, blocks=2)


def lively(codec: VocosCodec) -> VocosCodec:
    """The codec with an output that depends clearly on its input."""
    with torch.no_grad():
        codec.head.weight.mul_(3.0)
        for block in codec.blocks:
            block.scale.fill_(1.0)  # type: ignore[union-attr, operator]
    return codec


def published_layout(codec: VocosCodec) -> dict[str, Tensor]:
    """The weights under the published names, written down here a second time."""
    own = codec.state_dict()
    out = {
        "backbone.embed.weight": own["entry.conv.weight"],
        "backbone.embed.bias": own["entry.conv.bias"],
        "head.istft.window": torch.hann_window(codec.config.n_fft),
        "feature_extractor.mel_spec.spectrogram.window": torch.hann_window(codec.config.n_fft),
        "feature_extractor.mel_spec.mel_scale.fb": torch.zeros(3, 3),
    }
    for kind in ("weight", "bias"):
        out[f"backbone.norm.{kind}"] = own[f"norm.{kind}"]
        out[f"backbone.final_layer_norm.{kind}"] = own[f"final.{kind}"]
        out[f"head.out.{kind}"] = own[f"head.{kind}"]
        for i in range(codec.config.blocks):
            block, ours = f"backbone.convnext.{i}", f"blocks.{i}"
            out[f"{block}.gamma"] = own[f"{ours}.scale"]
            out[f"{block}.dwconv.{kind}"] = own[f"{ours}.depthwise.conv.{kind}"]
            out[f"{block}.norm.{kind}"] = own[f"{ours}.norm.{kind}"]
            out[f"{block}.pwconv1.{kind}"] = own[f"{ours}.up.{kind}"]
            out[f"{block}.pwconv2.{kind}"] = own[f"{ours}.down.{kind}"]
    return out


RATE, HOP = 16000, 320


def tiny_vocoder(
    seed: int = 0, look_ahead: int = 2, n_fft: int = 640, rate: int = 16000
) -> SourceFilterVocoder:
    """A small random vocoder whose output follows its input."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SourceFilterVocoder(
            16, 32, 2, 8, 1, look_ahead, n_fft * rate // 16000, sample_rate=rate
        )
        with torch.no_grad():
            model.head.weight.mul_(3.0)
            # About the level of speech.
            model.head.bias.view(2, 3, -1)[:, [0, 2]] -= 0.5
    return model.eval().requires_grad_(False)


def voice(frames: int, batch: int = 1, seed: int = 0) -> Tensor:
    """Log-mel of a gliding harmonic tone with pauses and noise."""
    generator = torch.Generator().manual_seed(seed)
    t = torch.arange(frames * HOP) / RATE
    pitch = 110 + 40 * torch.sin(2 * math.pi * 0.7 * t) + 30 * torch.arange(batch).unsqueeze(1)
    phase = 2 * math.pi * pitch.cumsum(1) / RATE
    tone = torch.stack([torch.sin(k * phase) / k for k in range(1, 12)]).sum(0)
    noise = torch.randn(batch, len(t), generator=generator)
    return log_mel(0.1 * tone * ((t % 0.3) < 0.2) + 0.01 * noise)


TOLERANCE = 1e-4


def example_wav(batch: int, samples: int, rate: int, seed: int = 0) -> Tensor:
    """Voiced-like noise ``[batch, 1, samples]``: a harmonic tone per row, and noise."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(samples) / rate
    pitch = 100 + 80 * torch.rand(batch, 1, generator=generator)
    tone = sum(torch.sin(2 * math.pi * k * pitch * time) / k for k in range(1, 6))
    noise = torch.randn(batch, samples, generator=generator)
    return (0.1 * torch.as_tensor(tone) + 0.03 * noise)[:, None]


def decode_in_chunks(codec: Codec, encoded: Tensor, sizes: list[int]) -> list[Tensor]:
    """Outputs of ``decode_chunk`` for consecutive pieces; ``sizes`` sum to T."""
    assert sum(sizes) == encoded.shape[1]
    state = codec.init_state(encoded.shape[0])
    out, start = [], 0
    for i, size in enumerate(sizes):
        piece = encoded[:, start : start + size]
        wav, state = codec.decode_chunk(piece, state, last=i == len(sizes) - 1)
        out.append(wav)
        start += size
    return out


def chunkings(total: int, seed: int = 0) -> list[list[int]]:
    """Pieces of 1, 2, 3, 7, all, random ones, and an empty last piece."""
    plans = []
    for size in (1, 2, 3, 7, total):
        plans.append([size] * (total // size) + ([total % size] if total % size else []))
    rng = random.Random(seed)
    for _ in range(3):
        sizes: list[int] = []
        while sum(sizes) < total:
            sizes.append(min(rng.randint(0, 9), total - sum(sizes)))
        plans.append(sizes)
    plans.append([total, 0])
    return plans


def check_codec_contract(codec: Codec, seconds: float) -> None:
    """Assert that ``codec`` keeps the contract of `Codec` on ``seconds`` of signal.

    ``seconds`` should make at least 10 frames; the time taken is about 15 decodings of it.
    """
    info = codec.info
    wav = example_wav(2, round(seconds * info.sample_rate), info.sample_rate)
    encoded = codec.encode(wav)
    _check_info(codec)
    _check_shapes(codec, wav, encoded)
    _check_batch(codec, wav, encoded)
    _check_streaming(codec, encoded.data)
    _check_look_ahead(codec, encoded.data)
    _check_errors(codec, wav, encoded.data)
    check_types(codec, wav, encoded.data)


def _check_info(codec: Codec) -> None:
    info = codec.info
    assert info.sample_rate > 0 and info.hop > 0 and info.dim > 0 and info.licence and info.name
    assert info.frame_rate == pytest.approx(info.sample_rate / info.hop)
    assert info.causal == (info.look_ahead == 0) and info.look_ahead >= 0
    if info.kind == "codes":
        assert len(info.sizes) == info.num_codebooks > 0
        assert max(info.sizes) == info.codebook_size
        bits = sum(math.log2(size) for size in info.sizes)
        assert info.bitrate == pytest.approx(bits * info.frame_rate, rel=1e-3)
    else:
        assert info.bitrate is None and info.num_codebooks == info.codebook_size == 0


def _check_shapes(codec: Codec, wav: Tensor, encoded: Encoded) -> None:
    info = codec.info
    width = info.num_codebooks if info.kind == "codes" else info.dim
    assert encoded.rate == pytest.approx(info.frame_rate)
    assert encoded.data.shape == (2, frames_for(wav.shape[2], info.hop), width)
    assert encoded.data.dtype == torch.int64 or info.kind == "latents"
    out = codec.decode(encoded)
    assert out.shape == (2, 1, encoded.data.shape[1] * info.hop) and out.is_floating_point()
    assert bool(torch.isfinite(out).all())
    assert torch.equal(out, codec.decode(encoded.data))
    for samples in (1, info.hop - 1, info.hop, info.hop + 1, 5 * info.hop - 1, 5 * info.hop + 1):
        short = codec.encode(wav[:, :, :samples])
        assert short.data.shape[1] == -(-samples // info.hop), samples
        assert codec.decode(short).shape[2] == short.data.shape[1] * info.hop
    assert codec.decode(encoded.data[:, :0]).shape == (2, 1, 0)


def _check_batch(codec: Codec, wav: Tensor, encoded: Encoded) -> None:
    again = codec.encode(wav).data
    assert torch.equal(again, encoded.data)
    out = codec.decode(encoded)
    for row in range(2):
        alone = codec.encode(wav[row : row + 1]).data
        if codec.info.kind == "codes":
            # A frame halfway between two entries may fall either way with the batch's rounding.
            assert (alone == encoded.data[row : row + 1]).float().mean() > 0.99
        else:
            torch.testing.assert_close(alone, encoded.data[row : row + 1], rtol=0, atol=TOLERANCE)
        single = codec.decode(encoded.data[row : row + 1])
        torch.testing.assert_close(single, out[row : row + 1], rtol=0, atol=TOLERANCE)


def _check_streaming(codec: Codec, encoded: Tensor) -> None:
    hop, look_ahead = codec.info.hop, codec.info.look_ahead
    # Shorter than any context, about as long, and longer.
    for total in (1, 2, min(look_ahead + 1, encoded.shape[1]), encoded.shape[1]):
        part = encoded[:, :total]
        offline = codec.decode(part)
        for sizes in chunkings(total):
            pieces = decode_in_chunks(codec, part, sizes)
            streamed = torch.cat(pieces, 2)
            assert streamed.shape == offline.shape, sizes
            error = (streamed - offline).abs().max()
            assert error <= TOLERANCE, f"chunks {sizes}: off by {error:.2e}"
            fed = out = 0
            for size, piece in zip(sizes, pieces, strict=True):
                fed, out = fed + size, out + piece.shape[2]
                assert out >= (fed - look_ahead) * hop, "later than the declared look-ahead"
    # A state is a value: using it twice gives the same, and two streams do not mix.
    first, second = encoded[:1], encoded[1:2]
    cut = encoded.shape[1] // 2
    a0, state = codec.decode_chunk(first[:, :cut], codec.init_state(1))
    codec.decode_chunk(second[:, :cut], codec.init_state(1))
    a1, _ = codec.decode_chunk(first[:, cut:], state, last=True)
    a2, _ = codec.decode_chunk(first[:, cut:], state, last=True)
    assert torch.equal(a1, a2)
    offline = codec.decode(first)
    torch.testing.assert_close(torch.cat((a0, a1), 2), offline, rtol=0, atol=TOLERANCE)


def _check_look_ahead(codec: Codec, encoded: Tensor) -> None:
    """Changing frames from t on leaves samples before ``(t - look_ahead) * hop`` as they were."""
    info = codec.info
    plain = codec.decode(encoded)
    for t in {
        encoded.shape[1] // 2,
        encoded.shape[1] - 1,
        min(info.look_ahead + 1, encoded.shape[1]),
    }:
        changed = encoded.clone()
        if info.kind == "codes":
            sizes = torch.tensor(info.sizes, device=encoded.device)
            changed[:, t:] = (changed[:, t:] + 1) % sizes
        else:
            changed[:, t:] = changed[:, t:] * 0.5 + 0.5
        upto = max(0, t - info.look_ahead) * info.hop
        after = codec.decode(changed)
        torch.testing.assert_close(after[..., :upto], plain[..., :upto], rtol=0, atol=TOLERANCE)
        moved = (after - plain).abs().max() if t < encoded.shape[1] else 1.0
        assert moved > 10 * TOLERANCE, (
            "frames hardly change the waveform: these tests prove nothing"
        )


def _check_errors(codec: Codec, wav: Tensor, encoded: Tensor) -> None:
    broken = wav.clone()
    broken[0, 0, 5] = math.nan
    stereo = wav.expand(-1, 2, -1)
    for bad in (wav[0], wav[:, 0], stereo, wav[..., :0], (wav * 1000).short(), broken):
        with pytest.raises(CodecError):
            codec.encode(bad)
        if codec.encodes_streams and bad.numel():
            with pytest.raises(CodecError):
                codec.encode_chunk(bad, codec.init_encoding(len(wav)))
    if codec.info.kind == "codes":
        bad = [encoded.int(), encoded.float(), encoded - 10**6]
        bad.append(encoded * 0 + torch.tensor(codec.info.sizes, device=encoded.device))
    else:
        bad = [encoded.long(), encoded * math.inf]
    bad += [encoded[0], encoded[..., :-1], encoded[:0]]
    for wrong in bad:
        with pytest.raises(CodecError):
            codec.decode(wrong)
        with pytest.raises(CodecError):
            codec.decode_chunk(wrong, codec.init_state(2))
    with pytest.raises(CodecError):
        codec.decode_chunk(encoded, codec.init_state(3))
    with pytest.raises(CodecError):
        codec.init_state(0)
    for other in (None, 0, (), torch.zeros(2)):
        with pytest.raises(CodecError, match="init_state"):
            codec.decode_chunk(encoded, other)
    if codec.encodes_streams:
        with pytest.raises(CodecError, match="init_encoding"):
            codec.encode_chunk(wav, None)
    else:
        with pytest.raises(CodecError, match="whole recordings only"):
            codec.init_encoding(2)
        with pytest.raises(CodecError, match="whole recordings only"):
            codec.encode_chunk(wav, None)
    for change in (codec.half, codec.double, codec.bfloat16, lambda: codec.to(torch.float16)):
        with pytest.raises(CodecError, match="float32"):
            change()
    assert all(each.dtype == torch.float32 for each in codec.parameters())


def check_types(codec: Codec, wav: Tensor, encoded: Tensor) -> None:
    """Assert that floats of any width give what they give as float32, whole and in pieces."""
    wav, encoded = wav[..., : 6 * codec.info.hop + 1], encoded[:, :5]
    for dtype in (torch.float64, torch.float16, torch.bfloat16):
        other = wav.to(dtype)
        assert torch.equal(codec.encode(other).data, codec.encode(other.float()).data), dtype
        if codec.encodes_streams:
            one, two = (
                codec.encode_chunk(each, codec.init_encoding(len(wav)), last=True)[0]
                for each in (other, other.float())
            )
            assert torch.equal(one, two), dtype
        if codec.info.kind == "latents":
            other = encoded.to(dtype)
            assert torch.equal(codec.decode(other), codec.decode(other.float())), dtype
            one, two = (
                codec.decode_chunk(each, codec.init_state(len(encoded)), last=True)[0]
                for each in (other, other.float())
            )
            assert torch.equal(one, two), dtype
    huge = torch.full_like(wav, 1e300, dtype=torch.float64)
    with pytest.raises(CodecError, match="infinite"):
        codec.encode(huge)
    if codec.info.kind == "latents":
        with pytest.raises(CodecError, match="infinite"):
            codec.decode(encoded.double() * 0 + 1e300)
