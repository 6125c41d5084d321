"""Codecs by name, the package by itself, and what importing it costs."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import tts_codecs
from codec_helpers import check_codec_contract, tiny_vocoder
from tts_codecs.bandwidth import codebooks_at
from tts_codecs.checkpoint import CONFIG, fingerprint, read_config, save_checkpoint
from tts_codecs.errors import CodecError
from tts_codecs.layered import LayeredCodec
from tts_codecs.neural import build_codec
from tts_codecs.registry import check_name, find, weights_of
from tts_codecs.spectral import SpectralAutoencoder
from tts_codecs.vocos import VocosCodec, VocosConfig

PACKAGE = Path(tts_codecs.__file__).parent
TINY_VOCOS = {"n_mels": 6, "n_fft": 64, "hop": 16, "dim": 24, "hidden": 48, "blocks": 2}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of tiny checkpoints that this process takes for the shipped ones."""
    vocoder = dict(dim=16, hidden=32, blocks=2, pitch_dim=8, pitch_blocks=1, look_ahead=2)
    folder = tmp_path / "checkpoints"
    for name in ("vocoder", "vocoder_24k"):
        save_checkpoint(folder / name, tiny_vocoder(), "source_filter_vocoder", vocoder)
    spectral = {"dim": 8, "blocks": 1, "levels": [5, 4], "groups": 2}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = SpectralAutoencoder(dim=8, blocks=1, levels=(5, 4), groups=2)
    save_checkpoint(folder / "spectral", module, "spectral", spectral)
    vocos = VocosCodec.random(VocosConfig(**TINY_VOCOS))
    save_checkpoint(folder / "small_vocos", vocos, "vocos", TINY_VOCOS)
    monkeypatch.setenv("TTS_HOME", str(tmp_path))
    return tmp_path


def test_codecs_by_name_and_by_folder(home: Path) -> None:
    assert tts_codecs.names() == ["small_vocos", "spectral", "vocoder", "vocoder_24k"]
    kinds = {"spectral": "codes", "vocoder": "latents", "features": "latents"}
    for name, kind in (kinds | {"small_vocos": "latents"}).items():
        codec = tts_codecs.load(name)
        assert isinstance(codec, tts_codecs.Codec) and codec.info.kind == kind
        assert not codec.training and not any(p.requires_grad for p in codec.parameters())
    by_folder = tts_codecs.load(home / "checkpoints" / "spectral")
    wav = 0.1 * torch.randn(1, 1, 8000, generator=torch.Generator().manual_seed(0))
    codes = by_folder.encode(wav).data
    assert torch.equal(codes, tts_codecs.load("spectral").encode(wav).data)
    check_codec_contract(by_folder, 0.7)


def test_wrong_names_say_what_there_is(home: Path) -> None:
    with pytest.raises(tts_codecs.UsageError, match=r"'spectrl'; did you mean 'spectral'"):
        tts_codecs.load("spectrl")
    with pytest.raises(tts_codecs.UsageError, match="unknown codec 'none'"):
        tts_codecs.load("spectral", vocoder="none")
    with pytest.raises(tts_codecs.UsageError, match="'spectral' is not a vocoder"):
        tts_codecs.load("features", vocoder="spectral")
    with pytest.raises(tts_codecs.UsageError, match="one bandwidth"):
        tts_codecs.load("spectral", bandwidth=3.0)
    (home / "checkpoints" / "vocoder_24k" / "model.safetensors").write_bytes(b"")
    with pytest.raises(tts_codecs.CheckpointError):
        tts_codecs.load("spectral")


