"""Samplers and guidance: what may be drawn, the draws themselves, one row like in a batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tts.errors import ConfigError, UsageError
from tts.generators import sampling as sampling_
from tts.generators.base import SamplingOptions
from tts.generators.guidance import Guidance, anneal, guide, needs_guidance
from tts.generators.heads.categorical import CategoricalHead
from tts.generators.sampling import Sampling, draw, pick, process, repeats, sample, uniforms
from tts.generators.step_types import StepContext

SAMPLINGS = [
    Sampling(),
    Sampling(temperature=0.7, top_k=5),
    Sampling(top_p=0.8, min_p=0.02),
    Sampling(typical_p=0.6, repetition_penalty=1.5, repetition_window=4),
    Sampling(temperature=0.0, repetition_ratio=0.1),
    Sampling(top_p=0.5, repetition_ratio=0.0, repetition_window=6),
]
EACH = pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)


def seeds(*values: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(v) for v in values]


def random(*shape: int, seed: int = 0, scale: float = 2.0) -> Tensor:
    return scale * torch.randn(shape, generator=seeds(seed)[0])


def chi_square(ids: Tensor, probabilities: Tensor) -> float:
    """Chi-square statistic over its degrees of freedom: near 1 where ids follow."""
    expected = probabilities.double() * ids.numel()
    count = torch.bincount(ids.flatten(), minlength=len(expected)).double()
    some = expected > 0
    assert (count[~some] == 0).all()
    return float(((count - expected)[some].square() / expected[some]).sum() / (some.sum() - 1))


# The distribution.


@EACH
def test_process_gives_a_distribution(sampling: Sampling) -> None:
    logits = random(3, 4, 20)
    logits[..., 7] = -torch.inf
    history = torch.randint(-1, 20, (3, 4, 9), generator=seeds(1)[0])
    logp = process(logits, sampling, history)
    torch.testing.assert_close(logp.exp().sum(-1), torch.ones(3, 4))
    assert (logp[..., 7] == -torch.inf).all()
    alone = torch.stack([process(x, sampling, h) for x, h in zip(logits, history, strict=True)])
    assert torch.equal(alone, logp)


def test_filters_by_hand() -> None:
    p = torch.tensor([0.1, 0.4, 0.05, 0.3, 0.15])
    logits = p.log()

    def kept(x: Tensor) -> list[int]:
        return (x > -torch.inf).nonzero()[:, 0].tolist()

    assert kept(sampling_.top_k(logits, 2)) == [1, 3] and kept(sampling_.top_k(logits, 1)) == [1]
    assert kept(sampling_.top_p(logits, 0.65)) == [1, 3]
    assert kept(sampling_.top_p(logits, 0.75)) == [1, 3, 4]
    assert kept(sampling_.top_p(logits, 1e-6)) == [1]
    assert kept(sampling_.min_p(logits, 0.3)) == [1, 3, 4]
    # Entropy 1.39: 0.3 (1.20) is nearest, then 0.4 (0.92), 0.15 (1.90).
    assert kept(sampling_.typical(logits, 0.2)) == [3]
    assert kept(sampling_.typical(logits, 0.65)) == [1, 3]
    for f in (sampling_.top_p, sampling_.min_p, sampling_.typical):
        strongest = 0.0 if f is sampling_.min_p else 1.0
        assert torch.equal(f(logits, strongest), logits)
    assert torch.equal(sampling_.top_k(logits, 0), logits)
    assert torch.equal(sampling_.top_k(logits, 9), logits)
    # Ties: all of top_k's, the first of top_p's.
    tie = torch.zeros(4)
    assert kept(sampling_.top_k(tie, 2)) == [0, 1, 2, 3]
    assert kept(sampling_.top_p(tie, 0.5)) == [0, 1]
    torch.testing.assert_close(process(logits, Sampling()).exp(), p)
    torch.testing.assert_close(
        process(logits, Sampling(temperature=0.5)).exp(), p.square() / p.square().sum()
    )
    two = process(logits, Sampling(top_k=2)).exp()
    torch.testing.assert_close(two, torch.tensor([0, 4 / 7, 0, 3 / 7, 0]))


def test_penalty() -> None:
    logits = torch.tensor([[2.0, -2.0, 1.0, -1.0]])
    history = torch.tensor([[2, 1, -1, 0]])
    got = sampling_.penalize(logits, history, 2.0)
    assert got.tolist() == [[1.0, -4.0, 0.5, -1.0]]
    assert sampling_.penalize(logits, history, 2.0, window=2).tolist() == [[1.0, -2.0, 1.0, -1.0]]
    assert torch.equal(sampling_.penalize(logits, history[:, :0], 2.0), logits)
    assert torch.equal(sampling_.penalize(logits, torch.full((1, 3), -1), 2.0), logits)


def test_greedy() -> None:
    logits = random(5, 3, 11)
    greedy = Sampling(temperature=0.0)
    for seed in range(3):
        assert torch.equal(sample(logits, greedy, seeds(*[seed] * 5)), logits.argmax(-1))
    logp = process(torch.zeros(2, 4), greedy)
    assert logp[:, 0].eq(0).all() and logp[:, 1:].eq(-torch.inf).all()


@pytest.mark.parametrize("low", [0.0, 1e-46, 1e-39, 1e-30, 1e-7, 1e-5, 1e-3])
def test_cold_is_nearly_greedy(low: float) -> None:
    logits = random(4, 2, 30)
    assert torch.equal(
        sample(logits, Sampling(temperature=low), seeds(1, 2, 3, 4)), logits.argmax(-1)
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -0.1}, {"top_k": -1}, {"top_p": 0.0}, {"top_p": 1.1}, {"min_p": -0.1},
        {"typical_p": 0.0}, {"repetition_penalty": 0.0}, {"repetition_ratio": 1.5},
        {"temperature": float("nan")}, {"repetition_ratio": 0.5, "repetition_window": 0},
    ],
    ids=str,
)  # fmt: skip
def test_ranges(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        replace(Sampling(), **wrong)


@pytest.mark.parametrize("name", ["top_p", "typical_p"])
@pytest.mark.parametrize("value", [0.0, 1e-7, 9e-7, 1e-6, 0.5, 1.0, 1.1])
def test_a_model_takes_the_ranges_of_its_draws(name: str, value: float) -> None:
    if 1e-6 <= value <= 1:
        assert getattr(SamplingOptions(**{name: value}).categorical(), name) == value
    else:
        with pytest.raises(ValueError, match=name):
            SamplingOptions(**{name: value})


# The draw.


@pytest.mark.parametrize("sampling", SAMPLINGS[:4], ids=str)
def test_draws_follow(sampling: Sampling) -> None:
    logits = random(12, seed=4)
    logp = process(logits, sampling, torch.tensor([1, 2, 3, 4, 5, 6]))
    ids = draw(logp.expand(1, 20000, 12), seeds(0))
    # 11 degrees of freedom at most: 3 times the expectation is beyond p = 0.001.
    assert chi_square(ids, logp.exp()) < 3


def test_rows_and_places_are_independent() -> None:
    logp = torch.tensor([0.5, 0.3, 0.2]).log()
    ids = draw(logp.expand(2, 20000, 3), seeds(1, 2))
    pairs = ids[0] * 3 + ids[1]
    assert chi_square(pairs, torch.outer(logp.exp(), logp.exp()).flatten()) < 3
    pairs = ids[0, :-1] * 3 + ids[0, 1:]
    assert chi_square(pairs, torch.outer(logp.exp(), logp.exp()).flatten()) < 3


def test_pick_hits_only_what_is_possible() -> None:
    inf = torch.inf
    logp = torch.tensor([[-inf, 0.0, -inf, -inf], [-inf, -0.7, -inf, -0.7]])
    top = 1 - 2.0**-53
    for point in (0.0, 0.5, top):
        got = pick(logp, torch.full((2,), point, dtype=torch.float64))
        assert got.tolist() == [1, 1 if point < 0.5 else 3]
    # A long tail of totals that are not round numbers.
    p = random(1000, 37, seed=3).log_softmax(-1)
    p[:, -5:] = -inf
    ids = pick(p, torch.full((1000,), top, dtype=torch.float64))
    assert (ids < 32).all()


@EACH
def test_batch_equals_single(sampling: Sampling) -> None:
    logits = random(3, 4, 40)
    history = torch.randint(-1, 40, (3, 4, 9), generator=seeds(2)[0])
    rngs = seeds(5, 6, 7)
    together = [sample(logits, sampling, rngs, history) for _ in range(3)]
    assert together[0].shape == (3, 4) and together[0].dtype == torch.int64
    for row in range(3):
        one, rng = slice(row, row + 1), seeds(5 + row)
        for step in range(3):
            alone = sample(logits[one], sampling, rng, history[one])
            assert torch.equal(alone[0], together[step][row])
    # A seed gives the same again, others something else.
    same = sample(logits, sampling, seeds(5, 6, 7), history)
    assert torch.equal(same, together[0])
    if sampling.temperature:
        other = sample(logits, sampling, seeds(8, 9, 10), history)
        assert not torch.equal(other, together[0])


def test_nothing_to_draw() -> None:
    for bad in (-torch.inf, torch.nan, torch.inf):
        logits = torch.zeros(2, 3)
        logits[1] = bad
        for temperature in (0.0, 1.0):
            with pytest.raises(UsageError, match="nothing can be drawn"):
                sample(logits, Sampling(temperature=temperature), seeds(1, 2))
    with pytest.raises(UsageError, match="1 generators for 2 rows"):
        draw(torch.zeros(2, 3), seeds(1))


def test_uniforms() -> None:
    got = uniforms(seeds(1, 2), (3, 4))
    assert got.shape == (2, 3, 4) and got.dtype == torch.float64
    assert torch.equal(got[1], uniforms(seeds(2), (3, 4))[0])
    assert ((got >= 0) & (got < 1)).all()


# Repetition-aware sampling.


def test_repeats() -> None:
    history = torch.tensor([[9, 9, 9, 1, 2, 1], [-1, -1, -1, -1, -1, 5]])
    ids = torch.tensor([1, 5])
    assert repeats(ids, history, 4, 0.4).tolist() == [True, False]
    assert repeats(ids, history, 4, 0.5).tolist() == [False, False]
    assert repeats(ids, history, 4, 0.0).tolist() == [True, True]
    assert repeats(torch.tensor([9, 3]), history, 3, 0.0).tolist() == [False, False]


def test_repetition_aware_sampling_breaks_a_loop() -> None:
    """With a nucleus of one token a plain sampler loops for ever; this one leaves."""
    logits = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()
    many = logits.expand(1, 20000, 4)
    stuck = torch.zeros(1, 20000, 10, dtype=torch.long)
    narrow = Sampling(top_p=0.3, repetition_window=10, repetition_ratio=0.1)
    ids = sample(many, narrow, seeds(0), stuck)
    assert chi_square(ids, logits.exp()) < 4
    assert (sample(many, replace(narrow, repetition_ratio=1.0), seeds(0), stuck) == 0).all()
    fresh = torch.full_like(stuck, 3)
    assert (sample(many, narrow, seeds(0), fresh) == 0).all()
    assert (sample(many, narrow, seeds(0)) == 0).all()


def test_second_draw_respects_what_is_forbidden() -> None:
    logits = torch.zeros(1, 5000, 4)
    logits[..., 2] = -torch.inf
    history = torch.arange(4).expand(1, 5000, 4)
    ids = sample(logits, Sampling(repetition_ratio=0.0, repetition_window=4), seeds(0), history)
    assert set(ids.unique().tolist()) == {0, 1, 3}


def test_numbers_used_do_not_depend_on_repetition() -> None:
    sampling = Sampling(top_k=1, repetition_ratio=0.0)
    logits = random(1, 6)
    after = []
    for token in (int(logits.argmax()), int(logits.argmin())):
        rngs = seeds(3)
        sample(logits, sampling, rngs, torch.full((1, 10), token))
        after.append(uniforms(rngs))
    assert torch.equal(*after)


# Oracle.


@pytest.mark.peer
@pytest.mark.parametrize("seed", range(4))
def test_filters_like_transformers(seed: int) -> None:
    peer = pytest.importorskip("transformers")
    logits = random(6, 50, seed=seed)
    history = torch.randint(0, 50, (6, 12), generator=seeds(seed)[0])

    def same(mine: Tensor, warper: object) -> None:
        assert torch.equal(mine, warper(history, logits.clone()))  # type: ignore[operator]

    for k in (1, 7, 50):
        same(sampling_.top_k(logits, k), peer.TopKLogitsWarper(k))
    for p in (0.1, 0.55, 0.9, 0.99):
        same(sampling_.top_p(logits, p), peer.TopPLogitsWarper(p))
        same(sampling_.min_p(logits, p), peer.MinPLogitsWarper(p))
        same(sampling_.typical(logits, p), peer.TypicalLogitsWarper(p))
    for penalty in (0.8, 1.5):
        same(
            sampling_.penalize(logits, history, penalty),
            peer.RepetitionPenaltyLogitsProcessor(penalty),
        )


# Guidance.


def test_no_guidance_is_exact() -> None:
    cond, uncond = random(2, 5, 7), random(2, 5, 7, seed=1)
    assert not needs_guidance(1.0) and needs_guidance(1.5) and needs_guidance(0.0)
    assert guide(cond, None, 1.0) is cond and guide(cond, uncond, 1.0, 0.7) is cond
    uncond[0, 0, 0] = torch.inf
    mixed = guide(cond, uncond, torch.tensor([1.0, 3.0]), 0.7)
    assert torch.equal(mixed[0], cond[0]) and not torch.equal(mixed[1], cond[1])
    with pytest.raises(UsageError):
        guide(cond, None, 2.0)


def test_guidance_by_hand() -> None:
    cond, uncond = random(2, 5, 7), random(2, 5, 7, seed=1)
    torch.testing.assert_close(guide(cond, uncond, 0.0), uncond)
    torch.testing.assert_close(guide(cond, uncond, 3.0), cond + 2 * (cond - uncond))
    rows = guide(cond, uncond, torch.tensor([2.0, 4.0]))
    torch.testing.assert_close(rows[1], guide(cond, uncond, 4.0)[1])
    torch.testing.assert_close(guide(cond, cond, 9.0), cond)


def test_rescale() -> None:
    cond, uncond = random(2, 5, 7), random(2, 5, 7, seed=1)
    plain = guide(cond, uncond, 4.0)
    full = guide(cond, uncond, 4.0, 1.0)
    torch.testing.assert_close(full.std(-1), cond.std(-1))
    torch.testing.assert_close(guide(cond, uncond, 4.0, 0.75), 0.75 * full + 0.25 * plain)
    # Positions do not see each other, rows with a mask do not see padding.
    torch.testing.assert_close(
        guide(cond[:, :2], uncond[:, :2], 4.0, 0.75), 0.75 * full[:, :2] + 0.25 * plain[:, :2]
    )
    mask = torch.arange(5) < torch.tensor([5, 3])[:, None]
    masked = guide(cond, uncond, 4.0, 1.0, mask)
    for row, length in enumerate((5, 3)):
        got, want = masked[row, :length], cond[row, :length]
        torch.testing.assert_close(got.std(correction=0), want.std(correction=0))
        one = slice(row, row + 1)
        alone = guide(
            cond[one, :length], uncond[one, :length], 4.0, 1.0, torch.ones(1, length).bool()
        )
        torch.testing.assert_close(alone[0], got)


def test_annealing_and_stride() -> None:
    assert [anneal(10, 1, m) for m in (1.0, 0.5, 0.0)] == [10, 5.5, 1]
    magnet = Guidance(scale=10, final=1)
    assert magnet.at(0, 1.0) == 10 and magnet.at(3, 0.5) == 5.5
    assert not needs_guidance(magnet.at(9, 0.0))
    every = Guidance(scale=1.5, stride=5)
    assert [step for step in range(11) if needs_guidance(every.at(step))] == [0, 5, 10]
    assert Guidance(scale=3.0).at(4, 0.2) == pytest.approx(3.0)
    assert not any(needs_guidance(Guidance().at(0, m / 10)) for m in range(11))
    for wrong in ({"scale": -1}, {"final": 1000}, {"rescale": 2}, {"stride": 0}):
        with pytest.raises(ConfigError):
            Guidance(**wrong)  # type: ignore[arg-type]


def test_the_whole_menu_is_reached_from_the_options_of_a_model() -> None:
    options = SamplingOptions(
        top_k=3, top_p=0.9, min_p=0.1, typical_p=0.8, repetition_penalty=1.5, repetition_ratio=0.2
    )
    found = options.categorical(0.7)
    assert found == Sampling(0.7, 3, 0.9, 0.1, 0.8, 1.5, 10, 0.2)
    assert {"typical_p", "repetition_penalty", "min_p"} <= set(CategoricalHead.sampling)
    head = CategoricalHead(num_codebooks=2, codebook_size=5, dim=4)
    codes = torch.tensor([[[1, 2], [3, 5], [4, 0]]])  # 5 stands for one not drawn
    condition: Any = None
    given = StepContext(condition, SamplingOptions(), [], codes[:, :1], codes, 2)
    assert head.history(given, [0, 1]) is None
    given = given._replace(options=SamplingOptions(repetition_penalty=2.0))
    seen = head.history(given, [0, 1])
    assert seen is not None and seen.tolist() == [[[[1, 3], [-1, 2]]]]
