"""Arguments of autoregressive heads: a training batch of all steps, and the context of one draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tts.generators.base import SamplingOptions
from tts.generators.conditioning import Condition
from tts.generators.patterns import Pattern

#: function of (codebook, least count) to the indices of latents whose code of that codebook was
#: drawn, in the order of drawing (tts.generators.patterns.Pattern.drawn)
Drawn = Callable[[int, int], list[int]]
#: function of codebooks and log-probabilities [B, 1, k, V] of their codes
Observer = Callable[[Sequence[int], Tensor], None]


class TeacherForced(NamedTuple):
    """All steps of a training batch, each predicted from the true steps before it.

    Attributes:
        hidden: [B, S, dim] the state from which each step is predicted.
        steps: [B, S, *] true steps.
        known: [B, S, K] bool, codes that a step draws, or [B, S, 1], latents that are not padding.
        fed: [B, S, *] network input, the step before each; clean: the same without added noise.
        pattern: of codes, the part of the pattern that is drawn step by step.
    """

    hidden: Tensor
    steps: Tensor
    known: Tensor
    fed: Tensor
    clean: Tensor
    pattern: Pattern | None = None


class StepContext(NamedTuple):
    """What `draw` of a head gets beside the hidden state.

    Attributes:
        condition, options, rngs: of the run, see Strategy.run.
        before: [B, 1, *] network input of the step, the step before it.
        latents: [B, U, *] all latents drawn so far; codes not drawn yet are V.
        at: index of the latent that the step begins.
        codebooks: of codes, the codebooks that the step draws; None for all.
        drawn: for which latents a codebook has been drawn already; None for those before `at`.
        observe: called with codebooks and the log-probabilities [B, 1, k, V] from which their codes
            are drawn, before the draw; None if nobody asks for them.
    """

    condition: Condition
    options: SamplingOptions
    rngs: Sequence[torch.Generator]
    before: Tensor
    latents: Tensor
    at: int
    codebooks: Sequence[int] | None = None
    drawn: Drawn | None = None
    observe: Observer | None = None

    @property
    def rows(self) -> int:
        """B, without the unconditional rows of guidance."""
        return len(self.before)

    @property
    def latent(self) -> slice:
        """The index of the latent as a slice of U, which keeps the dimension."""
        return slice(self.at, self.at + 1)
