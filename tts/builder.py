"""The registry: architecture names to classes, and checkpoints to modules."""

from pathlib import Path

from torch import nn

from tts.align.aligner import Aligner
from tts.align.durations import DurationModel
from tts.generators.flow import FlowGenerator
from tts.resources import root
from tts.voice.probe import SpeakerProbe
from tts.voice.speaker import SpeakerEncoder
from tts_codecs.checkpoint import load_weights, read_config
from tts_codecs.errors import CheckpointError
from tts_codecs.spectral import SpectralAutoencoder
from tts_codecs.vocoder.source_filter import SourceFilterVocoder

MODULES: dict[str, type[nn.Module]] = {
    "aligner": Aligner,
    "durations": DurationModel,
    "flow": FlowGenerator,
    "source_filter_vocoder": SourceFilterVocoder,
    "probe": SpeakerProbe,
    "speaker": SpeakerEncoder,
    "spectral": SpectralAutoencoder,
}


def checkpoint_folder(name: str | Path) -> Path:
    """A folder given by path, or by name under checkpoints/."""
    path = Path(name)
    return path if path.is_dir() else root() / "checkpoints" / path


def load_module(name: str | Path, device: str = "cpu") -> nn.Module:
    """Build the architecture a checkpoint names and fill it with its verified weights.

    Raises:
        CheckpointError: missing, damaged, or of an unknown kind.
    """
    folder = checkpoint_folder(name)
    config = read_config(folder)
    cls = MODULES.get(config["kind"])
    if cls is None:
        raise CheckpointError(f"{folder} holds an unknown kind of model, {config['kind']!r}")
    try:
        module = cls(**config["arguments"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{folder} has wrong arguments in its config: {error}") from error
    load_weights(folder, module)
    return module.to(device).eval().requires_grad_(False)
