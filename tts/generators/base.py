"""What every generator takes and gives: the request, the options of its sampler, losses.

A generator makes a sequence of latents, 25 a second: codes [B, U, K] or continuous [B, U, D].
Families differ in which latents a step evaluates and which it commits; that is their `Strategy`.
How one latent enters the network and is drawn from what leaves it is the `Head`
(tts.generators.protocols). Text, voice, backbone, guidance and caching are shared
(tts.generators.generator).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked
from torch import Tensor

from tts.generators.conditioning import Outside
from tts.generators.sampling import LEAST_MASS, Sampling
from tts.modules.voice_prompt import VoicePrompt
from tts.text.tokens import TokenBatch
from tts_codecs.envelope import contrasted, envelope_part, source_part


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class SamplingOptions:
    """Settings of the samplers; each family reads those it knows (see its strategy).

    Attributes:
        steps: network evaluations of flow, diffusion and masked generation (guided ones run both
            branches in one batch), and of a flow head per latent.
        guidance: s in s * cond + (1 - s) * uncond; 1 switches guidance off.
        uncond: what the unconditional branch lacks, "all" (text and voice) or "voice", or "phones":
            it says others, which needs no training for it (SSR-Speech).
        temperature: scale of the noise, or of the logits; 0 takes the likeliest.
        method: of integration: "euler" or "midpoint" for flow, "ddim" or "ddpm" for diffusion.
        sway: F5-TTS's sway coefficient, -1 puts more steps near the noise, 0 is uniform.
        top_k, top_p, min_p, typical_p: truncation of categorical draws; 0, 1, 0 and 1 switch them
            off (tts.generators.sampling).
        repetition_penalty: on codes that the same codebook had in the window; 1 is none.
        repetition_window, repetition_ratio: of repetition-aware sampling (tts.generators.sampling).
        silence_penalty: where a recording is filled in, by how much the logits of codes that its
            pauses have fall with every latent of silence beyond `silence_run` in a row, where
            words are due (SSR-Speech); 0 for nothing.
        fsq_decode: of FSQ codes: "drawn" as entries, or "expected", the rounded means of their
            digits under the distribution: what an entry that was seen a few times only is like is
            then known from its neighbours. Codes without digits are drawn.
        choice_temperature: scale of the Gumbel noise on the confidence by which masked generation
            commits.
        hyperschedule: share of a sentence that masked generation draws at the same time: 1 all of
            it at once, 0 from left to right like autoregression, between them a window that moves
            on (Fathi et al. 2025).
        rescore: weight of an external model (tts.generators.external) in how sure masked generation
            takes what it has drawn to be, 0 for none; hybrid: latents at the beginning that the
            external model generates itself (MAGNeT).
        guidance_final: s at the end, approached with the fraction that is still masked (MAGNeT) or
            still noise (flow, diffusion, flow heads): the details, which come last, are then less
            exaggerated; None keeps `guidance`.
        draft: of speculative decoding (tts.generators.speculative): "none", or "ngram", which
            guesses what followed the last step when it was there before; what is said has the same
            distribution, and at temperature 0 is the same.
        draft_steps: most steps guessed at a time; draft_codebooks: how many of the first codebooks
            have to be as they were, 0 for all.
        relaxed: share of a distribution, in total variation, that may be moved to a guessed FSQ
            code from the codes nearest to it (LANTERN), 0 for none; then more guesses are kept and
            the distribution is no longer exact. relaxed_neighbours: how many codes are near.
        duration_tolerance: factor by which a phone may be shorter or longer than the durations of
            a request where a pointer paces; 1 keeps to them.
    """

    steps: int = Field(default=8, ge=1, le=256)
    guidance: float = Field(default=2.0, ge=0, le=20)
    uncond: Literal["all", "voice", "phones"] = "all"
    temperature: float = Field(default=1.0, ge=0, le=4)
    method: Literal["euler", "midpoint", "ddim", "ddpm"] = "euler"
    sway: float = Field(default=-1.0, ge=-1, le=1)
    top_k: int = Field(default=0, ge=0)
    top_p: float = Field(default=1.0, ge=LEAST_MASS, le=1)
    min_p: float = Field(default=0.0, ge=0, lt=1)
    typical_p: float = Field(default=1.0, ge=LEAST_MASS, le=1)
    repetition_penalty: float = Field(default=1.0, ge=1, le=10)
    silence_penalty: float = Field(default=0.0, ge=0, le=100)
    silence_run: int = Field(default=3, ge=1, le=100)
    fsq_decode: Literal["drawn", "expected"] = "drawn"
    choice_temperature: float = Field(default=0.0, ge=0, le=100)
    repetition_window: int = Field(default=10, ge=1)
    repetition_ratio: float = Field(default=1.0, ge=0, le=1)
    hyperschedule: float = Field(default=1.0, ge=0, le=1)
    rescore: float = Field(default=0.0, ge=0, le=1)
    hybrid: int = Field(default=0, ge=0)
    guidance_final: float | None = Field(default=None, ge=0, le=20)
    draft: Literal["none", "ngram"] = "none"
    draft_steps: int = Field(default=4, ge=1, le=64)
    draft_codebooks: int = Field(default=0, ge=0)
    relaxed: float = Field(default=0.0, ge=0, le=1)
    relaxed_neighbours: int = Field(default=16, ge=1, le=1000)
    duration_tolerance: float = Field(default=1.0, ge=1, le=10)

    @property
    def guided(self) -> bool:
        """Whether there is an unconditional branch."""
        return self.guidance != 1.0 or self.guidance_final not in (None, 1.0)

    def guided_by(self, guidance: float) -> SamplingOptions:
        """With another guidance, which falls in proportion, or to the same where it was none at
        the beginning; 1 is none from the first step to the last."""
        final = self.guidance_final
        if guidance == 1:
            final = None
        elif final is not None and self.guidance != 1:
            share = (final - 1) / (self.guidance - 1)
            final = min(20.0, max(0.0, 1 + share * (guidance - 1)))
        return replace(self, guidance=guidance, guidance_final=final)

    def categorical(self, temperature: float | None = None) -> Sampling:
        """Settings of a categorical draw, with this or another temperature."""
        return _categorical(self, self.temperature if temperature is None else temperature)


@lru_cache(maxsize=256)
def _categorical(options: SamplingOptions, temperature: float) -> Sampling:
    """Checked once and not at every draw."""
    return Sampling(
        temperature,
        options.top_k,
        options.top_p,
        options.min_p,
        options.typical_p,
        options.repetition_penalty,
        repetition_window=options.repetition_window,
        repetition_ratio=options.repetition_ratio,
    )


@dataclass
class Request:
    """A batch of things to say.

    Attributes:
        tokens: phones; prompt: voices.
        durations: [B, S] frames per token, or None where the generator finds them itself.
        frames: [B] frames to fill; by default the sum of the durations.
        pace: [B] factor on the speed at which a pointer without durations goes; None for 1.
        shift: [B, T, C] added to the features that are generated, how these voices say these
            phones (tts.voice.profile); None for nothing.
        contrast: one factor per row on how far the bands of generated features stand from those
            around them (tts_codecs.envelope.contrasted), for voices that need another one than the
            vocoder's; None for 1.
        longest: frames of the padded sequence, where known without asking the device.
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
        """Generated features [1, t, C] of a row from frame `begin` on as its voice has them: with
        the row's shift, of which what lies past its end has none, and its contrast."""
        if self.shift is not None:
            found = self.shift[row : row + 1, begin : begin + features.shape[1]]
            features = features + F.pad(found, (0, 0, 0, features.shape[1] - found.shape[1]))
        contrast = 1.0 if self.contrast is None else self.contrast[row]
        if contrast == 1:
            return features
        return torch.cat([contrasted(envelope_part(features), contrast), source_part(features)], -1)


class Beside(Protocol):
    """Another model that helps a generator (tts.generators.external.External)."""

    def of(self, request: Request) -> Outside:
        """That model with what is to be said."""
        ...


@dataclass
class Infill:
    """Latents that are known beforehand, for continuation, infilling and editing.

    Attributes:
        latents: codes [B, U, K] int64 or continuous latents [B, U, D]; anything where not known.
        known: [B, U] bool, latents that stay as they are; of masked families also [B, U, K].
        silent: [B, V] bool, codes of the first codebook that the pauses of a recording have; None
            where that is not told.
    """

    latents: Tensor
    known: Tensor
    silent: Tensor | None = None


@dataclass
class Losses:
    """Training losses of a strategy.

    Attributes:
        parts: named scalars, summed with weight 1.
        estimate: makes what the network thinks right, if it can tell, for losses on what is heard:
            relative latents [B, U, size], or probabilities of codes [B, U, K, V].
        weight: [B] how much each row counts for the voice there; None for alike.
    """

    parts: dict[str, Tensor]
    estimate: Callable[[], Tensor] | None = None
    weight: Tensor | None = None
