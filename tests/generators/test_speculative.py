"""Speculative decoding says what plain decoding says, and as often."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.generators import CODES, DEPTH, POINTER, build, fill, inputs, seeds
from tts.errors import ConfigError, UsageError
from tts.generators.base import SamplingOptions
from tts.generators.generator import Generator
from tts.generators.speculative import (
    Draft,
    NGram,
    Run,
    SmallModel,
    Tally,
    neighbours,
    relax,
    speculate,
    verify,
)

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


@pytest.mark.parametrize("kind", ["constant", "bad model"])
def test_the_distribution_is_that_of_plain_sampling(kind: str) -> None:
    """All codes of two frames of two codebooks in a delay pattern, three steps, against the
    product of the network's own probabilities."""
    net, small = model(head=TINY), model(seed=2, head=TINY)
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
    for _ in range(200):
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


@pytest.mark.parametrize("rows", [1, 2])
def test_an_option_of_the_sampling(rows: int) -> None:
    net, request = model(), inputs([60, 31][:rows], [20, 25][:rows])
    options = SamplingOptions(guidance=2.0, temperature=0.0)
    drafted = replace(options, draft="ngram", draft_codebooks=1)
    plain = net.generate(request, seeds(*range(rows)), options)
    assert torch.equal(net.generate(request, seeds(*range(rows)), drafted), plain)
    # Guesses that are drawn again say something else with the same seed, but not without codes
    # near enough to be said in their place.
    warm = replace(drafted, temperature=1.0)
    same = net.generate(request, seeds(*range(rows)), warm)
    assert torch.equal(net.generate(request, seeds(*range(rows)), warm), same)
    with pytest.raises(ConfigError, match="FSQ"):
        net.generate(request, seeds(*range(rows)), replace(warm, relaxed=0.2))
    pointer = build(
        {"strategy": {"kind": "autoregressive"}, "head": CODES, "conditioner": POINTER}
    ).eval()
    with pytest.raises(UsageError, match="pointer"):
        pointer.generate(request, seeds(*range(rows)), drafted)


def test_relaxed_acceptance() -> None:
    digits = torch.tensor([[n % 3, n // 3] for n in range(6)], dtype=torch.float32)
    near = neighbours(digits, torch.tensor([3, 2]), 3)
    # Half a digit of three is nearer than all of a digit of two.
    assert near[0].tolist() == [1, 2, 3] and near.shape == (6, 3)
    assert all(row not in near[row] for row in range(6))
    rng, rows = seeds(4)[0], 40_000
    likely = torch.randn(6, generator=rng).log_softmax(-1)
    exact = likely.double().exp()
    guess = torch.full((rows,), 1)
    points = torch.rand(2, rows, generator=rng, dtype=torch.float64)
    shares = []
    for bound in (0.0, 0.2, 0.5, 1.0):
        wanted = relax(likely, guess[0], near, bound)
        moved = 0.5 * float((wanted - exact).abs().sum())
        assert moved <= bound + 1e-9 and float(wanted.sum()) == pytest.approx(1)
        codes, kept = verify(likely.expand(rows, -1), guess, None, points, near, bound)
        counts, some = codes.bincount(minlength=6).double(), wanted > 0
        assert not counts[~some].any()
        statistic, limit = chi_square(counts[some], wanted[some])
        assert statistic < limit
        shares.append(kept.double().mean().item())
    assert torch.equal(relax(likely, guess[0], near, 0.0), exact)
    assert shares == sorted(shares) and shares[-1] > shares[0] + 0.1


class Blank:
    """Draft: the first code of a step is always 0, or not guessed; the others never are."""

    def __init__(self, first: int):
        self.first = first

    def propose(self, steps: Tensor, count: int) -> tuple[Tensor, Tensor | None]:
        guess = steps.new_full((count, steps.shape[1]), 6)
        guess[:, 0] = self.first
        return guess, None


@pytest.mark.parametrize("relaxed", [0.3, 1.0])
@pytest.mark.parametrize("first", [0, 6])
def test_nothing_moves_to_a_code_that_nobody_guessed(first: int, relaxed: float) -> None:
    """Its distribution stays exact, beside codes of the same step that were guessed."""
    net = model("parallel", head={**CODES, "codebook_size": 6, "levels": [3, 2]})
    request, rng = inputs([4], [10]), seeds(1)[0]
    options = SamplingOptions(
        guidance=1.0, draft="ngram", relaxed=relaxed, relaxed_neighbours=5, temperature=2.0
    )
    with torch.inference_mode():
        run = Run(net, request, rng, options)
        wanted = run.likely(run.fed(torch.full((0, 3), 6)))[0].exp().double()
    counts = torch.zeros(3, 6).double()
    for _ in range(300):
        steps = next(iter(speculate(net, request, rng, options, Blank(first), 1)))[0, 0]
        counts[torch.arange(3), steps] += 1
    for codebook in range(0 if first == 6 else 1, 3):
        statistic, limit = chi_square(counts[codebook], wanted[codebook])
        assert statistic < limit
    if first == 6:
        exact, plain = replace(options, relaxed=0.0), []
        for each in (options, exact):
            plain.append(torch.cat(list(speculate(net, request, seeds(5)[0], each, Blank(6))), 1))
        assert torch.equal(*plain)


def test_more_guesses_are_kept_where_neighbours_count() -> None:
    head = {**CODES, "codebook_size": 20, "levels": [5, 4]}
    net, request = model("parallel", head=head), inputs([200], [20])
    kept = []
    for relaxed in (0.0, 0.5, 1.0):
        options = SamplingOptions(
            guidance=1.0, draft="ngram", relaxed=relaxed, relaxed_neighbours=19, draft_codebooks=1
        )
        tally = Tally()
        draft = NGram(1, 1)
        pieces = list(speculate(net, request, seeds(1)[0], options, draft, 4, tally))
        assert torch.cat(pieces, 1).max() < 20
        kept.append(tally.codes_kept / tally.codes)
    assert kept[0] < kept[1] < kept[2]
    # With everything near, a guess is always as likely as all codes together.
    assert kept[2] == 1


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
