"""Spans moved to the end: both sides are heard, and what is known is untouched."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.generators import (
    CHANNELS,
    CODEBOOK_SIZE,
    CODES,
    DEPTH,
    NUM_CODEBOOKS,
    POINTER,
    SIZE,
    build,
    close,
    fill,
    inputs,
    one_row,
    seeds,
)
from tts.errors import ConfigError
from tts.generators.base import Infill, SamplingOptions
from tts.generators.generator import Generator, spoken_latents
from tts.generators.rearrangement import needed_rearrangement, rearrangement
from tts.generators.strategies.autoregressive import Autoregressive
from tts.text.symbols import SIL

KINDS: dict[str, dict[str, Any]] = {
    "delay": {"strategy": {"pattern": {"name": "delay"}}, "head": CODES},
    "parallel": {"strategy": {}, "head": CODES},
    "depth": {"strategy": {}, "head": DEPTH},
    "gaussian": {"strategy": {"noise": 0.2}, "head": {"kind": "gaussian", "width": 24}},
}


def model(kind: str, inpaint: float = 0.5) -> Generator:
    parts = KINDS[kind]
    strategy = {"kind": "autoregressive", "inpaint": inpaint, **parts["strategy"]}
    net = build({**parts, "strategy": strategy})
    fill(net)
    if "codebook_size" in parts["head"]:
        with torch.no_grad():
            net.head.table.mul_(4)  # type: ignore[operator]
    return net.eval()


def known_of(*spans: tuple[int, int], count: int = 20) -> Tensor:
    """[1, count] bool, all but some spans."""
    index = torch.arange(count)
    hidden = torch.zeros(count, dtype=torch.bool)
    for first, last in spans:
        hidden |= (index >= first) & (index < last)
    return ~hidden[None]


def latents_of(kind: str, rows: int = 1) -> Tensor:
    generator = seeds(5)[0]
    if kind == "gaussian":
        return torch.randn(rows, 20, SIZE, generator=generator)
    return torch.randint(CODEBOOK_SIZE, (rows, 20, NUM_CODEBOOKS), generator=generator)


def test_the_layout() -> None:
    known = torch.cat([known_of((3, 5), (7, 9), count=10), known_of((0, 2), count=10)])
    inside = torch.arange(10) < torch.tensor([[10], [6]])
    layout = needed_rearrangement(known, inside)
    assert layout is not None
    assert layout.order.tolist() == [
        [0, 1, 2, 5, 6, 9, 3, 4, 7, 8],
        [2, 3, 4, 5, 0, 1, 6, 7, 8, 9],
    ]
    # Each is told the one before it in time, if that comes earlier in the layout.
    assert layout.before[0].tolist() == [-1, 0, 1, -1, 3, -1, 2, 6, 4, 8]
    assert layout.before[1, :6].tolist() == [-1, 0, 1, 2, -1, 4]
    x = torch.randn(2, 10, 3)
    assert torch.equal(layout.restore(layout.rearrange(x)), x)
    assert needed_rearrangement(known_of((8, 10), count=10), inside[:1]) is None


@pytest.mark.parametrize("kind", list(KINDS))
def test_where_all_stay_the_layout_changes_nothing(kind: str) -> None:
    net, latents, request = model(kind), latents_of(kind, 2), inputs([40, 34], [20, 9])
    strategy = net.strategy
    assert isinstance(strategy, Autoregressive)
    strategy.noise = 0.0
    condition = net.conditioner(request, net.backbone)
    known = torch.cat([known_of((12, 20)), known_of((0, 20))])
    layout = rearrangement(known, condition.mask[..., 0] > 0)
    assert needed_rearrangement(known, condition.mask[..., 0] > 0) is None
    assert torch.equal(layout.order, torch.arange(20).expand(2, -1)) and not layout.borders.any()
    told = strategy.teacher_forced(
        net, layout.rearrange(latents), layout.condition(condition), layout
    )
    plain = strategy.teacher_forced(net, latents, condition)
    for one, other in zip(told[:4], plain[:4], strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("kind", list(KINDS))
def test_what_is_known_stays_and_what_comes_after_matters(kind: str) -> None:
    net, latents = model(kind), latents_of(kind, 2)
    request = inputs([40, 34], [20, 9])
    known = torch.cat([known_of((6, 10)), known_of((2, 4), (9, 12))])
    options = SamplingOptions(guidance=1.5, temperature=0.3)
    made = net.generate(request, seeds(1, 2), options, Infill(latents, known))
    inside = torch.arange(20) < torch.tensor([[20], [17]])
    assert torch.equal(made[known & inside], latents[known & inside])
    # A row alone is the same.
    alone = net.generate(
        one_row(request, 1), seeds(2), options, Infill(latents[1:, :17], known[1:, :17])
    )
    close(alone[0], made[1, :17])
    other = latents.clone()
    other[:, 14:] = other[:, 14:].flip(1) + (0.5 if kind == "gaussian" else 0)
    layout = needed_rearrangement(known, inside)
    strategy = net.strategy
    assert layout is not None and isinstance(strategy, Autoregressive)
    strategy.noise = 0.0
    condition = layout.condition(net.conditioner(request, net.backbone))
    one, two = (
        strategy.teacher_forced(net, layout.rearrange(each), condition, layout)[0][0, 17]
        for each in (latents, other)
    )
    assert (one - two).abs().max() > 1e-3
    # Without that training what comes later cannot matter.
    plain = model(kind, 0.0)
    first, second = (
        plain.generate(request, seeds(1, 2), options, Infill(each, known))
        for each in (latents, other)
    )
    assert torch.equal(first[:, :14], second[:, :14])


@pytest.mark.parametrize("kind", ["delay", "depth"])
def test_what_is_drawn_is_what_training_scores(kind: str) -> None:
    """The likeliest codes of a span are the likeliest given themselves, in the same layout."""
    net, latents = model(kind), latents_of(kind)
    strategy, request = net.strategy, inputs([40], [20])
    assert isinstance(strategy, Autoregressive)
    known = known_of((6, 10), (13, 15))
    options = SamplingOptions(guidance=1.0, temperature=0.0)
    made = net.generate(request, seeds(1), options, Infill(latents, known))
    condition = net.conditioner(request, net.backbone)
    layout = needed_rearrangement(known, torch.ones_like(known))
    assert layout is not None
    arranged, there = layout.rearrange(made), layout.condition(condition)
    forced = strategy.teacher_forced(net, arranged, there, layout)
    pattern = forced.pattern
    estimate = net.head.step_losses(forced, there).estimate  # type: ignore[operator]
    probabilities = estimate()
    assert pattern is not None
    step = pattern.layout(20).step
    found = layout.restore(probabilities[:, step, torch.arange(NUM_CODEBOOKS)].argmax(-1))
    assert torch.equal(found[~known], made[~known])


def test_training_in_both_layouts() -> None:
    net = build(
        {
            "strategy": {
                "kind": "autoregressive", "pattern": {"name": "delay"}, "inpaint": 1.0,
                "both_sides": 0.7,
            },
            "head": CODES,
        }
    )  # fmt: skip
    fill(net)
    request, latents = inputs([40, 34], [20, 9]), latents_of("delay", 2)
    condition = net.conditioner(request, net.backbone)
    torch.manual_seed(0)
    found = net.strategy.losses(net, latents, condition)
    assert found.estimate is not None
    # Probabilities stand where their latents do.
    assert found.estimate().shape == (2, 20, NUM_CODEBOOKS, CODEBOOK_SIZE)
    parts = net.loss(request, torch.zeros(2, 40, CHANNELS), latents)
    sum(parts.values()).backward()  # type: ignore[union-attr]
    assert all(torch.isfinite(part) for part in parts.values())


def test_silence_that_lasts_is_made_unlikely_where_words_are_due() -> None:
    net, latents = model("parallel"), torch.full((1, 20, NUM_CODEBOOKS), 2)
    with torch.no_grad():
        net.head.bias[:, 5] = 60.0  # type: ignore[index, operator]
    request = inputs([40], [20])
    known, silent = known_of((4, 18)), torch.zeros(1, CODEBOOK_SIZE, dtype=torch.bool)
    silent[0, 5] = True

    def made(penalty: float, silent: Tensor | None) -> list[int]:
        options = SamplingOptions(
            guidance=1.0, temperature=0.0, silence_penalty=penalty, silence_run=3
        )
        given = Infill(latents, known, silent)
        return net.generate(request, seeds(1), options, given)[0, 4:18, 0].tolist()

    assert made(100.0, None) == made(0.0, silent) == [5] * 14
    hushed = made(100.0, silent)
    assert hushed[:3] == [5] * 3 and hushed[3] != 5
    runs = "".join("s" if code == 5 else "." for code in hushed).split(".")
    assert max(map(len, runs)) == 3
    # Where the text has a pause, silence is what it should be.
    assert spoken_latents(request, 2).all()
    request.tokens.ids[:] = SIL
    assert not spoken_latents(request, 2).any()
    assert made(100.0, silent) == [5] * 14


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"strategy": {"inpaint": 0.5}, "conditioner": POINTER}, "durations"),
        ({"strategy": {"inpaint": 0.5, "pattern": {"name": "flat"}}}, "flat"),
        ({"strategy": {"inpaint": 1.5}}, "share"),
        ({"strategy": {"both_sides": -0.1}}, "share"),
    ],
)
def test_layouts_that_do_not_fit_are_refused(parts: dict[str, Any], words: str) -> None:
    strategy = {"kind": "autoregressive", **parts["strategy"]}
    with pytest.raises(ConfigError, match=words):
        build({"head": CODES, **parts, "strategy": strategy})
