"""Options of sampling in groups, one for each part that reads them.

`tts.generators.base.SamplingOptions` inherits from all groups, so that `sampling:` of a YAML is one
flat mapping. A strategy or head names the options that it reads in its attribute `sampling`
(tts.generators.protocols); an option that neither names is an error when the YAML is read. Its
methods take the group that they read, or several that are joined here, and mypy finds a method that
reads another. A new option is a field of a group here, and a key in `sampling` of the part that
reads it.
"""

from dataclasses import fields
from functools import lru_cache
from typing import Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked

from tts.generators.sampling import LEAST_MASS, Sampling

#: in the attribute `sampling` of a strategy or head: every value of the option is accepted
ANY: tuple[str, ...] = ()
#: options of how codes are chosen and decoded, for all that draw codes
CHOICES = ("fsq_decode", "soft_decode")
#: speculative decoding with relaxed acceptance, which only FSQ codes have
RELAXED = ("relaxed", "relaxed_neighbours")

_STRICT = ConfigDict(extra="forbid")


@checked(frozen=True, config=_STRICT)
class StepOptions:
    """Number of evaluations, for flow, diffusion, masked generation and flow-matching heads.

    Attributes:
        steps: evaluations of the network for a sentence; for a flow-matching head, evaluations of
            the head for a latent. With guidance one evaluation computes both branches in a batch.
    """

    steps: int = Field(default=8, ge=1, le=256)


@checked(frozen=True, config=_STRICT)
class GuidanceOptions:
    """Classifier-free guidance and temperature, for every family that draws random latents.

    Attributes:
        guidance: scale s in s * cond + (1 - s) * uncond; 1 switches guidance off.
        uncond: the unconditional branch. "all" has neither text nor voice, "voice" has no voice,
            and "phones" has random phones, for which a model need not be trained (SSR-Speech, Wang
            et al. 2024).
        temperature: scale of Gaussian noise, or divisor of logits; 0 takes the likeliest.
    """

    guidance: float = Field(default=2.0, ge=0, le=20)
    uncond: Literal["all", "voice", "phones"] = "all"
    temperature: float = Field(default=1.0, ge=0, le=4)


@checked(frozen=True, config=_STRICT)
class SolverOptions:
    """Numerical integration, for flow, diffusion and flow-matching heads.

    Attributes:
        method: solver: "euler" or "midpoint" for flow, "ddim" or "ddpm" for diffusion.
        sway: sway sampling coefficient of F5-TTS (Chen et al. 2024): -1 puts more steps near the
            noise, 0 spaces them evenly.
    """

    method: Literal["euler", "midpoint", "ddim", "ddpm"] = "euler"
    sway: float = Field(default=-1.0, ge=-1, le=1)


@checked(frozen=True, config=_STRICT)
class CategoricalOptions:
    """Draws of codes from a softmax (tts.generators.sampling has the papers).

    Attributes:
        top_k, top_p, min_p, typical_p: truncation of the distribution; 0, 1, 0 and 1 switch them
            off.
        repetition_penalty: penalty on codes that the same codebook had in the last
            `repetition_window` steps; 1 is none.
        repetition_window, repetition_ratio: repetition-aware sampling (VALL-E 2, Chen et al. 2024):
            a drawn code that fills more than this share of the window is drawn again without
            truncation; 1 switches it off.
        fsq_decode: how FSQ codes are chosen. "drawn" draws an entry of the codebook; "expected"
            rounds the means of the digits under the distribution, so that rare entries profit from
            their neighbours. Codes without digits are always drawn.
        soft_decode: whether the codec's decoder is given the mean of the vectors of a codebook
            under the distribution of a code, and not the vector of the code itself
            (tts.generators.soft_codes). Codecs of waveforms take codes alone.
    """

    top_k: int = Field(default=0, ge=0)
    top_p: float = Field(default=1.0, ge=LEAST_MASS, le=1)
    min_p: float = Field(default=0.0, ge=0, lt=1)
    typical_p: float = Field(default=1.0, ge=LEAST_MASS, le=1)
    repetition_penalty: float = Field(default=1.0, ge=1, le=10)
    repetition_window: int = Field(default=10, ge=1)
    repetition_ratio: float = Field(default=1.0, ge=0, le=1)
    fsq_decode: Literal["drawn", "expected"] = "drawn"
    soft_decode: bool = False


@checked(frozen=True, config=_STRICT)
class SilenceOptions:
    """Silence penalty of autoregression that fills a gap in a recording (SSR-Speech).

    Attributes:
        silence_penalty: how much the logits of codes that occur in the recording's pauses fall for
            every latent of silence beyond `silence_run` in a row, while words are due; 0 switches
            it off.
        silence_run: latents of silence in a row that have no penalty.
    """

    silence_penalty: float = Field(default=0.0, ge=0, le=100)
    silence_run: int = Field(default=3, ge=1, le=100)


