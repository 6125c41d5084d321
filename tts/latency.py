"""How early a model is heard: what has to be generated before, and how far its parts look ahead."""

import inspect
import math
from dataclasses import dataclass
from typing import Any, cast

from tts.config import ModelConfig
from tts.pipeline.feature_decoder import FIRST_FRAMES
from tts.registry import HEADS, STRATEGIES, load_latent_space, load_module
from tts.resources import checkpoint_folder
from tts_codecs.checkpoint import read_config
from tts_codecs.vocoder.source_filter import SourceFilterVocoder


@dataclass(frozen=True)
class Latency:
    """Frames are of 20 ms. All None: a sentence is generated as a whole before it is heard.

    Attributes:
        first_audio_frames: to generate before the first audio.
        first_audio_steps: network steps that takes, with those by which a pattern delays codes;
            None where it depends on the length of the sentence.
        look_ahead_frames: that codec and vocoder see beyond the one they speak.
    """

    first_audio_frames: int | None = None
    first_audio_steps: int | None = None
    look_ahead_frames: int | None = None


def latency(config: ModelConfig) -> Latency:
    """The figures of a model whose weights are there.

    Raises:
        CheckpointError: they are not.
    """
    arguments: dict[str, Any] = read_config(checkpoint_folder(config.generator))["arguments"]
    if "strategy" not in arguments:
        return Latency()  # of the published models none speaks before its sentence is whole
    spec = dict(arguments["strategy"])
    strategy = STRATEGIES[spec.pop("kind")](**spec)
    if not strategy.streamed:
        return Latency()
    space = load_latent_space(config.codec)
    beyond = space.look_ahead
    if space.waveform_codec is None:
        beyond += cast(SourceFilterVocoder, load_module(config.vocoder)).total_look_ahead
    # The decoder speaks once it has more than FIRST_FRAMES; one latent is held back, as it may be
    # the last.
    latents = math.ceil((FIRST_FRAMES + 1 + space.look_ahead) / space.patch) + 1
    steps = strategy.steps_before(latents, _books(arguments.get("head") or {"kind": "linear"}))
    return Latency(latents * space.patch, steps, beyond)


def _books(head: dict[str, Any]) -> int:
    """Codebooks of a head, 0 for continuous latents."""
    known = inspect.signature(HEADS[head["kind"]]).parameters
    return (
        int(head.get("num_codebooks", known["num_codebooks"].default))
        if "num_codebooks" in known
        else 0
    )
