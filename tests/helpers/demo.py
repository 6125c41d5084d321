"""Handlers of the demo page for tests: how they refuse, and what the page is given to play."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from tts.types import Options

gr = pytest.importorskip("gradio")

from tts_demo.studio import Studio  # noqa: E402


def options() -> Options:
    return Options(seed=3)


def refusal(steps: Iterator[Any]) -> str:
    """The one line of the error that a handler ends with."""
    with pytest.raises(gr.Error) as caught:
        list(steps)
    message = str(caught.value.message)
    assert "\n" not in message and message
    return message


def sound(studio: Studio, html: str, kind: str = "wav") -> tuple[np.ndarray, int]:
    """The audio that a piece of the page names, by its kind of file."""
    url = re.search(rf"'(sounds/[^']*\.{kind})'", html)
    assert url, html
    found = studio.sounds.find(url[1])
    assert found is not None and found.finished
    samples, rate = sf.read(found.path, dtype="float32")
    return samples * (32768 / 32767), rate
