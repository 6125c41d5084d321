"""Contracts of heads and strategies, the two parts of a generator that are exchanged.

A generator is a conditioner, a backbone, a head and a strategy (tts.generators.generator); the
contract of its latents is tts.generators.latent_space.LatentSpace. Every strategy drives heads of
one contract:

    LatentHead     Flow, Diffusion: the whole sequence of latents, by integration
    MaskedHead     Masked, SoundStorm, SpanAR: codes, drawn independently of each other
    StepHead       Autoregressive: one latent at a time; of codes it is a CodeStepHead

Contracts are checked when a generator is built: parts that do not go together are a ConfigError
then, and not a failure in the middle of a request. In Python code a type checker finds them before:
Flow is a `Strategy[LatentHead]`, whose methods take a `Network[LatentHead]`. From Python 3.12 on
`isinstance` does not see buffers of a module, which is why tensors of a contract are properties.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor
from typing_extensions import TypeVar

from tts.errors import ConfigError
from tts.generators.backbone import Backbone, KVCache
from tts.generators.base import Infill, Losses, SamplingOptions
from tts.generators.conditioner import Conditioner
from tts.generators.conditioning import Condition
from tts.generators.cuda_graph import StaticKVCache
from tts.generators.patterns import Pattern
from tts.generators.step_types import StepContext, TeacherForced

#: options of sampling (tts.generators.options) that a part reads, each with the values that it
#: accepts; () accepts all
SamplingKeys = Mapping[str, tuple[str, ...]]

#: contract of the head: of the one that a network has, and of those that a strategy drives
HeadOf = TypeVar("HeadOf", covariant=True, default=Any)
Drives = TypeVar("Drives", contravariant=True, default=Any)


@runtime_checkable
class Head(Protocol):
    """What all heads share: a head embeds latents for the backbone and draws latents from its
    hidden states. Heads are `nn.Module`s.

    Attributes:
        posterior: whether latents are distributions, mean and log-variance side by side
            (tts.generators.latent_space.VAESpace).
        guides_itself: whether guidance works inside of the head, without unconditional rows in the
            backbone (DiTAR).
        sampling: options of sampling that `draw` of a StepHead reads.
    """

    posterior: bool
    guides_itself: bool
    sampling: SamplingKeys

    def embed(self, latents: Tensor) -> Tensor:
        """Embed latents [B, U, *] to [B, U, dim]."""
        ...


@runtime_checkable
class LatentHead(Protocol):
    """Head for flow and diffusion, which draw the whole sequence of continuous latents at once.

    Attributes:
        posterior, guides_itself, sampling: see Head.
        size: D of a latent.
    """

    posterior: bool
    guides_itself: bool
    sampling: SamplingKeys
    size: int

    @property
    def channel_weight(self) -> Tensor:
        """[D] weight of each dimension in losses."""
        ...

    def embed(self, latents: Tensor, known: Tensor | None = None) -> Tensor:
        """Embed latents [B, U, D] to [B, U, dim]; `known` [B, U] bool marks clean ones among noisy
        ones."""
        ...

    def predict(self, hidden: Tensor) -> Tensor:
        """The network's prediction [B, U, D] from hidden states [B, U, dim]; the strategy gives it
        its meaning."""
        ...

    def mean(self, condition: Condition) -> Tensor:
        """The regressed estimate of the latents, [B, U, D], to which predictions are added; zero
        if there is none."""
        ...


@runtime_checkable
class CodeHead(Protocol):
    """What all heads of codes share.

    Attributes:
        posterior, guides_itself, sampling: see Head.
        num_codebooks: K; codebook_size: V of each. Code V stands for one that is not known.
        sequential: whether the codebooks of a latent are drawn one after another.
    """

    posterior: bool
    guides_itself: bool
    sampling: SamplingKeys
    num_codebooks: int
    codebook_size: int
    sequential: bool

    def embed(self, codes: Tensor) -> Tensor:
        """Embed codes [B, U, K] int64, V where not known, to [B, U, dim]."""
        ...

    def loss(self, hidden: Tensor, codes: Tensor, known: Tensor) -> Tensor:
        """Mean cross entropy of codes [B, U, K] where `known` [B, U, K] bool, a scalar."""
        ...


@runtime_checkable
class MaskedHead(CodeHead, Protocol):
    """Head for masked generation, which draws many codes at once, each given the known ones."""

    def __call__(self, hidden: Tensor) -> Tensor:
        """Logits [B, U, K, V] from hidden states [B, U, dim]."""
        ...

    @property
    def has_digits(self) -> bool:
        """Whether codes are made of digits, as those of FSQ are, so that they have a mean."""
        ...

    def expected(self, log_probabilities: Tensor) -> Tensor:
        """The codes [...] nearest to the mean of each distribution [..., V].

        Raises:
            ConfigError: codes without digits.
        """
        ...


@runtime_checkable
class DigitHead(CodeHead, Protocol):
    """Head of codes that may be made of digits, as those of FSQ are (Mentzer et al. 2023)."""

    @property
    def values(self) -> Tensor:
        """[V, digits] the digits of each code; 0 digits for other codes."""
        ...

    @property
    def sizes(self) -> Tensor:
        """[digits] int64, how many values each digit has."""
        ...


@runtime_checkable
class StepHead(Protocol):
    """Head for autoregression over continuous latents, which draws one after another.

    Attributes:
        posterior, guides_itself, sampling: see Head.
    """

    posterior: bool
    guides_itself: bool
    sampling: SamplingKeys

    def embed(self, latents: Tensor) -> Tensor:
        """Embed steps [B, S, *] to [B, S, dim]."""
        ...

    def with_noise(self, latents: Tensor, noise: Tensor) -> Tensor:
        """Add noise, of the shape of the latents [B, S, *], to latents that are fed back."""
        ...

    def empty(self, batch: int, steps: int) -> Tensor:
        """What is fed before the first step, [B, S, *]."""
        ...

    def step_losses(self, forced: TeacherForced, condition: Condition) -> Losses:
        """Training losses of all steps."""
        ...

    def draw(self, hidden: Tensor, context: StepContext) -> Tensor:
        """Draw the next latent [B, 1, *] from hidden states [B, 1, dim], or with guidance
        [2 B, 1, dim], the unconditional rows last."""
        ...


@runtime_checkable
class CodeStepHead(CodeHead, Protocol):
    """Head for autoregression over codes: a step draws those codebooks that the pattern says."""

    def empty(self, batch: int, steps: int) -> Tensor:
        """What is fed before the first step, [B, S, *]. Unknown codes, [B, S, K]."""
        ...

    def corrupt(self, codes: Tensor, share: float) -> Tensor:
        """Codes [B, S, K] of which in each row a random share, up to `share`, is replaced."""
        ...

    def step_losses(self, forced: TeacherForced, condition: Condition) -> Losses:
        """Training losses of all steps."""
        ...

    def draw(self, hidden: Tensor, context: StepContext) -> Tensor:
        """Draw the next latent [B, 1, *]. Codes [B, 1, K], or [B, 1, len(context.codebooks)] if the
        step draws only some codebooks; hidden states as for StepHead."""
        ...


def latent_head(head: object) -> LatentHead:
    """The head, checked to be one for flow and diffusion; ConfigError otherwise."""
    if not isinstance(head, LatentHead):
        raise ConfigError(f"flow and diffusion need head linear, not {type(head).__name__}")
    return head


def masked_head(head: object) -> MaskedHead:
    """The head, checked to be one for masked generation; ConfigError otherwise."""
    if not isinstance(head, MaskedHead) or head.sequential:
        raise ConfigError("masked generation draws codes independently: a categorical head")
    return head


#: heads for autoregression
AutoregressiveHead: TypeAlias = StepHead | CodeStepHead


def step_head(head: object) -> AutoregressiveHead:
    """The head, checked to be one for autoregression; ConfigError otherwise."""
    if isinstance(head, CodeStepHead):
        return head
    if not isinstance(head, StepHead):
        raise ConfigError(
            f"autoregression needs a head that draws latent after latent, not {type(head).__name__}"
        )
    return head


class Network(Protocol[HeadOf]):
    """A generator as strategies see it (tts.generators.generator.Generator), with a head of a
    certain contract."""

    @property
    def conditioner(self) -> Conditioner:
        """The encoders of text and voice."""
        ...

    @property
    def backbone(self) -> Backbone:
        """The shared network."""
        ...

    @property
    def head(self) -> HeadOf:
        """A head of one of the contracts above."""
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
        """Hidden states [B, U, dim] from embedded latents x [B, U, dim] with the text added; with a
        cache, x holds only the latents after those in it."""
        ...


class Strategy(Protocol[Drives]):
    """How latents are generated: in which order they are drawn, and the loss that trains for it.

    Its type has the contract of the heads that it drives.

    Attributes:
        causal, time_conditioned: what the backbone has to be: it sees only the past, and it knows a
            noise level.
        streamed: whether latents come from left to right in more than one piece.
        supports_pointer: whether it goes from left to right, so that a pointer can find the
            durations during generation.
        inpaint: share of training rows in which a part was known; above 0 a generator can be given
            known latents (Infill), to go on from a recording or to edit it.
        merge: how many neighbouring latents share the code of the first codebook (VALL-E R); 1 for
            most strategies.
        groups: how many groups of codebooks have a hidden state of their own, from which the head
            draws them (LiveSpeech); 1 for most strategies.
        sampling: options of sampling that it reads, beside those of its head.
    """

    causal: bool
    time_conditioned: bool
    streamed: bool
    supports_pointer: bool
    inpaint: float
    merge: int
    groups: int
    sampling: SamplingKeys

    @property
    def network(self) -> Callable[..., Backbone]:
        """The class of the backbone, or a function of the same arguments that makes one."""
        ...

    def check(self, net: Network) -> None:
        """Raise ConfigError if the parts of a generator do not go together. Only here may the head
        be of any contract."""
        ...

    def steps_before(self, latents: int, num_codebooks: int) -> int | None:
        """Evaluations of the network until the first `latents` latents are committed; None if that
        depends on the length of the sentence or on options of sampling. The latency of a model
        follows from it (tts.latency).

        Args:
            num_codebooks: of the head; 0 for continuous latents.
        """
        ...

    def ignored_options(self, num_codebooks: int, pointer: bool) -> tuple[str, ...]:
        """Options of sampling that the head declares but this strategy cannot follow.

        Args:
            num_codebooks: of the head; 0 for continuous latents.
            pointer: whether a pointer aligns the text, and not durations.
        """
        ...

    def losses(self, net: Network[Drives], latents: Tensor, condition: Condition) -> Losses:
        """Training losses for the target latents [B, U, *]."""
        ...

    def run(
        self,
        net: Network[Drives],
        condition: Condition,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions,
        infill: Infill | None = None,
    ) -> Iterator[Tensor]:
        """Yield committed latents [B, u, *] from left to right until all U are there.

        Args:
            condition: B rows, or with guidance 2 B: all conditional ones, then the unconditional
                ones in the same order.
            rngs: one per row, so that a row does not depend on its batch.
            options: all of the model; a strategy names in its signature the group that it reads.
            infill: known latents, which stay as they are.
        """
        ...


@runtime_checkable
class Rescoring(Protocol):
    """Strategy of codes that can have a likelihood, so that its generator can be an external model
    (tts.generators.external).

    Attributes:
        has_likelihood: whether it has one; `probability` is not called otherwise.
    """

    has_likelihood: bool

    def probability(
        self, net: Network, condition: Condition, known: Tensor, drawn: Tensor
    ) -> Tensor:
        """Probabilities [B, U, K] of the codes `drawn` [B, U, K], given those `known` [B, U, K],
        V where not known."""
        ...


@runtime_checkable
class Patterned(Protocol):
    """Strategy that draws codes in the order of a codebook pattern."""

    def order_of(self, net: Network) -> Pattern | None:
        """The pattern; None for continuous latents."""
        ...
