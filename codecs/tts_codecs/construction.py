"""A bound on the size of networks that are built from a config, so that a damaged config cannot use
up the memory before the weights are read."""

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)
from torch.overrides import TorchFunctionMode

from tts_codecs.errors import CheckpointError

#: functions that make a tensor of the size that they are given first
_MAKERS = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn)


@contextmanager
def building(most: int) -> Iterator[None]:
    """Context that limits the modules that this thread builds to `most` values, in parameters and
    buffers together, and in every single tensor that is computed for them.

    Layers register a parameter before they fill it, and functions that make a tensor are checked
    before they run. So the memory of a tensor that is too large is never touched.

    Raises:
        CheckpointError: the limit is exceeded.
    """
    thread, counted = threading.get_ident(), 0
    seen: dict[int, Tensor] = {}

    def count(module: nn.Module, name: str, value: Any) -> None:
        nonlocal counted
        if threading.get_ident() != thread or not isinstance(value, Tensor):
            return
        if id(value) not in seen:
            # Tied weights count once. Tensors are kept here so that no id is reused.
            seen[id(value)] = value
            counted += value.numel()
        if counted > most:
            raise _too_large(counted)

    hooks = [
        register_module_parameter_registration_hook(count),
        register_module_buffer_registration_hook(count),
    ]
    try:
        with _Bounded(most):
            yield
    finally:
        for hook in hooks:
            hook.remove()


class _Bounded(TorchFunctionMode):
    """Refuses tensors of over `most` values."""

    def __init__(self, most: int):
        super().__init__()
        self.most = most

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _MAKERS:
            self._check(_asked(args, kwargs))
        made = func(*args, **kwargs)
        if isinstance(made, Tensor):
            self._check(made.numel())
        return made

    def _check(self, values: int) -> None:
        if values > self.most:
            raise _too_large(values)


def _asked(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    """Number of values of the tensor that one of _MAKERS would make; 0 for invalid arguments."""
    size = kwargs.get("size", args[0] if args and isinstance(args[0], tuple | list) else args)
    return math.prod(size) if all(isinstance(each, int) for each in size) else 0


def _too_large(values: int) -> CheckpointError:
    return CheckpointError(
        f"it describes a network of over {values:,} values, more than its weights have"
    )
