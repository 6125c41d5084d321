"""Long work without a terminal tells now and then how far it is."""

from __future__ import annotations

import io

import numpy as np
import pytest

from tests.helpers.cli import Captured
from tts import progress
from tts.audio.reference import Reference
from tts.cli.common import making_voice, working
from tts.progress import ProgressLines


def test_a_line_every_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    told: list[str] = []
    lines = ProgressLines(told.append, "adapting", "steps")
    for done in range(0, 61):
        lines(done, 60)
        now += 10
    assert len(told) == 19, "the end tells itself"
    assert told[0] == "adapting: 3 of 60 steps after 30 s, 10 min left"
    now += 3600
    lines(0, 60)
    assert told[-1].startswith("adapting: 0 of 60 steps after 70 min") and "left" not in told[-1]


def test_no_bar_where_nobody_watches(monkeypatch: pytest.MonkeyPatch, capfd: Captured) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    for quiet, count in ((False, 1), (True, 0)):
        with working("regenerated", "piece", quiet) as (step, _), making_voice([], True, quiet):
            now += 40
            step(1, 3)
            step(2, 3)
        err = capfd.readouterr().err
        assert len(err.splitlines()) == count and "\r" not in err


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("quiet", [True, False])
@pytest.mark.parametrize("seconds", [3, 60])
def test_a_terminal_shows_that_a_long_recording_is_read(
    terminal: bool, quiet: bool, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Shown(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    shown = Shown()
    monkeypatch.setattr("sys.stderr", shown)
    samples = np.zeros(seconds * 8000, np.float32)
    with making_voice([Reference(samples, 8000, seconds)], False, quiet) as step:
        during = shown.getvalue()
    assert step is None
    assert ("60 s" in during) == bool(during) == (terminal and not quiet and seconds == 60)
    assert shown.getvalue().rpartition("\r")[2].strip() == "", "nothing of it stays"
