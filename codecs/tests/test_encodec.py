"""EnCodec: the output of its package on the same weights, exact streaming, careful with files."""

from __future__ import annotations

import hashlib
import io
import pickle
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import tts_codecs
from codec_helpers import enliven, small_codec, small_encodec
from tts_codecs.checkpoint import load_state
from tts_codecs.download import fetch
from tts_codecs.encodec import BANDWIDTHS, EncodecCodec
from tts_codecs.errors import CheckpointError, CodecError
from tts_codecs.nn.framed import reflected

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")


@pytest.fixture(scope="module")
def package() -> Any:
    """The 24 kHz model of the package with random weights whose output follows its input."""
    encodec = pytest.importorskip("encodec")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = encodec.EncodecModel.encodec_model_24khz(pretrained=False)
        enliven(model)
    model.set_target_bandwidth(6.0)
    return model.eval()


@pytest.fixture(scope="module")
def full(package: Any) -> EncodecCodec:
    return EncodecCodec.from_package(package, bandwidth=6.0)


def noise(batch: int, samples: int) -> Tensor:
    return 0.1 * torch.randn(batch, 1, samples, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_equals_the_package(full: EncodecCodec, package: Any) -> None:
    # Shorter than the paddings, not of whole frames, and longer than what is worked on at a time.
    for samples in (1, 200, 700, 9700):
        wav = noise(2, samples) * torch.linspace(0.1, 10, samples)
        frames = package.encode(wav)
        encoded = full.encode(wav).data
        assert torch.equal(encoded, frames[0][0].transpose(1, 2)), samples
        made, wanted = full.decode(encoded), package.decode(frames)
        assert made.shape[2] == -(-samples // 320) * 320
        torch.testing.assert_close(made, wanted[..., : made.shape[2]], rtol=0, atol=1e-5)
    assert encoded.shape == (2, 31, 8) and encoded.unique().numel() > 50 and made.std() > 0.05


@torch.no_grad()
def test_streams_the_24khz_model_exactly(full: EncodecCodec) -> None:
    encoded = full.encode(noise(1, 320 * 25)).data
    offline = full.decode(encoded)
    state, pieces, start = full.init_state(1), [], 0
    for size in (1, 3, 0, 4, 1, 9, 1, 6):
        wav, state = full.decode_chunk(encoded[:, start : start + size], state, start + size == 25)
        pieces.append(wav)
        start += size
        # Nothing for the first 6 frames, then every frame at once.
        assert sum(p.shape[2] for p in pieces) == (start * 320 if start > 6 else 0)
    assert (torch.cat(pieces, 2) - offline).abs().max() < 1e-5 and offline.std() > 0.05
    with pytest.raises(CodecError, match="ended"):
        full.decode_chunk(encoded, state)


@pytest.mark.parametrize("samples", [1, 37, 40 * 33 + 17])
def test_encodes_in_pieces(samples: int) -> None:
    codec = small_codec()
    wav = noise(2, samples)
    kept = wav.clone()
    whole = codec.encode(wav).data
    for size in (13, 400):
        state, found = codec.init_encoding(2), []
        for piece in wav.split(size, 2):
            codes, state = codec.encode_chunk(piece, state)
            found.append(codes)
        codes, state = codec.encode_chunk(wav[..., :0], state, last=True)
        assert torch.equal(torch.cat([*found, codes], 1), whole), size
    assert torch.equal(wav, kept)
    with pytest.raises(CodecError, match="ended"):
        codec.encode_chunk(wav, state)


def test_rounds_are_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = small_codec()
    wav = noise(1, 40 * 50 + 3)
    codes = codec.encode(wav).data
    sound = codec.decode(codes)
    monkeypatch.setattr("tts_codecs.encodec.PIECE", 3)
    monkeypatch.setattr("tts_codecs.encodec.ROUND", 11)
    assert torch.equal(codec.encode(wav).data, codes)
    torch.testing.assert_close(codec.decode(codes), sound, rtol=0, atol=1e-5)


def test_info(full: EncodecCodec, package: Any) -> None:
    info = full.info
    assert (info.sample_rate, info.hop, info.num_codebooks, info.codebook_size) == (
        24000,
        320,
        8,
        1024,
    )
    assert info.bitrate == 6000 and info.frame_rate == 75 and info.look_ahead == 6
    assert "CC-BY-NC" in info.licence and info.residual
    books = [EncodecCodec.from_package(package, b).info.num_codebooks for b in BANDWIDTHS]
    assert books == [2, 4, 8, 16, 32]


@torch.no_grad()
def test_a_bandwidth_is_the_leading_codes(full: EncodecCodec, package: Any) -> None:
    wav = noise(1, 3200)
    fewer = EncodecCodec.from_package(package, 3.0)
    assert torch.equal(fewer.encode(wav).data, full.encode(wav).data[..., :4])
    fewer.use_bandwidth(1.5)
    assert fewer.info.num_codebooks == 2
    with pytest.raises(CodecError, match="works with 2, 4, 8, 16, 32"):
        fewer.use_codebooks(3)


def test_refuses_other_models(package: Any) -> None:
    from encodec import EncodecModel

    with pytest.raises(CodecError, match="bandwidth 5 kbit/s is not one of 1.5, 3, 6, 12, 24"):
        EncodecCodec.from_package(package, 5.0)
    with pytest.raises(CodecError, match="mono"):
        EncodecCodec.from_package(EncodecModel.encodec_model_48khz(pretrained=False), 6.0)
    loose = EncodecModel._get_model([6.0], causal=False)
    with pytest.raises(CodecError, match="causal"):
        EncodecCodec.from_package(loose, 6.0)


@pytest.mark.parametrize("length", [1, 2, 5, 6, 7, 20])
@pytest.mark.parametrize(("left", "right"), [(0, 0), (1, 0), (6, 0), (6, 3), (0, 2)])
def test_reflected_equals_the_package(length: int, left: int, right: int) -> None:
    pad1d = pytest.importorskip("encodec.modules.conv").pad1d
    x = noise(2, length)
    found = reflected(x.transpose(1, 2), left, right).transpose(1, 2)
    assert torch.equal(found, pad1d(x, (left, right), mode="reflect"))


def test_files(full: EncodecCodec, package: Any, tmp_path: Path) -> None:
    path = tmp_path / "encodec.safetensors"
    save_file({name: value.contiguous() for name, value in package.state_dict().items()}, path)
    loaded = tts_codecs.load(path)
    assert isinstance(loaded, EncodecCodec)
    wav = noise(1, 3200)
    encoded = full.encode(wav)
    assert torch.equal(loaded.encode(wav).data, encoded.data)
    assert torch.equal(loaded.decode(encoded), full.decode(encoded))
    damaged = path.read_bytes()[:-100]
    path.write_bytes(damaged)
    with pytest.raises(CheckpointError, match="cannot be read"):
        EncodecCodec.from_file(path)
    some = {"encoder.model.0.conv.conv.weight_g": torch.ones(32, 1, 1), "x": torch.ones(2)}
    save_file(some, path)
    with pytest.raises(CheckpointError, match="not weights of this model"):
        EncodecCodec.from_file(path)


class _Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("trap"),))  # type: ignore[return-value]


