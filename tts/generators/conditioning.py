"""What the network of a generator sees beside the latents: phones in time, and a voice."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from tts.modules.text_reader import Unaligned


@dataclass
class Voiced:
    """An encoded voice: `global_cond` [B, G], `memory` [B, M, D], `mask` [B, M] bool."""

    global_cond: Tensor
    memory: Tensor
    mask: Tensor


@dataclass
class AlignmentResult:
    """When what was asked for is said.

    Attributes:
        durations: [B, S] frames per token: those of the request, or what a pointer has found so
            far, all of them at the end of the stream; None where attention aligns.
    """

    durations: Tensor | None = None


@dataclass
class Text:
    """Encoded phones, where a pointer finds on the way when each is said
    (tts.generators.alignment).

    Attributes:
        phones: [B, S, phone_dim]; lengths: [B] valid ones.
        drop_text: [B] bool, rows that are to hear no text.
        durations: [B, S] frames per token, true or estimated, where known.
        alignment: where the pointer writes what it finds.
        pace: [B] factor on the speed of the pointer; None for 1.
    """

    phones: Tensor
    lengths: Tensor
    drop_text: Tensor
    durations: Tensor | None = None
    alignment: AlignmentResult = field(default_factory=AlignmentResult)
    pace: Tensor | None = None

    def rows(self, count: int) -> "Text":
        """The first `count` rows."""
        some = replace(self, phones=self.phones[:count], lengths=self.lengths[:count])
        durations = None if self.durations is None else self.durations[:count]
        return replace(some, drop_text=self.drop_text[:count], durations=durations)

    def cat(self, other: "Text") -> "Text":
        """The rows of both, paced by the first."""
        phones = torch.cat([self.phones, other.phones])
        return replace(self, phones=phones, drop_text=torch.cat([self.drop_text, other.drop_text]))


@dataclass(frozen=True)
class Silence:
    """What silence is in a recording that is filled in.

    Attributes:
        codes: [B, V] bool, codes of the first codebook that its pauses have.
        spoken: [B, U] bool, latents in which words are due.
    """

    codes: Tensor
    spoken: Tensor


class Outside(Protocol):
    """An external model with the same request (tts.generators.external.ExternalRun)."""

    def probability(self, known: Tensor, drawn: Tensor) -> Tensor:
        """How likely it finds the codes `drawn` [B, U, K] given those `known`, [B, U, K]."""
        ...

    def lead(self, rngs: Sequence[torch.Generator], count: int) -> Tensor:
        """The first `count` latents as it generates them."""
        ...


@dataclass
class Condition:
    """What the network sees beside the latents.

    Attributes:
        frames: [B, U, dim] per latent, added to the embedded latents.
        prior_mean: [B, U, size] first estimate of the relative features; zero where unconditional.
        global_cond: [B, G] voice vector.
        memory: keys and values of the voice prompt for every block; memory_mask: [B, M] bool.
        mask: [B, U, 1] float, valid latents.
        text: where a pointer paces; `frames`, `prior_mean` and `mask` are then filled by it.
        external: another model that helps, where there is one.
        silence: of a recording that is filled in, where it is told.
        unaligned: text that the network has to find by itself, where it has readers for it.
    """

    frames: Tensor
    prior_mean: Tensor
    global_cond: Tensor
    memory: list[tuple[Tensor, Tensor]]
    memory_mask: Tensor
    mask: Tensor
    text: Text | None = None
    external: Outside | None = None
    silence: Silence | None = None
    unaligned: Unaligned | None = None

    @property
    def lengths(self) -> Tensor:
        """[B] valid latents."""
        return self.mask[..., 0].sum(1).long()

    def rows(self, count: int) -> "Condition":
        """The first `count` rows."""
        return Condition(
            self.frames[:count],
            self.prior_mean[:count],
            self.global_cond[:count],
            [(key[:count], value[:count]) for key, value in self.memory],
            self.memory_mask[:count],
            self.mask[:count],
            self.text and self.text.rows(count),
            unaligned=self.unaligned and self.unaligned.rows(slice(count)),
        )

    def of(self, row: int, count: int) -> "Condition":
        """One of `count` rows without padding, of durations that are known: a row, or a pair of
        rows where all rows come twice (Strategy.run)."""
        chosen = list(range(row, len(self.frames), count))
        length = int(self.mask[row].sum())
        return Condition(
            self.frames[chosen, :length],
            self.prior_mean[chosen, :length],
            self.global_cond[chosen],
            [(key[chosen], value[chosen]) for key, value in self.memory],
            self.memory_mask[chosen],
            self.mask[chosen, :length],
            unaligned=self.unaligned and self.unaligned.rows(chosen, length),
        )

    def cat(self, other: "Condition") -> "Condition":
        """The rows of both."""
        pairs = zip(self.memory, other.memory, strict=True)
        return Condition(
            torch.cat([self.frames, other.frames]),
            torch.cat([self.prior_mean, other.prior_mean]),
            torch.cat([self.global_cond, other.global_cond]),
            [(torch.cat([a, c]), torch.cat([b, d])) for (a, b), (c, d) in pairs],
            torch.cat([self.memory_mask, other.memory_mask]),
            torch.cat([self.mask, other.mask]),
            self.text.cat(other.text) if self.text and other.text else None,
            unaligned=self.unaligned and other.unaligned and self.unaligned.cat(other.unaligned),
        )
