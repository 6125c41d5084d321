"""Checkpoints that a training needs: those of its losses, and those a system will speak with."""

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
    """Load the network of an option that names a checkpoint.

    Args:
        key: of the option, such as "options.probe".
        name: of the checkpoint, or its folder; None for no network.
        kind: of network that is expected.
        optional: whether the training can do without it.

    Returns:
        the network; None without a name.

    Raises:
        CheckpointError: it is missing, damaged or of another kind. The message has the key, how the
            network is trained and, for optional ones, how to train without.
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
    """Put the key of an option before the errors of a block that reads its data.

    Args:
        key: of the option, such as "options.distill_data".

    Raises:
        DataError: the data of the option are missing or damaged.
    """
    try:
        yield
    except DataError as error:
        raise DataError(f"{key}: {error}") from error


def check_parts(system: dict[str, Any], folder: Path | None = None) -> None:
    """Check, before its training, that a system will be able to speak.

    Args:
        system: its resolved YAML.
        folder: of the YAML, in which parts may lie.

    Raises:
        CheckpointError: a part other than the generator has no weights; the message has its key and
            how it is trained.
        UsageError: the language is unknown.
    """
    _, speaking = split(system, list(ModelConfig.model_fields), str(system["name"]))
    config = parse(ModelConfig, {"generator": system["name"], **speaking}, str(system["name"]))
    missing = missing_weights(config, folder)
    missing.pop("generator", None)
    if missing:
        raise CheckpointError(f"{config.name}: " + "; ".join(missing.values()))
    # A machine that only trains may have no espeak.
    with suppress(MissingDependencyError):
        try:
            check_language(config.language)
        except UsageError as error:
            raise UsageError(f"language: {error}") from error
