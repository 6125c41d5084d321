"""Which models and codecs have their weights here, found out without PyTorch."""

import yaml

from tts.bundle import cache_folder
from tts.errors import CheckpointError, TTSError
from tts.resources import model_config, model_names, root
from tts.systems import read_resolved
from tts_demo.limits import CODECS, PARTS


def ready_models() -> list[str]:
    """Shipped models all of whose weights are there, "default" first."""
    names = [name for name in model_names() if _is_ready(name)]
    return sorted(names, key=lambda name: (name != "default", name))


def _is_ready(name: str) -> bool:
    try:
        config = {"generator": name, **read_resolved(model_config(name))}
        if config.get("published"):
            # tts.published.PublishedF5.folder, without PyTorch.
            return any(cache_folder().glob(f"{config['published']}-{'[0-9a-f]' * 8}"))
        parts = [config[part] for part in PARTS if config.get(part, "features") != "features"]
    except (OSError, ValueError, AttributeError, TypeError, TTSError, KeyError):
        return False
    folders = [root() / "checkpoints" / part for part in parts if part]
    return all((folder / "model.safetensors").is_file() for folder in folders)


def ready_codecs() -> list[str]:
    """Codecs whose weights are there, as tts_codecs.registry.names tells them."""
    found = []
    for path in sorted((root() / "checkpoints").glob("*/config.yaml")):
        try:
            kind = yaml.safe_load(path.read_text("utf-8"))["kind"]
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
            continue
        if kind in CODECS and (path.parent / "model.safetensors").is_file():
            found.append(path.parent.name)
    return found


def no_models() -> CheckpointError:
    """The error of a page that has nothing to offer."""
    return CheckpointError("no model has its weights in checkpoints/: see `tts models`")
