"""Text that is laid without durations, in a training that knows them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.helpers.training import flow_task
from tts.data.batch import Batch
from tts.data.corpus import Corpus
from tts.errors import ConfigError
from tts.train.tasks.generator import GeneratorTask


def _task(corpus: Corpus, text: str, **options: Any) -> GeneratorTask:
    model = flow_task(corpus).arguments
    conditioner = {**model["conditioner"], "text": text}
    model = {**model, "conditioner": conditioner, "backbone": {**model["backbone"], "readers": 1}}
    torch.manual_seed(0)
    return GeneratorTask(corpus, model, batch_size=3, max_frames=60, **options)


def _losses(task: GeneratorTask, batch: Batch) -> tuple[Tensor, dict[str, float]]:
    torch.manual_seed(1)
    (_, loss, values), *_ = task.losses(batch, 0)
    return loss, {name: float(value) for name, value in values.items()}


@pytest.mark.parametrize("text", ["spread", "padded"])
def test_durations_say_where_to_look_and_nothing_else(corpus: Corpus, text: str) -> None:
    task = _task(corpus, text)
    batch = task.batch(np.random.default_rng(0))
    # The same total, said at other times.
    other: Any = {**batch, "durations": batch["durations"].clone()}
    for row, length in enumerate(batch["lengths"].tolist()):
        other["durations"][row, :length] = 1
        other["durations"][row, 0] += batch["durations"][row].sum() - length
    told, changed = (_losses(task, each)[1] for each in (batch, other))
    assert told["alignment"] != changed["alignment"]
    assert told["flow"] == changed["flow"]


def test_its_weight_can_be_set(corpus: Corpus) -> None:
    plain, none = _task(corpus, "spread"), _task(corpus, "spread", alignment_loss=0.0)
    batch = plain.batch(np.random.default_rng(0))
    (loss, values), (rest, same) = _losses(plain, batch), _losses(none, batch)
    assert values == same
    assert float((loss - rest).detach()) == pytest.approx(values["alignment"], rel=1e-4)


def test_what_has_durations_needs_no_readers(corpus: Corpus) -> None:
    with pytest.raises(ConfigError, match="readers are for text that is padded or spread"):
        _task(corpus, "expanded")
