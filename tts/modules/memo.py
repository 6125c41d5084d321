"""What inference derives from weights, made once and again when the weights change."""

from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor


class Memo:
    """One derived value; a plain attribute of a module, and so no part of its state dict.

    Threads may share it: at worst two make the same value.
    """

    def __init__(self) -> None:
        self._kept: tuple[Any, Any] | None = None

    def get(self, weights: list[Tensor], make: Callable[[], Any], *also: Hashable) -> Any:
        """The value of `make()`, kept while the weights and `also` stay as they are.

        Training changes the version of a weight, and another device or dtype its place. Of weights
        that were made in inference mode, which have no version, nothing is kept.
        """
        if any(weight.is_inference() for weight in weights):
            return make()
        key = (also, *((w.data_ptr(), w._version) for w in weights))
        kept = self._kept
        if kept is None or kept[0] != key:
            # Ordinary tensors, which serve in and outside of inference mode.
            with torch.inference_mode(False), torch.no_grad():
                kept = self._kept = (key, make())
        return kept[1]

    def __getstate__(self) -> dict[str, Any]:
        return {"_kept": None}
