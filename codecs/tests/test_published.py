"""Files of published weights: which codec they are is told by their tensors."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import tts_codecs
from tts_codecs import dac, mimi
from tts_codecs.dac import DacCodec, DacConfig
from tts_codecs.errors import CheckpointError, CodecError
from tts_codecs.mimi import MimiCodec, MimiConfig

MIMI = MimiConfig(
    dim=8,
    filters=2,
    ratios=(3, 2),
    codebooks=4,
    codebook_size=8,
    codebook_dim=4,
    layers=1,
    heads=2,
    hidden=8,
    window=5,
)
DAC = DacConfig(44100, (2, 3), 2, 8, 9, 16, 2)


def test_mimi_and_dac_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    made = MimiCodec(MIMI).eval()
    tensors = {}
    for name, value in made.state_dict().items():
        for part in ("semantic", "acoustic"):
            long = f"quantizer.{part}_residual_vector_quantizer"
            if name == f"quantizer.{part}.books":
                for k, book in enumerate(value):
                    at = f"{long}.layers.{k}.codebook"
                    # Sums over as many vectors as were counted.
                    tensors[f"{at}.embed_sum"] = 3 * book
                    tensors[f"{at}.cluster_usage"] = torch.full((len(book),), 3.0)
                    tensors[f"{at}.initialized"] = torch.ones(1)
                break
            name = name.replace(f"quantizer.{part}.", f"{long}.")
        else:
            tensors[name] = value.contiguous()
    save_file(tensors, tmp_path / "mimi.safetensors")
    monkeypatch.setattr(mimi, "PUBLISHED", MIMI)
    loaded = tts_codecs.load(tmp_path / "mimi.safetensors")
    assert isinstance(loaded, MimiCodec) and loaded.info.num_codebooks == 4
    wav = 0.1 * torch.randn(1, 1, 12 * 9)
    codes = loaded.encode(wav)
    assert torch.equal(codes.data, made.encode(wav).data)
    torch.testing.assert_close(loaded.decode(codes), made.decode(codes))
    # A codebook of 8 entries at 24000 / 12 frames/s; a file of weights takes it in its name too.
    assert tts_codecs.load(f"{tmp_path / 'mimi.safetensors'}@12").info.num_codebooks == 2
    with pytest.raises(CodecError, match="13 kbit/s is not one of 6, 12, 18, 24"):
        tts_codecs.load(tmp_path / "mimi.safetensors", bandwidth=13)

    known = {44100: DAC}
    monkeypatch.setattr(dac, "CONFIGS", known)
    save_file(DacCodec(DAC).state_dict(), tmp_path / "dac.safetensors")
    loaded = tts_codecs.load(tmp_path / "dac.safetensors")
    assert isinstance(loaded, DacCodec) and loaded.info.sample_rate == 44100
    with pytest.raises((CheckpointError, CodecError)):
        save_file(
            {"encoder.block.0.res_unit1.conv1.weight": torch.ones(2, 2)}, tmp_path / "x.safetensors"
        )
        tts_codecs.load(tmp_path / "x.safetensors")
    (tmp_path / "y.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(CheckpointError, match="cannot be read"):
        tts_codecs.load(tmp_path / "y.safetensors")
