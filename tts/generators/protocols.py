"""Contracts of the parts of a generator, its heads and strategies; that of its latents is
tts.generators.latent_space.LatentSpace.

A generator is a conditioner, a backbone, a head and a strategy (tts.generators.generator). A
strategy says by `head` which of the head contracts here it drives:

    LatentHead     Flow, Diffusion: the whole sequence of latents, by integration
    MaskedHead     Masked, SoundStorm, SpanAR: codes, drawn independently of each other
    StepHead       Autoregressive: one latent at a time; of codes it is a CodeStepHead

They are checked when a generator is built, so that parts that do not fit are a ConfigError then and
not a failure inside of a request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from tts.errors import ConfigError
from tts.generators.backbone import Backbone, KVCache
from tts.generators.base import Infill, Losses, SamplingOptions
from tts.generators.conditioner import Conditioner
from tts.generators.conditioning import Condition
from tts.generators.cuda_graph import StaticKVCache
from tts.generators.patterns import Pattern

#: options of tts.generators.base.SamplingOptions that a part reads; the values it knows, where it
#: does not know all of them
SamplingKeys = Mapping[str, tuple[str, ...]]
#: those of its relaxed acceptance, which codes of an FSQ have
RELAXED = ("relaxed", "relaxed_neighbours")
#: those of speculative decoding
DRAFT = ("draft", "draft_steps", "draft_codebooks", *RELAXED)
#: (codebook, how many at least) to the latents that it has been drawn of, in that order
#: (tts.generators.patterns.Pattern.drawn)
Drawn = Callable[[int, int], list[int]]


@runtime_checkable
class Head(Protocol):
    """How one latent enters the network and is drawn from what leaves it; an `nn.Module`.

    Attributes:
        posterior: latents are distributions, mean and logarithm of the variance side by side
            (tts.generators.latent_space.VAESpace).
        sampling: options of the sampler that `draw` of a StepHead reads.
    """

    posterior: bool
    sampling: SamplingKeys

    def embed(self, latents: Tensor) -> Tensor:
        """Latents [B, U, *] to [B, U, dim]."""
        ...


@runtime_checkable
class LatentHead(Protocol):
    """Head of strategies that draw the whole sequence of continuous latents by integration.

    Attributes:
        posterior, sampling: see Head.
        size: D of a latent.
        channel_weight: [D] weight of each dimension in losses.
    """

    posterior: bool
    sampling: SamplingKeys
    size: int
    channel_weight: Tensor

    def embed(self, latents: Tensor, known: Tensor | None = None) -> Tensor:
        """[B, U, D] to [B, U, dim]; `known` [B, U] bool marks clean latents among noisy ones."""
        ...

    def predict(self, hidden: Tensor) -> Tensor:
        """[B, U, dim] to what the network says of the latents, [B, U, D]."""
        ...

    def mean(self, condition: Condition) -> Tensor:
        """The regressed estimate of the latents, [B, U, D]; zero where there is none."""
        ...


@runtime_checkable
class CodeHead(Protocol):
    """What heads of codes share.

    Attributes:
        posterior, sampling: see Head.
        num_codebooks: K; codebook_size: V of each; code V stands for one that is not known.
        sequential: the codebooks of a latent are drawn one after another.
    """

    posterior: bool
    sampling: SamplingKeys
    num_codebooks: int
    codebook_size: int
    sequential: bool

    def embed(self, codes: Tensor) -> Tensor:
        """Codes [B, U, K] int64, V where not known, to [B, U, dim]."""
        ...

    def loss(self, hidden: Tensor, codes: Tensor, known: Tensor) -> Tensor:
        """Mean cross entropy of codes [B, U, K] where `known` [B, U, K] bool, a scalar."""
        ...


@runtime_checkable
class MaskedHead(CodeHead, Protocol):
    """Head of strategies that draw many codes at once, each given those known."""

    def __call__(self, hidden: Tensor) -> Tensor:
        """Hidden [B, U, dim] to logits [B, U, K, V]."""
        ...

    @property
    def has_digits(self) -> bool:
        """Whether entries are numbers of digits, which have means."""
        ...

    def expected(self, log_probabilities: Tensor) -> Tensor:
        """The codes [...] nearest to the means of [..., V]; ConfigError where codes are names."""
        ...


class TeacherForced(NamedTuple):
    """The steps of a training batch, all at once, each after the true ones before it.

    Attributes:
        hidden: [B, S, dim] from which each step is drawn.
        steps: [B, S, *] true steps.
        known: [B, S, K] bool codes that a step has, or [B, S, 1] latents inside of the row.
        fed: [B, S, *] what was fed, the steps before them; clean: these without the noise that was
            fed with them.
        pattern: of codes, the part of it that is drawn step by step.
    """

    hidden: Tensor
    steps: Tensor
    known: Tensor
    fed: Tensor
    clean: Tensor
    pattern: Pattern | None = None


class StepContext(NamedTuple):
    """What a step is drawn by, beside the state of the network.

    Attributes:
        condition, options, rngs: of the request; a generator of random numbers for each row.
        before: [B, 1, *] what was fed, the step before.
        latents: [B, U, *] all so far, of codes V where not drawn yet.
        at: number of the latent that is begun or gone on with.
        codebooks: of codes, those that the step draws; None for all.
        drawn: which latents a codebook has been drawn of; None for those before `at`.
    """

    condition: Condition
    options: SamplingOptions
    rngs: Sequence[torch.Generator]
    before: Tensor
    latents: Tensor
    at: int
    codebooks: Sequence[int] | None = None
    drawn: Drawn | None = None

    @property
    def rows(self) -> int:
        """B, without the rows that guidance pushes from."""
        return len(self.before)

    @property
    def latent(self) -> slice:
        """Where the latent is in sequences of them."""
        return slice(self.at, self.at + 1)


@runtime_checkable
class StepHead(Protocol):
    """Head of strategies that draw one latent after another.

    Attributes:
        posterior, sampling: see Head.
        guides_itself: guidance needs no unconditional rows of the backbone.
    """

    posterior: bool
    sampling: SamplingKeys
    guides_itself: bool

    def embed(self, latents: Tensor) -> Tensor:
        """Steps [B, S, *] to [B, S, dim]."""
        ...

    def shaken(self, latents: Tensor, noise: Tensor) -> Tensor:
        """Latents [B, S, *] with noise of their shape on what is fed back."""
        ...

    def empty(self, batch: int, steps: int) -> Tensor:
        """What stands before the first step, [B, S, *]."""
        ...

    def step_losses(self, taught: TeacherForced, condition: Condition) -> Losses:
        """Losses of the next steps."""
        ...

    def draw(self, hidden: Tensor, given: StepContext) -> Tensor:
        """The next latent [B, 1, *] from hidden [B, 1, dim], or [2 B, 1, dim] with the rows that
        guidance pushes from."""
        ...


@runtime_checkable
class CodeStepHead(CodeHead, Protocol):
    """StepHead of codes: a step draws some of the codebooks, as a pattern says."""

    guides_itself: bool

    def empty(self, batch: int, steps: int) -> Tensor:
        """What stands before the first step, [B, S, *]. Codes not known, [B, S, K]."""
        ...

    def corrupt(self, codes: Tensor, share: float) -> Tensor:
        """Codes [B, S, K] of which up to `share` in each row are others."""
        ...

    def step_losses(self, taught: TeacherForced, condition: Condition) -> Losses:
        """Losses of the next steps."""
        ...

    def draw(self, hidden: Tensor, given: StepContext) -> Tensor:
        """The next latent [B, 1, *]. The codes [B, 1, K], or [B, 1, len(codebooks)] of some
        codebooks."""
        ...


def latent_head(head: nn.Module) -> LatentHead:
    """The head as one that flow and diffusion drive; ConfigError where it is none."""
    if not isinstance(head, LatentHead):
        raise ConfigError(f"flow and diffusion need head linear, not {type(head).__name__}")
    return head


def masked_head(head: nn.Module) -> MaskedHead:
    """The head as one of masked generation; ConfigError where it is none."""
    if not isinstance(head, MaskedHead) or head.sequential:
        raise ConfigError("masked generation draws codes independently: a categorical head")
    return head


def step_head(head: nn.Module) -> StepHead | CodeStepHead:
    """The head as one of autoregression; ConfigError where it is none."""
    if isinstance(head, CodeStepHead):
        return head
    if not isinstance(head, StepHead):
        raise ConfigError(
            f"autoregression needs a head that draws latent after latent, not {type(head).__name__}"
        )
    return head


class Network(Protocol):
    """What a strategy sees of a generator (tts.generators.generator.Generator)."""

    @property
    def conditioner(self) -> Conditioner:
        """Text and voice to a Condition."""
        ...

    @property
    def backbone(self) -> Backbone:
        """The shared network."""
        ...

    @property
    def head(self) -> nn.Module:
        """One of the heads above."""
        ...

    @property
    def patch(self) -> int:
        """Frames per latent."""
        ...

    def hidden(
        self,
        x: Tensor,
        condition: Condition,
        t: Tensor | None = None,
        window: int = 0,
        cache: KVCache | StaticKVCache | None = None,
    ) -> Tensor:
        """Embedded latents x [B, U, dim] to hidden [B, U, dim]; with a cache, of the next ones."""
        ...


class Strategy(Protocol):
    """In which order the latents are drawn; the loss that trains for it.

    Attributes:
        causal, timed: what it needs of the backbone.
        streamed: latents are committed from left to right in more than one piece.
        paced: goes from left to right, so that a pointer can find the durations on the way.
        network: makes the backbone; groups of codebooks have outputs of it for themselves.
        sampling: options of the sampler that it reads, beside those of its head.
    """

    causal: bool
    timed: bool
    streamed: bool
    paced: bool
    sampling: SamplingKeys

    @property
    def network(self) -> Callable[..., Backbone]:
        """Class of the backbone, or what makes one of the arguments of the class."""
        ...

    def check(self, net: Network) -> None:
        """ConfigError where the parts of a generator do not fit."""
        ...

    def steps_before(self, latents: int, num_codebooks: int) -> int | None:
        """Evaluations of the network until the first `latents` latents are committed, of a head of
        so many codebooks (0: continuous); None where that depends on the length of the sentence."""
        ...

    def losses(self, net: Network, latents: Tensor, condition: Condition) -> Losses:
        """Training losses for target latents [B, U, *]."""
        ...

    def run(
        self,
        net: Network,
        condition: Condition,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions,
        infill: Infill | None = None,
    ) -> Iterator[Tensor]:
        """Yield committed latents [B, u, *] from left to right until all U are there.

        Args:
            condition: B rows, or 2 B where guided: first all conditional ones, then what
                guidance pushes away from.
            rngs: one per row, so a row does not depend on its batch.
        """
        ...


@runtime_checkable
class Rescoring(Protocol):
    """Strategy of codes that tells how likely some are, for another (tts.generators.external)."""

    def probability(
        self, net: Network, condition: Condition, known: Tensor, drawn: Tensor
    ) -> Tensor:
        """Probabilities [B, U, K] of the codes `drawn` [B, U, K], given those `known` [B, U, K],
        V where not known."""
        ...
