"""The generator of this project's models, with the weights of each voice."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from tts.generators.base import Request, SamplingOptions
from tts.generators.conditioning import AlignmentResult
from tts.generators.external import External
from tts.generators.generator import Generator
from tts.generators.soft_codes import CodeValues
from tts.tuning.adapted_generators import AdaptedGenerators
from tts.voice.profile import VoiceShifts, adaptation_of
from tts.voice.voice import Voice


class VoicedGenerator:
    """A `LatentGenerator` of any family, which speaks in adapted voices with weights of their own.

    Args:
        generator: for all other voices.
        adapted: makes the generators of adapted voices.
        shifts: tell which voices are adapted to the generator; None if none can be.
        timed: whether requests have durations.
        external: a second generator of the same codes, for options that need one.
        code_values: what codes stand for, for soft decoding; None if the codec takes codes alone.
    """

    def __init__(
        self,
        generator: Generator,
        adapted: AdaptedGenerators,
        shifts: VoiceShifts | None = None,
        timed: bool = True,
        external: External | None = None,
        code_values: CodeValues | None = None,
    ):
        self.generator, self.adapted, self.shifts = generator, adapted, shifts
        self.timed, self.external, self.code_values = timed, external, code_values

    def generator_for(self, voice: Voice) -> Generator:
        """The generator that speaks in a voice: the model's, or one adapted to the voice.

        Raises:
            VoiceError: the voice has factors that do not fit the generator.
        """
        tuning = adaptation_of(voice, self.shifts)
        return self.generator if tuning is None else self.adapted(voice, tuning)

    def group(self, voice: Voice) -> str:
        """A name of the weights that speak in a voice: voices of one name can share a batch. Each
        adapted voice has a name of its own."""
        return voice.sha256 if adaptation_of(voice, self.shifts) else ""

    def decides_lengths(self, options: SamplingOptions) -> bool:
        """Whether lengths are known only with the last latents: if a pointer has no durations, or
        may leave those of the request."""
        return self.generator.uses_pointer and (options.duration_tolerance > 1 or not self.timed)

    def stream(
        self,
        request: Request,
        voice: Voice,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions,
        alignment: AlignmentResult,
    ) -> Iterator[Tensor]:
        """Yield latents [B, u, *] from left to right, u >= 1, as they are final."""
        return self.generator_for(voice).stream(
            request,
            rngs,
            options,
            alignment=alignment,
            external=self.external,
            code_values=self.code_values,
        )
