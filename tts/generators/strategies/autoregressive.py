"""Autoregression: latent after latent, each drawn given all before it, with a static cache.

Codes follow a pattern (tts.generators.patterns); continuous latents are one step each. The text is
paced by durations or by a pointer (tts.generators.alignment), so nothing is skipped, repeated, or
goes on for ever.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tts.errors import ConfigError
from tts.generators.alignment import DurationAligned, PointerAligned, at_steps
from tts.generators.backbone import Backbone, KVCache
from tts.generators.base import Infill, Losses, SamplingOptions
from tts.generators.conditioning import Condition
from tts.generators.cuda_graph import StaticKVCache
from tts.generators.grouped import GroupedBackbone
from tts.generators.guidance import both
from tts.generators.integration import random_spans, row_normal
from tts.generators.moved import Moved, arrangement, moved
from tts.generators.named_patterns import check_whole, make_pattern, pattern_options
from tts.generators.patterns import Pattern
from tts.generators.pointer_content import PointerContent
from tts.generators.protocols import (
    DRAFT,
    CodeStepHead,
    Network,
    SamplingKeys,
    StepContext,
    StepHead,
    TeacherForced,
    step_head,
)
from tts.generators.speculative import can_be_guessed, drafted


class Autoregressive:
    """Strategy: next-step prediction.

    Its heads are those of the contracts StepHead and CodeStepHead (tts.generators.protocols).

    Codes enter and leave by codebook: column k of a step [B, S, K] is codebook k, not known where
    the step does not draw it.

    Args:
        pattern: of the codebooks: the name, or name and options, of make_pattern
            (tts.generators.named_patterns); it must be streamable. None takes `depth` for a head
            that draws codebooks one after another and `parallel` for others. Continuous
            latents have none.
        noise: in training, largest standard deviation of noise on the latents fed back, and in
            sampling half of that times the temperature (continuous latents; Music2Latent's CAM:
            errors then do not pile up).
            Of codes the largest share that is moved (the head's `corrupt`), in training only.
        own: of pattern group_parallel, upper blocks of the backbone that every group has for itself
            (LiveSpeech; tts.generators.grouped); 0 for none.
        inpaint: share of training rows in which some is known and what is not is moved to the end
            (SSR-Speech; tts.generators.moved); above 0 what is known beforehand may be on both
            sides of what is generated.
        both_sides: share of these rows in which all but a stretch is known, as around the words of
            an edit; in the others a stretch is.
    """

    causal = True
    timed = False
    streamed = True
    paced = True
    network: Callable[..., Backbone] = Backbone
    #: latents of a step
    merge = 1
    sampling: SamplingKeys = {"guidance": (), "uncond": (), "temperature": ()}

    def __init__(
        self,
        pattern: str | dict[str, Any] | None = None,
        noise: float = 0.0,
        own: int = 0,
        inpaint: float = 0.0,
        both_sides: float = 0.0,
    ):
        if not 0 <= inpaint <= 1 or not 0 <= both_sides <= 1:
            raise ConfigError("inpaint and both_sides are shares from 0 to 1")
        self.inpaint, self.both_sides = inpaint, both_sides
        self.pattern: dict[str, Any] | None = pattern_options(pattern) if pattern else None
        self.noise = noise
        #: groups of codebooks that have blocks for themselves
        self.groups = 1
        if own:
            spec = self.pattern or {}
            if spec.get("name") != "group_parallel" or "groups" not in spec:
                raise ConfigError("own is of pattern group_parallel, whose groups are given")
            # Whether they are too many the head tells.
            check_whole("pattern group_parallel: groups", spec["groups"])
            self.groups = spec["groups"]
            self.network = partial(GroupedBackbone, groups=self.groups, own=own)

    def check(self, net: Network) -> None:
        """ConfigError where the parts of a generator do not fit."""
        head, pattern = step_head(net.head), self.order(net)
        if self.inpaint:
            if net.conditioner.text == "pointer":
                raise ConfigError("inpaint needs durations: a pointer cannot skip what is known")
            if pattern is not None and (pattern.stride > 1 or len(pattern.order) > 1):
                raise ConfigError(f"inpaint needs one latent a step, not pattern {pattern.name}")
        if pattern is None or not isinstance(head, CodeStepHead):
            if self.pattern:
                raise ConfigError("a pattern is of codes: this head draws continuous latents")
            return
        if pattern.sequential != head.sequential:
            raise ConfigError(f"pattern {pattern.name} and this head do not go together")
        if self.groups > 1 and net.conditioner.text == "pointer":
            raise ConfigError("a pointer needs one hidden state of a latent: own: 0")
        if pattern.levels and self.streamed:
            raise ConfigError(f"pattern {pattern.name} needs strategy coarse_first")
        if net.conditioner.text == "pointer" and len(pattern.order) > 1:
            raise ConfigError(f"pattern {pattern.name} does not go from left to right: no pointer")

    def order(self, net: Network) -> Pattern | None:
        """The pattern; None for continuous latents."""
        head = step_head(net.head)
        if not isinstance(head, CodeStepHead):
            return None
        spec = self.pattern or {"name": "depth" if head.sequential else "parallel"}
        return make_pattern(codebooks=head.num_codebooks, **spec)

    def unread(self, codebooks: int, pointer: bool) -> tuple[str, ...]:
        """Options of a head of so many codebooks (0: continuous) that cannot be followed.

        Args:
            pointer: the text is said by a pointer, not by durations.
        """
        if not codebooks:
            return ()
        pattern = make_pattern(codebooks=codebooks, **(self.pattern or {"name": "parallel"}))
        return DRAFT if pointer or not can_be_guessed(pattern) else ()

    def steps_before(self, latents: int, num_codebooks: int) -> int | None:
        """Evaluations of the network until the first `latents` latents are committed, of a head of
        so many codebooks (0: continuous). The steps by which the pattern delays codes come on
        top."""
        if not self.streamed:
            return None
        if not num_codebooks:
            return latents
        pattern = make_pattern(codebooks=num_codebooks, **(self.pattern or {"name": "parallel"}))
        steps = latents
        while pattern.frontier(steps - 1) < latents:
            steps += 1
        return steps

    def losses(self, net: Network, latents: Tensor, condition: Condition) -> Losses:
        """Those of the head, given the true latents before, and of the pointer."""
        layout = None
        given = random_spans(condition.mask, self.inpaint, self.both_sides)
        if given is not None:
            # Rows of which nothing is given stay as they are; whether all do is not asked.
            layout = arrangement(given, condition.mask[..., 0] > 0)
        if layout is not None:
            latents, condition = layout.arranged(latents), layout.condition(condition)
        taught = self.teach(net, latents, condition, layout)
        hidden, pattern = taught.hidden, taught.pattern
        found = step_head(net.head).step_losses(taught, condition)
        by_step = found.estimate
        if pattern is not None and by_step is not None:
            step = pattern.layout(latents.shape[1], latents.device).step
            codebook = torch.arange(step.shape[1], device=latents.device)
            found.estimate = lambda: by_step()[:, step, codebook]
        in_layout = found.estimate
        if layout is not None and in_layout is not None:
            back = layout.restored
            found.estimate = lambda: back(in_layout())
        if condition.text is not None:
            stride = pattern.stride if pattern else 1
            before_next = hidden[:, stride - 1 :: stride][:, : latents.shape[1]]
            content = net.conditioner.content
            assert isinstance(content, PointerContent)
            found.parts["pace"] = content.loss(condition.text, before_next, self.merge)
        return found

    def probability(
        self, net: Network, condition: Condition, known: Tensor, drawn: Tensor
    ) -> Tensor:
        """Probabilities [B, U, K] of codes, each given all before it, known or drawn."""
        clean = copy.copy(self)
        clean.noise = clean.inpaint = 0.0
        estimate = clean.losses(net, drawn, condition).estimate
        assert estimate is not None
        return estimate().gather(-1, drawn.unsqueeze(-1))[..., 0]

    def teach(
        self, net: Network, latents: Tensor, condition: Condition, layout: Moved | None = None
    ) -> TeacherForced:
        """The steps of a batch with the network's states before them. Latents and condition are
        those of the layout."""
        head = step_head(net.head)
        inside = condition.mask > 0
        pattern = self._streamed(net)
        steps, known = latents, inside
        if pattern is not None and isinstance(head, CodeStepHead):
            steps = by_codebook(
                latents.masked_fill(~inside, head.codebook_size), pattern, head.codebook_size
            )
            known = steps != head.codebook_size
        fed = torch.cat([head.empty(len(latents), 1), steps[:, :-1]], 1)
        if layout is not None:
            before = layout.preceding(latents, head.empty(len(latents), 1))
            borders = (layout.borders.unsqueeze(-1) & inside).expand_as(latents)
            if pattern is not None and isinstance(head, CodeStepHead):
                before = by_codebook(before, pattern, head.codebook_size)
                borders = by_codebook(borders.long(), pattern, 0) > 0
            fed = torch.where(borders, before, fed)
        clean = fed
        if not self.noise:
            x = head.embed(fed)
        elif isinstance(head, CodeStepHead):
            # A head that draws codebook after codebook reads `fed` as what it drew itself: left
            # alone.
            x = head.embed(head.corrupt(fed, self.noise))
        else:
            level = self.noise * torch.rand(len(latents), 1, 1, device=latents.device)
            fed = head.shaken(fed, level * torch.randn_like(fed))
            x = head.embed(fed)
        # Up to the last step in which something of a row is drawn: those before in which nothing
        # is, as in a window of stacked codes that is not full, are seen when sampling too.
        drawn = known.any(-1, keepdim=True).int()
        mask = drawn.flip(1).cummax(1).values.flip(1).float()
        x = x + at_steps(condition, pattern)
        hidden = net.hidden(x, replace(condition, mask=mask))
        return TeacherForced(hidden, steps, known, fed, clean, pattern)

    def _streamed(self, net: Network) -> Pattern | None:
        """The part of the pattern that is drawn step by step."""
        pattern = self.order(net)
        return pattern and replace(pattern, levels=0)

    def run(
        self,
        net: Network,
        condition: Condition,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions,
        infill: Infill | None = None,
    ) -> Iterator[Tensor]:
        """One step at a time; latents are yielded when all their codes are there. With a draft
        (`options.draft`) several; what is given by `infill` is no matter of guesses."""
        head = step_head(net.head)
        rows = len(rngs)
        if isinstance(head, CodeStepHead) and options.draft != "none" and infill is None:
            yield from drafted(net, condition, rngs, options)
            return
        if head.guides_itself:
            condition = replace(condition.rows(rows), silence=condition.silence)
        layout = None
        if infill is not None and self.inpaint:
            layout = moved(infill.known, condition.mask[:rows, :, 0] > 0)
        if layout is not None and infill is not None:
            condition, infill = layout.condition(condition), layout.infill(infill)
        pattern = self._streamed(net)
        pace: DurationAligned | PointerAligned
        if condition.text is None:
            pace = DurationAligned(condition, pattern)
        else:
            pace = PointerAligned(net, condition, pattern, rngs, options, self.merge)
        empty = head.empty(rows, 1)
        latents = empty.new_zeros(rows, pace.count, *empty.shape[2:])
        if isinstance(head, CodeStepHead):
            latents = latents.fill_(head.codebook_size)
        if infill is not None:
            short = pace.count - infill.latents.shape[1]
            infill = replace(
                infill,
                latents=F.pad(infill.latents, (0, 0, 0, short)),
                known=F.pad(infill.known, (0, short)),
            )
        total = pattern.steps(pace.count) if pattern else pace.count
        cache = net.backbone.steps(condition.memory, condition.memory_mask, total)
        try:
            walk = self._walk(net, condition, rngs, options, infill, pace, latents, cache, layout)
            if layout is None:
                yield from walk
            else:
                yield layout.restored(torch.cat(list(walk), 1))
        finally:
            net.backbone.done(cache)

    def _walk(
        self,
        net: Network,
        condition: Condition,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions,
        infill: Infill | None,
        pace: DurationAligned | PointerAligned,
        latents: Tensor,
        cache: KVCache | StaticKVCache,
        layout: Moved | None = None,
    ) -> Iterator[Tensor]:
        head = step_head(net.head)
        rows, pattern = len(rngs), self._streamed(net)
        before = head.empty(rows, 1)
        done = step = 0
        hidden: Tensor | None = None
        while True:
            text = pace.text(step, hidden)
            if step >= (pattern.steps(pace.count) if pattern else pace.count):
                return
            if layout is not None:
                before = self._over_borders(before, latents, layout, head, pattern, step)
            fed = before
            if self.noise and not isinstance(head, CodeStepHead):
                level = self.noise / 2 * options.temperature
                fed = head.shaken(before, level * row_normal(before, rngs))
            hidden = net.hidden(both(head.embed(fed), condition) + text, condition, cache=cache)
            given = StepContext(condition, options, rngs, fed, latents, step)
            if pattern is None or not isinstance(head, CodeStepHead):
                before = head.draw(hidden, given)
                if infill is not None:
                    known = infill.known[:, step, None, None]
                    before = torch.where(known, infill.latents[:, step, None], before)
                latents[:, step : step + 1] = before
                frontier = step + 1
            else:
                at = pattern.frame(max(0, step - pattern.offsets[0]) // pattern.stride)
                some = [
                    codebook
                    for codebook, offset in enumerate(pattern.offsets)
                    if (step - offset) % pattern.stride == 0
                ]
                codebooks = None if len(some) == head.num_codebooks else some
                past = partial(pattern.drawn, step)
                drawn = head.draw(hidden, given._replace(at=at, codebooks=codebooks, drawn=past))
                before = torch.full_like(latents[:, :1], head.codebook_size)
                pairs = pattern.emits(step, pace.count)
                if pairs:
                    times, columns = (list(x) for x in zip(*pairs, strict=True))
                    code = drawn[:, 0, [some.index(codebook) for codebook in columns]]
                    if infill is not None:
                        known = infill.known[:, times]
                        code = torch.where(known, infill.latents[:, times, columns], code)
                    ended = torch.tensor(times, device=code.device) >= pace.lengths[:rows, None]
                    code = code.masked_fill(ended, head.codebook_size)
                    latents[:, times, columns] = code
                    before[:, 0, columns] = code
                frontier = pattern.frontier(step, pace.count)
            if frontier > done:
                ready = latents[:, done:frontier]
                if isinstance(head, CodeStepHead):
                    ready = ready.masked_fill(ready == head.codebook_size, 0)
                yield ready.clone()
                done = frontier
            step += 1

    def _over_borders(
        self,
        before: Tensor,
        latents: Tensor,
        layout: Moved,
        head: StepHead | CodeStepHead,
        pattern: Pattern | None,
        step: int,
    ) -> Tensor:
        """What a step is fed, [B, 1, *]: where a stretch begins, the latent before it in time."""
        borders = layout.borders
        here = layout.preceding(latents, head.empty(len(latents), 1))
        if pattern is None:
            return torch.where(borders[:, step, None, None], here[:, step : step + 1], before)
        found = before.clone()
        for at, codebook in pattern.emits(step, latents.shape[1]):
            found[:, 0, codebook] = torch.where(
                borders[:, at], here[:, at, codebook], before[:, 0, codebook]
            )
        return found


def by_codebook(codes: Tensor, pattern: Pattern, empty: int) -> Tensor:
    """Codes [B, T, K] to steps [B, S, K], `empty` where a step does not draw a codebook."""
    batch, frames, num_codebooks = codes.shape
    steps = codes.new_full((batch, pattern.steps(frames), num_codebooks), empty)
    position = pattern.layout(frames, codes.device).step
    column = torch.arange(position.shape[1], device=codes.device)
    steps[:, position, column] = codes[..., : position.shape[1]]
    return steps
