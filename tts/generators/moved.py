"""Spans moved to the end, so that what goes from left to right sees what is on both sides of them.

The layout of SSR-Speech (Wang et al. 2024) and VoiceCraft (Peng et al. 2024): latents that are
known come first, in their order, those that are to be generated after them. Each latent is given
the text of its own time. Where a stretch begins, the latent before it in time is fed in place of
the one before it in the layout, or none where it is yet to be generated; that marks the border,
for which those papers have tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tts.generators.base import Infill
from tts.generators.conditioning import Condition


@dataclass(frozen=True)
class Moved:
    """A layout of the latents of B rows.

    Attributes:
        order: [B, U] the latent at each place.
        place: [B, U] the place of each latent.
        before: [B, U] place of the latent that is before that of each place in time; -1 where that
            comes later in the layout, or there is none.
    """

    order: Tensor
    place: Tensor
    before: Tensor

    @property
    def borders(self) -> Tensor:
        """[B, U] bool, places whose latent does not follow the one before it."""
        index = torch.arange(self.order.shape[1], device=self.order.device)
        return self.before != index - 1

    def arranged(self, x: Tensor) -> Tensor:
        """[B, U, *] in time to the layout; rows that come twice are the same twice."""
        return _gathered(x, self.order)

    def restored(self, x: Tensor) -> Tensor:
        """[B, U, *] in the layout to time."""
        return _gathered(x, self.place)

    def condition(self, condition: Condition) -> Condition:
        """What the network sees of each place."""
        silence = condition.silence
        if silence is not None:
            silence = replace(silence, spoken=self.arranged(silence.spoken))
        return replace(
            condition,
            frames=self.arranged(condition.frames),
            prior_mean=self.arranged(condition.prior_mean),
            silence=silence,
        )

    def infill(self, infill: Infill) -> Infill:
        """What is known, in the layout."""
        return replace(
            infill, latents=self.arranged(infill.latents), known=self.arranged(infill.known)
        )

    def preceding(self, latents: Tensor, empty: Tensor) -> Tensor:
        """The latent before that of each place in time [B, U, *], `empty` [B, 1, *] for none, of
        latents in the layout."""
        found = _gathered(latents, self.before.clamp_min(0))
        return torch.where(self.before.unsqueeze(-1) < 0, empty, found)


def moved(known: Tensor, inside: Tensor) -> Moved | None:
    """The layout for latents [B, U] bool that are known, where those `inside` are no padding; None
    where nothing known is behind what is not. To tell that a device is waited for."""
    layout = arrangement(known, inside)
    index = torch.arange(known.shape[1], device=known.device)
    return None if bool((layout.order == index).all()) else layout


def arrangement(known: Tensor, inside: Tensor) -> Moved:
    """As `moved`, also where all stay in their places, and without waiting."""
    count = known.shape[1]
    index = torch.arange(count, device=known.device)
    rank = index + count * (~known).long() + 2 * count * (~inside).long()
    order = rank.argsort(1)
    place = order.argsort(1)
    before = place.gather(1, (order - 1).clamp_min(0)).masked_fill(order == 0, -1)
    before = before.masked_fill(before >= index, -1)
    # Padding has no border.
    return Moved(order, place, torch.where(inside.gather(1, order), before, index - 1))


def _gathered(x: Tensor, index: Tensor) -> Tensor:
    index = index.repeat(len(x) // len(index), 1)
    return x.gather(1, index.view(*index.shape, *[1] * (x.ndim - 2)).expand(-1, -1, *x.shape[2:]))
