"""Files of weights of NanoCodec: archives of NeMo, and what is refused."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import zipfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

import tts_codecs
from nanocodec_helpers import DESCRIBED, TINY, archive, nemo_file, pickled, sines, weights
from tts_codecs.errors import CheckpointError
from tts_codecs.nanocodec import NanoCodec
from tts_codecs.published import is_weights


def test_archives(tmp_path: Path) -> None:
    save_file(weights(), tmp_path / "nano.safetensors")
    codec = tts_codecs.load(tmp_path / "nano.safetensors")
    wav = sines(200)
    extra = weights() | {"discriminator.x": torch.ones(3)}
    loaded = tts_codecs.load(nemo_file(tmp_path / "nano.nemo", state=extra))
    assert is_weights(tmp_path / "nano.nemo") and is_weights(tmp_path / "nano.safetensors")
    assert torch.equal(loaded.encode(wav).data, codec.encode(wav).data)
    assert torch.equal(loaded.decode(codec.encode(wav)), codec.decode(codec.encode(wav)))
    # What shapes do not tell is that of the config.
    described = DESCRIBED | {"sample_rate": 16000}
    for part in ("audio_encoder", "audio_decoder"):
        described[part] = DESCRIBED[part] | {"resblock_dilation_sizes": [1, 2]}  # type: ignore[operator]
    other = tts_codecs.load(nemo_file(tmp_path / "other.nemo", described))
    assert isinstance(other, NanoCodec)
    assert asdict(other.config) == asdict(replace(TINY, sample_rate=16000, dilations=(1, 2)))


class _Trap:
    """Touches a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("trap",))


def test_other_archives_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config, ckpt = yaml.safe_dump(DESCRIBED).encode(), pickled(weights())
    path = tmp_path / "nano.nemo"

    def refused(told: str) -> None:
        with pytest.raises(CheckpointError, match=told) as caught:
            tts_codecs.load(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)

    path.write_bytes(b"nothing of the kind")
    refused("cannot be read as a NeMo archive")
    archive(path, {"model_config.yaml": config, "model_weights.ckpt": ckpt}, "w:gz")
    refused("cannot be read as a NeMo archive")
    archive(path, {"model_config.yaml": config})
    refused("no model_weights.ckpt")
    archive(path, {"model_weights.ckpt": ckpt})
    refused("no model_config.yaml")
    for wrong in (b"[1, 2]", b"a: [", b"\xff"):
        archive(path, {"model_config.yaml": wrong, "model_weights.ckpt": ckpt})
        refused("cannot be read as a NeMo archive")
    with tarfile.open(path, "w") as made:
        for name in ("model_config.yaml", "model_weights.ckpt"):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
            made.addfile(link)
    refused("no model_config.yaml")
    archive(path, {f"file{n}": b"" for n in range(1001)})
    refused("over 1000 files")

    # Nothing but tensors is unpickled, and nothing larger than the file is read.
    for data in (pickled({"x": _Trap()}), pickle.dumps(_Trap()), b"", ckpt[: len(ckpt) // 2]):
        archive(path, {"model_config.yaml": config, "model_weights.ckpt": data})
        refused("cannot be read as a NeMo archive")
    assert not (tmp_path / "trap").exists()
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(ckpt)) as old, zipfile.ZipFile(packed, "w", 8) as new:
        for part in old.namelist():
            new.writestr(part, old.read(part))
    archive(path, {"model_config.yaml": config, "model_weights.ckpt": packed.getvalue()})
    refused("compressed")
    nemo_file(path, state={"audio_encoder.x": torch.ones(1).expand(1 << 40)})
    refused("larger than it")
    whole = nemo_file(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused("cannot be read as a NeMo archive")
    with pytest.raises(CheckpointError, match="no weights at"):
        NanoCodec.from_file(tmp_path / "none.nemo")
    nemo_file(path)
    with pytest.raises(CheckpointError, match="checksum mismatch"):
        NanoCodec.from_file(path, "0" * 64)


@pytest.mark.parametrize(
    ("part", "key", "value", "told"),
    [
        ("audio_encoder", "_target_", "x.CausalHiFiGANEncoder", "is CausalHiFiGANEncoder"),
        ("audio_decoder", "_target_", "x.HiFiGANDecoder", "is HiFiGANDecoder"),
        ("audio_encoder", "pad_mode", "zeros", "pad_mode"),
        ("audio_decoder", "activation", "lrelu", "activation"),
        ("audio_decoder", "output_activation", "tanh", "output_activation"),
        ("audio_decoder", "resblock_dilation_sizes", [1, 5], "other networks"),
        ("audio_decoder", "resblock_dilation_sizes", 3, "not weights of this model"),
        ("", "audio_decoder", None, "no audio_decoder"),
        ("", "sample_rate", "much", "other networks"),
        ("", "semantic_codec", {"sample_rate": 16000}, "other networks"),
    ],
)
def test_configs_of_other_codecs_are_refused(
    part: str, key: str, value: Any, told: str, tmp_path: Path
) -> None:
    described: dict[str, Any] = {
        k: dict(v) if isinstance(v, dict) else v for k, v in DESCRIBED.items()
    }
    (described[part] if part else described)[key] = value
    with pytest.raises(CheckpointError, match=told):
        tts_codecs.load(nemo_file(tmp_path / "nano.nemo", described))


def test_other_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "nano.safetensors"

    def refused(state: dict[str, Tensor]) -> None:
        save_file(state, path)
        with pytest.raises(CheckpointError, match="not weights of this model"):
            tts_codecs.load(path)

    plain, levels = weights(), "vector_quantizer.fsqs.1.num_levels"
    refused({name: value for name, value in plain.items() if not name.startswith("vector")})
    refused(plain | {levels: plain[levels].flip(1)})
    refused(plain | {levels.replace("1", str(k)): torch.ones(1, 3, 1) for k in range(2)})
    conv = "audio_decoder.up_sample_conv_layers.1.conv"
    for end in ("bias", "parametrizations.weight.original0", "parametrizations.weight.original1"):
        refused({name: value for name, value in plain.items() if name != f"{conv}.{end}"})
    refused(plain | {f"{conv}.bias": torch.zeros(4)})
    for kernel in (0, 1):
        refused(plain | {f"{conv}.parametrizations.weight.original1": torch.ones(6, 1, kernel)})
    unit = "audio_decoder.res_layers.0.res_blocks.0.res_blocks.0.input_conv.conv"
    refused(plain | {f"{unit}.parametrizations.weight.original1": torch.ones(6, 6, 4)})
    refused(plain | {"audio_decoder.more": torch.zeros(1)})
    # A few rows, which describe networks of many millions of values.
    wide = "audio_encoder.pre_conv.conv"
    refused(plain | {
        f"{wide}.parametrizations.weight.original0": torch.ones(10**5, 1, 1),
        f"{wide}.parametrizations.weight.original1": torch.ones(10**5, 1, 7),
    })  # fmt: skip
