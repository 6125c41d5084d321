"""The tiny model whose voices can be calibrated and adapted."""

from pathlib import Path

import pytest

from tts import TTS


@pytest.fixture
def home(profiled_home: Path) -> Path:
    return profiled_home


@pytest.fixture
def model(home: Path) -> TTS:
    return TTS.load("default", "cpu")
