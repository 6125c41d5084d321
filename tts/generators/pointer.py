"""Monotonic pointer over phones that paces an autoregressive generator (VALL-E R, Han et al. 2024).

Each step speaks the phone pointed at; then the pointer stays or moves on by one, so that no phone
is skipped, repeated or left out. Bounds on the steps of a phone, which VALL-E R does not have, make
every run end; equal bounds make the pointer follow given durations.

The speed of a run is its pace. A pointer decides once for each step of training time, and a step of
the run takes `pace` steps of training time: at pace 2 it decides twice. The distribution of the
durations is thus divided by the pace and keeps its shape, which multiplied probabilities would
change. When the pointer moves on, the fraction of a step that is left over counts for the next
phone, so that many phones together last as long as was asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tts.errors import UsageError


@dataclass(frozen=True)
class Pointer:
    """Positions of the pointers of a batch. `start` makes them, and `step` returns the next ones.

    Attributes:
        index: [B] int64 phone to speak; the number of phones in a finished row.
        counts: [B, S] int64 steps spent on each phone: in the end, its duration.
        least: [B, S] int64 steps before the pointer may leave a phone.
        most: [B, S] int64 steps after which it must; phones of 0 are passed over.
        lengths: [B] int64 phones.
        spent: [B] int64 decisions on the current phone so far, one for each step of training time.
        due: [B] float64 training time that has passed since the last decision.
        survival: [B] float64 probability of having stayed on the phone in all of these decisions.
    """

    index: Tensor
    counts: Tensor
    least: Tensor
    most: Tensor
    lengths: Tensor
    spent: Tensor
    due: Tensor
    survival: Tensor

    @property
    def finished(self) -> Tensor:
        """[B] bool, rows past their last phone."""
        return self.index >= self.lengths

    @property
    def completed(self) -> Tensor:
        """[B] int64, how many of the first phones are complete."""
        return self.index

    @property
    def durations(self) -> Tensor:
        """[B, S] int64, the path so far as steps per phone."""
        return self.counts

    @property
    def limit(self) -> Tensor:
        """[B] int64, the most steps a row can still take."""
        position = torch.arange(self.most.shape[1], device=self.most.device)
        return ((self.most - self.counts) * (position >= self.index.unsqueeze(1))).sum(1)

    def current(self, values: Tensor) -> Tensor:
        """Values [B, S, ...] of the phone pointed at, [B, ...]; the last in finished rows."""
        at = self.index.clamp(max=values.shape[1] - 1)
        return values[torch.arange(len(at), device=at.device), at]


def bounds(durations: Tensor, tolerance: float = 1.0) -> tuple[Tensor, Tensor]:
    """Least and most steps of each phone from estimates.

    Args:
        durations: [B, S] steps, estimated or, with tolerance 1, prescribed whole numbers.
        tolerance: factor by which a phone may be shorter or longer.

    Returns:
        least, most [B, S] int64: both 0 where the duration is 0, otherwise from 1.
    """
    if tolerance < 1:
        raise UsageError(f"the tolerance of durations must be at least 1, not {tolerance}")
    some = durations > 0
    least = (durations / tolerance).floor().long().clamp_min(1)
    most = (durations * tolerance).ceil().long().clamp_min(1)
    return least * some, most * some


def start(lengths: Tensor, least: Tensor | int, most: Tensor | int, phones: int = 0) -> Pointer:
    """A pointer at the first phone of each row.

    Args:
        lengths: [B] int64 phones.
        least, most: [B, S] int64 steps a phone (see `bounds`), or one number for all phones.
        phones: S, where both bounds are numbers; 0 is the longest row.

    Raises:
        UsageError: `most` below `least`, or negative.
    """
    tables = [x.shape[1] for x in (least, most) if isinstance(x, Tensor)]
    size = tables[0] if tables else max(1, phones or int(lengths.max()))
    inside = torch.arange(size, device=lengths.device) < lengths.unsqueeze(1)
    low = torch.as_tensor(least, device=lengths.device).expand(len(lengths), size) * inside
    high = torch.as_tensor(most, device=lengths.device).expand(len(lengths), size) * inside
    if bool(((low < 0) | (high < low)).any()):
        raise UsageError("the most steps of a phone must not be below the least, or negative")
    before = torch.full_like(lengths, -1)
    none = torch.zeros_like(lengths)
    due, survival = none.double(), torch.ones_like(none, dtype=torch.float64)
    pointer = Pointer(before, torch.zeros_like(high), low, high, lengths, none, due, survival)
    return replace(pointer, index=_next(pointer))


def _next(pointer: Pointer) -> Tensor:
    """[B] the next phone that may take a step, or the number of phones."""
    position = torch.arange(pointer.most.shape[1], device=pointer.most.device)
    open_ = (pointer.most > 0) & (position > pointer.index.unsqueeze(1))
    return torch.minimum(
        torch.where(open_, position, pointer.most.shape[1]).amin(1), pointer.lengths
    )


def advance_probability(score: Tensor) -> Tensor:
    """Scores (logits) of the current phone [B] to the probability of moving on, 1/(1 + e^score)."""
    return torch.sigmoid(-score)


def step(
    pointer: Pointer,
    probability: Tensor | Callable[[Tensor], Tensor],
    rngs: Sequence[torch.Generator] | None = None,
    pace: Tensor | None = None,
) -> Pointer:
    """Account for a step spent on the current phone, then stay or move on.

    Args:
        probability: [B] probability of moving on (see `advance_probability`), or a function to it
            from the number of decisions on the phone [B] int64; the bounds overrule it.
        rngs: one CPU generator per row, from which one number is drawn for each decision until the
            row is finished. Without them the pointer moves on at the median of the duration: as
            soon as the probability of having stayed is at most one half.
        pace: [B] training time that a step takes; None for 1.

    Raises:
        UsageError: not one generator per row.
    """
    if rngs is not None and len(rngs) != len(pointer.index):
        raise UsageError(f"{len(rngs)} generators for {len(pointer.index)} rows")
    active = ~pointer.finished
    position = torch.arange(pointer.counts.shape[1], device=pointer.index.device)
    here = (position == pointer.index.unsqueeze(1)) & active.unsqueeze(1)
    moved = replace(pointer, counts=pointer.counts + here)
    count, least, most = (moved.current(x) for x in (moved.counts, moved.least, moved.most))
    wish, rate = torch.zeros_like(active), 1.0 if pace is None else pace.double()
    moved = replace(moved, due=torch.where(active, pointer.due + rate, 0.0))
    deciding = active if pace is None else active & (moved.due >= 1)
    while pace is None or bool(deciding.any()):
        moved, chosen = _decide(moved, deciding, probability, rngs)
        wish = wish | chosen
        if pace is None:
            break
        deciding = active & ~wish & (moved.due >= 1)
    leave = active & (count >= least) & (wish | (count >= most))
    # Limited to one step, since phones shorter than a step would let it grow without end.
    owed = torch.where(
        leave, torch.minimum(moved.due, torch.zeros_like(moved.due) + rate), moved.due
    )
    return replace(
        moved,
        index=torch.where(leave, _next(moved), pointer.index),
        spent=torch.where(leave, 0, moved.spent),
        due=torch.where(leave, owed, moved.due),
        survival=torch.where(leave, 1.0, moved.survival),
    )


def _decide(
    pointer: Pointer,
    deciding: Tensor,
    probability: Tensor | Callable[[Tensor], Tensor],
    rngs: Sequence[torch.Generator] | None,
) -> tuple[Pointer, Tensor]:
    """Decide once in the rows `deciding` [B] bool: the pointer afterwards, and which of these rows
    wish to move on, [B] bool."""
    spent = pointer.spent + deciding
    leaving = probability(spent) if callable(probability) else probability
    survival = torch.where(deciding, pointer.survival * (1 - leaving.double()), pointer.survival)
    if rngs is None:
        wish = survival <= 0.5
    else:
        point = torch.ones(deciding.shape, dtype=torch.float64)
        for row in deciding.nonzero()[:, 0].tolist():
            point[row] = torch.rand((), generator=rngs[row], dtype=torch.float64)
        wish = point.to(leaving.device) < leaving
    due = pointer.due - deciding.double()
    return replace(pointer, spent=spent, due=due, survival=survival), deciding & wish
