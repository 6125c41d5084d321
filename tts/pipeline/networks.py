"""Networks of one of this project's models, loaded; its ports are made of them
(tts.pipeline.assemble)."""

from dataclasses import dataclass
from typing import cast

from torch import nn

from tts.cancel import Cancellation
from tts.config import ModelConfig
from tts.errors import ConfigError, UsageError
from tts.generators.external import External
from tts.generators.generator import Generator
from tts.generators.latent_space import LatentSpace
from tts.losses.phone import PhoneProbe
from tts.prosody.durations import DurationModel
from tts.prosody.phrasing import PhrasingModel
from tts.quantize import prepare_weights
from tts.registry import load_latent_space, load_module
from tts.resources import checkpoint_folder
from tts.voice.enhancer import SpeechEnhancer
from tts.voice.overlap import OverlapDetector
from tts.voice.profile import PhoneProfile, VoiceShifts
from tts.voice.speaker import SpeakerEncoder
from tts_codecs.checkpoint import fingerprint
from tts_codecs.vocoder.source_filter import SourceFilterVocoder


@dataclass(eq=False, repr=False)
class Networks:
    """The networks of a model, each of which is None where its config names none.

    Attributes:
        config: the checkpoints they are of; device: "cpu" or "cuda".
        generator: text and a voice to latents; latent_space: what these latents are.
        external: a second generator of the same codes (tts.generators.external).
        duration_model: frames of each phone; phrasing: pauses where the text has no mark.
        vocoder: features to a waveform, and recordings to features.
        speaker: recordings to speaker embeddings.
        phone_probe: features to phones; overlap: whether several people speak at once.
        enhancer: takes noise and reverberation out of recordings.
        shifts: what is added to generated features for a voice; None if the model has no profile.
    """

    config: ModelConfig
    device: str
    generator: Generator
    latent_space: LatentSpace
    external: External | None
    duration_model: DurationModel | None
    phrasing: PhrasingModel | None
    vocoder: SourceFilterVocoder
    speaker: SpeakerEncoder
    phone_probe: PhoneProbe | None
    overlap: OverlapDetector | None
    enhancer: SpeechEnhancer | None
    shifts: VoiceShifts | None

    @property
    def durations(self) -> DurationModel:
        """The duration model.

        Raises:
            UsageError: the model has none.
        """
        if self.duration_model is None:
            raise UsageError(f"{self.config.name} has no model of durations")
        return self.duration_model

    @property
    def aligned(self) -> bool:
        """Whether the generator needs the duration of each phone beforehand."""
        return self.generator.conditioner.text == "expanded"


def load_networks(config: ModelConfig, device: str, cancellation: Cancellation) -> Networks:
    """The networks of a config, with their weights.

    Args:
        device: "cpu" or "cuda".
        cancellation: checked by the blocks of the networks, so that a request can be stopped.

    Raises:
        ConfigError: parts are missing or do not go together.
        CheckpointError: weights are missing or damaged.
    """

    def optional(checkpoint: str | None, kind: str) -> nn.Module | None:
        return load_module(checkpoint, device, kind) if checkpoint else None

    generator = cast(Generator, load_module(config.generator, device, "generator"))
    if config.durations is None and generator.conditioner.text == "expanded":
        raise ConfigError(f"the config of {config.name!r} names no durations")
    space = load_latent_space(
        config.codec,
        device,
        generator.posterior,
        generator.patch,
        generator.strategy.merge,
        generator.latent_scale,
    )
    generator.check_latent_space(space)
    probe = cast("PhoneProbe | None", optional(config.phone_probe, "phone_probe"))
    if config.overlap is not None and probe is None:
        raise ConfigError(f"{config.name!r} names overlap: name its phone_probe")
    found = Networks(
        config,
        device,
        generator,
        space,
        _external(config, device, generator),
        cast("DurationModel | None", optional(config.durations, "durations")),
        cast("PhrasingModel | None", optional(config.phrasing, "phrasing")),
        cast(SourceFilterVocoder, load_module(config.vocoder, device, "source_filter_vocoder")),
        cast(SpeakerEncoder, load_module(config.speaker, kind="speaker")),
        probe,
        cast("OverlapDetector | None", optional(config.overlap, "overlap")),
        cast("SpeechEnhancer | None", optional(config.enhancer, "enhancer")),
        _shifts(config, device, generator, space, probe),
    )
    prepare_weights(generator, config.weights, device)
    helper = None if found.external is None else found.external.generator
    for network in (generator, found.duration_model, found.vocoder, helper, space.waveform_codec):
        if network is not None:
            cancellation.watch(network)
    return found


def _external(config: ModelConfig, device: str, generator: Generator) -> External | None:
    """The external model that a config names, ready to run beside its generator."""
    if config.external is None:
        return None
    other = cast(Generator, load_module(config.external, device, "generator"))
    prepare_weights(other, config.weights, device)
    external = External(other, config.external_sampling)
    external.check(generator)
    return external


def _shifts(
    config: ModelConfig,
    device: str,
    generator: Generator,
    space: LatentSpace,
    probe: PhoneProbe | None,
) -> VoiceShifts | None:
    """The shifts of voices, if the config names what finds them."""
    if space.waveform_codec is not None:
        return None  # shifts are added to features, and here there are none
    untimed = config.durations is None or generator.conditioner.untimed
    if config.profile is None or probe is None or untimed:
        if config.normalised:
            raise ConfigError(
                f"{config.name!r} is normalised: name its profile, phone_probe and durations"
            )
        return None
    profile = cast(PhoneProfile, load_module(config.profile, device, "profile"))
    name = fingerprint(checkpoint_folder(config.generator))
    recognizer = config.phone_recognizer
    reader = load_module(recognizer, device, "phone_probe") if recognizer else None
    return VoiceShifts(profile, probe, config.normalised, name, cast("PhoneProbe | None", reader))