def test_pickles_need_a_checksum_and_run_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first, other = small_encodec(seed=0), small_encodec(seed=1)
    path = tmp_path / "weights.th"
    torch.save(first.state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(CheckpointError, match="sha256"):
        load_state(other, path)
    load_state(other, path, digest)
    for name, value in first.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)
    with pytest.raises(CheckpointError, match="checksum mismatch"):
        load_state(other, path, "0" * 64)
    with pytest.raises(CheckpointError, match="64 hex"):
        load_state(other, path, "d7cc33bc")
    with pytest.raises(CheckpointError, match="no weights at"):
        load_state(other, tmp_path / "none.th", digest)

    torch.save({"x": _Trap()}, path, pickle_protocol=2)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_state(other, path, hashlib.sha256(path.read_bytes()).hexdigest())
    path.write_bytes(pickle.dumps(_Trap(), protocol=2))
    with pytest.raises(CheckpointError):
        load_state(other, path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert not (tmp_path / "trap").exists()

    torch.save({"x": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="not weights of this model"):
        load_state(other, path, hashlib.sha256(path.read_bytes()).hexdigest())


def test_fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = bytes(range(256)) * 20
    digest = hashlib.sha256(body).hexdigest()
    calls: list[str] = []

    def answer(url: str, timeout: float) -> io.BytesIO:
        calls.append(url)
        return io.BytesIO(body)

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    target = tmp_path / "new" / "weights.th"
    url = "https://example.org/weights.th"
    assert fetch(url, target, digest).read_bytes() == body
    fetch(url, target, digest)
    assert calls == [url]  # the second time it is there
    target.write_bytes(body[:-1])
    with pytest.raises(CheckpointError, match="checksum mismatch"):
        fetch(url, target, digest)
    target.unlink()
    with pytest.raises(CheckpointError, match="checksum mismatch"):
        fetch(url, target, "0" * 64)
    with pytest.raises(CheckpointError, match="larger than"):
        fetch(url, target, digest, max_bytes=100)
    with pytest.raises(CheckpointError, match="https only"):
        fetch("http://example.org/weights.th", target, digest)

    def fails(url: str, timeout: float) -> io.BytesIO:
        raise TimeoutError("timed out")

    monkeypatch.setattr(urllib.request, "urlopen", fails)
    with pytest.raises(CheckpointError, match="timed out"):
        fetch(url, target, digest)
    assert list(target.parent.iterdir()) == []  # no partial file is left
