"""Iterative unmasking: how many positions stay masked, and which are committed.

Positions are [B, T] with a mask of those that may be chosen, so rows of any length share a batch.
Randomness comes from one CPU generator per row, as many numbers as the row has candidates: a row's
choices do not depend on the padding.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from tts.errors import ConfigError, UsageError
from tts.resources import nearest

# Fraction still masked when the fraction x of the steps is done. MaskGCT (Wang et al. 2024) writes
# the cosine of MaskGIT (Chang et al. 2022) and MAGNeT as the sine of a time that runs to 0.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda x: math.cos(math.pi / 2 * x),
    "sine": lambda x: math.sin(math.pi / 2 * (1 - x)),
    "linear": lambda x: 1 - x,
}


def masked_fraction(step: int, steps: int, schedule: str = "cosine") -> float:
    """Fraction still masked after step `step` (from 0) of `steps`; 1 at step -1, 0 at the end.

    Raises:
        ConfigError: unknown schedule.
    """
    if schedule not in SCHEDULES:
        raise ConfigError(f"unknown schedule {schedule!r}{nearest(schedule, SCHEDULES)}")
    if step + 1 >= steps:
        return 0.0
    return SCHEDULES[schedule]((step + 1) / steps)


@lru_cache(maxsize=16)
def masked_fractions(schedule: str, device: torch.device) -> Tensor:
    """Table of `masked_fraction` for steps -1 to 998 of 1000, [1000] float32: on a device, training
    looks up there the fraction of a random time without waiting for the device."""
    rows = [masked_fraction(step, 1000, schedule) for step in range(-1, 999)]
    return torch.tensor(rows, device=device)


def remaining(total: Tensor, step: int, steps: int, schedule: str = "cosine") -> Tensor:
    """Positions still masked after step `step` (from 0) of `steps`.

    Every step commits at least one position while there is one, as in MaskGIT (the schedules are
    concave); none is masked after the last.

    Args:
        total: [B] int64 positions (or spans) to fill.

    Returns:
        [B] int64.
    """
    # 50 * (1 - 18 / 50) is 32, not 31.999: rounded down it would not move for a step.
    kept = (total.double() * masked_fraction(step, steps, schedule) + 1e-9).floor().long()
    return torch.minimum(kept, total - (step + 1)).clamp_min(0)


def places(mask: Tensor) -> Tensor:
    """Relative position of each latent in its row, 0 to 1, [B, U], from the mask [B, U, 1]."""
    index = torch.arange(mask.shape[1], device=mask.device)
    return (index / (mask[..., 0].sum(1, keepdim=True) - 1).clamp_min(1)).clamp_max(1)


def own_time(done: Tensor | float, place: Tensor, width: float | Tensor) -> Tensor:
    """Progress of the unmasking of each position, 0 (not begun) to 1 (complete), under a
    hyperschedule (Fathi et al. 2025): positions begin one after another from left to right, and
    each takes the same share of the steps.

    Args:
        done: share of all steps that are done, 0 to 1, one number or [B, 1].
        place: [B, T] relative position in the row, 0 to 1.
        width: share of all steps in which one position is unmasked. 1 treats all positions alike,
            values near 0 go from left to right as autoregression does.

    Returns:
        float64 of the shape of `place`.
    """
    width = torch.as_tensor(width, device=place.device).double().clamp_min(1e-6)
    # After the last step every position is complete, whatever was rounded.
    return ((done - (1 - width) * place.double()) / width + 1e-6).clamp(0, 1)


def choose_in_time(
    confidence: Tensor,
    time: Tensor,
    wanted: Tensor,
    mask: Tensor,
    schedule: str = "cosine",
    rngs: Sequence[torch.Generator] | None = None,
    noise: float = 0.0,
) -> Tensor:
    """Choose positions under a hyperschedule: all whose progress is complete, and of the others
    that have begun the most confident ones, as many as the schedule says.

    Args:
        confidence, mask, rngs, noise: see `choose`.
        time: [B, T] progress of each position, from `own_time`.
        wanted: [B, T] bool, all positions that are generated, committed or not.

    Returns:
        [B, T] bool.
    """
    over = mask & (time >= 1)
    begun = mask & (time > 0) & ~over
    steps = (time * 999).round().long()
    left = masked_fractions(schedule, time.device)[steps].masked_fill(~wanted | (time >= 1), 0.0)
    count = (mask & ~over).sum(1) - (left.double().sum(1) + 1e-6).floor().long()
    return over | choose(confidence, count.clamp_min(0), begun, rngs, noise)


def gumbel(mask: Tensor, rngs: Sequence[torch.Generator]) -> Tensor:
    """Standard Gumbel noise [B, T] where `mask` [B, T], 0 elsewhere; float32."""
    if len(rngs) != len(mask):
        raise UsageError(f"{len(rngs)} generators for {len(mask)} rows")
    where, noise = mask.cpu(), torch.zeros(mask.shape)
    uniform = torch.cat(
        [
            torch.rand(count, generator=rng, dtype=torch.float64)
            for count, rng in zip(where.sum(1).tolist(), rngs, strict=True)
        ]
    )
    # 0 can be drawn; 1 cannot.
    noise[where] = -(-uniform.clamp_min(1e-300).log()).log().float()
    return noise.to(mask.device)


def choose(
    confidence: Tensor,
    count: Tensor,
    mask: Tensor,
    rngs: Sequence[torch.Generator] | None = None,
    noise: float = 0.0,
) -> Tensor:
    """The most confident positions.

    Args:
        confidence: [B, T], probabilities or log-probabilities of what was drawn.
        count: [B] int64 positions to choose; all candidates where there are fewer.
        mask: [B, T] bool candidates.
        rngs: one per row, needed with noise.
        noise: scale of Gumbel noise added to the confidence (MaskGIT, MaskGCT anneal it to 0).

    Returns:
        [B, T] bool; of equals the first are chosen.
    """
    score = confidence.float()
    if noise:
        if rngs is None:
            raise UsageError("noise in the choice needs generators")
        score = score + noise * gumbel(mask, rngs)
    # Candidates stay above all others even at log-probability -inf.
    score = score.clamp_min(torch.finfo(score.dtype).min).masked_fill(~mask, -math.inf)
    order = score.sort(dim=-1, descending=True, stable=True).indices
    rank = torch.arange(score.shape[1], device=score.device)
    chosen = torch.zeros_like(mask).scatter(1, order, rank < count.unsqueeze(1))
    return chosen & mask


def _fold(x: Tensor, width: int, fill: float) -> Tensor:
    """[B, T] to spans [B, ceil(T / width), width]."""
    out: Tensor = F.pad(x, (0, -x.shape[1] % width), value=fill).unflatten(1, (-1, width))
    return out


def spans(mask: Tensor, width: int) -> Tensor:
    """Whether any of `width` adjacent positions is in `mask` [B, T], bool [B, ceil(T / width)]."""
    return _fold(mask.float(), width, 0).amax(-1) > 0


def choose_spans(
    confidence: Tensor,
    count: Tensor,
    mask: Tensor,
    width: int = 3,
    rngs: Sequence[torch.Generator] | None = None,
    noise: float = 0.0,
) -> Tensor:
    """Choose whole spans of adjacent positions, which do not overlap. The confidence of a span is
    that of its best position (MAGNeT).

    Args:
        count: [B] int64 spans to choose (of `spans(mask, width)`).
        width: positions of a span; MAGNeT has 3.

    Returns:
        [B, T] bool, the candidates inside of the chosen spans.
    """
    best = _fold(confidence.float().masked_fill(~mask, -math.inf), width, -math.inf).amax(-1)
    chosen = choose(best, count, spans(mask, width), rngs, noise)
    return chosen.repeat_interleave(width, 1)[:, : mask.shape[1]] & mask


def leftmost(mask: Tensor, count: Tensor) -> Tensor:
    """The first `count` [B] of the candidates `mask` [B, T] in each row, bool [B, T] (span
    autoregression, PALLE)."""
    return mask & (mask.cumsum(1) <= count.unsqueeze(1))


def refine(confidence: Tensor, quantile: float, mask: Tensor, visited: Tensor) -> Tensor:
    """Positions to draw again: the least confident not drawn again before (stage 2 of PALLE).

    Args:
        confidence: [B, T].
        quantile: fraction of the row's positions, rounded down, at least one; PALLE has 0.05.
        mask: [B, T] bool valid positions.
        visited: [B, T] bool positions of earlier rounds; join the result to it for the next.

    Returns:
        [B, T] bool.
    """
    if not 0 < quantile <= 1:
        raise ConfigError(f"the quantile must be above 0 and at most 1, not {quantile}")
    # 0.29 * 100 is 29, not 28.999.
    count = (mask.sum(1).double() * quantile + 1e-9).floor().long().clamp_min(1)
    return choose(-confidence.float(), count, mask & ~visited)
