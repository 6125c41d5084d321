"""Cache of values derived from weights for inference, recomputed when the weights change."""

from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor, nn


class DerivedCache:
    """Cache of one derived value. It is a plain attribute of a module, not part of its state dict.

    It may be shared by threads; at worst two of them compute the same value.
    """

    def __init__(self) -> None:
        self._kept: tuple[Any, Any] | None = None
        self._places: list[tuple[dict[str, Any], str]] | None = None

    def get(self, weights: list[Tensor], make: Callable[[], Any], *also: Hashable) -> Any:
        """The value of `make()`, cached as long as the weights and `also` do not change.

        Training changes the version counter of a weight, and a new device or dtype its address.
        Nothing is cached for weights that were made in inference mode, which have no version.
        """
        # Called for every chunk or step with some hundred weights, so it avoids slow generators.
        try:
            versions = [weight._version for weight in weights]
        except RuntimeError:  # weights made in inference mode
            return make()
        key = (also, versions, [weight.data_ptr() for weight in weights])
        kept = self._kept
        if kept is None or kept[0] != key:
            # Tensors made outside of inference mode can be used both in it and outside.
            with torch.inference_mode(False), torch.no_grad():
                kept = self._kept = (key, make())
        return kept[1]

    def holds(self, value: Any) -> bool:
        """Whether `value` is the cached value."""
        kept = self._kept
        return kept is not None and kept[1] is value

    def weights(self, module: nn.Module) -> list[Tensor]:
        """The parameters of a module, faster than `module.parameters()`. The layers of the module
        must not be replaced between calls."""
        if self._places is None:
            self._places = [(m._parameters, n) for m in module.modules() for n in m._parameters]
        found = [place[name] for place, name in self._places]
        return [weight for weight in found if weight is not None]

    def __getstate__(self) -> dict[str, Any]:
        return {"_kept": None, "_places": None}
