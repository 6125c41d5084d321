"""The option --watermark: functions of the current folder, and those of another shape."""

import sys
from pathlib import Path
from typing import Any

import pytest
import soundfile as sf

from tests.helpers.cli import Captured, no_output, one_line, speak
from tts import TTS
from tts.cli.main import run
from tts.errors import UsageError, VoiceError
from tts.provenance import load_watermark, marker, provenance
from tts.types import Options
from tts_demo.studio import Studio

MODULE = """
import {beside}

def watermark(sample_rate):
    from {beside} import FACTOR
    return lambda chunk: chunk * FACTOR

def plain(chunk):
    return chunk

def broken(sample_rate):
    raise RuntimeError("no key")

def narrow(sample_rate):
    if sample_rate != 16000:
        raise ValueError("16 kHz only")
    return plain

def wide(sample_rate):
    if sample_rate != 24000:
        raise ValueError("24 kHz only")
    return plain

constant = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which is not on the path of modules, as for an installed script."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "own_mark.py").write_text(MODULE.format(beside="own_factor"))
    (here / "own_factor.py").write_text("FACTOR = 0.5\n")
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])
    for name in ("own_mark", "own_factor"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.chdir(here)
    return here


def test_a_module_of_the_current_folder(
    tiny_home: Path, folder: Path, tmp_path: Path, capfd: Captured
) -> None:
    assert speak(tmp_path) == 0
    plain, _ = sf.read(tmp_path / "out.wav")
    assert speak(tmp_path, "--watermark", "own_mark:watermark") == 0
    marked, _ = sf.read(tmp_path / "out.wav")
    assert abs(marked).max() == pytest.approx(abs(plain).max() / 2, abs=1e-4)
    assert sys.path[0] != str(folder), "files of the folder would stand for packages"


@pytest.mark.parametrize(
    "name",
    ["own_mark:plain", "own_mark:broken", "own_mark:constant", "os:getcwd", "math:sqrt",
     "own_mark:none", "own_mark", "none:none", ":"],
)  # fmt: skip
def test_another_shape_is_told_before_the_model_loads(
    name: str,
    tiny_home: Path,
    folder: Path,
    tmp_path: Path,
    capfd: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def loaded(*_: Any) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("tts.cli.synthesize.load_model", loaded)
    assert speak(tmp_path, "--watermark", name) == 2
    line = one_line(capfd, repr(name))
    assert "MODULE:FUNCTION" in line or "watermark(sample_rate) -> mark(chunk)" in line
    assert no_output(tmp_path)


def test_a_watermark_of_other_rates(
    tiny_home: Path, folder: Path, tmp_path: Path, capfd: Captured
) -> None:
    for rate, code in (("16000", 0), ("24000", 2)):
        assert speak(tmp_path, "--watermark", "own_mark:narrow", "--rate", rate, "-q") == code
    one_line(capfd, "24000", "16 kHz only")
    with pytest.raises(UsageError, match="8000"):
        marker(load_watermark("own_mark:narrow"), 8000)


def test_a_watermark_is_asked_for_the_rate_of_the_model(
    tiny_home: Path, folder: Path, tmp_path: Path, capfd: Captured
) -> None:
    marker(load_watermark("own_mark:wide"), 24000)
    with pytest.raises(UsageError, match="24 kHz only"):
        load_watermark("own_mark:wide", 16000)
    assert speak(tmp_path, "--watermark", "own_mark:wide") == 2
    one_line(capfd, "24 kHz only")
    assert no_output(tmp_path)
    assert speak(tmp_path, "--watermark", "own_mark:wide", "--rate", "24000", "-q") == 0
    assert run(["serve", "--port", "0", "--watermark", "own_mark:wide"]) == 2
    one_line(capfd, "24 kHz only")
    studio = Studio(["default"], watermark="own_mark:wide")
    with pytest.raises(UsageError, match="24 kHz only"):
        studio.model("default")
    assert not studio.is_loaded("default")


def test_what_made_an_utterance_takes_a_voice_as_others_do(tiny_home: Path) -> None:
    tts = TTS.load("default", "cpu")
    options = Options(seed=3)
    record = provenance(tts, tts.voice("default"), "Hello.", options)
    given = provenance(tts, "default", "Hello.", options)
    assert {**given, "time": ""} == {**record, "time": ""}
    assert provenance(tts, "default", "Hello.")["options"]["seed"] == 0
    with pytest.raises(VoiceError, match="did you mean 'default'"):
        provenance(tts, "defaul", "Hello.")
