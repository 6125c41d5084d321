"""A bound on what is built before weights are read: a config may ask for more than there is."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from tts_codecs.errors import CheckpointError


@contextmanager
def building(most: int) -> Iterator[None]:
    """In this thread, refuse a module as soon as it has over `most` values.

    Layers register a parameter before they fill it, so no memory was touched for it by then.

    Raises:
        CheckpointError: it has.
    """
    thread, counted = threading.get_ident(), 0
    seen: dict[int, nn.Parameter] = {}

    def count(module: nn.Module, name: str, value: Any) -> None:
        nonlocal counted
        if threading.get_ident() != thread or not isinstance(value, nn.Parameter):
            return
        if id(value) not in seen:
            # Kept, so that no other gets its place; tied weights count once.
            seen[id(value)] = value
            counted += value.numel()
        if counted > most:
            raise CheckpointError(
                f"it describes a network of over {counted:,} values, more than its weights have"
            )

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()
