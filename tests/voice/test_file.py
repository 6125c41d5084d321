"""Voice files: what is saved comes back, and what is no voice is refused with one typed error."""

import json
import os
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from tts.errors import DamagedVoiceError, UsageError, VoiceError
from tts.voice import file as voice_file
from tts.voice.voice import Tuning, Voice
from tts_codecs.envelope import CHANNELS

Tensors = dict[str, torch.Tensor]
GENERATOR = "0123456789abcdef"


def made(seed: int = 0) -> Voice:
    """A voice with all that one may carry."""
    rng = torch.Generator().manual_seed(seed)
    factors = {
        "a.bias": torch.randn(7, generator=rng).half(),
        "a.weight.a": torch.randn(7, 2, generator=rng).half(),
        "a.weight.b": torch.randn(2, 5, generator=rng).half(),
    }
    speaker = torch.nn.functional.normalize(torch.randn(256, generator=rng), dim=0)
    return Voice(
        speaker,
        torch.randn(20, 82, generator=rng),
        "anna",
        {"seconds": 4.2, "licence": None},
        transcript="Hello.",
        tunings=(
            Tuning(GENERATOR, torch.randn(9, 80, generator=rng), factors, 0.5),
            Tuning("another", torch.randn(4, 80, generator=rng)),
        ),
    )


def arrays(tensors: Tensors) -> voice_file.Tensors:
    """As NumPy has them, which knows no bfloat16."""
    whole = {
        key: each.view(torch.int16) if each.dtype == torch.bfloat16 else each
        for key, each in tensors.items()
    }
    return {key: each.numpy() for key, each in whole.items()}


