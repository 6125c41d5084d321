"""Another generator of the same codes beside one that unmasks (MAGNeT, Ziv et al. 2024).

It says how likely it finds the codes that were drawn (rescoring), and it may generate the
beginning, behind which the rest is unmasked (MAGNeT's hybrid). It is any generator of codes that
follows durations and has a likelihood: masked, or autoregressive in whatever pattern.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tts.errors import ConfigError
from tts.generators.base import Request, SamplingOptions
from tts.generators.conditioning import Condition
from tts.generators.generator import Generator
from tts.generators.protocols import CodeHead, Rescoring


@dataclass(frozen=True)
class External:
    """An external model and the options of its sampler.

    Raises:
        ConfigError: a generator that does not draw codes at given durations, or cannot tell how
            likely codes are.
    """

    generator: Generator
    options: SamplingOptions

    def __post_init__(self) -> None:
        strategy, head = self.generator.strategy, self.generator.head
        if not isinstance(strategy, Rescoring) or not isinstance(head, CodeHead):
            raise ConfigError(
                f"an external model draws codes and tells how likely they are; "
                f"{type(strategy).__name__} does not"
            )
        if self.generator.conditioner.text != "expanded":
            raise ConfigError("an external model takes durations (text: expanded)")

    def check(self, other: Generator) -> None:
        """ConfigError where the codes of another generator are not those of this one."""
        sizes = [
            (head.num_codebooks, head.codebook_size, net.patch)
            for net in (self.generator, other)
            if isinstance(head := net.head, CodeHead)
        ]
        if len(sizes) < 2 or sizes[0] != sizes[1]:
            raise ConfigError("an external model draws the codes of the same codec")

    def of(self, request: Request) -> ExternalRun:
        """The external model with what is to be said."""
        return ExternalRun(self, request)


class ExternalRun:
    """An external model with a request of B rows."""

    def __init__(self, external: External, request: Request):
        self.external, self.request = external, request
        self._condition: Condition | None = None

    def probability(self, known: Tensor, drawn: Tensor) -> Tensor:
        """How likely it finds codes, without guidance.

        Args:
            known: codes [B, U, K] that are committed, V where they are not.
            drawn: [B, U, K] those and what was drawn for the others.

        Returns:
            [B, U, K], from 0 to 1.
        """
        net = self.external.generator
        if self._condition is None:
            self._condition = net.conditioner(self.request, net.backbone)
        strategy = net.strategy
        assert isinstance(strategy, Rescoring)
        return strategy.probability(net, self._condition, known, drawn)

    def lead(self, rngs: Sequence[torch.Generator], count: int) -> Tensor:
        """The first `count` latents, or all where there are fewer, as it generates them by itself:
        codes [B, up to count, K]. The generators stay where they are: how many numbers are drawn
        until all rows have their beginning hangs on the rows beside."""
        parts, there = [], 0
        external = self.external
        own = [torch.Generator(rng.device).set_state(rng.get_state()) for rng in rngs]
        for latents in external.generator.stream(self.request, own, external.options):
            parts.append(latents)
            there += latents.shape[1]
            if there >= count:
                break
        return torch.cat(parts, 1)[:, :count]
