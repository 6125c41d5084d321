"""Iterative unmasking: schedules, choices, spans, refinement."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tts.errors import ConfigError, UsageError
from tts.generators.schedules import (
    SCHEDULES,
    choose,
    choose_in_time,
    choose_spans,
    gumbel,
    leftmost,
    masked_fraction,
    own_time,
    refine,
    remaining,
    spans,
)


def seeds(*values: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(v) for v in values]


def ragged(lengths: list[int], size: int = 0) -> Tensor:
    return torch.arange(size or max(lengths)) < torch.tensor(lengths)[:, None]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 7, 50])
def test_remaining(schedule: str, steps: int) -> None:
    total = torch.tensor([0, 1, 3, 10, 50, 777])
    before = total
    assert masked_fraction(-1, steps, schedule) == pytest.approx(1)
    for step in range(steps):
        after = remaining(total, step, steps, schedule)
        # Every evaluation commits something while anything is masked.
        assert ((after < before) | (before == 0)).all() and (after >= 0).all()
        assert (after <= total * masked_fraction(step, steps, schedule) + 1e-9).all()
        before = after
    assert (before == 0).all()


def test_schedules_by_hand() -> None:
    total = torch.tensor([100])
    assert [int(remaining(total, i, 4, "linear")) for i in range(4)] == [75, 50, 25, 0]
    cosine = [int(remaining(total, i, 4)) for i in range(4)]
    assert cosine == [92, 70, 38, 0]
    assert [int(remaining(total, i, 4, "sine")) for i in range(4)] == cosine
    with pytest.raises(ConfigError, match="cosine"):
        masked_fraction(0, 4, "cosin")


def test_choose() -> None:
    confidence = torch.tensor([[0.1, 0.9, 0.5, 0.5, 0.8], [0.3, 0.2, 0.1, 9.0, 9.0]])
    mask = ragged([5, 3])
    chosen = choose(confidence, torch.tensor([3, 2]), mask)
    assert chosen.tolist() == [[False, True, True, False, True], [True, True, False, False, False]]
    assert not choose(confidence, torch.tensor([0, 0]), mask).any()
    assert torch.equal(choose(confidence, torch.tensor([9, 9]), mask), mask)
    # Impossible tokens are candidates still.
    low = torch.full((1, 4), -math.inf)
    among = torch.tensor([[False, True, False, True]])
    assert torch.equal(choose(low, torch.tensor([2]), among), among)


@pytest.mark.parametrize("seed", range(5))
def test_choose_takes_the_best(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    confidence = torch.rand(6, 31, generator=rng)
    mask = torch.rand(6, 31, generator=rng) < 0.6
    count = torch.randint(0, 20, (6,), generator=rng)
    chosen = choose(confidence, count, mask)
    assert torch.equal(chosen.sum(1), torch.minimum(count, mask.sum(1)))
    assert not (chosen & ~mask).any()
    for row in range(6):
        inside, outside = confidence[row][chosen[row]], confidence[row][mask[row] & ~chosen[row]]
        if len(inside) and len(outside):
            assert inside.min() >= outside.max()


def test_noise_does_not_depend_on_the_batch() -> None:
    lengths = [5, 40, 17]
    confidence = torch.rand(3, 40, generator=seeds(0)[0])
    count, mask = torch.tensor([2, 11, 6]), ragged(lengths)
    together = choose(confidence, count, mask, seeds(1, 2, 3), 2.0)
    assert not torch.equal(together, choose(confidence, count, mask))
    rngs = seeds(1, 2, 3)
    for row, length in enumerate(lengths):
        one = slice(row, row + 1)
        alone = choose(confidence[one, :length], count[one], mask[one, :length], rngs[one], 2.0)
        assert torch.equal(alone[0], together[row, :length])
    with pytest.raises(UsageError, match="generators"):
        choose(confidence, count, mask, None, 1.0)
    with pytest.raises(UsageError, match="2 generators for 3"):
        choose(confidence, count, mask, seeds(1, 2), 1.0)


def test_gumbel() -> None:
    noise = gumbel(torch.ones(1, 100000, dtype=torch.bool), seeds(0))
    assert noise.isfinite().all()
    assert float(noise.mean()) == pytest.approx(0.5772, abs=0.01)
    assert float(noise.std()) == pytest.approx(math.pi / math.sqrt(6), abs=0.01)
    # The position with the highest log p + Gumbel is a draw from p (what makes the noise right).
    p = torch.tensor([0.5, 0.3, 0.15, 0.05])
    many = p.log().expand(4000, 4)
    rng = seeds(3)[0]
    chosen = choose(
        many, torch.ones(4000, dtype=torch.long), torch.ones(4000, 4).bool(), [rng] * 4000, 1.0
    )
    torch.testing.assert_close(chosen.float().mean(0), p, atol=0.025, rtol=0)


def test_spans() -> None:
    mask = ragged([7, 4, 0], 8)
    assert spans(mask, 3).tolist() == [[True, True, True], [True, True, False], [False] * 3]
    confidence = torch.tensor([[0.1, 0.2, 0.9, 0.5, 0.5, 0.5, 0.7, 1.0]] * 3)
    chosen = choose_spans(confidence, torch.tensor([1, 1, 1]), mask, 3)
    # The best span by its best position; position 7 is padding.
    assert chosen[0].tolist() == [True] * 3 + [False] * 5
    chosen = choose_spans(confidence, torch.tensor([2, 2, 2]), mask, 3)
    assert chosen[0].tolist() == [True] * 3 + [False] * 3 + [True, False]
    assert torch.equal(chosen[1:], mask[1:])
    # A committed position lends its span no confidence.
    mask[0, 2] = False
    chosen = choose_spans(confidence, torch.tensor([1, 0, 0]), mask, 3)
    assert chosen[0].nonzero()[:, 0].tolist() == [6]
    torch.manual_seed(0)
    confidence, mask = torch.rand(3, 20), torch.rand(3, 20) < 0.5
    count = torch.tensor([3, 5, 8])
    assert torch.equal(choose_spans(confidence, count, mask, 1), choose(confidence, count, mask))


@pytest.mark.parametrize("width", [1, 3])
def test_unmasking_run(width: int) -> None:
    """A whole run over ragged rows: every position is committed exactly once, on schedule."""
    mask = ragged([1, 7, 30, 0])
    rngs, steps = seeds(1, 2, 3, 4), 8
    total = spans(mask, width).sum(1)
    masked, times = mask.clone(), torch.zeros(mask.shape, dtype=torch.long)
    for step in range(steps):
        left = spans(masked, width).sum(1)
        count = left - remaining(total, step, steps)
        confidence = torch.rand(mask.shape, generator=seeds(step)[0])
        chosen = choose_spans(confidence, count, masked, width, rngs, 1.0)
        assert not (chosen & ~masked).any()
        masked &= ~chosen
        times += chosen
        assert torch.equal(spans(masked, width).sum(1), remaining(total, step, steps))
    assert torch.equal(times, mask.long())


def test_leftmost() -> None:
    mask = torch.tensor([[False, True, True, False, True], [True, False, False, False, False]])
    got = leftmost(mask, torch.tensor([2, 3]))
    assert got.tolist() == [[False, True, True, False, False], [True, False, False, False, False]]


def test_refine_never_revisits() -> None:
    lengths = [100, 40, 3]
    mask = ragged(lengths)
    visited = torch.zeros_like(mask)
    rng = seeds(0)[0]
    for round_ in range(7):
        confidence = torch.rand(mask.shape, generator=rng)
        chosen = refine(confidence, 0.05, mask, visited)
        assert not (chosen & (visited | ~mask)).any()
        assert chosen.sum(1).tolist() == [5, 2, 1 if round_ < 3 else 0]
        for row in range(2):
            kept = mask[row] & ~visited[row] & ~chosen[row]
            assert confidence[row][chosen[row]].max() <= confidence[row][kept].min()
        visited |= chosen
    assert visited.sum(1).tolist() == [35, 14, 3]
    assert refine(torch.rand(1, 100), 0.07, ragged([100]), ragged([0], 100)).sum() == 7
    with pytest.raises(ConfigError):
        refine(torch.rand(1, 4), 0.0, ragged([4]), ragged([0], 4))


@pytest.mark.parametrize("width", [0.0, 0.3, 1.0])
def test_a_hyperschedule_moves_from_left_to_right(width: float) -> None:
    steps, length = 6, 24
    place = torch.linspace(0, 1, length).expand(2, -1)
    wanted = torch.ones(2, length, dtype=torch.bool)
    wanted[1, :5] = False  # given already
    confidence = torch.rand(2, length, generator=torch.Generator().manual_seed(0))
    still = wanted.clone()
    for step in range(steps):
        time = own_time((step + 1) / steps, place, width)
        chosen = choose_in_time(confidence, time, wanted, still)
        assert not (chosen & ~still).any() and not (chosen & (time <= 0)).any()
        still = still & ~chosen
        if width == 0:  # autoregression: nothing is done before what is left of it
            done = (~still[0]).long()
            assert int(done.sum()) == int(done.cumprod(0).sum()) == length * (step + 1) // steps
        if width == 1:  # masked generation: one schedule for all
            left = int(length * masked_fraction(step, steps) + 1e-9)
            assert abs(int(still[0].sum()) - left) <= 1
    assert not still.any()