@checked(frozen=True, config=_STRICT)
class MaskedOptions:
    """Masked generation: which of the drawn codes a step commits.

    Attributes:
        choice_temperature: scale of the Gumbel noise on the confidence by which codes are chosen
            (MaskGIT, Chang et al. 2022).
        hyperschedule: share of a sentence that is drawn at the same time. 1 is all of it, 0 goes
            from left to right like autoregression, values between move a window (Fathi et al.
            2025).
        rescore: weight of the probabilities of an external model (tts.generators.external) in the
            confidence; 0 for none (MAGNeT, Ziv et al. 2024).
        hybrid: how many latents at the beginning the external model generates itself (MAGNeT).
    """

    choice_temperature: float = Field(default=0.0, ge=0, le=100)
    hyperschedule: float = Field(default=1.0, ge=0, le=1)
    rescore: float = Field(default=0.0, ge=0, le=1)
    hybrid: int = Field(default=0, ge=0)


@checked(frozen=True, config=_STRICT)
class AnnealedGuidanceOptions:
    """Guidance that changes during generation.

    Attributes:
        guidance_final: guidance scale at the end. The scale moves from `guidance` to it with the
            fraction that is still masked (MAGNeT) or still noise (flow, diffusion, flow-matching
            heads), so that details, which come last, are less exaggerated. None keeps `guidance`.
    """

    guidance_final: float | None = Field(default=None, ge=0, le=20)


@checked(frozen=True, config=_STRICT)
class SpeculativeOptions:
    """Speculative decoding of codec language models (tts.generators.speculative).

    Attributes:
        draft: the draft model: "none", or "ngram", which guesses the steps that followed the last
            step when it occurred before. The distribution of the codes stays the same, and so do
            the codes at temperature 0.
        draft_steps: largest number of steps that are guessed at a time.
        draft_codebooks: how many of the first codebooks have to agree with the earlier occurrence;
            0 for all.
        relaxed: probability mass, in total variation, that may be moved to a guessed FSQ code from
            its nearest codes (LANTERN, Jang et al. 2024). More guesses are then kept, but the
            distribution is no longer exact; 0 for none.
        relaxed_neighbours: how many codes count as near.
    """

    draft: Literal["none", "ngram"] = "none"
    draft_steps: int = Field(default=4, ge=1, le=64)
    draft_codebooks: int = Field(default=0, ge=0)
    relaxed: float = Field(default=0.0, ge=0, le=1)
    relaxed_neighbours: int = Field(default=16, ge=1, le=1000)


@checked(frozen=True, config=_STRICT)
class PointerOptions:
    """Durations that a pointer finds during generation (tts.generators.alignment).

    Attributes:
        duration_tolerance: factor by which a pointer may make a phone shorter or longer than the
            durations of the request; 1 keeps to them.
    """

    duration_tolerance: float = Field(default=1.0, ge=1, le=10)


# Groups that are read together. They have no fields of their own.


@checked(frozen=True, config=_STRICT)
class IntegrationOptions(AnnealedGuidanceOptions, SolverOptions, GuidanceOptions, StepOptions):
    """What is read where latents are integrated from noise: by flow, diffusion and flow-matching
    heads."""

    @property
    def guided(self) -> bool:
        """Whether there is an unconditional branch."""
        return self.guidance != 1.0 or self.guidance_final not in (None, 1.0)


@checked(frozen=True, config=_STRICT)
class CodeOptions(CategoricalOptions, GuidanceOptions):
    """What is read where codes are drawn."""

    def categorical(self, temperature: float | None = None) -> Sampling:
        """The settings of categorical draws, at this or another temperature."""
        return _categorical(self, self.temperature if temperature is None else temperature)


@checked(frozen=True, config=_STRICT)
class CodeStepOptions(SilenceOptions, CodeOptions):
    """What heads of codes read that draw one step after another."""


@checked(frozen=True, config=_STRICT)
class UnmaskingOptions(AnnealedGuidanceOptions, MaskedOptions, CodeOptions, StepOptions):
    """What masked generation reads."""


@lru_cache(maxsize=256)
def _categorical(options: CodeOptions, temperature: float) -> Sampling:
    """Cached, since `Sampling` checks its values and is needed at every draw."""
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


def names_of(*groups: Any) -> tuple[str, ...]:
    """The names of all options of some groups."""
    return tuple(field.name for group in groups for field in fields(group))


def reads(*groups: Any) -> dict[str, tuple[str, ...]]:
    """All options of some groups, with any value: entries for the attribute `sampling` of a
    strategy or head."""
    return dict.fromkeys(names_of(*groups), ANY)
