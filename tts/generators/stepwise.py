"""Step-by-step decoding: the loop in which an autoregressive generator draws its latents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from tts.generators.alignment import DurationAligned, PointerAligned
from tts.generators.backbone import KVCache
from tts.generators.base import Infill, SamplingOptions
from tts.generators.conditioning import Condition
from tts.generators.cuda_graph import StaticKVCache
from tts.generators.guidance import both
from tts.generators.integration import row_normal
from tts.generators.patterns import Pattern
from tts.generators.protocols import CodeStepHead, Network, step_head
from tts.generators.rearrangement import Rearrangement
from tts.generators.soft_codes import SoftCodes, soft_codes
from tts.generators.step_types import StepContext


class StepwiseDecoding:
    """One run of an autoregressive generator over B rows.

    Args:
        net: the generator; its head is one of those of autoregression.
        pattern: the order in which codes are drawn; None for continuous latents.
        condition, rngs, options: as of Strategy.run.
        alignment: gives every step its text, and tells when the run ends.
        infill: known latents, which replace what is drawn there.
        layout: the order of time, if missing spans are generated last; condition and infill are
            then in its order, and so are the latents that come out.
        noise: standard deviation, at temperature 1, of noise on continuous latents that are fed
            back.
    """

    def __init__(
        self,
        net: Network,
        pattern: Pattern | None,
        condition: Condition,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions,
        alignment: DurationAligned | PointerAligned,
        infill: Infill | None = None,
        layout: Rearrangement | None = None,
        noise: float = 0.0,
    ):
        self.net, self.head, self.pattern = net, step_head(net.head), pattern
        self.condition, self.rngs, self.options = condition, rngs, options
        self.alignment, self.layout, self.noise = alignment, layout, noise
        self.infill = None if infill is None else _padded(infill, alignment.count)
        self.empty = self.head.empty(len(rngs), 1)
        #: [B, U, *] all latents drawn so far; codes not drawn yet are V
        self.latents = self.empty.new_zeros(len(rngs), alignment.count, *self.empty.shape[2:])
        #: what is yielded in place of codes with soft decoding
        self.soft: SoftCodes | None = None
        if isinstance(self.head, CodeStepHead):
            self.latents = self.latents.fill_(self.head.codebook_size)
            given = self.latents if self.infill is None else self.infill.put_into(self.latents)
            self.soft = soft_codes(condition.code_values, options, given)

    @property
    def steps(self) -> int:
        """How many steps the run takes; with a pointer an upper bound until it has ended."""
        count = self.alignment.count
        return self.pattern.steps(count) if self.pattern else count

    def run(self) -> Iterator[Tensor]:
        """Yield latents [B, u, *] from left to right as they are complete."""
        backbone, condition = self.net.backbone, self.condition
        cache = backbone.steps(condition.memory, condition.memory_mask, self.steps)
        try:
            yield from self._run(cache)
        finally:
            backbone.done(cache)

    def _run(self, cache: KVCache | StaticKVCache) -> Iterator[Tensor]:
        head, condition = self.head, self.condition
        before, hidden = self.empty, None
        complete = step = 0
        while True:
            text = self.alignment.text(step, hidden)
            if step >= self.steps:
                return
            fed = self._fed(before, step)
            hidden = self.net.hidden(
                both(head.embed(fed), condition) + text, condition, cache=cache
            )
            context = StepContext(condition, self.options, self.rngs, fed, self.latents, step)
            if self.pattern is None:
                before, frontier = self._draw_latent(hidden, context), step + 1
            else:
                before = self._draw_codes(hidden, context, self.pattern)
                frontier = self.pattern.frontier(step, self.alignment.count)
            if frontier > complete:
                yield self._ready(complete, frontier)
                complete = frontier
            step += 1

    def _ready(self, begin: int, end: int) -> Tensor:
        """The latents from `begin` to `end`, which are complete, as the codec decodes them."""
        if self.soft is not None:
            return self.soft.latents(begin, end)
        ready = self.latents[:, begin:end]
        if isinstance(self.head, CodeStepHead):
            ready = ready.masked_fill(ready == self.head.codebook_size, 0)
        return ready.clone()

    def _fed(self, before: Tensor, step: int) -> Tensor:
        """What a step is fed, [B, 1, *]: the step before, or at a border of the layout the latent
        that precedes in time; continuous latents with noise."""
        if self.layout is not None:
            before = self._over_borders(before, self.layout, step)
        if self.noise and not isinstance(self.head, CodeStepHead):
            level = self.noise * self.options.temperature
            before = self.head.with_noise(before, level * row_normal(before, self.rngs))
        return before

    def _over_borders(self, before: Tensor, layout: Rearrangement, step: int) -> Tensor:
        borders = layout.borders
        preceding = layout.preceding(self.latents, self.head.empty(len(self.latents), 1))
        if self.pattern is None:
            here = preceding[:, step : step + 1]
            return torch.where(borders[:, step, None, None], here, before)
        fed = before.clone()
        for at, codebook in self.pattern.emits(step, self.latents.shape[1]):
            fed[:, 0, codebook] = torch.where(
                borders[:, at], preceding[:, at, codebook], before[:, 0, codebook]
            )
        return fed

    def _draw_latent(self, hidden: Tensor, context: StepContext) -> Tensor:
        """Draw the continuous latent of a step, [B, 1, D], and note it."""
        step = context.at
        drawn = self.head.draw(hidden, context)
        if self.infill is not None:
            known = self.infill.known[:, step, None, None]
            drawn = torch.where(known, self.infill.latents[:, step, None], drawn)
        self.latents[:, step : step + 1] = drawn
        return drawn

    def _draw_codes(self, hidden: Tensor, context: StepContext, pattern: Pattern) -> Tensor:
        """Draw the codes of a step and note them; the step [B, 1, K], V where it draws nothing."""
        head, step = self.head, context.at
        assert isinstance(head, CodeStepHead)
        due = [
            codebook
            for codebook, offset in enumerate(pattern.offsets)
            if (step - offset) % pattern.stride == 0
        ]
        likely: dict[int, Tensor] = {}
        drawn = head.draw(
            hidden,
            context._replace(
                at=pattern.frame(max(0, step - pattern.offsets[0]) // pattern.stride),
                codebooks=None if len(due) == head.num_codebooks else due,
                drawn=partial(pattern.drawn, step),
                observe=None
                if self.soft is None
                else lambda books, of: likely.update(zip(books, of.unbind(-2), strict=True)),
            ),
        )
        out = torch.full_like(self.latents[:, :1], head.codebook_size)
        # At both ends of a run some of the codebooks have no latent in this step.
        pairs = pattern.emits(step, self.alignment.count)
        if not pairs:
            return out
        times, columns = (list(x) for x in zip(*pairs, strict=True))
        codes = drawn[:, 0, [due.index(codebook) for codebook in columns]]
        if self.infill is not None:
            known = self.infill.known[:, times]
            codes = torch.where(known, self.infill.latents[:, times, columns], codes)
        lengths = self.alignment.lengths[: len(self.rngs), None]
        codes = codes.masked_fill(
            torch.tensor(times, device=codes.device) >= lengths, head.codebook_size
        )
        self.latents[:, times, columns] = codes
        if self.soft is not None:
            of = torch.stack([likely[codebook][:, 0] for codebook in columns], 1)
            self.soft.commit_step(times, columns, of)
        out[:, 0, columns] = codes
        return out


def _padded(infill: Infill, count: int) -> Infill:
    """Known latents up to `count`, of which those that are added are not known."""
    short = count - infill.latents.shape[1]
    return replace(
        infill,
        latents=F.pad(infill.latents, (0, 0, 0, short)),
        known=F.pad(infill.known, (0, short)),
    )
