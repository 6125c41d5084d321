"""Vocos: equal to the package on the same weights, exact streaming, careful with files.

The tests marked `peer` need the package: ``pip install vocos`` (or ``pip install --no-deps vocos``
into a folder on PYTHONPATH, with huggingface-hub, encodec, scipy and einops installed).
"""

import hashlib
import math
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from codec_helpers import SMALL, check_codec_contract, example_wav, lively, published_layout
from tts_codecs.errors import CheckpointError, CodecError
from tts_codecs.vocos import (
    WEIGHTS,
    VocosCodec,
    VocosConfig,
    centred_log_mel,
    fetch_published,
    from_published,
    load_published,
)


def test_keeps_the_contract() -> None:
    codec = lively(VocosCodec.random(SMALL, seed=1))
    assert codec.info.look_ahead == 3 * 3 + 2
    check_codec_contract(codec, 40.3 * SMALL.hop / 24000)


def test_info_of_the_published_size() -> None:
    codec = VocosCodec()
    info = codec.info
    assert (info.sample_rate, info.hop, info.dim, info.look_ahead) == (24000, 256, 100, 29)
    assert sum(p.numel() for p in codec.parameters()) == 13_531_650 and "MIT" in info.licence
    with pytest.raises(CodecError, match="multiple of hop"):
        VocosCodec(VocosConfig(n_fft=1024, hop=512))


def test_golden_output() -> None:
    codec = VocosCodec(SMALL)
    with torch.no_grad():
        for i, value in enumerate(codec.parameters()):
            grid = torch.arange(value.numel(), dtype=torch.float64).reshape(value.shape)
            value.copy_(0.2 * torch.sin(1.7 * grid + i))
    mel = torch.cos(0.37 * torch.arange(6 * 6.0, dtype=torch.float64)).reshape(1, 6, 6).float()
    wav = codec.decode(mel)[0, 0]
    assert wav.shape == (96,)
    found = wav[[0, 17, 40, 63, 80, 95]]
    golden = torch.tensor([0.353134, 0.012846, -0.008974, 0.030318, 0.358715, 0.250829])
    torch.testing.assert_close(found, golden, rtol=0, atol=1e-5)


def test_mel_of_a_tone_peaks_at_the_tone() -> None:
    time = torch.arange(24000) / 24000
    mel = centred_log_mel(torch.sin(2 * torch.pi * 1000 * time)[None])
    assert mel.shape == (1, 94, 100)
    # 102 edges evenly spaced on 2595 log10(1 + f / 700); band i rises from edge i.
    place = 101 * math.log10(1 + 1000 / 700) / math.log10(1 + 12000 / 700)
    assert mel[0, 10:80].argmax(-1).unique().item() == round(place) - 1
    silent = centred_log_mel(torch.zeros(1, 600), floor=1e-5)
    assert silent.shape == (1, 3, 100) and torch.allclose(silent, torch.tensor(1e-5).log())


def test_published_names(tmp_path: Path) -> None:
    codec = VocosCodec.random(SMALL, seed=2)
    renamed = from_published(published_layout(codec))
    own = codec.state_dict()
    assert renamed.keys() == own.keys()
    assert all(torch.equal(renamed[name], own[name]) for name in own)


def test_published_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codec = VocosCodec.random(seed=3)
    path = tmp_path / "vocos.safetensors"
    save_file({k: v.clone() for k, v in published_layout(codec).items()}, path)
    with pytest.raises(CheckpointError, match="checksum mismatch"):
        load_published(path)
    mel = torch.randn(1, 5, 100, generator=torch.Generator().manual_seed(0))
    assert torch.equal(load_published(path, None).decode(mel), codec.decode(mel))
    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="not weights of this model"):
        load_published(path, None)
    with pytest.raises(CheckpointError, match="no weights"):
        load_published(tmp_path / "none.bin")

    asked: list[str] = []

    def refuse(url: str, timeout: float) -> Any:
        asked.append(url)
        raise TimeoutError("timed out")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    with pytest.raises(CheckpointError, match="timed out"):
        fetch_published(tmp_path)
    assert asked == [WEIGHTS.url] and f"/resolve/{WEIGHTS.revision}/pytorch_model" in WEIGHTS.url
    (tmp_path / WEIGHTS.path).write_bytes(b"other")
    with pytest.raises(CheckpointError, match="checksum mismatch"):
        fetch_published(tmp_path)


@pytest.mark.peer
def test_equals_the_package(tmp_path: Path) -> None:
    vocos = pytest.importorskip("vocos")
    from vocos.feature_extractors import MelSpectrogramFeatures
    from vocos.heads import ISTFTHead
    from vocos.models import VocosBackbone

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        peer = vocos.Vocos(
            MelSpectrogramFeatures(24000, 1024, 256, 100, "center"),
            VocosBackbone(100, dim=512, intermediate_dim=1536, num_layers=8),
            ISTFTHead(512, 1024, 256, "center"),
        ).eval()
        for name, value in peer.named_parameters():
            # As initialised all biases are 0 and nothing says where a norm's weight went.
            value.data.add_(0.05 * torch.randn(value.shape) * (1 + 2 * ("head" in name)))
    path = tmp_path / "pytorch_model.bin"
    torch.save(peer.state_dict(), path)
    codec = load_published(path, hashlib.sha256(path.read_bytes()).hexdigest())
    wav = example_wav(2, 256 * 40, 24000)
    with torch.no_grad():
        mel = peer.feature_extractor(wav[:, 0])
        expected = peer.decode(mel)
    assert mel.shape == (2, 100, 41) and expected.shape == (2, 256 * 40)
    torch.testing.assert_close(codec.encode(wav).data, mel[..., :-1].transpose(1, 2))
    found = codec.decode(mel.transpose(1, 2))[:, 0]
    assert expected.std() > 0.02
    torch.testing.assert_close(found[:, :-256], expected, rtol=0, atol=1e-4)
