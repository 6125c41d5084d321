"""Which models and codecs have their weights here, found out without PyTorch."""

import yaml

from tts.catalog import model_info
from tts.errors import CheckpointError, TTSError
from tts.resources import checkpoints, find_checkpoints, model_names
from tts_codecs.plain_yaml import read_yaml
from tts_demo.limits import CODECS


def ready_models() -> list[str]:
    """Shipped models all of whose weights are there, "default" first."""
    names = [name for name in model_names() if _is_ready(name)]
    return sorted(names, key=lambda name: (name != "default", name))


def _is_ready(name: str) -> bool:
    try:
        return model_info(name).ready
    except (OSError, ValueError, AttributeError, TypeError, TTSError, KeyError):
        return False


def ready_codecs() -> list[str]:
    """Codecs whose weights are there, as tts_codecs.registry.names tells them."""
    found = []
    folder = find_checkpoints()
    for path in sorted(folder.glob("*/config.yaml")) if folder else []:
        try:
            kind = read_yaml(path)["kind"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError, yaml.YAMLError):
            continue
        if kind in CODECS and (path.parent / "model.safetensors").is_file():
            found.append(path.parent.name)
    return found


def no_models() -> CheckpointError:
    """The error of a page that has nothing to offer.

    Raises:
        CheckpointError: no weights are installed; it tells how to get them.
    """
    checkpoints()
    return CheckpointError("no model has its weights in checkpoints/: see `tts models`")
