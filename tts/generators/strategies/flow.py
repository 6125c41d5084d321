"""Flow matching: the whole canvas is integrated from noise to data (Lipman et al. 2023).

As in Matcha-TTS and F5-TTS, with two differences that pay at small scale: the network predicts the
clean units as a correction to a regressed mean (the velocity follows from it), and the voice prompt
is a memory that is attended to, not part of what is integrated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tts.generators.base import Canvas, Losses, SamplingOptions
from tts.generators.conditioning import Condition
from tts.generators.guidance import guide_rows

if TYPE_CHECKING:
    from tts.generators.generator import Generator


def time_grid(steps: int, sway: float) -> Tensor:
    """steps + 1 times from 0 (noise) to 1 (data)."""
    u = torch.linspace(0, 1, steps + 1)
    return u + sway * (torch.cos(torch.pi / 2 * u) - 1 + u)


def row_noise(condition: Condition, rngs: Sequence[torch.Generator]) -> Tensor:
    """Standard normal [B, U, size], each row from its own generator."""
    lengths = condition.lengths.tolist()
    noise = condition.mean.new_zeros(len(rngs), *condition.mean.shape[1:])
    for row, rng in enumerate(rngs):
        drawn = torch.randn((lengths[row], noise.shape[-1]), generator=rng)
        noise[row, : lengths[row]] = drawn.to(noise)
    return noise


def denoise(
    net: Generator, x: Tensor, condition: Condition, t: Tensor, given: Tensor | None = None
) -> Tensor:
    """What the head says of noisy units x [B, U, size] at time t [B] (0 noise, 1 data); `given`
    [B, U] bool are clean in x."""
    embedded = net.head.embed(x, given)  # type: ignore[operator]
    return net.head(net.hidden(embedded + condition.frames, condition, t))


def random_spans(mask: Tensor, share: float) -> Tensor | None:
    """Units [B, U] bool to give clean in training: in `share` of the rows a random stretch of up to
    70 %; None when share is 0."""
    if not share:
        return None
    lengths = mask[..., 0].sum(1)
    size = lengths * torch.rand_like(lengths) * 0.7 * (torch.rand_like(lengths) < share)
    begin = (lengths - size) * torch.rand_like(lengths)
    index = torch.arange(mask.shape[1], device=mask.device)
    return (index >= begin.unsqueeze(1)) & (index < (begin + size).unsqueeze(1).floor())


def both(x: Tensor, condition: Condition) -> Tensor:
    """x once more for the unconditional rows, where the condition has them."""
    return torch.cat([x, x]) if len(condition.mask) > len(x) else x


class Flow:
    """Strategy: conditional flow matching on the straight path (1 - t) noise + t data.

    Args:
        inpaint: share of training rows of which a stretch is given clean (VoiceBox, F5-TTS); a
            canvas then continues or edits what is given.
    """

    causal = False
    timed = True
    streamed = False

    def __init__(self, inpaint: float = 0.0):
        self.inpaint = inpaint

    def losses(self, net: Generator, units: Tensor, condition: Condition) -> Losses:
        """Squared error of the clean units, weighted as the error of the velocity."""
        t = torch.sigmoid(torch.randn(len(units), device=units.device) - 0.2)
        blend = t[:, None, None]
        noisy = (1 - blend) * torch.randn_like(units) + blend * units
        given = random_spans(condition.mask, self.inpaint)
        mask = condition.mask
        if given is not None:
            noisy = torch.where(given.unsqueeze(-1), units, noisy)
            mask = mask * (~given).unsqueeze(-1)
        clean = condition.mean + denoise(net, noisy, condition, t, given)
        # The velocity error is the clean error over 1 - t; clipped, as it diverges at t = 1.
        weight = (1 - blend).clamp_min(0.2).pow(-2) * mask * net.emphasis
        flow = ((clean - units).square() * weight).sum() / (mask.sum() * units.shape[-1])
        # Late in the flow the noisy input shows the voice; early only the prompt can.
        return Losses({"flow": flow}, lambda: clean, 1 - t)

    def run(
        self,
        net: Generator,
        condition: Condition,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions,
        canvas: Canvas | None = None,
    ) -> Iterator[Tensor]:
        """Euler or midpoint steps on a swayed grid."""
        given = canvas.committed if canvas else None
        marks = both(given, condition) if given is not None else None

        def hold(x: Tensor) -> Tensor:
            return x if canvas is None else torch.where(
                canvas.committed.unsqueeze(-1), canvas.units, x
            )  # fmt: skip

        def velocity(x: Tensor, t: float) -> Tensor:
            rows = both(hold(x), condition)
            level = torch.full((len(rows),), t, device=x.device)
            clean = condition.mean + denoise(net, rows, condition, level, marks)
            return (guide_rows(clean, len(x), options.guidance) - x) / max(1 - t, 1e-3)

        x = row_noise(condition, rngs) * options.temperature
        midpoint = options.method == "midpoint"
        evaluations = options.steps // 2 if midpoint else options.steps
        grid = time_grid(max(1, evaluations), options.sway).tolist()
        for now, then in zip(grid, grid[1:], strict=False):
            if midpoint:
                middle = x + velocity(x, now) * (then - now) / 2
                x = x + velocity(middle, (now + then) / 2) * (then - now)
            else:
                x = x + velocity(x, now) * (then - now)
        yield hold(x)
