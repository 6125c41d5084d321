"""`tts codec`: to a file of codes and back, what is refused, and the file format itself."""

import hashlib
import json
import urllib.request
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch
from safetensors.torch import save_file

import tts_codecs
from tts.cli.codec import _at
from tts.cli.main import run
from tts_codecs.checkpoint import load_state, read_weights, save_checkpoint
from tts_codecs.encodec import EncodecCodec, EncodecConfig
from tts_codecs.files import pack_encoded, unpack_encoded
from tts_codecs.neural import build_codec
from tts_codecs.registry import weights_of
from tts_codecs.spectral import SpectralAutoencoder


@pytest.fixture
def home(tiny_home: Path) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = SpectralAutoencoder(82, 2, 8, 1, levels=(5, 4), groups=2)
    saved = {"dim": 8, "blocks": 1, "levels": [5, 4], "groups": 2}
    save_checkpoint(tiny_home / "checkpoints" / "spectral", module, "spectral", saved)
    return tiny_home


def test_files_at_a_higher_rate_than_a_codec_is_loaded_at(monkeypatch: pytest.MonkeyPatch) -> None:
    config = EncodecConfig(filters=2, dim=8)
    wav = 0.1 * torch.randn(1, 1, 8000)
    for kbits, count in ((1.5, 2), (6.0, 8), (24.0, 32)):
        found = EncodecCodec(config, kbits).encode(wav).data
        loaded = _at(EncodecCodec(config), "encodec_24khz", "cpu", found.shape[2])
        assert found.shape[2] == count and loaded.decode(found).shape[2] == found.shape[1] * 320
    fixed: Any = SimpleNamespace(
        info=SimpleNamespace(codebook_size=1024, frame_rate=75.0, num_codebooks=8)
    )
    asked: list[Any] = []
    monkeypatch.setattr(tts_codecs, "load", lambda *a, **k: asked.append((a, k)))
    _at(fixed, "a.safetensors@6", "cpu", 2)
    assert asked == [(("a.safetensors", "cpu"), {"bandwidth": 1.5})]