def parts(path: Path) -> tuple[Tensors, dict[str, str]]:
    """Tensors and notes of a voice file."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    return load(data), json.loads(data[8 : 8 + size])["__metadata__"]


def signed(path: Path, tensors: Tensors, notes: dict[str, str]) -> Path:
    """A file of any tensors and notes, with the checksum that a forger would give it."""
    right = voice_file.digest(arrays(tensors), notes)
    path.write_bytes(save(tensors, {**notes, "sha256": right}))
    return path


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "anna.safetensors"
    made().save(path)
    return path


def test_what_is_saved_comes_back(saved: Path) -> None:
    voice, again = made(), Voice.load(saved)
    assert again.sha256 == voice.sha256
    assert (again.name, again.transcript, again.meta) == ("anna", "Hello.", voice.meta)
    torch.testing.assert_close(again.features, voice.features.half().float(), atol=0, rtol=0)
    first, second = again.tunings
    assert (first.generator, first.strength, second.generator) == (GENERATOR, 0.5, "another")
    assert set(first.factors) == set(voice.tunings[0].factors) and not second.factors
    for name, value in first.factors.items():
        assert torch.equal(value, voice.tunings[0].factors[name])
    assert second.shift is not None and second.shift.shape == (4, 80)
    again.save(saved)
    assert Voice.load(saved).sha256 == voice.sha256


@pytest.mark.parametrize(("told", "called"), [("voice", "clara"), ("", "clara"), ("me", "me")])
def test_a_voice_that_nobody_named_is_called_as_its_file(
    tmp_path: Path, told: str, called: str
) -> None:
    voice = made()
    voice.name = told
    voice.save(tmp_path / "clara.safetensors")
    assert Voice.load(tmp_path / "clara.safetensors").name == called


@pytest.mark.parametrize("name", ["x.wav", "x.flac", "x.mp3", "x", "x.safetensors.wav", "x.pt"])
def test_voices_are_not_saved_under_names_of_other_files(tmp_path: Path, name: str) -> None:
    for path in (tmp_path / name, str(tmp_path / name)):
        with pytest.raises(UsageError, match=r"ends in \.safetensors"):
            made().save(path)
    assert not list(tmp_path.iterdir())


SHIPPED = sorted((Path(__file__).parents[2] / "checkpoints" / "voices").glob("*.safetensors"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_voices_have_their_names_and_the_sizes_of_the_docs(path: Path) -> None:
    voice = Voice.load(path)
    assert voice.name == path.stem
    adapted = any(each.factors for each in voice.tunings)
    assert path.stat().st_size < (1_850_000 if adapted else 60_000)


def test_the_checksum_names_what_is_heard() -> None:
    voice = made()
    tuning = voice.tunings[0]
    assert voice.tuned(tuning).sha256 != made(1).sha256
    weaker = Tuning(GENERATOR, tuning.shift, tuning.factors, 0.4)
    assert voice.tuned(weaker).sha256 != voice.sha256
    assert voice.tuned(Tuning(GENERATOR, tuning.shift)).sha256 != voice.sha256
    called = made()
    called.name, called.meta = "berta", {}
    assert called.sha256 == voice.sha256


def test_files_of_the_format_before_go_on(tmp_path: Path) -> None:
    voice = made()
    voice.tunings = ()
    tensors = {"speaker": voice.speaker.half(), "features": voice.features.half()}
    path = tmp_path / "old.safetensors"
    right = voice_file.older_digest(arrays(tensors), "")
    for sums in ({"sha256": right}, {}):
        path.write_bytes(save(tensors, {"format": voice_file.OLDER, "name": "old", **sums}))
        assert Voice.load(path).sha256 == right == voice.sha256
    path.write_bytes(save(tensors, {"format": voice_file.OLDER, "sha256": "0" * 64}))
    with pytest.raises(DamagedVoiceError, match="checksum"):
        Voice.load(path)


def nan(shape: tuple[int, ...]) -> torch.Tensor:
    value = torch.zeros(shape)
    value.view(-1)[0] = float("nan")
    return value


TENSORS: dict[str, Tensors] = {
    "no frames": {"features": torch.zeros(0, 82)},
    "a band less": {"features": torch.zeros(5, 81)},
    "too many frames": {"features": torch.zeros(601, 82).half()},
    "three dimensions": {"features": torch.zeros(1, 5, 82)},
    "a number": {"features": torch.tensor(1.0)},
    "another speaker": {"speaker": torch.zeros(255)},
    "bytes": {"features": torch.zeros(5, 82, dtype=torch.int8)},
    "doubles": {"speaker": torch.zeros(256, dtype=torch.float64)},
    "bfloat16": {"speaker": torch.zeros(256, dtype=torch.bfloat16)},
    "truths": {"speaker": torch.zeros(256, dtype=torch.bool)},
    "not a number": {"features": nan((5, 82))},
    "infinite": {"speaker": torch.full((256,), float("inf")).half()},
    "huge": {"features": torch.full((5, 82), 1e38)},
    "loud": {"features": torch.full((5, 82), 40.0)},
    "one more": {"pickle": torch.zeros(3)},
    "escape codes": {"\x1b[2J": torch.zeros(3)},
    "an empty recording": {"recording": torch.zeros(0)},
    "a recording of two channels": {"recording": torch.zeros(2, 9)},
    "an endless recording": {"recording": torch.zeros(voice_file.MAX_RECORDING + 1).half()},
    "a shift of a tuning nobody told of": {"2.shift": torch.zeros(4, 80)},
    "factors of a tuning nobody told of": {"7.factors.x": torch.zeros(4)},
    "a shift of other bands": {"0.shift": torch.zeros(9, 79)},
    "a shift of too many phones": {"0.shift": torch.zeros(1025, 80)},
    "a shift not finite": {"0.shift": nan((9, 80))},
    "half of the factors": {"0.factors.b.weight.a": torch.zeros(4, 2)},
    "the other half": {"0.factors.b.weight.b": torch.zeros(2, 4)},
    "factors of other ranks": {"0.factors.a.weight.b": torch.zeros(3, 5)},
    "a vector for a factor": {"0.factors.a.weight.a": torch.zeros(7)},
    "factors of three dimensions": {"0.factors.x": torch.zeros(2, 2, 2)},
    "no factors": {"0.factors.x": torch.zeros(0)},
    "long factors": {"0.factors.x": torch.zeros(voice_file.MAX_SIDE + 1)},
    "factors not finite": {"0.factors.a.bias": nan((7,))},
    "another part of a tuning": {"0.code": torch.zeros(3)},
}
NOTES: dict[str, dict[str, str]] = {
    "deep notes": {"meta": "[" * 50_000},
    "a list of notes": {"meta": "[]"},
    "notes in notes": {"meta": '{"a": []}'},
    "no JSON": {"meta": "seconds: 3"},
    "notes not finite": {"meta": '{"seconds": NaN}'},
    "notes without an end": {"meta": '{"seconds": 1e999}'},
    "a name that a terminal obeys": {"name": "\x1b[2Janna"},
    "lines for a name": {"name": "anna\nberta"},
    "a long name": {"name": "a" * 256},
    "a number of tunings": {"tunings": "2"},
    "no tunings": {"tunings": "null"},
    "deep tunings": {"tunings": "[" * 50_000},
    "tunings that are no pairs": {"tunings": '[["x"]]'},
    "a number for a generator": {"tunings": '[[1, 1], ["b", 1]]'},
    "too strong": {"tunings": '[["a", 2], ["b", 1]]'},
    "not a strength": {"tunings": '[["a", NaN], ["b", 1]]'},
    "a strength without an end": {"tunings": f'[["a", 1{"0" * 400}], ["b", 1]]'},
    "too many tunings": {"tunings": json.dumps([["a", 1]] * 17)},
}


@pytest.mark.parametrize("what", TENSORS)
def test_tensors_that_no_voice_has(what: str, saved: Path) -> None:
    tensors, notes = parts(saved)
    tensors |= TENSORS[what]
    if what == "a number":  # its checksum cannot be told either
        saved.write_bytes(save(tensors, notes))
    else:
        signed(saved, tensors, notes)
    with pytest.raises(DamagedVoiceError, match=r"anna\.safetensors.*damaged") as caught:
        Voice.load(saved)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("missing", ["speaker", "features"])
def test_tensors_that_every_voice_has(missing: str, saved: Path) -> None:
    tensors, notes = parts(saved)
    del tensors[missing]
    with pytest.raises(DamagedVoiceError, match="shapes"):
        Voice.load(signed(saved, tensors, notes))


@pytest.mark.parametrize("what", NOTES)
def test_notes_that_no_voice_has(what: str, saved: Path) -> None:
    tensors, notes = parts(saved)
    with pytest.raises(DamagedVoiceError, match=r"anna\.safetensors.*damaged") as caught:
        Voice.load(signed(saved, tensors, notes | NOTES[what]))
    assert str(caught.value).isprintable()


def test_a_checksum_is_of_kinds_and_shapes_too(saved: Path) -> None:
    tensors, notes = parts(saved)
    features = tensors["features"]
    for other in (features.float(), features[:-1]):
        saved.write_bytes(save(tensors | {"features": other}, notes))
        with pytest.raises(DamagedVoiceError, match="checksum"):
            Voice.load(saved)


def test_headers_and_files_that_are_none(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for header in (
        b"[" * 100_000,
        b"{}",
        b"[]",
        b"null",
        b'{"__metadata__": 3}',
        b"\xff\xfe",
        b'{"__metadata__": {"format": 3}}',
        b'{"__metadata__": {"format": "tts-voice-3"}, "x": 1}',
    ):
        path.write_bytes(struct.pack("<Q", len(header)) + header)
        with pytest.raises(VoiceError):
            Voice.load(path)
    for data in (b"", b"1234567", b"\xff" * 8, b"\xff" * 100, b"RIFF" + bytes(100)):
        path.write_bytes(data)
        with pytest.raises(DamagedVoiceError):
            Voice.load(path)
    with path.open("wb") as file:
        file.truncate(voice_file.MAX_BYTES + 1)
    with pytest.raises(DamagedVoiceError, match="too large"):
        Voice.load(path)
    path.unlink()
    with pytest.raises(VoiceError, match="no voice file"):
        Voice.load(path)
    path.mkdir()
    with pytest.raises(VoiceError):
        Voice.load(path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.safetensors")
        with pytest.raises(DamagedVoiceError, match="regular"):  # and does not wait for a writer
            Voice.load(tmp_path / "pipe.safetensors")


def fitted(**factors: torch.Tensor) -> dict[str, Any]:
    return {"tunings": (Tuning("g", None, factors),)}


@pytest.mark.parametrize("change, told", [
    ({"tunings": tuple(Tuning(f"g{at}", torch.zeros(1, 80)) for at in range(17))}, "17 models"),
    (fitted(**{f"w{at}": torch.zeros(8192, 64) for at in range(17)}), "18 MB"),
    (fitted(**{f"{at:0150}": torch.zeros(1) for at in range(1400)}), "256 kB"),
    ({"tunings": (Tuning("g", strength=1.5),)}, "fitted"),
    ({"transcript": "word " * 60_000}, "256 kB"),
    ({"meta": {"attribution": "x" * 300_000}}, "256 kB"),
    ({"meta": {"seconds": float("nan")}}, "notes"),
    ({"meta": {"parts": ["a", "b"]}}, "notes"),
])  # fmt: skip
def test_what_could_not_be_read_is_not_written(saved: Path, change: Any, told: str) -> None:
    before = saved.read_bytes()
    with pytest.raises(VoiceError, match=told) as found:
        replace(made(), **change).save(saved)
    assert saved.read_bytes() == before and "damaged" not in str(found.value)


def test_every_mutant_is_refused_or_the_same_voice(saved: Path) -> None:
    data, right = saved.read_bytes(), made().sha256
    rng = np.random.default_rng(0)
    (size,) = struct.unpack("<Q", data[:8])
    refused = 0
    for at in range(400):
        mutant = bytearray(data)
        # Half of them in the header, which is the smaller part.
        end = 8 + size if at % 2 else len(data)
        for place in rng.integers(0, end, int(rng.integers(1, 4))):
            mutant[place] = int(rng.integers(256))
        if at % 10 == 0:
            del mutant[int(rng.integers(len(mutant))) :]
        saved.write_bytes(mutant)
        try:
            assert Voice.load(saved).sha256 == right
        except VoiceError as error:
            refused += 1
            assert str(error).isprintable()
    assert refused > 350


def test_voices_are_listed_without_pytorch() -> None:
    """The list is there at once: PyTorch takes seconds to load."""
    code = (
        "import sys; from tts.cli.main import run; code = run(['voices', 'list']); "
        "sys.exit(code or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "built-in" in done.stdout, done.stderr
    assert voice_file.CHANNELS == CHANNELS
