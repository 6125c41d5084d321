"""Voices of models that take noise and the room out of recordings."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tts import TTS
from tts.cli.main import run
from tts.voice.enhancer import SpeechEnhancer
from tts_codecs.checkpoint import save_checkpoint


@pytest.fixture
def enhancing_home(tiny_home: Path) -> Path:
    """The tiny model with an enhancer that turns the lower bands down."""
    arguments = {"bands": 16, "dim": 8, "blocks": 1, "kernel": 3}
    enhancer = SpeechEnhancer(**arguments)
    torch.nn.init.constant_(enhancer.out.bias[:8], -5.0)
    save_checkpoint(tiny_home / "checkpoints/enhancer", enhancer, "enhancer", arguments)
    path = tiny_home / "configs/models/default.yaml"
    path.write_text(path.read_text() + "enhancer: enhancer\n")
    return tiny_home


def test_a_voice_does_not_have_what_is_taken_out(
    enhancing_home: Path,
    tiny_home_master: Path,
    monkeypatch: pytest.MonkeyPatch,
    recording: Callable[..., Path],
) -> None:
    model = TTS.load("default", "cpu")
    source = recording()
    voice, kept = model.voice(source), model.voice(source, enhance=False)
    assert voice.features.shape == kept.features.shape
    assert float(voice.features[:, :20].mean()) < float(kept.features[:, :20].mean()) - 0.5
    assert not torch.allclose(voice.speaker, kept.speaker)
    monkeypatch.setenv("TTS_HOME", str(tiny_home_master))
    assert TTS.load("default", "cpu").voice(source).sha256 == kept.sha256


def test_the_command_line_can_leave_it_out(
    enhancing_home: Path, recording: Callable[..., Path], tmp_path: Path
) -> None:
    source = str(recording())
    for name, more in (("without", []), ("with", ["--no-enhance"])):
        assert run(["voices", "add", name, "--ref", source, *more]) == 0
    model = TTS.load("default", "cpu")
    features = {name: model.voice(name).features for name in ("with", "without")}
    assert torch.equal(features["with"], model.voice(source, enhance=False).features.half().float())
    assert not torch.equal(features["with"], features["without"])
    said = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for out, more in zip(said, ([], ["--no-enhance"]), strict=True):
        assert run(["synthesize", "Hello.", "--ref", source, "-o", str(out), *more]) == 0
    assert said[0].read_bytes() != said[1].read_bytes()
