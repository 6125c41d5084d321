"""Levels of masked generation: how many steps each has, and that each ends without chance."""

from __future__ import annotations

import math
from typing import Any

import pytest
from torch import Tensor

from tests.helpers.generators import CODEBOOK_SIZE, CODES, NUM_CODEBOOKS, build, fill, inputs, seeds
from tts.generators.base import SamplingOptions
from tts.generators.strategies.masked import Masked

KINDS: dict[str, dict[str, Any]] = {
    "levels": {"kind": "masked", "order": "levels"},
    "magnet": {"kind": "masked", "order": "levels", "span": 3, "window": 5, "split": "even"},
    "soundstorm": {"kind": "soundstorm"},
}


@pytest.mark.parametrize("steps", [1, 4, 9, 24])
@pytest.mark.parametrize("kind", KINDS)
def test_temperature_and_guidance_reach_their_ends_with_each_level(
    kind: str, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in MAGNeT: T times the steps left after this one, guidance by the cosine of those done."""
    found: list[tuple[float, float, int]] = []
    predict = Masked.predict

    def noted(
        self: Masked, net: Any, condition: Any, latents: Tensor, rngs: Any,
        options: SamplingOptions, scale: float, window: int = 0,
    ) -> Any:  # fmt: skip
        done = (latents != CODEBOOK_SIZE).all(1)[0]
        found.append((options.temperature, scale, int(done.sum())))
        return predict(self, net, condition, latents, rngs, options, scale, window)

    monkeypatch.setattr(Masked, "predict", noted)
    net = build({"strategy": KINDS[kind], "head": CODES}).eval()
    fill(net)
    options = SamplingOptions(steps, guidance=10.0, guidance_final=1.0, temperature=3.0)
    net.generate(inputs([160], [20]), seeds(1), options)
    assert isinstance(net.strategy, Masked)
    counts = net.strategy.shares(steps, NUM_CODEBOOKS)
    assert len(found) == sum(counts)
    for level, count in enumerate(counts):
        of_level = [x for x in found if x[2] == level]
        assert len(of_level) == count
        for step, (temperature, scale, _) in enumerate(of_level):
            assert temperature == pytest.approx(3 * (count - 1 - step) / count, abs=1e-9)
            masked = math.cos(math.pi / 2 * step / (count - 1)) if count > 1 else 1
            assert scale == pytest.approx(1 + 9 * masked)


@pytest.mark.parametrize("kind", KINDS)
def test_levels_of_one_step_are_drawn_without_chance(kind: str) -> None:
    net = build({"strategy": KINDS[kind], "head": CODES}).eval()
    fill(net, scale=0.3)
    made = [
        net.generate(inputs([20], [9]), seeds(seed), SamplingOptions(steps=1, temperature=3.0))
        for seed in (1, 2)
    ]
    assert made[0].equal(made[1]) and made[0].unique().numel() > 1


@pytest.mark.parametrize(
    ("steps", "levels", "counts"),
    [
        (50, 4, [20, 10, 10, 10]),
        (50, 8, [11, 5, 6, 5, 6, 5, 6, 6]),
        (9, 8, [2, 1, 1, 1, 1, 1, 1, 1]),
        (1, 4, [1, 1, 1, 1]),
        (7, 1, [7]),
    ],
)
def test_steps_are_shared_evenly_where_that_is_asked_for(
    steps: int, levels: int, counts: list[int]
) -> None:
    assert Masked("levels", split="even").shares(steps, levels) == counts


def test_half_of_the_steps_that_are_left_is_otherwise_each_levels() -> None:
    assert Masked("levels").shares(50, 8) == [22, 12, 6, 4, 2, 2, 1, 1]
