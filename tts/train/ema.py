"""Exponential moving average of the weights."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn


class Ema:
    """Exponential moving average of all parameters and buffers of a state dict, with a warm-up of
    the decay; what is not a floating point number is copied."""

    def __init__(self, modules: dict[str, nn.Module], decay: float):
        self.decay = decay
        self.shadow: dict[str, Tensor] = {}
        # Where each is kept in its module: a buffer may be another tensor after a step.
        self._places: list[tuple[dict[str, Any], str]] = []
        for name, module in modules.items():
            for key, value in module.state_dict().items():
                self.shadow[f"{name}.{key}"] = value.detach().clone()
                path, _, last = key.rpartition(".")
                owner = module.get_submodule(path)
                kept = owner._parameters if last in owner._parameters else owner._buffers
                self._places.append((kept, last))

    def _pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Averages and current values."""
        for average, (kept, name) in zip(self.shadow.values(), self._places, strict=True):
            yield average, kept[name]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the average towards the current weights."""
        rate = 1 - min(self.decay, (1 + step) / (10 + step))
        averages, values = [], []
        for average, value in self._pairs():
            if value.is_floating_point():
                averages.append(average)
                values.append(value)
            else:
                average.copy_(value)
        # One call for all; they may be of several types and devices.
        torch._foreach_lerp_(averages, values, rate)

    @torch.no_grad()
    def settle(self) -> None:
        """Frozen parameters become their averages, which are what was exported of them and what
        others were fitted to; weights that differ would pull the average on."""
        for average, value in self._pairs():
            if isinstance(value, nn.Parameter) and not value.requires_grad:
                value.copy_(average)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange averaged and current weights in place; call twice to restore."""
        for average, value in self._pairs():
            keep = value.clone()
            value.copy_(average)
            average.copy_(keep)
