"""Exponential moving average (EMA) of the weights of a training."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn


class Ema:
    """Exponential moving average of all parameters and buffers in the state dicts of networks.

    The decay warms up, `min(decay, (1 + step) / (10 + step))`. Integers are copied.

    Args:
        modules: networks by name.

    Attributes:
        shadow: averages by "MODULE.TENSOR".
    """

    def __init__(self, modules: dict[str, nn.Module], decay: float):
        self.decay = decay
        self.shadow: dict[str, Tensor] = {}
        # The dict and key of each tensor, as a step may put another tensor in place of a buffer.
        self._slots: list[tuple[dict[str, Any], str]] = []
        for name, module in modules.items():
            for key, value in module.state_dict().items():
                self.shadow[f"{name}.{key}"] = value.detach().clone()
                path, _, last = key.rpartition(".")
                owner = module.get_submodule(path)
                slots = owner._parameters if last in owner._parameters else owner._buffers
                self._slots.append((slots, last))

    def _pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Pairs of an average and the current tensor."""
        for average, (slots, name) in zip(self.shadow.values(), self._slots, strict=True):
            yield average, slots[name]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the averages towards the current weights."""
        rate = 1 - min(self.decay, (1 + step) / (10 + step))
        averages, values = [], []
        for average, value in self._pairs():
            if value.is_floating_point():
                averages.append(average)
                values.append(value)
            else:
                average.copy_(value)
        # One call for all tensors starts few kernels.
        torch._foreach_lerp_(averages, values, rate)

    @torch.no_grad()
    def settle(self) -> None:
        """Set frozen parameters to their averages.

        The averages were exported, and other networks were fitted to them. A frozen weight that
        differs from its average would go on to change the average.
        """
        for average, value in self._pairs():
            if isinstance(value, nn.Parameter) and not value.requires_grad:
                value.copy_(average)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange averaged and current weights in place; a second call restores them."""
        for average, value in self._pairs():
            current = value.clone()
            value.copy_(average)
            average.copy_(current)