@pytest.mark.parametrize("name", ["spectral", "dmel", "mimi"])
def test_a_file_called_as_a_codec_hides_none(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("hello")
    if name == "mimi":
        with pytest.raises(tts_codecs.CheckpointError, match="tts models fetch mimi"):
            check_name(name)
    else:
        assert tts_codecs.load(name).info.name == name
        assert weights_of(name) == ("" if name == "dmel" else fingerprint(find(name)))
    with pytest.raises(tts_codecs.CheckpointError, match="not a safetensors file"):
        tts_codecs.load(f"./{name}")


@pytest.mark.parametrize("name", ["x" * 400, "a/" + "x" * 400, "a\0b"])
@pytest.mark.parametrize("call", [tts_codecs.load, check_name, weights_of])
def test_what_can_be_no_name_of_a_file(home: Path, name: str, call: Any) -> None:
    with pytest.raises(tts_codecs.UsageError, match="unknown codec"):
        call(name)


@pytest.mark.parametrize(
    "kbits",
    [
        float("inf"),
        float("nan"),
        0,
        -1,
        True,
        "1",
        None,
        1e9,
        pytest.param(10**400, id="huge"),
        [1],
    ],
)
def test_a_bandwidth_that_is_none_lists_those_there_are(kbits: Any) -> None:
    with pytest.raises(CodecError, match=r"this: bandwidth .* kbit/s is not one of 0.5, 1"):
        codebooks_at(kbits, {1: 500.0, 2: 1000.0}, "this")
    assert codebooks_at(1, {1: 500.0, 2: 1000.0}, "this") == 2


@pytest.mark.parametrize(
    "change",
    [
        {"quantizer": {"kind": "vq", "dim": 1 << 14, "codebook_size": 1 << 24}},
        {"quantizer": {"kind": "rvq", "dim": 8, "codebook_size": 1 << 18, "num_codebooks": 4096}},
        {"decoder": {"kind": "spectrum", "width": 1 << 20, "blocks": 1}},
    ],
)
def test_codebooks_that_weights_do_not_have_are_not_made(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    arguments: dict[str, Any] = {
        "dim": 8,
        "encoder": {"kind": "mel"},
        "quantizer": {"kind": "vq", "dim": 8, "codebook_size": 16},
        "decoder": {"kind": "spectrum", "width": 8, "blocks": 1},
    }
    save_checkpoint(tmp_path, build_codec(**arguments), "neural", arguments)
    tts_codecs.load(tmp_path)
    config = yaml.safe_load((tmp_path / CONFIG).read_text())
    config["arguments"] |= change
    (tmp_path / CONFIG).write_text(yaml.safe_dump(config))
    with pytest.raises(tts_codecs.CheckpointError, match="more than its weights have"):
        tts_codecs.load(tmp_path)


def test_all_public_names_are_there() -> None:
    for name in tts_codecs.__all__:
        assert getattr(tts_codecs, name) is not None and name in dir(tts_codecs)
    with pytest.raises(AttributeError):
        _ = tts_codecs.nothing


def test_the_package_imports_alone_and_without_torch() -> None:
    code = (
        "import sys, tts_codecs; assert 'torch' not in sys.modules; import tts_codecs.registry, "
        "tts_codecs.spectral, tts_codecs.vocos; assert not [m for m in sys.modules "
        "if m == 'tts' or m.startswith('tts.') or m == 'encodec']"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PACKAGE.parent)


def test_shipped_checkpoints_are_found_beside_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TTS_HOME", raising=False)
    assert find("spectral").name == "spectral" and "vocoder" in tts_codecs.names()


@pytest.mark.parametrize("kbits", ["abc", "", "1,5"])
def test_what_is_no_bandwidth_is_told(kbits: str) -> None:
    with pytest.raises(tts_codecs.UsageError, match="is no bandwidth in kbit/s"):
        tts_codecs.load(f"dmel@{kbits}")


@pytest.mark.parametrize("device", ["gpu", "cuda:77", "", "cpu:x", 1.5])
def test_a_device_that_is_not_there(home: Path, device: Any) -> None:
    with pytest.raises(tts_codecs.UsageError, match="cannot be used"):
        tts_codecs.load("dmel", device)


def test_devices_by_name_and_as_objects(home: Path) -> None:
    for device in ("cpu", torch.device("cpu"), "auto"):
        assert tts_codecs.load("dmel", device).encode(torch.zeros(1, 1, 9)).data.shape[1] == 1


def test_a_bandwidth_that_is_told_twice(home: Path) -> None:
    arguments: dict[str, Any] = {"dim": 8, "blocks": 1}
    arguments["quantizer"] = {"kind": "residual_fsq", "levels": [4, 4], "num_codebooks": 3}
    folder = home / "checkpoints" / "small"
    save_checkpoint(folder, SpectralAutoencoder(**arguments), "spectral", arguments)
    codec = tts_codecs.load("small@0.2", bandwidth=0.2)
    assert isinstance(codec, LayeredCodec) and codec.num_codebooks == 2
    with pytest.raises(tts_codecs.UsageError, match="names its bandwidth: 0.1"):
        tts_codecs.load("small@0.2", bandwidth=0.1)
    codes = codec.encode(torch.zeros(1, 1, 4000)).data
    with pytest.raises(CodecError, match="expected 2 codebooks, got 1; use_codebooks"):
        codec.decode(codes[..., :1])
    for count in (1.0, True, "1", None):
        with pytest.raises(CodecError, match="is an int"):
            codec.use_codebooks(count)
    codec.use_codebooks(1)
    assert codec.decode(codes[..., :1]).shape[2] == codes.shape[1] * codec.info.hop


def test_a_folder_that_is_no_checkpoint(home: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "mine"
    run.mkdir(parents=True)
    with pytest.raises(tts_codecs.UsageError, match=r"is a folder without config.yaml"):
        tts_codecs.load(run)
    shutil.copytree(home / "checkpoints" / "spectral", run / "export")
    with pytest.raises(tts_codecs.UsageError, match=r"did you mean '.*mine/export'"):
        tts_codecs.load(run)
    assert tts_codecs.load(run / "export").info.name == "spectral"
    with pytest.raises(tts_codecs.CheckpointError, match=r"give its folder .*export"):
        tts_codecs.load(run / "export" / "model.safetensors")


def test_licences_are_those_that_checkpoints_declare(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("spectral", "vocoder", "dmel", "features"):
        assert "declare no licence" in tts_codecs.load(name).info.licence, name
    vocoder = home / "checkpoints" / "vocoder_24k" / CONFIG
    vocoder.write_text(vocoder.read_text() + "licence: CC0\n")
    for name in ("dmel", "features", "vocoder_24k"):
        assert tts_codecs.load(name).info.licence == "code MIT; weights CC0", name
    # The weights of the autoencoder may be anything.
    assert "declare no licence" in tts_codecs.load("spectral").info.licence
    config = home / "checkpoints" / "spectral" / CONFIG
    config.write_text(config.read_text() + "licence: CC BY 4.0\n")
    told = tts_codecs.load("spectral").info.licence
    assert told == "code MIT; weights CC BY 4.0; vocoder CC0"
    monkeypatch.delenv("TTS_HOME")
    for name in ("rvq", "spectral", "vocoder", "vocoder_24k"):
        corpora = (find(name) / "README.md").read_text().split("## Data")[1].split("##")[0]
        told = read_config(find(name))["licence"]
        other = find(name).parent / "flow" / "README.md"  # whose corpus it shares
        corpora += other.read_text() if name == "vocoder_24k" else ""
        for corpus in ("LibriSpeech", "speechocean762", "Kokoro-82M"):
            assert (corpus in told) == (corpus in corpora), (name, corpus)
