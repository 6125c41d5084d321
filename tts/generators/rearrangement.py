"""Rearrangement of a sequence for causal infilling: missing spans are moved to the end.

An autoregressive generator only sees what comes before a latent. To fill in a gap with a view of
both of its sides, VoiceCraft (Peng et al. 2024) and SSR-Speech (Wang et al. 2024) generate in
another order: first all known latents, in their order, then the missing ones. Every latent keeps
the text of its own time. Where a span begins, the network is fed the latent that precedes it in
time instead of the one that precedes it in the new order, or an empty one if that is still to be
generated; this marks the border, for which those papers have special tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tts.generators.base import Infill
from tts.generators.conditioning import Condition


@dataclass(frozen=True)
class Rearrangement:
    """The order in which the latents of B rows are generated.

    Attributes:
        order: [B, U] index in time of the latent at each place of the new order.
        place: [B, U] place in the new order of each latent; the inverse of `order`.
        before: [B, U] for each place, the place of the latent that precedes it in time; -1 if that
            one comes later in the new order, or there is none.
    """

    order: Tensor
    place: Tensor
    before: Tensor

    @property
    def borders(self) -> Tensor:
        """[B, U] bool, places whose latent does not follow the one of the place before it."""
        index = torch.arange(self.order.shape[1], device=self.order.device)
        return self.before != index - 1

    def rearrange(self, x: Tensor) -> Tensor:
        """Bring [B, U, *] from time into the new order; x may have the rows twice (guidance)."""
        return _gathered(x, self.order)

    def restore(self, x: Tensor) -> Tensor:
        """Bring [B, U, *] from the new order back into time."""
        return _gathered(x, self.place)

    def condition(self, condition: Condition) -> Condition:
        """The condition in the new order."""
        silence = condition.silence
        if silence is not None:
            silence = replace(silence, spoken=self.rearrange(silence.spoken))
        return replace(
            condition,
            frames=self.rearrange(condition.frames),
            prior_mean=self.rearrange(condition.prior_mean),
            silence=silence,
        )

    def infill(self, infill: Infill) -> Infill:
        """The known latents in the new order."""
        return replace(
            infill, latents=self.rearrange(infill.latents), known=self.rearrange(infill.known)
        )

    def preceding(self, latents: Tensor, empty: Tensor) -> Tensor:
        """For each place the latent that precedes it in time, [B, U, *].

        Args:
            latents: [B, U, *] in the new order.
            empty: [B, 1, *] stands for a latent that is not there or not generated yet.
        """
        found = _gathered(latents, self.before.clamp_min(0))
        return torch.where(self.before.unsqueeze(-1) < 0, empty, found)


def needed_rearrangement(known: Tensor, inside: Tensor) -> Rearrangement | None:
    """As `rearrangement`, but None if every latent would stay at its place. On a GPU this waits for
    the device."""
    layout = rearrangement(known, inside)
    index = torch.arange(known.shape[1], device=known.device)
    return None if bool((layout.order == index).all()) else layout


def rearrangement(known: Tensor, inside: Tensor) -> Rearrangement:
    """The new order: known latents, then missing ones, then padding.

    Args:
        known: [B, U] bool, latents that are given.
        inside: [B, U] bool, latents that are not padding.
    """
    count = known.shape[1]
    index = torch.arange(count, device=known.device)
    rank = index + count * (~known).long() + 2 * count * (~inside).long()
    order = rank.argsort(1)
    place = order.argsort(1)
    before = place.gather(1, (order - 1).clamp_min(0)).masked_fill(order == 0, -1)
    before = before.masked_fill(before >= index, -1)
    # Padding has no border.
    return Rearrangement(order, place, torch.where(inside.gather(1, order), before, index - 1))


def _gathered(x: Tensor, index: Tensor) -> Tensor:
    """x [B or 2 B, U, *] at the indices [B, U] along U."""
    index = index.repeat(len(x) // len(index), 1)
    return x.gather(1, index.view(*index.shape, *[1] * (x.ndim - 2)).expand(-1, -1, *x.shape[2:]))
