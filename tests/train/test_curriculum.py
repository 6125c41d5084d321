"""Text that is laid without durations, in a training that begins with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.helpers.training import flow_task
from tts.data.batch import Batch
from tts.data.corpus import Corpus
from tts.errors import ConfigError
from tts.train.tasks.generator import GeneratorTask


def _task(corpus: Corpus, text: str, curriculum: int = 0) -> GeneratorTask:
    model = flow_task(corpus).arguments
    model = {**model, "conditioner": {**model["conditioner"], "text": text}}
    torch.manual_seed(0)
    return GeneratorTask(corpus, model, batch_size=3, max_frames=60, curriculum=curriculum)


def _losses(task: GeneratorTask, batch: Batch, step: int) -> dict[str, float]:
    torch.manual_seed(1)
    (_, _, values), *_ = task.losses(batch, step)
    return {name: float(value) for name, value in values.items()}


@pytest.mark.parametrize("text", ["spread", "padded"])
def test_it_begins_at_the_durations_and_ends_without(corpus: Corpus, text: str) -> None:
    plain, led = _task(corpus, text), _task(corpus, text, curriculum=8)
    batch = led.batch(np.random.default_rng(0))
    unknown: Any = {**batch, "durations": batch["durations"].flip(1)}
    early, halfway, late = (_losses(led, batch, step) for step in (0, 4, 8))
    assert late == _losses(led, batch, 100) == _losses(plain, batch, 0)
    assert _losses(led, unknown, 0)["prior"] != early["prior"], "durations are read"
    assert len({early["prior"], halfway["prior"], late["prior"]}) == 3
    if text == "spread":
        told = _task(corpus, "expanded")
        assert _losses(told, batch, 0) == early, "as a generator that is given durations"


def test_what_has_durations_needs_none(corpus: Corpus) -> None:
    with pytest.raises(ConfigError, match="curriculum is of text that is padded or spread"):
        _task(corpus, "expanded", curriculum=8)
