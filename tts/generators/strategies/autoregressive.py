"""Autoregression: unit after unit, each drawn given all before it, with a static cache.

Codes follow a pattern (tts.generators.patterns); continuous units are one step each. The text is
given by durations, so nothing is skipped, repeated, or goes on for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from tts.generators.base import Canvas, Losses, SamplingOptions
from tts.generators.conditioning import Condition
from tts.generators.patterns import Layout, Pattern, make_pattern
from tts.generators.strategies.flow import both

if TYPE_CHECKING:
    from tts.generators.generator import Generator


class Autoregressive:
    """Strategy: next-step prediction.

    A head for it has `embed(steps) -> [B, S, dim]`; `empty(batch, steps)`, what stands before the
    first step; `step_losses(hidden, steps, known, before, condition)`, `known` [B, S, K] bool or of
    continuous units [B, S, 1]; `draw(hidden, rows, rngs, options, before, units, condition, step)
    -> [B, 1, *]` (see tts.generators.heads). With `guides_itself` it needs no unconditional rows.

    Args:
        pattern: of the codebooks: name and options of tts.generators.patterns.make_pattern; it
            must be streamable. Continuous units have none.
        noise: largest standard deviation of noise on the units fed back in training, and half of
            that in sampling (continuous units; Music2Latent's CAM: errors then do not pile up).
    """

    causal = True
    timed = False
    streamed = True

    def __init__(self, pattern: dict[str, Any] | None = None, noise: float = 0.0):
        self.pattern, self.noise = dict(pattern or {"name": "parallel"}), noise

    def _pattern(self, head: nn.Module) -> Pattern | None:
        books = getattr(head, "books", 0)
        return make_pattern(codebooks=books, **self.pattern) if books else None

    def losses(self, net: Generator, units: Tensor, condition: Condition) -> Losses:
        """Those of the head, given the true units before."""
        head: Any = net.head
        lengths = condition.lengths
        inside = condition.mask > 0
        pattern = self._pattern(head)
        if pattern is None:
            steps, known, place = units, inside, None
        else:
            layout = pattern.layout(units.shape[1]).to(units.device)
            steps = pattern.to_steps(units.masked_fill(~inside, head.entries), head.entries)
            known = steps != head.entries
            place = leads(layout)
        before = torch.cat([head.empty(len(units), 1), steps[:, :-1]], 1)
        fed = before
        if pattern is None and self.noise:
            level = self.noise * torch.rand(len(units), 1, 1, device=units.device)
            fed = before + level * torch.randn_like(before)
        context = at_steps(condition, place, lengths)
        mask = known.any(-1, keepdim=True).float()
        hidden = net.hidden(head.embed(fed) + context, replace(condition, mask=mask))
        return head.step_losses(hidden, steps, known, fed, condition)

    def run(
        self,
        net: Generator,
        condition: Condition,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions,
        canvas: Canvas | None = None,
    ) -> Iterator[Tensor]:
        """One step at a time; units are yielded when all their codes are there."""
        head: Any = net.head
        rows = len(rngs)
        if getattr(head, "guides_itself", False):
            condition = condition.rows(rows)
        lengths = condition.lengths
        count = condition.mask.shape[1]
        pattern = self._pattern(head)
        total = pattern.steps(count) if pattern else count
        place = leads(pattern.layout(count)) if pattern else None
        context = at_steps(condition, place, lengths)
        cache = net.backbone.start(condition.memory, condition.memory_mask, total)
        before = head.empty(rows, 1)
        units = before.new_zeros(rows, count, *before.shape[2:])
        if pattern is not None:
            units = units.fill_(head.entries)
        done = 0
        for step in range(total):
            fed = before
            if pattern is None and self.noise:
                fed = before + self.noise / 2 * options.temperature * row_normal(before, rngs)
            x = both(head.embed(fed), condition) + context[:, step : step + 1]
            hidden = net.hidden(x, condition, cache=cache)
            drawn = head.draw(hidden, rows, rngs, options, fed, units, condition, step)
            if pattern is None:
                units[:, step : step + 1] = drawn
                if canvas is not None:
                    given = canvas.committed[:, step, None]
                    units[:, step] = torch.where(given, canvas.units[:, step], units[:, step])
                before = units[:, step : step + 1]
                frontier = step + 1
            else:
                before = torch.full_like(drawn, head.entries)
                for t, book in pattern.emits(step, count):
                    slot = pattern.slots[book]
                    code = drawn[:, 0, slot]
                    if canvas is not None:
                        given = canvas.committed[:, t]
                        code = torch.where(given, canvas.units[:, t, book], code)
                    code = code.masked_fill(t >= lengths[:rows], head.entries)
                    units[:, t, book] = code
                    before[:, 0, slot] = code
                frontier = pattern.frontier(step, count)
            if frontier > done:
                ready = units[:, done:frontier]
                if pattern is not None:
                    ready = ready.masked_fill(ready == head.entries, 0)
                yield ready.clone()
                done = frontier


def leads(layout: Layout) -> Tensor:
    """[S] the frame whose text a step is given: that of its lowest codebook, of steps that only
    finish earlier frames the last one."""
    book = layout.book.masked_fill(layout.book < 0, layout.book.max() + 1)
    lowest = book.argmin(1)
    time = layout.time.gather(1, lowest[:, None])[:, 0]
    begins = book.gather(1, lowest[:, None])[:, 0] == 0
    return torch.where(begins, time, layout.time.max())


def at_steps(condition: Condition, place: Tensor | None, lengths: Tensor) -> Tensor:
    """What a step sees of the text, [B, S, dim]."""
    if place is None:
        return condition.frames
    index = torch.minimum(place.to(lengths.device).expand(len(lengths), -1), lengths[:, None] - 1)
    return condition.frames.gather(1, index[..., None].expand(-1, -1, condition.frames.shape[-1]))


def row_normal(like: Tensor, rngs: Sequence[torch.Generator]) -> Tensor:
    """Standard normal noise of the shape [B, ...] of `like`, each row from its own generator."""
    drawn = [torch.randn(like.shape[1:], generator=rng) for rng in rngs]
    return torch.stack(drawn).to(like)
