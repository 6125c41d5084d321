"""Assembly of a pipeline from a model's config, by the kind of its generator."""

from collections.abc import Callable
from typing import Any

from tts.cancel import Cancellation
from tts.config import ModelConfig, check_weights_of
from tts.errors import CheckpointError
from tts.pipeline.acoustic import acoustic_pipeline
from tts.pipeline.ports import Pipeline
from tts.published import published_model
from tts.published.f5.pipeline import f5_pipeline
from tts.resources import checkpoint_folder
from tts_codecs.checkpoint import read_config

#: functions that make a pipeline, by the kind of the generator's checkpoint
PIPELINES: dict[str, Callable[[ModelConfig, str, Cancellation], Pipeline[Any]]] = {
    "generator": acoustic_pipeline,
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
