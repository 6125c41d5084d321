"""Long work without a terminal tells now and then how far it is."""

from __future__ import annotations

import pytest

from tests.helpers.cli import Captured
from tts import progress
from tts.cli.common import adapting, working
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
        with working("regenerated", "piece", quiet) as (step, _), adapting(not quiet):
            now += 40
            step(1, 3)
            step(2, 3)
        err = capfd.readouterr().err
        assert len(err.splitlines()) == count and "\r" not in err
