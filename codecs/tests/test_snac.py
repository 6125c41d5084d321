"""SNAC: the output of its package on the same weights, and the codec contract."""

import importlib

import pytest
import torch
from torch import Tensor

from codec_helpers import check_codec_contract, example_wav
from tts_codecs.nn import centred
from tts_codecs.nn.weight_norm import folded
from tts_codecs.snac import SnacCodec, SnacConfig, _Noise

SMALL = SnacConfig(24000, (2, 4), 4, 32, (4, 2, 1), 32, 3)


def enlivened(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights whose output follows their input."""
    generator = torch.Generator().manual_seed(0)
    out = {}
    for name, value in weights.items():
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith("alpha"):
            out[name] = 0.5 + noise.abs()
        elif name.endswith("original0"):
            # A decoder as lively as the encoder makes rounding heard.
            out[name] = 0.5 + noise.abs() if name.startswith("encoder") else 0.4 + 0.2 * noise.abs()
        elif name.endswith("codebook.weight") or value.dim() == 1:
            out[name] = noise if value.dim() > 1 else 0.05 * noise
        else:
            out[name] = noise * (0.7 / value[0].numel()) ** 0.5
    return out


def small() -> SnacCodec:
    codec = SnacCodec(SMALL)
    codec.load_state_dict(enlivened(codec.state_dict()))
    return codec.eval().requires_grad_(False)


def test_keeps_the_contract() -> None:
    codec = small()
    assert codec.hop == 32 and codec.info.num_codebooks == 7
    check_codec_contract(codec, (3 * codec.reach + 0.5) * 32 / 24000)
    # A code of a faster level is heard where it stands in the frame.
    codes = codec.encode(example_wav(1, 32 * 40, 24000)).data
    changed = codes.clone()
    changed[0, 20, 6] = (changed[0, 20, 6] + 5) % 32
    apart = (codec.decode(changed) - codec.decode(codes)).abs()[0, 0]
    assert int(apart.argmax()) // 8 in range(4 * 20, 4 * 20 + 8)


def test_sizes_of_the_published_weights() -> None:
    with torch.device("meta"):
        info = SnacCodec().info
    assert info.hop == 2048 and round(info.bitrate or 0) == 984


@pytest.mark.peer
def test_equals_the_public_package(monkeypatch: pytest.MonkeyPatch) -> None:
    package = pytest.importorskip("snac")
    peer = package.SNAC(24000, 4, [2, 4], None, 32, [4, 2], None, 32, 3, [4, 2, 1]).eval()
    weights = enlivened(peer.state_dict())
    peer.load_state_dict(weights)
    codec = SnacCodec(SMALL).eval()
    codec.load_state_dict(folded(weights))
    wav = example_wav(2, 32 * 30, 24000)
    # The package draws its noise anew; here it is given ours.
    tables = iter([part.table for part in codec.modules() if isinstance(part, _Noise)])
    layers = importlib.import_module("snac.layers")

    class Given:
        def __getattr__(self, name: str) -> object:
            return getattr(torch, name)

        def randn(self, size: tuple[int, ...], **_: object) -> Tensor:
            return next(tables)[: size[-1]].expand(size)

    with torch.no_grad():
        wanted = peer.encode(wav)
        codes = codec.encode(wav).data
        flat = torch.cat([each.unflatten(1, (30, -1)) for each in wanted], 2)
        assert (codes == flat).float().mean() > 0.995 and len(codes.unique()) > 12
        monkeypatch.setattr(layers, "torch", Given())
        heard = peer.decode(wanted)
    assert heard.abs().max() > 0.01
    torch.testing.assert_close(codec.decode(flat), heard, rtol=1e-4, atol=1e-4)


def test_long_sounds_are_coded_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = small()
    wav = example_wav(2, codec.hop * 40 * codec.reach + 5, 24000)
    codes = codec.encode(wav).data
    made = codec.decode(codes)
    monkeypatch.setattr(centred, "SECONDS", 0.0)
    seen: list[int] = []
    codec.encoder["block"].register_forward_pre_hook(
        lambda _, given: seen.append(given[0].shape[2])
    )
    again = codec.encode(wav).data
    assert again.shape == codes.shape
    # Rounding may tip a value that lies between two entries.
    assert (again == codes).float().mean() > 0.999
    assert len(seen) == 11 and max(seen) <= 6 * codec.reach * codec.hop
    torch.testing.assert_close(codec.decode(codes), made, rtol=0, atol=1e-5)
