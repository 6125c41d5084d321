"""EnCodec wrapper: equal to the package, exact streaming, careful with files."""

from __future__ import annotations

import hashlib
import io
import pickle
import urllib.request
from pathlib import Path

import pytest
import torch
from torch import Tensor

from codec_helpers import small_codec
from tts_codecs.checkpoint import load_state
from tts_codecs.download import fetch
from tts_codecs.encodec import BANDWIDTHS, EncodecCodec
from tts_codecs.errors import CheckpointError, CodecError
from tts_codecs.seanet import reflect_left

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")


@pytest.fixture(scope="module")
def full() -> EncodecCodec:
    return EncodecCodec.random(bandwidth=6.0, seed=3)


def noise(batch: int, samples: int) -> Tensor:
    return 0.1 * torch.randn(batch, 1, samples, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_equals_the_package(full: EncodecCodec) -> None:
    wav = noise(2, 9700) * torch.linspace(0.1, 10, 9700)
    frames = full.model.encode(wav)
    encoded = full.encode(wav)
    assert len(frames) == 1 and frames[0][1] is None
    assert torch.equal(encoded.data, frames[0][0].transpose(1, 2))
    assert encoded.data.shape == (2, 31, 8) and encoded.data.unique().numel() > 50
    assert torch.equal(full.decode(encoded)[..., :9920], full.model.decode(frames))


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


def test_info(full: EncodecCodec) -> None:
    info = full.info
    assert (info.sample_rate, info.hop, info.num_codebooks, info.codebook_size) == (
        24000,
        320,
        8,
        1024,
    )
    assert info.bitrate == 6000 and info.frame_rate == 75 and info.look_ahead == 6
    assert "CC-BY-NC" in info.licence
    books = [EncodecCodec(full.model, b).info.num_codebooks for b in BANDWIDTHS]
    full.model.set_target_bandwidth(6.0)
    assert books == [2, 4, 8, 16, 32]


def test_random_weights_leave_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    a, b = small_codec(), small_codec()
    assert torch.equal(torch.rand(3), expected)
    wav = noise(1, 800)
    assert torch.equal(a.decode(a.encode(wav)), b.decode(b.encode(wav)))


def test_refuses_other_models(full: EncodecCodec) -> None:
    from encodec import EncodecModel

    with pytest.raises(CodecError, match="bandwidth 5 kbit/s is not one of 1.5, 3, 6, 12, 24"):
        EncodecCodec(full.model, 5.0)
    with pytest.raises(CodecError, match="mono"):
        EncodecCodec(EncodecModel.encodec_model_48khz(pretrained=False), 6.0)
    loose = EncodecModel._get_model([6.0], causal=False)
    with pytest.raises(CodecError, match="causal"):
        EncodecCodec(loose, 6.0)


@pytest.mark.parametrize("length", [1, 2, 5, 6, 7, 20])
@pytest.mark.parametrize("padding", [0, 1, 6])
def test_reflect_left_equals_the_package(length: int, padding: int) -> None:
    from encodec.modules.conv import pad1d

    x = noise(2, length)
    assert torch.equal(reflect_left(x, padding), pad1d(x, (padding, 0), mode="reflect"))


def test_file_round_trip(full: EncodecCodec, tmp_path: Path) -> None:
    path = tmp_path / "encodec.safetensors"
    full.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["encodec.safetensors"]
    loaded = EncodecCodec.from_file(path, 6.0)
    wav = noise(1, 3200)
    encoded = full.encode(wav)
    assert torch.equal(loaded.encode(wav).data, encoded.data)
    assert torch.equal(loaded.decode(encoded), full.decode(encoded))
    damaged = path.read_bytes()[:-100]
    path.write_bytes(damaged)
    with pytest.raises(CheckpointError, match="cannot be read"):
        EncodecCodec.from_file(path)
    with pytest.raises(CheckpointError, match="cannot write"):
        full.save(tmp_path / "missing" / "encodec.safetensors")


class _Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("trap"),))  # type: ignore[return-value]


def test_pickles_need_a_checksum_and_run_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    codec, other = small_codec(seed=0), small_codec(seed=1)
    path = tmp_path / "weights.th"
    torch.save(codec.model.state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(CheckpointError, match="sha256"):
        load_state(other.model, path)
    load_state(other.model, path, digest)
    for name, value in codec.model.state_dict().items():
        assert torch.equal(other.model.state_dict()[name], value)
    with pytest.raises(CheckpointError, match="checksum mismatch"):
        load_state(other.model, path, "0" * 64)
    with pytest.raises(CheckpointError, match="64 hex"):
        load_state(other.model, path, "d7cc33bc")
    with pytest.raises(CheckpointError, match="no weights at"):
        load_state(other.model, tmp_path / "none.th", digest)

    torch.save({"x": _Trap()}, path, pickle_protocol=2)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_state(other.model, path, hashlib.sha256(path.read_bytes()).hexdigest())
    path.write_bytes(pickle.dumps(_Trap(), protocol=2))
    with pytest.raises(CheckpointError):
        load_state(other.model, path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert not (tmp_path / "trap").exists()

    torch.save({"x": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="not weights of this model"):
        load_state(other.model, path, hashlib.sha256(path.read_bytes()).hexdigest())


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
