"""Speculative decoding says what plain decoding says, and as often."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.generators import CODES, DEPTH, POINTER, build, fill, inputs, seeds
from tts.errors import UsageError
from tts.generators.base import SamplingOptions
from tts.generators.generator import Generator
from tts.generators.speculative import Draft, NGram, Run, SmallModel, Tally, speculate, verify

TINY = {**CODES, "num_codebooks": 2, "codebook_size": 3}


def model(pattern: str = "delay", seed: int = 0, head: dict[str, Any] = CODES) -> Generator:
    strategy = {"kind": "autoregressive", "pattern": {"name": pattern}}
    generator = build({"strategy": strategy, "head": head})
    fill(generator, seed)
    with torch.no_grad():
        generator.head.table.mul_(4)  # type: ignore[operator]
    return generator.eval().requires_grad_(False)


def chi_square(counts: Tensor, wanted: Tensor) -> tuple[float, float]:
    """The statistic of counts [V] against probabilities [V], and what 1 in 1000 exceed (Wilson and
    Hilferty); cells of which fewer than 5 are expected are one."""
    expected = wanted * counts.sum()
    some = expected >= 5
    if not bool(some.all()):
        counts = torch.cat([counts[some], counts[~some].sum()[None]])
        expected = torch.cat([expected[some], expected[~some].sum()[None]])
    free = len(counts) - 1
    part = 2 / (9 * free)
    limit = free * (1 - part + 3.09 * math.sqrt(part)) ** 3
    return float(((counts - expected) ** 2 / expected).sum()), limit


@pytest.mark.parametrize("certain", [False, True])
def test_the_rejection_rule(certain: bool) -> None:
    rng, rows = seeds(3)[0], 40_000
    wanted = torch.randn(5, generator=rng).softmax(-1)
    given = torch.randn(5, generator=rng).softmax(-1)
    guess = torch.multinomial(given, rows, True, generator=rng)
    if certain:
        guess = torch.full_like(guess, 2)
    points = torch.rand(2, rows, generator=rng, dtype=torch.float64)
    every = [None if certain else given.log().expand(rows, -1)]
    codes, kept = verify(wanted.log().expand(rows, -1), guess, every[0], points)
    statistic, limit = chi_square(codes.bincount(minlength=5).double(), wanted)
    assert statistic < limit
    share = float(wanted[2]) if certain else float(torch.minimum(wanted, given).sum())
    assert kept.double().mean().item() == pytest.approx(share, abs=0.01)
    # The draft's own draws have another distribution, and the test would tell.
    statistic, limit = chi_square(guess.bincount(minlength=5).double(), wanted)
    assert statistic > limit


class Constant:
    """Draft: always the same code."""

    def propose(self, steps: Tensor, count: int) -> tuple[Tensor, Tensor | None]:
        return steps.new_ones(count, steps.shape[1]), None


@pytest.mark.parametrize("kind", ["constant", "model", "bad model"])
def test_the_distribution_is_that_of_plain_sampling(kind: str) -> None:
    """All codes of two frames of two codebooks in a delay pattern, three steps, against the
    product of the network's own probabilities."""
    net, small = model(head=TINY), model(seed=1 if kind == "model" else 2, head=TINY)
    if kind == "bad model":
        with torch.no_grad():
            small.head.bias[:, 0].add_(1.5)  # type: ignore[operator, index]
    request, options = inputs([4], [10]), SamplingOptions(guidance=1.5, temperature=1.2)
    rng = seeds(1)[0]
    with torch.inference_mode():
        fixed = {each: each.condition(request, [rng], options) for each in (net, small)}
        for each in (net, small):
            each.condition = lambda *_, each=each: fixed[each]  # type: ignore[method-assign]
        wanted = []
        for codes in itertools.product(range(3), repeat=4):
            run = Run(net, request, rng, options)
            steps = torch.full((3, 2), 3)
            steps[run.known] = torch.tensor(codes)
            likely = run.likely(run.fed(steps[:-1]))[run.known]
            wanted.append(float(likely.gather(1, torch.tensor(codes)[:, None]).sum().exp()))
    assert sum(wanted) == pytest.approx(1, abs=1e-5)
    tally, seen = Tally(), Counter[tuple[int, ...]]()
    for _ in range(300):
        draft: Draft = Constant()
        if kind != "constant":
            with torch.inference_mode():
                draft = SmallModel(small, request, rng, options)
        latents = torch.cat(list(speculate(net, request, rng, options, draft, 2, tally)), 1)[0]
        steps = torch.stack([latents[0, 0], latents[1, 0], latents[0, 1], latents[1, 1]])
        # In the order of `known`: by step, then by codebook.
        seen[int(steps[0]), int(steps[1]), int(steps[2]), int(steps[3])] += 1
    cells = list(itertools.product(range(3), repeat=4))
    counts = torch.tensor([float(seen[cell]) for cell in cells])
    statistic, limit = chi_square(counts, torch.tensor(wanted))
    assert statistic < limit
    assert 0 < tally.kept < tally.guessed and tally.steps < 3 * tally.passes