def test_a_file_of_another_rate_of_the_vocoder(home: Path, tmp_path: Path) -> None:
    """Frames of features say nothing of the rate at which a vocoder speaks."""
    codec = tts_codecs.load("spectral")
    info = codec.info
    encoded = codec.encode(torch.randn(1, 1, 5 * info.hop))
    slower = replace(info, sample_rate=info.sample_rate // 2, hop=info.hop // 2)
    weights = weights_of("spectral")
    for name, told, samples in (("a", info, 5 * info.hop - 8), ("b", slower, 5 * slower.hop - 4)):
        data = pack_encoded(encoded, told, samples, "spectral", weights)
        (tmp_path / f"{name}.safetensors").write_bytes(data)
        made = str(tmp_path / f"{name}.wav")
        assert run(["codec", "decode", str(tmp_path / f"{name}.safetensors"), "-o", made]) == 0
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    other = replace(info, sample_rate=info.sample_rate // 2)
    data = pack_encoded(encoded, other, 5 * info.hop - 8, "spectral", weights)
    (tmp_path / "c.safetensors").write_bytes(data)
    line = ["codec", "decode", str(tmp_path / "c.safetensors"), "-o", str(tmp_path / "c.wav")]
    assert run(line) == 1 and not (tmp_path / "c.wav").exists()


def test_there_and_back(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.normal(size=17001)).astype(np.float32)
    source, codes, out = tmp_path / "in.wav", str(tmp_path / "c.safetensors"), tmp_path / "out.wav"
    sf.write(source, samples, 16000)
    assert run(["codec", "encode", str(source), "-o", codes, "--device", "cpu"]) == 0
    assert run(["codec", "decode", codes, "-o", str(out), "--device", "cpu"]) == 0
    made, rate = sf.read(out, dtype="float32")
    assert rate == 16000 and made.shape == samples.shape
    codec = tts_codecs.load("spectral")
    wav = torch.from_numpy(sf.read(source, dtype="float32")[0])[None, None]
    whole = codec.decode(codec.encode(wav))[0, 0, : len(samples)].clamp(-0.95, 0.95)
    assert np.abs(made - whole.numpy()).max() < 2e-3  # 16 bits and streamed
    capsys.readouterr()
    assert run(["codec", "info", codes, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["seconds"] == pytest.approx(17001 / 16000) and told["codec"] == "spectral"
    assert run(["codec", "info"]) == 0
    named = ["spectral", "vocoder", "vocoder_24k", "dmel", "features"]
    assert capsys.readouterr().out.split() == named
    assert run(["codec", "info", "spectral", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["num_codebooks"] == 2
    assert run(["codec", "bench", "features", "--seconds=1", "--repeats=1", "--piece=0.32"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["decode_rtf"] > 0 and told["stream_to_decode"] > 0
    # Other weights under the same name do not decode it.
    config = home / "checkpoints" / "spectral" / "config.yaml"
    data = Path(codes).read_bytes().replace(b'"weights":"', b'"weights":"0')
    size = int.from_bytes(data[:8], "little") + 1
    Path(codes).write_bytes(size.to_bytes(8, "little") + data[8:])
    assert config.is_file() and run(["codec", "decode", codes, "-o", str(out)]) == 1


def test_refusals_leave_nothing(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "in.wav", tmp_path / "out"
    sf.write(source, np.zeros(800), 16000)
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"nothing of the kind")
    there = ["-o", str(out) + ".safetensors"]
    for line, code in [
        (["encode", str(source), *there, "--codec", "spectrl"], 2),
        (["encode", str(source), *there, "--bitrate", "2"], 2),
        (["encode", str(source), *there, "--codec", "spectral@2"], 2),
        (["bench", "spectral@-1"], 2),
        (["encode", str(source), *there, "--bitrate", "-1"], 2),
        (["encode", str(tmp_path / "none.wav"), *there], 2),
        (["encode", str(wrong), *there], 1),
        (["decode", str(wrong), "-o", str(out) + ".wav"], 1),
        (["decode", str(tmp_path / "none"), "-o", str(out) + ".wav"], 2),
        (["info", str(wrong)], 1),
        (["bench", "spectral", "--seconds", "0"], 2),
        (["bench", "spectral", "--piece", "0"], 2),
    ]:
        assert run(["codec", *line]) == code, line
        assert len(capsys.readouterr().err.splitlines()) == 1, line
    assert not list(tmp_path.glob("out*"))


def test_a_bandwidth_by_name_or_by_option(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = {"dim": 8, "blocks": 1, "name": "small"}
    arguments["quantizer"] = {"kind": "residual_fsq", "levels": [4, 4], "num_codebooks": 3}
    module = SpectralAutoencoder(**arguments)
    save_checkpoint(home / "checkpoints" / "small", module, "spectral", arguments)
    source = tmp_path / "in.wav"
    sf.write(source, 0.1 * np.random.default_rng(0).normal(size=8000), 16000)
    made = []
    for number, asked in enumerate((["small@0.2"], ["small", "--bitrate", "0.2"])):
        codes = str(tmp_path / f"{number}.safetensors")
        assert run(["codec", "encode", str(source), "-o", codes, "--codec", *asked]) == 0
        found = unpack_encoded(Path(codes).read_bytes())
        assert found.codec == "small" and found.encoded.shape[2] == 2
        assert run(["codec", "decode", codes, "-o", str(tmp_path / "out.wav")]) == 0
        made.append((tmp_path / "out.wav").read_bytes())
    assert made[0] == made[1]
    capsys.readouterr()
    assert run(["codec", "info", "small@0.1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bitrate"] == 100
    assert run(["codec", "encode", str(source), "-o", codes, "--codec", "small@0.15"]) == 1
    assert "0.15 kbit/s is not one of 0.1, 0.2, 0.3" in capsys.readouterr().err


def test_published_codecs_are_named_and_nothing_is_fetched_unasked(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(urllib.request, "urlopen", None)
    assert run(["codec", "info"]) == 0
    assert "mimi" not in (told := capsys.readouterr()).out and "mimi" in told.err
    assert run(["codec", "info", "mimi"]) == 1
    assert "tts models fetch mimi" in capsys.readouterr().err
    assert run(["models", "fetch", "mimi"]) == 2  # nobody to ask
    told = capsys.readouterr()
    assert "CC BY 4.0" in told.err and "sha256" in told.err and "385 MB" in told.err
    assert not (tmp_path / "cache").exists()
    # Weights are not codes: what is wrong with these is said by who reads weights.
    save_file({"encoder.block.0.res_unit1.conv1.weight": torch.ones(2)}, tmp_path / "w.safetensors")
    assert run(["codec", "info", str(tmp_path / "w.safetensors")]) == 1
    assert "codebooks" in capsys.readouterr().err


@pytest.mark.parametrize("codec", ["dmel", "features"])
@pytest.mark.parametrize("other", ["dmel", "features", "vocoder", "spectral", "same_sizes"])
def test_numbers_of_a_codec_without_weights_are_decoded_by_itself(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], codec: str, other: str
) -> None:
    arguments = {
        "hop": tts_codecs.load("dmel").info.hop, "dim": 80, "project": False,
        "encoder": {"kind": "mel"}, "quantizer": {"kind": "binned", "dim": 80, "low": -9.0,
        "high": 9.0}, "decoder": {"kind": "spectrum", "width": 4, "blocks": 1},
    }  # fmt: skip
    save_checkpoint(
        home / "checkpoints" / "same_sizes", build_codec(**arguments), "neural", arguments
    )
    codes, out = str(tmp_path / "c.safetensors"), tmp_path / "out.wav"
    sf.write(tmp_path / "in.wav", 0.1 * np.random.default_rng(0).normal(size=8000), 16000)
    assert run(["codec", "encode", str(tmp_path / "in.wav"), "-o", codes, "--codec", codec]) == 0
    capsys.readouterr()
    assert run(["codec", "decode", codes, "-o", str(out), "--codec", other]) == (codec != other)
    assert out.exists() == (codec == other)
    assert codec == other or "was " in capsys.readouterr().err


@pytest.mark.parametrize("line", [["encode", "in.wav", "-o", "-"], ["info", "spectral"], ["info"]])
def test_standard_output_that_is_closed(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    sf.write("in.wav", 0.1 * np.random.default_rng(0).normal(size=8000), 16000)
    monkeypatch.setattr("sys.stdout", None)
    assert run(["codec", *line]) == 1
    assert "standard output is closed" in capsys.readouterr().err.splitlines()[0]


def test_a_stray_file_and_a_file_of_codes_of_another_suffix(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("spectral").write_text("hello")
    sf.write("in.wav", 0.1 * np.random.default_rng(0).normal(size=8000), 16000)
    assert run(["codec", "encode", "in.wav", "-o", "c.bin"]) == 0
    capsys.readouterr()
    assert run(["codec", "info", "c.bin", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["codec"] == "spectral"
    assert run(["codec", "info", "spectral", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["num_codebooks"] == 2


def test_codebooks_count_as_weights_and_their_statistics_do_not(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments: dict[str, Any] = {
        "dim": 4, "encoder": {"kind": "spectrum", "width": 4, "blocks": 1},
        "quantizer": {"kind": "rvq", "dim": 4, "num_codebooks": 2, "codebook_size": 4096},
        "decoder": {"kind": "spectrum", "width": 4, "blocks": 1},
    }  # fmt: skip
    codec = build_codec(**arguments)
    save_checkpoint(home / "checkpoints" / "rvq", codec, "neural", arguments)
    assert run(["codec", "info", "rvq", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["parameters"]
    assert told == sum(each.numel() for each in codec.parameters()) + 2 * 4096 * 4
    assert run(["codec", "bench", "rvq", "--seconds=1", "--repeats=1"]) == 0
    assert json.loads(capsys.readouterr().out)["weights_mb"] == round(4 * told / 1e6, 1)


@pytest.mark.parametrize("kind", ["F4", "F6_E2M3", "F6_E3M2", "F8_E8M0"])
def test_numbers_of_a_type_that_is_not_known(tmp_path: Path, kind: str) -> None:
    bits = {"F4": 4, "F8_E8M0": 8}.get(kind, 6)
    header = json.dumps({
        "codes": {"dtype": kind, "shape": [4, 4], "data_offsets": [0, 2 * bits]},
        "__metadata__": {"format": "tts-codes 1"},
    }).encode()  # fmt: skip
    header += b" " * (-len(header) % 8)
    data = len(header).to_bytes(8, "little") + header + bytes(2 * bits)
    with pytest.raises(tts_codecs.CodecError, match="not a file of codes"):
        unpack_encoded(data)
    (tmp_path / "model.safetensors").write_bytes(data)
    (tmp_path / "config.yaml").write_text(
        f"kind: x\nsha256: {hashlib.sha256(data).hexdigest()}\narguments: {{}}\n"
    )
    with pytest.raises(tts_codecs.CheckpointError, match="damaged"):
        read_weights(tmp_path)
    with pytest.raises(tts_codecs.CheckpointError, match="read as weights|not weights"):
        load_state(torch.nn.Linear(1, 1), tmp_path / "model.safetensors")


def test_every_cut_of_a_file_is_refused(home: Path) -> None:
    codec = tts_codecs.load("spectral")
    encoded = codec.encode(0.1 * torch.ones(1, 1, 1600))
    data = pack_encoded(encoded, codec.info, 1600, "spectral", "x")
    # The library writes metadata in an order of its own, another in each process.
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    assert list(header) == sorted(header) and list(header["__metadata__"]) == [
        "codec", "format", "hop", "sample_rate", "samples", "weights",
    ]  # fmt: skip
    found = unpack_encoded(data)
    assert torch.equal(found.encoded, encoded.data) and found.samples == 1600
    for end in range(len(data)):
        with pytest.raises(tts_codecs.CodecError):
            unpack_encoded(data[:end])
    for samples in (0, 640, 1921, 10**9):
        with pytest.raises(tts_codecs.CodecError, match="samples"):
            unpack_encoded(pack_encoded(encoded, codec.info, samples, "spectral"))


def test_a_lower_bandwidth_at_decoding(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments: dict[str, Any] = {"dim": 8, "blocks": 1}
    arguments["quantizer"] = {"kind": "residual_fsq", "levels": [4, 4], "num_codebooks": 3}
    module = SpectralAutoencoder(**arguments)
    save_checkpoint(home / "checkpoints" / "small", module, "spectral", arguments)
    sf.write(tmp_path / "in.wav", 0.1 * np.random.default_rng(0).normal(size=8000), 16000)
    made = {}
    for kbits in ("0.1", "0.2", "0.3"):
        codes = str(tmp_path / f"{kbits}.safetensors")
        line = ["encode", str(tmp_path / "in.wav"), "-o", codes, "--codec", "small"]
        assert run(["codec", *line, "--bitrate", kbits]) == 0
        for asked in ("0.1", "0.2", "0.3"):
            out = tmp_path / f"{kbits} {asked}.wav"
            capsys.readouterr()
            code = run(["codec", "decode", codes, "-o", str(out), "--codec", f"small@{asked}"])
            assert code == (kbits < asked) and out.exists() == (code == 0)
            if code:
                assert "codes a frame, and 'small@" in capsys.readouterr().err
            else:
                made[kbits, asked] = out.read_bytes()
    assert made["0.3", "0.1"] == made["0.2", "0.1"] == made["0.1", "0.1"]
    assert made["0.3", "0.2"] == made["0.2", "0.2"] != made["0.3", "0.3"]
    capsys.readouterr()
    assert run(["codec", "info", "small@0.2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["bitrates"] == [100, 200, 300] and told["bitrate"] == 200
    assert run(["codec", "info", "small"]) == 0
    assert "bitrates: 100, 200, 300\n" in capsys.readouterr().out


def test_wrong_codes_are_found_before_anything_is_decoded(
    home: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Those at the end of a long file, of which a pipe had got the start."""
    info = tts_codecs.load("spectral").info
    data = torch.zeros(1, 200, 2, dtype=torch.int64)
    data[0, -1, 0] = info.codebook_size
    wide = torch.zeros(1, 200, 3, dtype=torch.int64)
    for wrong, told in ((data, b"outside its codebook"), (wide, b"codebooks")):
        encoded = tts_codecs.Encoded(wrong, info.frame_rate)
        packed = pack_encoded(encoded, info, 200 * info.hop, "spectral", weights_of("spectral"))
        (tmp_path / "c.safetensors").write_bytes(packed)
        capfdbinary.readouterr()
        assert run(["codec", "decode", str(tmp_path / "c.safetensors"), "-o", "-"]) == 1
        out, err = capfdbinary.readouterr()
        assert out == b"" and told in err and b"c.safetensors'" in err


def test_errors_name_the_file(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sf.write("loud.wav", np.full(800, 1e20), 16000, subtype="DOUBLE")
    assert run(["codec", "encode", "loud.wav", "-o", "c.safetensors"]) == 1
    assert "'loud.wav': wav: samples beyond" in capsys.readouterr().err
    sf.write("in.wav", np.zeros(800), 16000)
    for name in ("c.npy", "c.pt", "c.npz"):  # which NumPy and PyTorch could not read
        assert run(["codec", "encode", "in.wav", "-o", name]) == 2
        assert "has the name of a " in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir() if each.name[:2] == "c."] == []
    # A checkpoint that has been moved since.
    (home / "checkpoints" / "spectral").rename("mine")
    assert run(["codec", "encode", "in.wav", "-o", "c.safetensors", "--codec", "./mine"]) == 0
    Path("mine").rename("yours")
    capsys.readouterr()
    assert run(["codec", "decode", "c.safetensors", "-o", "out.wav"]) == 2
    assert (
        "coded by './mine', which is not found here: give it as --codec" in capsys.readouterr().err
    )
    assert run(["codec", "decode", "c.safetensors", "-o", "out.wav", "--codec", "yours"]) == 0
