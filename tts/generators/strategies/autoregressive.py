"""Autoregression: one latent after another, each drawn given all before it, with a KV cache.

Codes are drawn in the order of a pattern (tts.generators.patterns); a continuous latent is one
step. Text is aligned by durations or by a pointer (tts.generators.alignment), so that no phone is
skipped or repeated and every run ends.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from tts.errors import ConfigError
from tts.generators.alignment import DurationAligned, PointerAligned, text_at_steps
from tts.generators.backbone import Backbone
from tts.generators.base import Infill, Losses, SamplingOptions
from tts.generators.conditioning import Condition
from tts.generators.grouped import GroupedBackbone
from tts.generators.integration import random_spans
from tts.generators.named_patterns import check_whole, make_pattern, pattern_options
from tts.generators.options import GuidanceOptions, SpeculativeOptions, names_of, reads
from tts.generators.patterns import Pattern
from tts.generators.pointer_content import PointerContent
from tts.generators.protocols import (
    AutoregressiveHead,
    CodeStepHead,
    Network,
    SamplingKeys,
    step_head,
)
from tts.generators.rearrangement import Rearrangement, needed_rearrangement, rearrangement
from tts.generators.speculative import can_be_guessed, drafted
from tts.generators.step_types import TeacherForced
from tts.generators.stepwise import StepwiseDecoding


class Autoregressive:
    """Strategy: next-step prediction, with a head of the contract StepHead or CodeStepHead
    (tts.generators.protocols).

    Column k of a step [B, S, K] is codebook k; it holds V in steps that do not draw it.

    Args:
        pattern: order of the codebooks: the name, or name and options, of make_pattern
            (tts.generators.named_patterns); it must be streamable. By default `depth` for a head
            that draws the codebooks of a step one after another, `parallel` for other heads of
            codes. Continuous latents have none.
        noise: of continuous latents, the largest standard deviation of noise on what is fed back in
            training; half of it times the temperature is added in sampling (Music2Latent's CAM:
            errors then do not accumulate). Of codes, the largest share that is changed in training
            (the head's `corrupt`).
        own: with pattern group_parallel, how many upper blocks of the backbone each group of
            codebooks has for itself (LiveSpeech; tts.generators.grouped); 0 for none.
        inpaint: share of training rows in which a part is known and the missing latents are moved
            to the end (SSR-Speech; tts.generators.rearrangement). Above 0 the model can fill a gap
            with a view of both of its sides.
        both_sides: share of these rows in which all but one span is known, as around the words of
            an edit; in the others only one span is known.

    Raises:
        ConfigError: options out of range, or that do not go together.
    """

    causal = True
    time_conditioned = False
    streamed = True
    supports_pointer = True
    network: Callable[..., Backbone] = Backbone
    merge = 1
    has_likelihood = True
    sampling: SamplingKeys = reads(GuidanceOptions)

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
        """Raise ConfigError if the parts of a generator do not go together."""
        head, pattern = step_head(net.head), self.order_of(net)
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

    def order_of(self, net: Network) -> Pattern | None:
        """The pattern; None for continuous latents."""
        head = step_head(net.head)
        if not isinstance(head, CodeStepHead):
            return None
        spec = self.pattern or {"name": "depth" if head.sequential else "parallel"}
        return make_pattern(codebooks=head.num_codebooks, **spec)

    def ignored_options(self, num_codebooks: int, pointer: bool) -> tuple[str, ...]:
        """Options of speculative decoding, if the pattern or a pointer rules it out.

        Args:
            num_codebooks: of the head; 0 for continuous latents.
            pointer: whether a pointer aligns the text, and not durations.
        """
        if not num_codebooks:
            return ()
        pattern = make_pattern(codebooks=num_codebooks, **(self.pattern or {"name": "parallel"}))
        guessed = not pointer and can_be_guessed(pattern)
        return () if guessed else names_of(SpeculativeOptions)

    def steps_before(self, latents: int, num_codebooks: int) -> int | None:
        """Evaluations of the network until the first `latents` latents are committed, including
        the steps by which the pattern delays codes.

        Args:
            num_codebooks: of the head; 0 for continuous latents.
        """
        if not self.streamed:
            return None
        if not num_codebooks:
            return latents
        pattern = make_pattern(codebooks=num_codebooks, **(self.pattern or {"name": "parallel"}))
        steps = latents
        while pattern.frontier(steps - 1) < latents:
            steps += 1
        return steps

    def losses(
        self, net: Network[AutoregressiveHead], latents: Tensor, condition: Condition
    ) -> Losses:
        """The losses of the head, given the true latents before, and that of the pointer."""
        layout = None
        given = random_spans(condition.mask, self.inpaint, self.both_sides)
        if given is not None:
            # Rows of which nothing is given keep their order; testing whether all do would wait
            # for the device.
            layout = rearrangement(given, condition.mask[..., 0] > 0)
        if layout is not None:
            latents, condition = layout.rearrange(latents), layout.condition(condition)
        forced = self.teacher_forced(net, latents, condition, layout)
        hidden, pattern = forced.hidden, forced.pattern
        found = net.head.step_losses(forced, condition)
        by_step = found.estimate
        if pattern is not None and by_step is not None:
            step = pattern.layout(latents.shape[1], latents.device).step
            codebook = torch.arange(step.shape[1], device=latents.device)
            found.estimate = lambda: by_step()[:, step, codebook]
        in_layout = found.estimate
        if layout is not None and in_layout is not None:
            back = layout.restore
            found.estimate = lambda: back(in_layout())
        if condition.text is not None:
            stride = pattern.stride if pattern else 1
            before_next = hidden[:, stride - 1 :: stride][:, : latents.shape[1]]
            content = net.conditioner.content
            assert isinstance(content, PointerContent)
            found.parts["pace"] = content.loss(condition.text, before_next, self.merge)
        return found

    def probability(
        self,
        net: Network[AutoregressiveHead],
        condition: Condition,
        known: Tensor,
        drawn: Tensor,
    ) -> Tensor:
        """Probabilities [B, U, K] of codes, each given all before it; see Rescoring."""
        clean = copy.copy(self)
        clean.noise = clean.inpaint = 0.0
        estimate = clean.losses(net, drawn, condition).estimate
        assert estimate is not None
        return estimate().gather(-1, drawn.unsqueeze(-1))[..., 0]

    def teacher_forced(
        self,
        net: Network[AutoregressiveHead],
        latents: Tensor,
        condition: Condition,
        layout: Rearrangement | None = None,
    ) -> TeacherForced:
        """The steps of a training batch and the hidden states that predict them; latents and
        condition are in the order of `layout`."""
        head = net.head
        inside = condition.mask > 0
        pattern = self._stepwise_pattern(net)
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
            # `fed` stays unchanged: a head that draws codebook after codebook reads it as what it
            # drew itself.
            x = head.embed(head.corrupt(fed, self.noise))
        else:
            level = self.noise * torch.rand(len(latents), 1, 1, device=latents.device)
            fed = head.with_noise(fed, level * torch.randn_like(fed))
            x = head.embed(fed)
        # Valid up to the last step that draws something in the row. Earlier steps that draw nothing
        # (a window of stacked codes that is not full) are seen in sampling too.
        drawn = known.any(-1, keepdim=True).int()
        mask = drawn.flip(1).cummax(1).values.flip(1).float()
        x = x + text_at_steps(condition, pattern)
        hidden = net.hidden(x, replace(condition, mask=mask))
        return TeacherForced(hidden, steps, known, fed, clean, pattern)

    def _stepwise_pattern(self, net: Network[AutoregressiveHead]) -> Pattern | None:
        """The part of the pattern that is drawn step by step; coarse_first draws the rest level by
        level."""
        pattern = self.order_of(net)
        return pattern and replace(pattern, levels=0)

    def run(
        self,
        net: Network[AutoregressiveHead],
        condition: Condition,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions,
        infill: Infill | None = None,
    ) -> Iterator[Tensor]:
        """Yield latents as soon as all their codes are drawn: one step at a time, or with
        `options.draft` and no infill several (tts.generators.speculative)."""
        head = net.head
        rows = len(rngs)
        if isinstance(head, CodeStepHead) and options.draft != "none" and infill is None:
            yield from drafted(net, condition, rngs, options)
            return
        if head.guides_itself:
            condition = replace(condition.rows(rows), silence=condition.silence)
        layout = None
        if infill is not None and self.inpaint:
            layout = needed_rearrangement(infill.known, condition.mask[:rows, :, 0] > 0)
        if layout is not None and infill is not None:
            condition, infill = layout.condition(condition), layout.infill(infill)
        pattern = self._stepwise_pattern(net)
        alignment: DurationAligned | PointerAligned
        if condition.text is None:
            alignment = DurationAligned(condition, pattern)
        else:
            alignment = PointerAligned(net, condition, pattern, rngs, options, self.merge)
        decoding = StepwiseDecoding(
            net, pattern, condition, rngs, options, alignment, infill, layout, self.noise / 2
        )
        if layout is None:
            yield from decoding.run()
        else:
            yield layout.restore(torch.cat(list(decoding.run()), 1))


def by_codebook(codes: Tensor, pattern: Pattern, empty: int) -> Tensor:
    """Codes [B, T, K] to steps [B, S, K], `empty` where a step does not draw a codebook."""
    batch, frames, num_codebooks = codes.shape
    steps = codes.new_full((batch, pattern.steps(frames), num_codebooks), empty)
    position = pattern.layout(frames, codes.device).step
    column = torch.arange(position.shape[1], device=codes.device)
    steps[:, position, column] = codes[..., : position.shape[1]]
    return steps