@pytest.mark.parametrize("pattern", ["delay", "parallel"])
@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_without_chance_it_is_plain_decoding(pattern: str, guidance: float) -> None:
    net, request = model(pattern), inputs([60], [20])
    options = SamplingOptions(guidance=guidance, temperature=0.0)
    plain = net.generate(request, seeds(1), options)
    rng, another = seeds(1)[0], model(pattern, 1)
    with torch.inference_mode():
        same = SmallModel(net, request, rng, options)
        other = SmallModel(another, request, rng, options)
    kept = {}
    for name, draft in {
        "n": NGram(),
        "first": NGram(1, 1),
        "3": NGram(3),
        "same": same,
        "other": other,
    }.items():
        tally = Tally()
        pieces = list(speculate(net, request, rng, options, draft, 3, tally))
        assert torch.equal(torch.cat(pieces, 1), plain) and len(pieces) > 1
        kept[name] = tally.kept / max(1, tally.guessed)
    assert kept["same"] == 1 and kept["other"] < 1  # its own guesses are always right


def test_a_draft_of_what_was_said() -> None:
    steps = torch.tensor([[1, 2], [3, 4], [5, 6], [1, 2], [3, 4]])
    codes, likely = NGram(2).propose(steps, 2)
    assert codes.tolist() == [[5, 6], [1, 2]] and likely is None
    assert NGram(1).propose(steps, 9)[0].tolist() == [[5, 6], [1, 2], [3, 4]]
    changed = steps.clone()
    changed[4, 1] = 0
    assert not len(NGram(1).propose(changed, 1)[0])
    assert NGram(1, num_codebooks=1).propose(changed, 1)[0].tolist() == [[5, 6]]
    assert not len(NGram(3).propose(steps, 2)[0]) and not len(NGram(1).propose(steps[:3], 2)[0])
    with pytest.raises(UsageError, match="at least 1"):
        NGram(0)


def test_what_cannot_be_guessed_is_refused() -> None:
    request, options, rng = inputs([20], [20]), SamplingOptions(), seeds(1)[0]
    depth = build({"strategy": {"kind": "autoregressive"}, "head": DEPTH}).eval()
    pointer = build(
        {"strategy": {"kind": "autoregressive"}, "head": CODES, "conditioner": POINTER}
    ).eval()
    for net in (depth, pointer, build("flow").eval(), model("flat"), model("stack_delay")):
        with pytest.raises(UsageError, match="speculative decoding is for"):
            next(speculate(net, request, rng, options, NGram()))
    with pytest.raises(UsageError, match="one row"):
        next(speculate(model(), inputs([20, 20], [20, 20]), rng, options, NGram()))
    with pytest.raises(UsageError, match="repetition"):
        next(speculate(model(), request, rng, SamplingOptions(repetition_ratio=0.1), NGram()))
    with pytest.raises(UsageError, match="fsq_decode"):
        next(speculate(model(), request, rng, SamplingOptions(fsq_decode="expected"), NGram()))
    parallel = model("parallel")
    with torch.inference_mode():
        draft = SmallModel(parallel, request, rng, options)
    with pytest.raises(UsageError, match="another pattern"):
        next(speculate(model(), request, rng, options, draft))
