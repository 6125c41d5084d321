"""A model of this project below its ports: what editing, tuning and studies use of it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tts.audio.reference import Reference
from tts.pipeline.lengths import PhoneLengths, TimbreCorrection
from tts.pipeline.networks import Networks
from tts.pipeline.phone_frontend import PhoneFrontend
from tts.pipeline.prompt_encoder import PromptEncoder
from tts.pipeline.voiced_generator import VoicedGenerator
from tts.progress import Progress
from tts.tuning.adaptation import adapt
from tts.tuning.calibration import calibrate
from tts.voice.profile import adaptation_of
from tts.voice.voice import Tuning, Voice


class AcousticModel(Networks):
    """The networks of a model with what its ports do, and the `Tuner` of its pipeline.

    Args:
        networks: all of them; they are attributes here too.
        text, voices, lengths, latents: the ports that were made of them (tts.pipeline.assemble).
        timbre: what is added to features for a voice.
    """

    def __init__(
        self,
        networks: Networks,
        text: PhoneFrontend,
        voices: PromptEncoder,
        lengths: PhoneLengths,
        latents: VoicedGenerator,
        timbre: TimbreCorrection,
    ):
        super().__init__(**vars(networks))
        # What each port does, under the name of this model.
        self.sentences, self.frontend, self.phrased = text.sentences, text.frontend, text.phrased
        self.encode, self.warnings = voices.encode, voices.warnings
        self.enhanced, self.check = voices.enhanced, voices.check
        self.parts, self.request = lengths.parts, lengths.request
        self.adapted, self.generator_for, self.group = (
            latents.adapted, latents.generator_for, latents.group,
        )  # fmt: skip
        self.decides_lengths, self.stream = latents.decides_lengths, latents.stream
        self.code_values = latents.code_values
        self.contrast_of = timbre.contrast_of

    def features(self, reference: Reference) -> Tensor:
        """Features [T, C] of a whole recording at `Capabilities.recording_rate`."""
        hop = self.vocoder.mel.hop
        samples = torch.from_numpy(reference.samples.copy())
        samples = samples[: len(samples) // hop * hop]
        with torch.inference_mode():
            found = self.vocoder.analyse(samples[None].to(self.device))[0][0]
        return found.clone()

    def adapt(
        self,
        voice: Voice,
        recordings: Sequence[Tensor],
        strength: float = 1.0,
        progress: Progress | None = None,
        transcript: str = "",
    ) -> Voice:
        """The voice with what fits the weights to it, see tts.tuning.adaptation.adapt."""
        return adapt(
            self, voice, recordings, strength=strength, progress=progress, transcript=transcript
        )

    def calibrate(
        self, voice: Voice, rounds: int | None = None, recordings: Sequence[Tensor] = ()
    ) -> Voice:
        """The calibrated voice, see tts.tuning.calibration.calibrate. Without `rounds` they are
        those of the config, which has fewer for adapted voices."""
        if rounds is None:
            rounds = self.config.calibration
            if self.adaptation_of(voice):
                rounds = min(rounds, self.config.adapted_calibration)
        return calibrate(self, voice, rounds, recordings)

    def adaptation_of(self, voice: Voice) -> Tuning | None:
        """The adaptation of a voice to this model's generator; None if it has none or its strength
        is 0."""
        return adaptation_of(voice, self.shifts)

    def untuned(self, voice: Voice) -> str:
        """A line for the user if a voice was adapted to another generator only, so that this model
        speaks in it unadapted; empty otherwise. Voices that were also calibrated for this model, as
        built-in ones are, need no such line."""
        fitted = None if self.shifts is None else voice.tuning_for(self.shifts.generator)
        if fitted is not None and (self.adaptation_of(voice) or fitted.shift is not None):
            return ""
        if not any(each.factors for each in voice.tunings):
            return ""
        return (
            f"the voice {voice.name!r} was adapted to another generator than that of "
            f"{self.config.name!r}: it is used as it is"
        )
