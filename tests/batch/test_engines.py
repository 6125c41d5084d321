"""Worker processes: how many there are, and what becomes of the groups of those that die."""

from collections.abc import Sequence
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest

from tts.batch import engines
from tts.batch.engines import run_processes
from tts.batch.rows import Row
from tts.batch.worker import Result


class Worker(engines.WorkerProcess):
    """Answers at once; its other end is closed when it is said to have died."""

    made: list["Worker"]
    #: groups that workers answer before they die, in the order in which they are made
    lives: list[float]

    def __init__(self, settings: Any):
        self.connection, self.theirs = Pipe()
        self.job, self.has_answered = None, False
        self.left = self.lives.pop(0) if self.lives else float("inf")
        self.made.append(self)
        self._live()

    def _live(self) -> None:
        if self.left <= 0:
            self.theirs.close()

    def give(self, rows: Sequence[Row], tries: int) -> bool:
        given = super().give(rows, tries)
        if given:
            self.left -= 1
            self.theirs.send([Result(row.id) for row in self.theirs.recv()])
            self._live()
        return given

    def end(self) -> None:
        self.connection.close()


@pytest.mark.parametrize("groups, workers, lives, made, failed", [
    (1, 4, [], 1, 0),  # no more than there is work for
    (3, 4, [], 3, 0),
    (9, 2, [], 2, 0),
    (4, 1, [1], 2, 0),  # dies after an answer
    (4, 1, [2, 1, 1], 3, 0),
    (6, 2, [1, 1], 4, 0),
    (1, 1, [0], 2, 0),  # dies before any
    (2, 1, [0, 0], 3, 1),  # as the one that replaces it
    (2, 2, [0, 0, 0, 0], 4, 2),
])  # fmt: skip
def test_idle_workers_that_die_cost_nothing(
    groups: int,
    workers: int,
    lives: list[float],
    made: int,
    failed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Worker, "made", [], raising=False)
    monkeypatch.setattr(Worker, "lives", list(lives), raising=False)
    monkeypatch.setattr(engines, "WorkerProcess", Worker)
    rows = [[Row(f"r{n}", "", problem="none")] for n in range(groups)]
    settings: Any = Path("unused")
    found = [each for results in run_processes(settings, rows, workers) for each in results]
    assert sorted(each.id for each in found) == [f"r{n}" for n in range(groups)]
    assert len(Worker.made) == made
    assert [each.error for each in found if each.error] == ["its process died twice"] * failed
