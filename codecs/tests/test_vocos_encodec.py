"""Vocos over EnCodec tokens: the output of its package on the same weights, and the contract.

The test marked `peer` needs the package (see test_vocos.py).
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import tts_codecs
from codec_helpers import check_codec_contract, enliven, example_wav, lively, small_encodec
from tts_codecs import encodec
from tts_codecs.encodec import EncodecConfig
from tts_codecs.errors import CodecError
from tts_codecs.vocos import VocosCodec, VocosConfig
from tts_codecs.vocos_encodec import SIZES, VocosEncodecCodec

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
SMALL = VocosConfig(n_mels=12, n_fft=160, hop=40, dim=24, hidden=48, blocks=2, same=True)


def test_keeps_the_contract() -> None:
    pytest.importorskip("encodec")
    config = EncodecConfig(24000, 12, 4, (5, 4, 2), 4, 32, (2, 4))
    codec = VocosEncodecCodec(config, SMALL, 6.0)
    codec.encodec.load_state_dict(encodec.own_names(small_encodec().state_dict()))
    codec.books.copy_(codec.encodec.quantizer.books)
    codec.vocos.load_state_dict(VocosCodec.random(SMALL).state_dict())
    lively(codec.vocos)
    codec.eval().requires_grad_(False)
    info = codec.info
    assert (info.hop, info.num_codebooks, info.bitrate, info.residual) == (40, 2, 6000, True)
    check_codec_contract(codec, 40.5 * 40 / 24000)
    with pytest.raises(CodecError, match="7 kbit.s is not one of 1.5, 3, 6, 12"):
        VocosEncodecCodec(bandwidth=7.0)


@pytest.mark.peer
@pytest.mark.parametrize("bandwidth", [1.5, 6.0])
def test_equals_the_package(
    bandwidth: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("vocos")
    from encodec import EncodecModel
    from vocos import Vocos
    from vocos.feature_extractors import EncodecFeatures
    from vocos.heads import ISTFTHead
    from vocos.models import VocosBackbone

    def unpublished(pretrained: bool) -> Any:
        model = EncodecModel._get_model([1.5, 3.0, 6.0, 12.0, 24.0], causal=True)
        enliven(model)
        return model

    monkeypatch.setattr(EncodecModel, "encodec_model_24khz", unpublished)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(5)
        peer = Vocos(
            EncodecFeatures("encodec_24khz"),
            VocosBackbone(128, SIZES.dim, SIZES.hidden, SIZES.blocks, adanorm_num_embeddings=4),
            ISTFTHead(SIZES.dim, SIZES.n_fft, SIZES.hop, "same"),
        ).eval()
        for name, value in peer.named_parameters():
            if not name.startswith("feature_extractor.encodec"):
                value.add_(0.05 * torch.randn(value.shape) * (1 + 2 * ("head" in name)))
    path = tmp_path / "vocos.safetensors"
    save_file({k: v.contiguous().clone() for k, v in peer.state_dict().items()}, path)
    codec = tts_codecs.load(path, bandwidth=bandwidth)
    assert isinstance(codec, VocosEncodecCodec)
    wav = example_wav(1, 320 * 40, 24000)
    place = torch.tensor([[1.5, 3.0, 6.0, 12.0].index(bandwidth)])
    with torch.no_grad():
        features = peer.feature_extractor(wav[:, 0], bandwidth_id=int(place))
        expected = peer.decode(features, bandwidth_id=place[0])
    codes = codec.encode(wav)
    found = codec.decode(codes)[:, 0]
    assert codes.data.unique().numel() > 20 and expected.std() > 0.02
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
