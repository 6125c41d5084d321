"""Where shipped files are: configs/, checkpoints/ and the voices in it."""

import os
from pathlib import Path

from tts.bundle import fetch_bundle
from tts.errors import TTSError, UsageError
from tts_codecs.errors import nearest

__all__ = ["model_config", "model_names", "nearest", "root", "voice_names"]

_PACKAGE = Path(__file__).resolve().parent


def root() -> Path:
    """Folder that holds `configs` and `checkpoints`: the checkout, or the installed package.

    `TTS_HOME` overrides it.
    """
    override = os.environ.get("TTS_HOME")
    candidates = [Path(override)] if override else [_PACKAGE.parent, _PACKAGE]
    for folder in candidates:
        if (folder / "checkpoints").is_dir() and (folder / "configs").is_dir():
            return folder
    raise TTSError(
        "the shipped weights were not found: install from the checkout, or set TTS_HOME to it"
    )


def voice_names() -> list[str]:
    """Built-in voices."""
    return sorted(p.stem for p in (root() / "checkpoints" / "voices").glob("*.safetensors"))


#: folders of configs/ with models: those that are trained here, and the weights of others
MODELS = ("systems", "models")
#: files of configs/ that became systems
MOVED = {
    **{
        f"train/{name}": f"systems/{name}"
        for name in (
            "ar",
            "ar_latent",
            "ar_rvq",
            "diffusion",
            "masked",
            "soundstorm",
        )
    },
    **{
        f"models/{name}": f"systems/{name}"
        for name in (
            "ar",
            "ar_latent",
            "default",
            "diffusion",
            "masked",
        )
    },
    "train/flow": "systems/default",
    "train/base": "systems/default_30m",
    "train/depth": "systems/fish_speech",
    "train/pointer": "systems/pointer",
    "train/spans": "systems/magnet",
}


def model_names() -> list[str]:
    """Known models, one YAML each in configs/systems and configs/models; weights may be missing."""
    return sorted(p.stem for kind in MODELS for p in (root() / "configs" / kind).glob("*.yaml"))


def moved(path: str | os.PathLike[str]) -> str:
    """Where a file of configs/ is now, for an error about one that is not there; "" if it did not
    move."""
    old = Path(path)
    place = MOVED.get(f"{old.parent.name}/{old.stem}")
    if place is None or old.parent.parent.name != "configs":
        return ""
    return f"{path} has moved: it is configs/{place}.yaml now"


def model_config(name: str) -> Path:
    """Path of a model's YAML: a shipped name, a path to one, a folder with a `model.yaml`, or the
    URL of a bundle (tts.bundle).

    Raises:
        UsageError: unknown name, naming the nearest.
        CheckpointError: a bundle that cannot be fetched.
    """
    if "://" in name:
        return fetch_bundle(name) / "model.yaml"
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise UsageError(moved(path) or f"no model config {name}")
        return path
    if (path / "model.yaml").is_file():
        return path / "model.yaml"
    known = model_names()
    if name not in known:
        raise UsageError(f"unknown model {name!r}{nearest(name, known)}")
    places = [root() / "configs" / kind / f"{name}.yaml" for kind in MODELS]
    return next(place for place in places if place.is_file())
