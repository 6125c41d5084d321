"""DAC: the output of transformers on the same weights, and the codec contract."""

import os

import pytest
import torch
from torch import Tensor

from codec_helpers import check_codec_contract, example_wav
from tts_codecs.dac import CONFIGS, DacCodec, DacConfig
from tts_codecs.nn import centred

SMALL = DacConfig(24000, (2, 3, 4), 4, 32, 4, 32, 3)


def enlivened(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights whose output follows their input."""
    generator = torch.Generator().manual_seed(0)
    out = {}
    for name, value in weights.items():
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith("alpha"):
            out[name] = 0.5 + noise.abs()
        elif name.endswith("codebook.weight"):
            out[name] = noise
        elif value.dim() > 1:
            out[name] = noise * (0.7 / value[0].numel()) ** 0.5
        else:
            out[name] = 0.05 * noise
    return out


def small() -> DacCodec:
    codec = DacCodec(SMALL)
    codec.load_state_dict(enlivened(codec.state_dict()))
    return codec.eval().requires_grad_(False)


def test_keeps_the_contract() -> None:
    codec = small()
    assert codec.info.look_ahead == codec.reach > 3
    check_codec_contract(codec, (3 * codec.reach + 0.5) * 24 / 24000)
    # The declared reach is needed: one frame less and what is heard changes.
    codes = codec.encode(example_wav(1, 24 * 60, 24000)).data
    whole = codec.decode(codes)
    changed = codes.clone()
    changed[:, 30] = (changed[:, 30] + 7) % 32
    apart = (codec.decode(changed) - whole).abs()[0, 0].unflatten(0, (60, 24)).amax(1)
    moved = apart.nonzero().flatten()
    assert 30 - codec.reach <= int(moved.min()) < 30 < int(moved.max()) <= 30 + codec.reach


def test_sizes_of_the_published_weights() -> None:
    with torch.device("meta"):
        for rate, hop in ((16000, 320), (24000, 320), (44100, 512)):
            assert DacCodec(CONFIGS[rate]).hop == hop
        info = DacCodec().info
    assert round(info.bitrate or 0) == 7752 and info.num_codebooks == 9


@pytest.mark.peer
def test_equals_the_public_package() -> None:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    package = pytest.importorskip("transformers")
    config = package.DacConfig(
        encoder_hidden_size=4,
        downsampling_ratios=[2, 3, 4],
        decoder_hidden_size=32,
        n_codebooks=4,
        codebook_size=32,
        codebook_dim=3,
        sampling_rate=24000,
    )
    peer = package.DacModel(config).eval()
    peer.load_state_dict(enlivened(peer.state_dict()))
    codec = DacCodec(SMALL)
    codec.load_state_dict(peer.state_dict())
    wav = example_wav(2, 24 * 40, 24000)
    with torch.no_grad():
        wanted = peer.encode(wav).audio_codes
        heard = peer.decode(audio_codes=wanted).audio_values
    codes = codec.encode(wav).data
    assert (codes.transpose(1, 2) == wanted).float().mean() > 0.995 and len(codes.unique()) > 20
    made = codec.decode(wanted.transpose(1, 2))[:, 0]
    assert heard.abs().max() > 0.01
    torch.testing.assert_close(made[:, : heard.shape[-1]], heard, rtol=1e-4, atol=1e-4)


def test_long_sounds_are_coded_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = small()
    wav = example_wav(2, codec.hop * 40 * codec.reach + 5, 24000)
    codes = codec.encode(wav).data
    made = codec.decode(codes)
    monkeypatch.setattr(centred, "SECONDS", 0.0)
    seen: list[int] = []
    codec.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[2]))
    again = codec.encode(wav).data
    assert again.shape == codes.shape
    # Rounding may tip a value that lies between two entries.
    assert (again == codes).float().mean() > 0.999
    assert len(seen) == 11 and max(seen) <= 6 * codec.reach * codec.hop
    torch.testing.assert_close(codec.decode(codes), made, rtol=0, atol=1e-5)
