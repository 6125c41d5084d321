"""Monotonic phoneme pointer: it visits every phone in order, and always ends."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tts.errors import UsageError
from tts.generators import pointer as pointing
from tts.generators.pointer import Pointer
from tts.text.tokens import token_index


def seeds(*values: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(v) for v in values]


def walk(
    pointer: Pointer, probability: float | Tensor, rngs: list[torch.Generator] | None
) -> tuple[Pointer, Tensor]:
    """Run to the end; the path [B, T], -1 where finished."""
    path = []
    limit = int(pointer.limit.max())
    while not bool(pointer.finished.all()):
        path.append(torch.where(pointer.finished, -1, pointer.index))
        moved = torch.as_tensor(probability).expand(len(pointer.index))
        before = pointer
        pointer = pointing.step(pointer, moved, rngs)
        assert len(path) + int(pointer.limit.max()) <= limit
        assert torch.equal(before.index[before.finished], pointer.index[before.finished])
    return pointer, torch.stack(path, 1) if path else torch.zeros(len(pointer.index), 0)


@pytest.mark.parametrize("probability", [0.0, 0.2, 0.7, 1.0, float("nan")])
def test_monotone_complete_and_ends(probability: float) -> None:
    lengths = torch.tensor([5, 1, 0, 9])
    end, path = walk(pointing.start(lengths, 2, 6), probability, seeds(1, 2, 3, 4))
    assert torch.equal(end.index, lengths) and torch.equal(end.completed, lengths)
    for row, (length, steps) in enumerate(zip(lengths.tolist(), path, strict=True)):
        visited = steps[steps >= 0]
        assert torch.equal(visited.unique_consecutive(), torch.arange(length))
        counts = torch.bincount(visited, minlength=9)
        assert torch.equal(counts, end.durations[row])
        assert ((counts[:length] >= 2) & (counts[:length] <= 6)).all()
        assert counts[length:].sum() == 0
        if probability == 1:
            assert (counts[:length] == 2).all()
        if not probability > 0:
            assert (counts[:length] == 6).all()


def test_preset_path() -> None:
    durations = torch.tensor([[3, 0, 1, 4, 0], [0, 2, 5, 0, 0], [1, 1, 1, 1, 1]])
    lengths = torch.tensor([5, 3, 5])
    for probability in (0.0, 1.0):
        start = pointing.start(lengths, *pointing.bounds(durations))
        end, path = walk(start, probability, None)
        assert torch.equal(end.durations, durations)
        for row, total in enumerate(durations.sum(1).tolist()):
            expected = token_index(durations[row : row + 1], total)[0]
            assert torch.equal(path[row, :total], expected)
            assert (path[row, total:] == -1).all()


def test_bounds() -> None:
    least, most = pointing.bounds(torch.tensor([[0.0, 0.4, 1.0, 4.0, 7.0]]), 2.0)
    assert least.tolist() == [[0, 1, 1, 2, 3]] and most.tolist() == [[0, 1, 2, 8, 14]]
    exact = torch.tensor([[0, 1, 6, 100]])
    assert all(torch.equal(x, exact) for x in pointing.bounds(exact))
    torch.manual_seed(0)
    estimate = torch.rand(4, 50) * 20
    least, most = pointing.bounds(estimate, 1.5)
    assert ((least <= most) & (most >= estimate)).all()
    assert (least <= estimate.clamp_min(1)).all()
    with pytest.raises(UsageError):
        pointing.bounds(exact, 0.5)


def test_batch_equals_single() -> None:
    lengths, probability = torch.tensor([4, 11, 7]), torch.tensor([0.1, 0.5, 0.3])
    together, _ = walk(pointing.start(lengths, 1, 30), probability, seeds(5, 6, 7))
    for row in range(3):
        one = slice(row, row + 1)
        alone, _ = walk(pointing.start(lengths[one], 1, 30), probability[one], seeds(5 + row))
        size = alone.durations.shape[1]
        assert torch.equal(alone.durations[0], together.durations[row, :size])


def test_stay_is_geometric() -> None:
    """Without bounds the steps of a phone follow the scores: P(move on) = 1 / (1 + e^score)."""
    score = torch.tensor([1.2])
    move = float(pointing.advance_probability(score))
    assert move == pytest.approx(1 / (1 + 2.718281828**1.2), rel=1e-5)
    end, _ = walk(pointing.start(torch.full((100,), 10), 1, 1000), move, seeds(0) * 100)
    steps = end.durations.float()
    assert steps.mean() == pytest.approx(1 / move, rel=0.1)
    assert (steps == 1).float().mean() == pytest.approx(move, abs=0.05)


@pytest.mark.parametrize("chance", [True, False])
@pytest.mark.parametrize("speed", [0.5, 0.8, 1.25, 2.0])
def test_phones_are_as_long_as_the_pace_asks(speed: float, chance: bool) -> None:
    """Of a probability that tells durations exactly: the mean, with chance and without."""
    mean, spread = 5.0, 1.3
    steps = torch.arange(1, 60).double()
    share = torch.distributions.Normal(mean, spread).log_prob(steps).exp()
    moving = share / share.flip(0).cumsum(0).flip(0)
    pointer = pointing.start(torch.tensor([120, 40]), 1, 100)
    rngs = seeds(1, 2) if chance else None
    pace = torch.tensor([speed, 1.0])
    while not bool(pointer.finished.all()):
        pointer = pointing.step(pointer, lambda spent: moving[spent - 1], rngs, pace)
    made = pointer.durations.sum(1) / pointer.lengths
    assert made.tolist() == pytest.approx([mean / speed, mean], rel=0.1)
    if chance:
        spreads = [pointer.durations[row, :40].double().std() for row in (0, 1)]
        assert spreads == pytest.approx([spread / speed, spread], rel=0.4)
    # The second row is what it is alone and without a pace.
    alone, rngs = pointing.start(torch.tensor([40]), 1, 100), rngs and seeds(2)
    while not bool(alone.finished.all()):
        alone = pointing.step(alone, lambda spent: moving[spent - 1], rngs)
    assert torch.equal(alone.durations[0], pointer.durations[1, :40])


@pytest.mark.parametrize("move", [0.05, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("speed", [0.5, 0.9, 1.1, 2.0])
def test_without_chance_it_moves_at_the_median(move: float, speed: float) -> None:
    """However unlikely it is at any one step, and no sooner for a little more pace."""
    median = math.ceil(math.log(0.5) / math.log1p(-move) - 1e-9)
    pointer = pointing.start(torch.tensor([20]), 1, 1000)
    probability, pace = torch.tensor([move]).double(), torch.tensor([speed])
    while not bool(pointer.finished.all()):
        pointer = pointing.step(pointer, probability, None, pace)
    assert int(pointer.counts.sum()) == pytest.approx(max(1, median / speed) * 20, rel=0.07)


def test_current_and_errors() -> None:
    pointer = pointing.start(torch.tensor([2, 1]), 1, 1)
    values = torch.arange(12).view(2, 2, 3)
    assert torch.equal(pointer.current(values), values[:, 0])
    pointer = pointing.step(pointer, torch.zeros(2))
    assert pointer.finished.tolist() == [False, True]
    assert torch.equal(pointer.current(values)[0], values[0, 1])
    with pytest.raises(UsageError):
        pointing.start(torch.tensor([2]), 3, 2)
    with pytest.raises(UsageError, match="generators"):
        pointing.step(pointer, torch.zeros(2), seeds(1))
