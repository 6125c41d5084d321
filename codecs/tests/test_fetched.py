"""Published codecs: fetched with their licence accepted, whole or not at all, then loaded by name.

Tiny random weights in the published layouts stand for the files; no network is used.
"""

import dataclasses
import hashlib
import http.client
import io
import os
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import tts_codecs
from codec_helpers import example_wav
from nanocodec_helpers import HOP, nemo_file, sines, weights
from tts_codecs import fetched, snac
from tts_codecs.download import HubFile
from tts_codecs.errors import CheckpointError, UsageError
from tts_codecs.fetched import CODECS, PublishedCodec
from tts_codecs.nanocodec import NanoCodec
from tts_codecs.snac import SnacCodec, SnacConfig

SMALL = SnacConfig(24000, (2, 4), 4, 32, (4, 2, 1), 32, 3)


class Web:
    """Stands for the network: one file, and how often it was asked for."""

    def __init__(self, data: bytes) -> None:
        self.data, self.asked = data, 0

    def open(self, url: str, timeout: float) -> io.BytesIO:
        self.asked += 1
        assert url == CODECS["snac_24khz"].file.url
        return io.BytesIO(self.data)


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Web:
    """SNAC as published, pickled, of two layers."""
    torch.manual_seed(0)
    state = {}
    for name, value in SnacCodec(SMALL).state_dict().items():
        if name.endswith(".weight") and value.dim() == 3:  # norm 2, by the older names
            state[f"{name}_g"] = torch.full((len(value), 1, 1), 2.0)
            state[f"{name}_v"] = value
        else:
            state[name] = value
    kept = io.BytesIO()
    torch.save(state, kept)
    data = kept.getvalue()
    real = CODECS["snac_24khz"].file
    assert isinstance(real, HubFile)
    file = dataclasses.replace(real, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    monkeypatch.setitem(CODECS, "snac_24khz", PublishedCodec("snac_24khz", file))
    monkeypatch.setattr(snac, "PUBLISHED", SMALL)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = Web(data)
    monkeypatch.setattr(urllib.request, "urlopen", made.open)
    return made


def cached(tmp_path: Path) -> list[str]:
    return [name for _, _, names in os.walk(tmp_path / "cache") for name in names]


def test_pins() -> None:
    """Addresses of one revision, a checksum and a size of every file, a licence to be shown."""
    for name, codec in CODECS.items():
        file = codec.file
        assert codec.name == name and file.url.startswith("https://")
        assert len(file.sha256) == 64 and file.sha256[:8] in codec.folder.name
        assert 10**7 < codec.size < 10**9 and codec.licences
        if isinstance(file, HubFile):
            assert len(file.revision) == 40 and f"/resolve/{file.revision}/" in file.url
    # The authors' server names files by their checksum.
    assert CODECS["encodec_24khz"].file.sha256[:8] in CODECS["encodec_24khz"].file.url


def test_fetched_then_loaded_by_name(web: Web, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"models fetch snac_24khz"):
        tts_codecs.load("snac_24khz")
    with pytest.raises(UsageError, match="MIT"):
        CODECS["snac_24khz"].fetch()
    assert web.asked == 0
    came: list[int] = []
    folder = CODECS["snac_24khz"].fetch(True, came.append)
    assert sum(came) == len(web.data) and cached(tmp_path) == ["model.safetensors"]
    assert CODECS["snac_24khz"].fetch(True) == folder and web.asked == 1

    loaded = tts_codecs.load("snac_24khz")
    assert isinstance(loaded, SnacCodec)
    for weight in (m.weight for m in loaded.modules() if isinstance(m, torch.nn.Conv1d)):
        norms = weight.flatten(1).norm(dim=1)
        torch.testing.assert_close(norms, torch.full_like(norms, 2.0))
    wav = example_wav(1, 32 * 20, 24000)
    assert torch.isfinite(loaded.decode(loaded.encode(wav))).all()
    with pytest.raises(UsageError, match="one bandwidth"):
        tts_codecs.load("snac_24khz", bandwidth=0.5)


@pytest.mark.parametrize("damage", ["changed", "longer", "cut"])
def test_another_file_leaves_nothing(web: Web, tmp_path: Path, damage: str) -> None:
    web.data = {
        "changed": web.data[:-1] + bytes([web.data[-1] ^ 1]),
        "longer": web.data + b"x",
        "cut": web.data[:-5],
    }[damage]
    with pytest.raises(CheckpointError, match="larger|checksum"):
        CODECS["snac_24khz"].fetch(True)
    assert cached(tmp_path) == [] and not CODECS["snac_24khz"].fetched


@pytest.mark.parametrize(
    "error",
    [http.client.IncompleteRead(b"x", 10), http.client.BadStatusLine("junk"), TimeoutError("t")],
)
def test_what_servers_get_wrong_is_one_error(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(urllib.request, "urlopen", fails)
    with pytest.raises(CheckpointError, match="cannot fetch"):
        CODECS["snac_24khz"].fetch(True)
    assert cached(tmp_path) == []


def test_a_file_that_is_no_weights_is_told(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.data = b"no tensors"
    file = dataclasses.replace(
        CODECS["snac_24khz"].file, sha256=hashlib.sha256(web.data).hexdigest(), size=len(web.data)
    )
    monkeypatch.setitem(CODECS, "snac_24khz", PublishedCodec("snac_24khz", file))
    with pytest.raises(CheckpointError, match="cannot convert"):
        CODECS["snac_24khz"].fetch(True)
    assert not any(name.endswith("safetensors") for name in cached(tmp_path))


def test_an_archive_is_fetched_as_its_tensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {**weights(), "discriminator.weight": torch.ones(3)}
    data = nemo_file(tmp_path / "made.nemo", state=state).read_bytes()
    real = CODECS["nanocodec_22khz"].file
    assert isinstance(real, HubFile)
    file = dataclasses.replace(real, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    codec = PublishedCodec("nanocodec_22khz", file)
    monkeypatch.setitem(CODECS, "nanocodec_22khz", codec)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def opened(url: str, timeout: float) -> io.BytesIO:
        assert url == file.url
        return io.BytesIO(data)

    monkeypatch.setattr(urllib.request, "urlopen", opened)
    with pytest.raises(UsageError, match="NVIDIA Open Model License"):
        codec.fetch()
    codec.fetch(True)
    assert cached(tmp_path) == ["model.safetensors"]
    assert not any("discriminator" in name for name in load_file(codec.weights))
    loaded = tts_codecs.load("nanocodec_22khz")
    assert isinstance(loaded, NanoCodec)
    wav = sines(HOP * 20)
    assert torch.equal(
        loaded.encode(wav).data, tts_codecs.load(tmp_path / "made.nemo").encode(wav).data
    )


def test_names_that_are_nearly_one() -> None:
    with pytest.raises(UsageError, match="mimi"):
        tts_codecs.load("mimy")
    assert fetched.cache_folder().parts[-2:] == ("tts", "codecs")
