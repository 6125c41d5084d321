"""Files of published weights: which codec they are is told by their tensors."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import tts_codecs
from tts_codecs import dac, mimi
from tts_codecs.dac import DacCodec, DacConfig
from tts_codecs.download import file_sha256
from tts_codecs.encodec import EncodecCodec, EncodecConfig
from tts_codecs.errors import CheckpointError, CodecError
from tts_codecs.fetched import CODECS
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


def test_files_that_are_not_weights_say_what_they_are(tmp_path: Path) -> None:
    codes, other = tmp_path / "codes.safetensors", tmp_path / "other.safetensors"
    save_file({"codes": torch.zeros(3, 8, dtype=torch.int16)}, codes)
    save_file({"decoder.3.bias": torch.zeros(3)}, other)
    (tmp_path / "speech.wav").write_bytes(b"RIFF")
    for name, told in (
        ("codes.safetensors", "a file of codes, not the weights"),
        ("other.safetensors", "EnCodec, Vocos of EnCodec codes, Mimi, DAC, SNAC or NanoCodec"),
        ("speech.wav", "others are not read as pickles"),
    ):
        with pytest.raises(CheckpointError, match=told):
            tts_codecs.load(tmp_path / name)


def test_a_published_pickle_is_known_by_its_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the package `encodec` left in the cache of torch.hub."""
    path = tmp_path / "encodec_24khz-d7cc33bc.th"
    torch.save({"encoder.model.0.conv.conv.weight_g": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="others are not read as pickles"):
        tts_codecs.load(path)
    pinned = CODECS["encodec_24khz"]
    file = replace(pinned.file, sha256=file_sha256(path))
    monkeypatch.setitem(CODECS, "encodec_24khz", replace(pinned, file=file))
    made = EncodecCodec(EncodecConfig(filters=2, dim=8))
    asked = {}

    def from_file(path: Path, **given: object) -> EncodecCodec:
        asked.update(given, path=path)
        return made

    monkeypatch.setattr(EncodecCodec, "from_file", from_file)
    assert tts_codecs.load(f"{path}@3").info.bitrate == 3000
    assert asked == {"path": path, "sha256": file.sha256}
