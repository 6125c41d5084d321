"""Training in tests is on the CPU, and leaves the random generators as they were."""

import random
from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    state = random.getstate()
    with torch.random.fork_rng(devices=[]):
        yield
    random.setstate(state)
