"""Data types of generators: the request, the options of sampling, known latents, and losses.

A generator makes a sequence of latents, 25 a second: codes [B, U, K] or continuous ones [B, U, D].
Families differ in which latents each step evaluates and which it commits; that is their `Strategy`.
The `Head` embeds latents for the network and draws them from its output
(tts.generators.protocols). Text, voice, backbone, guidance and caching are shared by all families
(tts.generators.generator).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
import torch.nn.functional as F
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as checked
from torch import Tensor

from tts.generators.conditioning import ExternalGenerator
from tts.generators.options import (
    AnnealedGuidanceOptions,
    CategoricalOptions,
    CodeOptions,
    CodeStepOptions,
    GuidanceOptions,
    IntegrationOptions,
    MaskedOptions,
    PointerOptions,
    SilenceOptions,
    SolverOptions,
    SpeculativeOptions,
    StepOptions,
    UnmaskingOptions,
)
from tts.modules.voice_prompt import VoicePrompt
from tts.text.tokens import TokenBatch
from tts_codecs.envelope import contrasted, envelope_part, source_part


# A dataclass takes its fields from the last base on: `steps` and `guidance` come first.
@checked(frozen=True, config=ConfigDict(extra="forbid"))
class SamplingOptions(
    UnmaskingOptions,
    CodeStepOptions,
    IntegrationOptions,
    PointerOptions,
    SpeculativeOptions,
    AnnealedGuidanceOptions,
    MaskedOptions,
    SilenceOptions,
    CodeOptions,
    CategoricalOptions,
    SolverOptions,
    GuidanceOptions,
    StepOptions,
):
    """All options of sampling. Each family reads those that its strategy and head declare, and
    takes them as one of its groups; their meaning is told there (tts.generators.options)."""

    def guided_by(self, guidance: float) -> SamplingOptions:
        """These options with another guidance scale. `guidance_final` changes in proportion; it
        stays if guidance was 1 before, and is dropped if it becomes 1."""
        final = self.guidance_final
        if guidance == 1:
            final = None
        elif final is not None and self.guidance != 1:
            share = (final - 1) / (self.guidance - 1)
            final = min(20.0, max(0.0, 1 + share * (guidance - 1)))
        return replace(self, guidance=guidance, guidance_final=final)


@dataclass
class Request:
    """A batch of B sentences to generate, each in a voice.

    Attributes:
        tokens: their phones; prompt: their voice prompts.
        durations: [B, S] frames per token, or None if the generator finds them itself.
        frames: [B] frames to generate; by default the sum of the durations.
        pace: [B] factor on the speed of a pointer without durations; None for 1.
        shift: [B, T, C] added to the generated features: how these voices differ from the average
            in these phones (tts.voice.profile); None for nothing.
        contrast: one factor per row on the spectral contrast of generated features
            (tts_codecs.envelope.contrasted); None for 1.
        longest: frames of the padded sequence, if they are known without waiting for the device.
    """

    tokens: TokenBatch
    prompt: VoicePrompt
    durations: Tensor | None = None
    frames: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    shift: Tensor | None = None
    longest: int | None = None
    pace: Tensor | None = None
    contrast: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.durations is not None and not len(self.frames):
            self.frames = self.durations.sum(1)

    def to(self, device: torch.device | str) -> Request:
        """A copy with its tensors on `device`."""
        durations = None if self.durations is None else self.durations.to(device)
        shift = None if self.shift is None else self.shift.to(device)
        pace = None if self.pace is None else self.pace.to(device)
        return Request(
            self.tokens.to(device),
            self.prompt.to(device),
            durations,
            self.frames.to(device),
            shift,
            pace=pace,
            contrast=self.contrast,
        )

    def voiced(self, features: Tensor, begin: int = 0, row: int = 0) -> Tensor:
        """Adapt generated features to the voice of a row: add its shift and apply its contrast.

        Args:
            features: [1, t, C], from frame `begin` of row `row` on; past the end of the shift
                nothing is added.

        Returns:
            [1, t, C].
        """
        if self.shift is not None:
            found = self.shift[row : row + 1, begin : begin + features.shape[1]]
            features = features + F.pad(found, (0, 0, 0, features.shape[1] - found.shape[1]))
        contrast = 1.0 if self.contrast is None else self.contrast[row]
        if contrast == 1:
            return features
        return torch.cat([contrasted(envelope_part(features), contrast), source_part(features)], -1)


class ExternalModel(Protocol):
    """A second model that helps a generator (tts.generators.external.External)."""

    def with_request(self, request: Request) -> ExternalGenerator:
        """The model, given what is to be said."""
        ...


@dataclass
class Infill:
    """Latents that are known beforehand, for continuation, infilling and editing.

    Attributes:
        latents: codes [B, U, K] int64 or continuous latents [B, U, D]; any values where not known.
        known: [B, U] bool, latents that stay as they are; masked families also take [B, U, K].
        silent: [B, V] bool, codes of the first codebook that occur in the recording's pauses, for
            the silence penalty; None switches that off.
    """

    latents: Tensor
    known: Tensor
    silent: Tensor | None = None

    @property
    def mask(self) -> Tensor:
        """`known` with one dimension for what a latent consists of, [B, U, 1] or [B, U, K]."""
        return self.known if self.known.ndim == 3 else self.known.unsqueeze(-1)

    def put_into(self, latents: Tensor) -> Tensor:
        """Latents [B, U, *] with the known ones in their places."""
        return torch.where(self.mask, self.latents, latents)


@dataclass
class Losses:
    """Training losses of a strategy.

    Attributes:
        parts: named scalars, summed with weight 1.
        estimate: computes the network's estimate of the clean latents, for perceptual losses:
            relative latents [B, U, size], or probabilities of codes [B, U, K, V]. None for
            strategies that have no such estimate.
        weight: [B] how much each row counts in the loss of the voice; None weighs all alike.
    """

    parts: dict[str, Tensor]
    estimate: Callable[[], Tensor] | None = None
    weight: Tensor | None = None
