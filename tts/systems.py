"""System files: one YAML per system, from which it is trained and spoken, built on others.

    base: language_model            # a name in configs/base, or the path of a YAML; or several
    name: fish_speech
    model: {...}                    # the network: arguments of tts.registry.build_generator
    options: {...}; train: {...}    # of the training, see tts.train.config
    codec: spectral                 # what it fills and the other parts, see tts.config.ModelConfig
    sampling: {...}

`base` works in every YAML of a run or a model. What a file says is put on top of its bases, section
by section; a section with another `kind` than that of the base replaces it. Nothing heavy is
imported here.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tts.errors import ConfigError
from tts.renamed import unknown_key
from tts.resources import configs, moved, nearest
from tts_codecs import plain_yaml
from tts_codecs.bandwidth import split_bandwidth

#: keys of a system that tell how it is trained; the others are those of a model
TRAINING = ("task", "data", "out", "size", "model", "options", "train")
#: keys of a model that name checkpoints, with what they are where a file does not say
PARTS: dict[str, str | None] = {
    "generator": None, "codec": "features", "durations": None, "phrasing": None, "vocoder": None,
    "speaker": "speaker", "profile": None, "phone_probe": None,
    "phone_recognizer": None, "overlap": None, "enhancer": None, "external": None,
}  # fmt: skip


def plain_name(part: str, name: str) -> str:
    """The name of the checkpoint of a part: that of a codec may end in a bandwidth, as "rvq@1.0".
    UsageError: one that cannot be."""
    return split_bandwidth(name)[0] if part == "codec" else name


def read_yaml(path: str | Path) -> Any:
    """Parsed YAML as it stands; ConfigError when it cannot be read."""
    try:
        return plain_yaml.read_yaml(path)
    except OSError as error:
        raise ConfigError(moved(path) or f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid YAML: {plain_yaml.wrong_yaml(error)}") from error


def read_assignment(assignment: str, example: str) -> tuple[str, Any]:
    """Key and value of a KEY=VALUE of `--set`, the value read as YAML.

    Raises:
        ConfigError: not an assignment, or a value that is not YAML.
    """
    key, sign, text = assignment.partition("=")
    if not sign or not key.strip(". "):
        raise ConfigError(f"--set {assignment!r}: expected key=value, as in {example}")
    try:
        return key.strip(), plain_yaml.parse_yaml(text.encode("utf-8", "surrogateescape"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"--set {assignment!r}: the value is not valid YAML") from error


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`, neither of which is changed: sections in both are put together,
    unless they name different kinds."""
    out = {**base, **over}
    for key, value in over.items():
        below = base.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            other = "kind" in value and value["kind"] != below.get("kind")
            out[key] = dict(value) if other else merged(below, value)
    return out


def read_resolved(path: str | Path) -> Any:
    """Parsed YAML on top of its bases, without the key `base`.

    Raises:
        ConfigError: a file that cannot be read, a base that is not there (naming the nearest), or
            files that are based on each other.
    """
    return _resolved(Path(path), ())


def _resolved(path: Path, above: tuple[Path, ...]) -> Any:
    if path.resolve() in above:
        circle = " -> ".join(each.name for each in (*above, path))
        raise ConfigError(f"{path}: based on itself ({circle})")
    values = read_yaml(path)
    if not isinstance(values, dict) or "base" not in values:
        return values
    bases = values["base"]
    names = [bases] if isinstance(bases, str) else bases
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{path}: base is a name or a list of names, not {bases!r}")
    out: dict[str, Any] = {}
    for name in names:
        found = _base(name, path)
        below = _resolved(found, (*above, path.resolve()))
        if not isinstance(below, dict):
            raise ConfigError(f"{found}: not a mapping of keys to values")
        out = merged(out, below)
    return merged(out, {key: value for key, value in values.items() if key != "base"})


def _base(name: str, path: Path) -> Path:
    """The file of a base: a path beside the file that names it, or a name in configs/base."""
    if name.endswith((".yaml", ".yml")):
        return path.parent / name
    for folder in (path.parent.parent / "base", configs() / "base"):
        if (folder / f"{name}.yaml").is_file():
            return folder / f"{name}.yaml"
    known = [each.stem for each in (configs() / "base").glob("*.yaml")]
    raise ConfigError(f"{path}: no base {name!r} in configs/base{nearest(name, known)}")


def is_system(values: Any) -> bool:
    """Whether parsed YAML tells how a model is trained and how it speaks."""
    return isinstance(values, dict) and "task" in values and "name" in values


def split(
    values: Mapping[str, Any], model_keys: Sequence[str], source: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a system says of its training, and what it says of the model that speaks.

    Args:
        model_keys: those of a model.

    Raises:
        ConfigError: an unknown key, naming the nearest, or a system of something that does not
            speak.
    """
    known = [*TRAINING, *model_keys]
    for key in values:
        if key not in known:
            raise ConfigError(f"{source}: unknown key {key!r}{unknown_key(str(key), known)}")
    if values["task"] != "generator":
        raise ConfigError(
            f"{source}: a system trains a generator, not {values['task']!r}"
            f"{nearest(str(values['task']), ['generator'])}; a file of another task has no name"
        )
    training = {key: value for key, value in values.items() if key in TRAINING}
    return training, {key: value for key, value in values.items() if key not in TRAINING}
