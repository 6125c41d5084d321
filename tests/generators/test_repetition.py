"""Repetition: whatever the pattern, it looks at the last codes that each codebook has drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.generators import (
    CODEBOOK_SIZE,
    FREE,
    NUM_CODEBOOKS,
    ORDERS,
    autoregressive,
    inputs,
    one_row,
    seeds,
)
from tts.generators.base import SamplingOptions
from tts.generators.conditioning import Silence
from tts.generators.generator import Generator
from tts.generators.heads.categorical import CategoricalHead
from tts.generators.step_types import StepContext

EVERY = pytest.mark.parametrize("name", ORDERS)
AWARE = SamplingOptions(
    guidance=1.5, repetition_window=4, repetition_ratio=0.3, repetition_penalty=1.3
)


def windows(
    net: Generator, options: SamplingOptions, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[dict[int, list[int]]], Tensor]:
    """What each step was shown of each codebook, none left out, and the latents of a run."""
    seen: list[dict[int, list[int]]] = []
    history = CategoricalHead.history

    def noted(self: Any, context: StepContext, books: Any) -> Any:
        found = history(self, context, books)
        assert found is not None
        rows = found[0, 0].tolist()
        seen.append({k: [x for x in row if x >= 0] for k, row in zip(books, rows, strict=True)})
        return found

    with monkeypatch.context() as patch:
        patch.setattr(CategoricalHead, "history", noted)
        made = net.generate(inputs([38], [20]), seeds(1), options)
    return seen, made


@EVERY
def test_each_codebook_is_shown_its_last_codes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net, window = autoregressive(name), 4
    options = replace(FREE, temperature=1.0, repetition_window=window, repetition_penalty=1.2)
    seen, made = windows(net, options, monkeypatch)
    pattern = net.strategy.order_of(net)  # type: ignore[attr-defined]
    said: list[list[int]] = [[] for _ in range(NUM_CODEBOOKS)]
    full = 0
    for step, shown in enumerate(seen):
        drawn = pattern.emits(step, made.shape[1])
        for _, codebook in drawn:
            assert shown[codebook] == said[codebook][-window:], (step, codebook)
            full += len(shown[codebook]) == window
        for t, codebook in drawn:
            said[codebook].append(int(made[0, t, codebook]))
    assert full == (made.shape[1] - window) * NUM_CODEBOOKS


@EVERY
def test_alone_in_a_batch_and_streamed_are_the_same(name: str) -> None:
    net, request = autoregressive(name), inputs([40, 23, 31], [20, 9, 11])
    made = net.generate(request, seeds(1, 2, 3), AWARE)
    streamed = torch.cat(list(net.stream(request, seeds(1, 2, 3), AWARE)), 1)
    assert torch.equal(made, streamed)
    assert not torch.equal(
        made, net.generate(request, seeds(1, 2, 3), SamplingOptions(guidance=1.5))
    )
    for row, count in enumerate((20, 12, 16)):
        alone = net.generate(one_row(request, row), seeds(row + 1), AWARE)
        assert torch.equal(alone[0], made[row, :count])


def test_silence_is_counted_in_latents_that_are_drawn() -> None:
    head = CategoricalHead(1, CODEBOOK_SIZE, 4)
    codes = torch.zeros(1, CODEBOOK_SIZE, dtype=torch.bool)
    codes[0, CODEBOOK_SIZE - 1] = True
    silence = Silence(codes, torch.ones(1, 4, dtype=torch.bool))
    latents = torch.full((1, 4, 1), CODEBOOK_SIZE)
    options = SamplingOptions(silence_penalty=1.0, silence_run=1)
    # Latents to come, where not visited in order, are not taken for the last entry.
    assert head.hush(silence, latents, 3, options).sum() == 0
    latents[:] = CODEBOOK_SIZE - 1
    assert head.hush(silence, latents, 3, options)[0, -1] == 3
