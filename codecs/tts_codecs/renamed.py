"""Old names of parameters in saved weights, with the names they have now.

Weights keep the names under which they were saved, in checkpoints, training states and adapted
voices alike; whoever reads them maps the names by this one table.
"""

import re
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

#: patterns of old names to their replacements; a name may stand behind that of a module
PARAMETERS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(rf"(^|\.){old}"), rf"\1{new}")
    for old, new in (
        (r"voice\.glob\.", "voice.global_cond."),
        (r"voice\.null_glob\b", "voice.null_global_cond"),
        (r"backbone\.(fine\.)?glob\.", r"backbone.\2global_cond."),
        (r"conditioner\.content\.place\.", "conditioner.content.position."),
        (r"conditioner\.content\.mean\.", "conditioner.content.prior_mean."),
        (r"head\.place\b", "head.position"),
        (r"head\.given\b", "head.known"),
        (r"place\.([01])\.(?=weight|bias)", r"position.\2."),
    )
)


#: old names of arguments in the config.yaml of a checkpoint, by its kind
ARGUMENTS: dict[str, dict[str, str]] = {"neural": {"units": "output"}}


def current_arguments(kind: str, arguments: Mapping[str, T]) -> dict[str, T]:
    """The arguments that rebuild a checkpoint of a kind, under the names of today."""
    renamed = ARGUMENTS.get(kind, {})
    return {renamed.get(name, name): value for name, value in arguments.items()}


def current_name(name: str) -> str:
    """A parameter's name as it is today."""
    for old, new in PARAMETERS:
        name = old.sub(new, name)
    return name


def current_names(state: Mapping[str, T]) -> dict[str, T]:
    """A state dict under the names of today."""
    return {current_name(name): value for name, value in state.items()}
