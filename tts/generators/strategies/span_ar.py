"""Span autoregression: every step draws all masked codes and commits the leftmost ones; then the
least certain codes are drawn again (PALLE, Yang et al. 2025).

It lies between autoregression and masked generation: it goes from left to right, in a fixed number
of steps, each of which also sees the known codes to the right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from tts.errors import ConfigError
from tts.generators.base import Infill, Losses
from tts.generators.conditioning import Condition
from tts.generators.guidance import Guidance
from tts.generators.options import MaskedOptions, UnmaskingOptions, names_of
from tts.generators.protocols import MaskedHead, Network, SamplingKeys
from tts.generators.schedules import leftmost, refine
from tts.generators.soft_codes import soft_codes
from tts.generators.strategies.masked import Masked


class SpanAR(Masked):
    """Strategy: `options.steps` spans from left to right, then rounds of refinement.

    The network is that of Masked with `order: joint`, and weights trained by Masked serve here too,
    since that training masks any codes. Training with this strategy masks only what this sampling
    asks for: all latents after a random one, or scattered latents.

    Args:
        rounds: of refinement (PALLE: 7); with 0 committed latents are streamed.
        quantile: share of the latents that a round draws again (PALLE: 0.05), none of them twice.
        reach: share of the latents, from the first masked one on, that count in the loss.
        scattered: share of training rows that mask scattered latents instead of the end, for
            refinement (PALLE trains a second network for it).
        rescale: see Masked.
    """

    sampling: SamplingKeys = {
        name: values
        for name, values in Masked.sampling.items()
        if name not in names_of(MaskedOptions)
    }

    def __init__(
        self,
        rounds: int = 0,
        quantile: float = 0.05,
        reach: float = 0.1,
        scattered: float = 0.3,
        rescale: float = 0.0,
    ):
        super().__init__(rescale=rescale)
        for name, value in (("quantile", quantile), ("reach", reach)):
            if not 0 < value <= 1:
                raise ConfigError(f"{name} must be above 0 and at most 1, not {value}")
        self.rounds, self.quantile = rounds, quantile
        self.reach, self.scattered = reach, scattered
        self.streamed = not rounds

    def losses(self, net: Network[MaskedHead], latents: Tensor, condition: Condition) -> Losses:
        """Cross entropy of the latents after a random one, or of scattered ones."""
        batch, length, _ = latents.shape
        total = condition.lengths.unsqueeze(1)
        index = torch.arange(length, device=latents.device)
        begin = (torch.rand_like(total.float()) * total).floor()
        masked = index >= begin
        counted = index < begin + (self.reach * total).clamp_min(1)
        some = torch.rand(batch, 1, device=latents.device) < self.scattered
        masked = torch.where(some, torch.rand(batch, length, device=latents.device) < 0.1, masked)
        counted = counted | some
        return self.masked_losses(
            net, latents, condition, masked.unsqueeze(-1).expand_as(latents), counted.unsqueeze(-1)
        )

    def run(
        self,
        net: Network[MaskedHead],
        condition: Condition,
        rngs: Sequence[torch.Generator],
        options: UnmaskingOptions,
        infill: Infill | None = None,
    ) -> Iterator[Tensor]:
        """Yield latents after `options.steps` evaluations, and one more per round."""
        rows, unknown = len(rngs), net.head.codebook_size
        valid = condition.mask[:rows] > 0
        latents = self.begin(net, condition, rows, infill)
        soft = soft_codes(condition.code_values, options, latents)
        free = valid & (latents == unknown)
        wanted = free.any(-1)
        total, length = wanted.sum(1), latents.shape[1]
        certain = torch.zeros(wanted.shape, device=latents.device)
        guidance = Guidance(options.guidance, options.guidance_final)

        def fill(latents: Tensor, where: Tensor, scale: float) -> tuple[Tensor, Tensor]:
            ids, likely = self.predict(net, condition, latents, rngs, options, scale)
            # Negative min-entropy, as in PALLE.
            sure = likely.amax(-1).mean(-1)
            latents = torch.where(where.unsqueeze(-1) & free, ids, latents)
            if soft is not None:
                soft.commit(where.unsqueeze(-1) & free, range(ids.shape[-1]), likely)
            return latents, torch.where(where, sure, certain)

        def ready(begin: int, end: int) -> Tensor:
            if soft is not None:
                return soft.latents(begin, end)
            return latents[:, begin:end].masked_fill(~valid[:, begin:end], 0)

        done, closed = 0, torch.zeros_like(wanted)
        for step in range(options.steps):
            # The same share of every row, so that all end with the last step.
            count = -(-total * (step + 1) // options.steps) - closed.sum(1)
            chosen = leftmost(wanted & ~closed, count)
            latents, certain = fill(latents, chosen, guidance.at(masked=1 - step / options.steps))
            closed = closed | chosen
            open_ = wanted & ~closed
            first = torch.where(open_.any(1), open_.float().argmax(1), length)
            frontier = int(first.min())
            if self.streamed and frontier > done:
                yield ready(done, frontier)
                done = frontier
        visited = ~wanted
        for _ in range(self.rounds):
            again = refine(certain, self.quantile, wanted, visited)
            visited = visited | again
            masked = latents.masked_fill(again.unsqueeze(-1) & free, unknown)
            latents, certain = fill(masked, again, guidance.at(masked=0.0))
        if not self.streamed:
            yield ready(0, length)
