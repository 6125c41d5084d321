"""Where shipped files are: configs/, and checkpoints/ with the voices in it.

Both lie at the top of a checkout. Installed, the configs are in the package `tts`, and the weights
in a package of their own, `tts_weights`, which need not be there: the code alone trains, and speaks
with weights that a config names by their paths or that were fetched.
"""

import hashlib
import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tts.bundle import fetch_bundle
from tts.errors import CheckpointError, TTSError, UsageError
from tts_codecs.errors import nearest
from tts_codecs.fetched import BUILT, CODECS

__all__ = [
    "checkpoint_folder", "checkpoints", "code_checksum", "codec_without_folder", "configs",
    "find_checkpoints", "holds_checkpoint", "model_config", "model_names", "nearest", "voice_names",
]  # fmt: skip

#: of a checkpoint, as tts_codecs.checkpoint writes them; that module imports PyTorch
_FILES = ("config.yaml", "model.safetensors")
_PACKAGE = Path(__file__).resolve().parent
#: how to get the weights where only the code is installed
NO_WEIGHTS = (
    "the weights are not installed: pip install the wheel tts_weights that is built beside that of "
    "tts (make wheel), or set TTS_HOME to a checkout"
)


def configs() -> Path:
    """The folder of the shipped YAML files; `TTS_HOME` names another one above it.

    Raises:
        TTSError: it is not there.
    """
    override = os.environ.get("TTS_HOME")
    for place in [Path(override)] if override else [_PACKAGE, _PACKAGE.parent]:
        if (place / "configs").is_dir():
            return place / "configs"
    where = f" in {override} (TTS_HOME)" if override else ""
    raise TTSError(f"the shipped configs were not found{where}: install again, or set TTS_HOME")


def find_checkpoints() -> Path | None:
    """The folder of the shipped weights; None where only the code is installed."""
    beside = configs().parent / "checkpoints"
    if beside.is_dir():
        return beside
    if os.environ.get("TTS_HOME"):
        return None
    spec = find_spec("tts_weights")
    places = spec.submodule_search_locations if spec else None
    return next((Path(place) for place in places or () if Path(place).is_dir()), None)


def checkpoints() -> Path:
    """The folder of the shipped weights.

    Raises:
        CheckpointError: only the code is installed; it tells how to get them.
    """
    found = find_checkpoints()
    if found is None:
        raise CheckpointError(NO_WEIGHTS)
    return found


def checkpoint_folder(name: str | Path) -> Path:
    """A folder given by path, or by name under checkpoints/. Errors as `checkpoints`.

    A name that is shipped is never a folder of the user's that happens to be called alike. What is
    neither there nor shipped is a path if it names more than one folder, so that errors show what
    was given.
    """
    path = Path(name)
    shipped = find_checkpoints()
    if path.name == str(name) and shipped and holds_checkpoint(shipped / path):
        return shipped / path
    if (
        os.path.isdir(path)
        or len(path.parts) > 1
        and not (shipped and os.path.isdir(shipped / path))
    ):
        return path
    return checkpoints() / path


def codec_without_folder(name: str | Path) -> bool:
    """Whether a codec is none of a checkpoint: built in, a published one by its name, or a file of
    published weights. Whether a published one was fetched is another matter."""
    if str(name) not in BUILT and str(name) not in CODECS and not os.path.isfile(name):
        return False
    try:
        return not os.path.isfile(checkpoint_folder(name) / _FILES[0])
    except CheckpointError:
        return True  # no weights are installed at all


def holds_checkpoint(folder: Path) -> bool:
    """Whether a folder holds weights or their YAML, whole or damaged."""
    return any(os.path.isfile(folder / file) for file in _FILES)


def voice_names() -> list[str]:
    """Built-in voices; none where the weights are not installed."""
    folder = find_checkpoints()
    return sorted(p.stem for p in (folder / "voices").glob("*.safetensors")) if folder else []


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
    found = (path for kind in MODELS for path in (configs() / kind).glob("*.yaml"))
    return sorted(path.stem for path in found if os.path.isfile(path))


def moved(path: str | os.PathLike[str]) -> str:
    """Where a file of configs/ is now, or by which name it goes outside of a checkout, for an error
    about one that is not there; "" for other paths."""
    old = Path(path)
    if old.parent.parent.name != "configs":
        return ""
    place = MOVED.get(f"{old.parent.name}/{old.stem}")
    if place is not None:
        return f"{path} has moved: it is configs/{place}.yaml now"
    kinds = ("train", "recipes", *MODELS)
    if old.parent.name in kinds and os.path.isfile(configs() / old.parent.name / old.name):
        return f"no {path} in this folder; the shipped one goes by its name: {old.stem}"
    return ""


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
        if not os.path.isfile(path):  # False, too, where there can be no such name
            raise UsageError(moved(path) or f"no model config {name}")
        return path
    if os.path.isfile(path / "model.yaml"):
        return path / "model.yaml"
    known = model_names()
    if name not in known:
        export = path / "export"
        if os.path.isfile(export / "model.yaml"):
            raise UsageError(f"{name!r} is the folder of a training: its model is {str(export)!r}")
        raise UsageError(f"unknown model {name!r}{nearest(name, known)}")
    places = [configs() / kind / f"{name}.yaml" for kind in MODELS]
    return next(place for place in places if os.path.isfile(place))


@cache
def code_checksum() -> str:
    """A checksum of the source of both packages: other code may make something else of the same
    input, so what is kept to go on from is tied to it."""
    codecs = find_spec("tts_codecs")
    places = codecs.submodule_search_locations if codecs else None
    digest = hashlib.sha256()
    for place in (_PACKAGE, *map(Path, places or ())):
        for path in sorted(place.rglob("*.py")):
            digest.update(f"{path.relative_to(place).as_posix()}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
