"""Assembly of a pipeline from a model's config, by the kind of its generator."""

from collections.abc import Callable
from typing import Any

from tts.cancel import Cancellation
from tts.config import ModelConfig, check_weights_of
from tts.errors import CheckpointError
from tts.generators.base import Request
from tts.generators.wave_space import WaveSpace
from tts.pipeline.acoustic import AcousticModel
from tts.pipeline.feature_decoder import FeatureDecoder
from tts.pipeline.lengths import (
    CodecLengths,
    FeatureLengths,
    PhoneLengths,
    PointerLengths,
    TimbreCorrection,
    TotalLengths,
)
from tts.pipeline.networks import Networks, load_networks
from tts.pipeline.phone_frontend import PhoneFrontend
from tts.pipeline.ports import Capabilities, Pipeline
from tts.pipeline.prompt_encoder import PromptEncoder
from tts.pipeline.voiced_generator import VoicedGenerator
from tts.pipeline.wave_decoder import WaveDecoder
from tts.published import published_model
from tts.published.f5.pipeline import f5_pipeline
from tts.resources import checkpoint_folder
from tts.tuning.adapted_generators import AdaptedGenerators
from tts_codecs.checkpoint import read_config


def phone_pipeline(
    config: ModelConfig, device: str, cancellation: Cancellation
) -> Pipeline[Request]:
    """The pipeline of this project's own models: phones, lengths, a generator of any family, and a
    vocoder of source-filter features or a codec of waveforms. Each port is made in one line, of the
    networks that it needs.

    Raises:
        ConfigError, CheckpointError: see tts.pipeline.networks.load_networks.
    """
    nets = load_networks(config, device, cancellation)
    adapted = AdaptedGenerators(config.generator, config.weights, device, cancellation.watch)
    timbre = TimbreCorrection(nets.shifts, config.adapted_contrast)
    timed = nets.duration_model is not None

    text = PhoneFrontend(config.language, nets.phrasing, device)
    voices = PromptEncoder(
        nets.speaker, nets.vocoder, nets.phone_probe, nets.overlap, nets.enhancer, device
    )
    lengths = length_model(nets, timbre)
    latents = VoicedGenerator(
        nets.generator, adapted, nets.shifts, timed, nets.external, nets.latent_space.code_values()
    )
    decoder = decoder_of(nets)

    can = Capabilities(
        decoder.sample_rate,
        config.sample_rate,
        word_times=not nets.generator.conditioner.untimed,
        pitch=nets.latent_space.waveform_codec is None,
        streaming=nets.generator.strategy.streamed,
        adaptation=nets.shifts is not None,
        needs_transcript=config.needs_transcript,
    )
    tuner = AcousticModel(nets, text, voices, lengths, latents, timbre)
    return Pipeline(text, voices, lengths, latents, decoder, can, tuner)


def length_model(nets: Networks, timbre: TimbreCorrection) -> PhoneLengths:
    """The length model for the way in which the generator takes text."""
    patch, space = nets.generator.patch, nets.latent_space
    conditioner, durations = nets.generator.conditioner, nets.duration_model
    if conditioner.untimed:
        return TotalLengths(nets.phone_probe, patch, space, nets.device)
    if durations is None:
        return PointerLengths(nets.device)
    frame = nets.vocoder.hop / nets.vocoder.sample_rate
    if space.waveform_codec is not None:
        return CodecLengths(durations, frame, patch, space, nets.config.name, nets.device)
    return FeatureLengths(durations, frame, patch, conditioner.channels, timbre, nets.device)


def decoder_of(nets: Networks) -> WaveDecoder | FeatureDecoder:
    """The decoder of the generator's latents."""
    if isinstance(nets.latent_space, WaveSpace):
        return WaveDecoder(nets.latent_space)
    return FeatureDecoder(nets.latent_space, nets.vocoder)


#: functions that make a pipeline, by the kind of the generator's checkpoint
PIPELINES: dict[str, Callable[[ModelConfig, str, Cancellation], Pipeline[Any]]] = {
    "generator": phone_pipeline,
    "f5": f5_pipeline,
}


def assemble(config: ModelConfig, device: str, cancellation: Cancellation) -> Pipeline[Any]:
    """The pipeline of a config, with its weights.

    Args:
        device: "cpu" or "cuda".
        cancellation: checked by the blocks of the networks, so that a request can be stopped.

    Raises:
        CheckpointError: weights are missing, damaged, of an unknown kind, or published by others
            and not fetched yet; the message then has the command that fetches them.
        ConfigError: parts are missing or do not go together.
    """
    if config.published is not None:
        published_model(config.published).check_fetched()
    check_weights_of(config)
    folder = checkpoint_folder(config.generator)
    kind = str(read_config(folder).get("kind"))
    if kind not in PIPELINES:
        raise CheckpointError(f"{folder} is a {kind}, not one of: {', '.join(PIPELINES)}")
    return PIPELINES[kind](config, device, cancellation)
