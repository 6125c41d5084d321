"""What inference derives from weights, made once and again when the weights change."""

from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor, nn


class DerivedCache:
    """One derived value; a plain attribute of a module, and so no part of its state dict.

    Threads may share it: at worst two make the same value.
    """

    def __init__(self) -> None:
        self._kept: tuple[Any, Any] | None = None
        self._places: list[tuple[dict[str, Any], str]] | None = None

    def get(self, weights: list[Tensor], make: Callable[[], Any], *also: Hashable) -> Any:
        """The value of `make()`, kept while the weights and `also` stay as they are.

        Training changes the version of a weight, and another device or dtype its place. Of weights
        that were made in inference mode, which have no version, nothing is kept.
        """
        # Asked for once a chunk or step, for some hundred weights: no generators.
        try:
            versions = [weight._version for weight in weights]
        except RuntimeError:  # of inference mode
            return make()
        key = (also, versions, [weight.data_ptr() for weight in weights])
        kept = self._kept
        if kept is None or kept[0] != key:
            # Ordinary tensors, which serve in and outside of inference mode.
            with torch.inference_mode(False), torch.no_grad():
                kept = self._kept = (key, make())
        return kept[1]

    def holds(self, value: Any) -> bool:
        """Whether `value` is what `get` gave last."""
        kept = self._kept
        return kept is not None and kept[1] is value

    def weights(self, module: nn.Module) -> list[Tensor]:
        """The parameters of a module, whose layers stay the same, found faster than by itself."""
        if self._places is None:
            self._places = [(m._parameters, n) for m in module.modules() for n in m._parameters]
        found = [place[name] for place, name in self._places]
        return [weight for weight in found if weight is not None]

    def __getstate__(self) -> dict[str, Any]:
        return {"_kept": None, "_places": None}
