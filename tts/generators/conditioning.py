"""Inputs of a generator's network beside the latents: text aligned in time, and a voice."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from tts.generators.soft_codes import CodeValues
from tts.modules.text_reader import Unaligned


@dataclass
class EncodedVoice:
    """A voice prompt after the voice encoder (tts.generators.voice_encoders).

    Attributes:
        global_cond: [B, G] one vector for the whole voice.
        memory: [B, M, D] sequence to attend to; mask: [B, M] bool, its valid positions.
    """

    global_cond: Tensor
    memory: Tensor
    mask: Tensor


@dataclass
class AlignmentResult:
    """When each token of a request is said; the generator fills it in while it runs.

    Attributes:
        durations: [B, S] frames per token. They are those of the request, or those that a pointer
            has found so far, complete at the end of the stream. None for text that only attention
            aligns.
    """

    durations: Tensor | None = None


@dataclass
class PointerText:
    """Encoded phones for a pointer, which finds during generation when each is said
    (tts.generators.alignment).

    Attributes:
        phones: [B, S, phone_dim]; lengths: [B] how many are valid.
        drop_text: [B] bool, rows that are generated without text, for guidance.
        durations: [B, S] frames per token, true or estimated; None if unknown.
        alignment: where the pointer writes the durations that it finds.
        pace: [B] factor on the speed of the pointer; None for 1.
    """

    phones: Tensor
    lengths: Tensor
    drop_text: Tensor
    durations: Tensor | None = None
    alignment: AlignmentResult = field(default_factory=AlignmentResult)
    pace: Tensor | None = None

    def rows(self, count: int) -> "PointerText":
        """The first `count` rows."""
        some = replace(self, phones=self.phones[:count], lengths=self.lengths[:count])
        durations = None if self.durations is None else self.durations[:count]
        return replace(some, drop_text=self.drop_text[:count], durations=durations)

    def cat(self, other: "PointerText") -> "PointerText":
        """The rows of both; durations, alignment and pace are those of the first."""
        phones = torch.cat([self.phones, other.phones])
        return replace(self, phones=phones, drop_text=torch.cat([self.drop_text, other.drop_text]))


@dataclass(frozen=True)
class Silence:
    """What counts as silence while a gap in a recording is filled in, for the silence penalty.

    Attributes:
        codes: [B, V] bool, codes of the first codebook that occur in the recording's pauses.
        spoken: [B, U] bool, latents in which words are due.
    """

    codes: Tensor
    spoken: Tensor


class ExternalGenerator(Protocol):
    """An external model that was given the same request (tts.generators.external.ExternalRun)."""

    def probability(self, known: Tensor, drawn: Tensor) -> Tensor:
        """Its probabilities [B, U, K] of the codes `drawn` [B, U, K], given those `known`."""
        ...

    def lead(self, rngs: Sequence[torch.Generator], count: int) -> Tensor:
        """The first `count` latents, as the external model generates them."""
        ...


@dataclass
class Condition:
    """Everything that the network sees beside the latents, made by the Conditioner.

    Attributes:
        frames: [B, U, dim] text content of each latent, added to the embedded latents.
        prior_mean: [B, U, size] regressed first estimate of the relative features; zero in
            unconditional rows.
        global_cond: [B, G] voice vector.
        memory: keys and values of the voice prompt for every block; memory_mask: [B, M] bool.
        mask: [B, U, 1] float, 1 for valid latents.
        text: the phones, if a pointer aligns them; the pointer then fills in `frames`, `prior_mean`
            and `mask` as it goes.
        external: another model that rescores what is drawn; None without one.
        code_values: what the codes of the codec stand for, for soft decoding; None for others.
        silence: of the recording that is filled in; None where nothing is.
        unaligned: text that attention has to find, for networks with text readers; else None.
    """

    frames: Tensor
    prior_mean: Tensor
    global_cond: Tensor
    memory: list[tuple[Tensor, Tensor]]
    memory_mask: Tensor
    mask: Tensor
    text: PointerText | None = None
    external: ExternalGenerator | None = None
    code_values: CodeValues | None = None
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

    def row(self, row: int, count: int) -> "Condition":
        """Row `row` of `count`, without its padding; with guidance, the conditional row and its
        unconditional one (Strategy.run). Only for text with known durations."""
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
