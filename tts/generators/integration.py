"""Noise, time grids and known spans, shared by strategies and heads of continuous latents."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tts.generators.conditioning import Condition
from tts.generators.protocols import LatentHead, Network


def time_grid(steps: int, sway: float) -> Tensor:
    """Times from 0 (noise) to 1 (data), [steps + 1] float32: evenly spaced if `sway` is 0, and
    otherwise moved by sway sampling (F5-TTS, Chen et al. 2024)."""
    u = torch.linspace(0, 1, steps + 1)
    return u + sway * (torch.cos(torch.pi / 2 * u) - 1 + u)


def row_normal(like: Tensor, rngs: Sequence[torch.Generator]) -> Tensor:
    """Standard normal noise of the shape [B, ...] of `like`, each row from its own generator."""
    drawn = [torch.randn(like.shape[1:], generator=rng) for rng in rngs]
    return torch.stack(drawn).to(like)


def row_noise(condition: Condition, rngs: Sequence[torch.Generator], size: int) -> Tensor:
    """Standard normal [B, U, size], each row from its own generator: as many numbers as the row
    has latents, however long the batch is."""
    lengths = condition.lengths.tolist()
    noise = condition.prior_mean.new_zeros(len(rngs), condition.prior_mean.shape[1], size)
    for row, rng in enumerate(rngs):
        drawn = torch.randn((lengths[row], size), generator=rng)
        noise[row, : lengths[row]] = drawn.to(noise)
    return noise


def denoise(
    net: Network[LatentHead],
    head: LatentHead,
    x: Tensor,
    condition: Condition,
    t: Tensor,
    known: Tensor | None = None,
) -> Tensor:
    """The head's prediction [B, U, size] from noisy latents.

    Args:
        x: [B, U, size]; t: [B] time, 0 is noise and 1 data.
        known: [B, U] bool, latents that are clean in x.
    """
    return head.predict(net.hidden(head.embed(x, known) + condition.frames, condition, t))


def random_spans(mask: Tensor, share: float, both_sides: float = 0.0) -> Tensor | None:
    """Draw which latents [B, U] bool are given clean in training; None if `share` is 0.

    Args:
        mask: [B, U, 1] valid latents.
        share: share of the rows in which one random span of up to 70 % is given.
        both_sides: share of these rows in which instead all but the span is given, as around the
            words of an edit.
    """
    if not share:
        return None
    lengths = mask[..., 0].sum(1)
    size = lengths * torch.rand_like(lengths) * 0.7 * (torch.rand_like(lengths) < share)
    begin = (lengths - size) * torch.rand_like(lengths)
    index = torch.arange(mask.shape[1], device=mask.device)
    inside = (index >= begin.unsqueeze(1)) & (index < (begin + size).unsqueeze(1).floor())
    if not both_sides:
        return inside
    around = (torch.rand_like(lengths) < both_sides) & inside.any(1)
    outside = ~inside & (index < lengths.unsqueeze(1))
    return torch.where(around.unsqueeze(1), outside, inside)
