"""Parts that a training needs: those of its losses, and those that a system will speak with."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from torch import nn

from tts.config import ModelConfig, missing_weights, parse, trained_by
from tts.errors import CheckpointError, DataError, MissingDependencyError, UsageError
from tts.registry import load_module
from tts.systems import split
from tts.text.phonemes import check_language


def load_part(key: str, name: str | None, kind: str, optional: bool = True) -> nn.Module | None:
    """The network of an option that names a checkpoint; None where it names none.

    Args:
        key: of the option, as "options.probe"; kind: of the network it has to be.
        optional: whether the training does without.

    Raises:
        CheckpointError: missing, damaged or of another kind, with the key, how it is trained and,
            where it is optional, how to do without.
    """
    if not name:
        return None
    try:
        return load_module(name, kind=kind)
    except CheckpointError as error:
        without = f"; --set {key}=null trains without it" if optional else ""
        raise CheckpointError(f"{key}: {error}{trained_by(name)}{without}") from error


@contextmanager
def option_of_data(key: str) -> Iterator[None]:
    """A block that reads what an option names; errors of the data begin with the option.

    Args:
        key: of the option, as "options.distill_data".
    """
    try:
        yield
    except DataError as error:
        raise DataError(f"{key}: {error}") from error


def check_parts(system: dict[str, Any], place: Path | None = None) -> None:
    """Checks what a system will speak with, which its training does not need, before the training.

    Args:
        system: its YAML on top of its bases; place: the folder of the file, where parts may lie.

    Raises:
        CheckpointError: a part other than the generator without weights, naming its key and how it
            is trained.
        UsageError: a language that is not known.
    """
    _, speaking = split(system, list(ModelConfig.model_fields), str(system["name"]))
    config = parse(ModelConfig, {"generator": system["name"], **speaking}, str(system["name"]))
    missing = missing_weights(config, place)
    missing.pop("generator", None)
    if missing:
        raise CheckpointError(f"{config.name}: " + "; ".join(missing.values()))
    # Training alone needs no espeak: a machine that only trains may be without.
    with suppress(MissingDependencyError):
        try:
            check_language(config.language)
        except UsageError as error:
            raise UsageError(f"language: {error}") from error
