"""Grouped backbone: lower blocks are shared, upper blocks are separate for each group of codebooks
(LiveSpeech, Dang et al. 2024)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tts.errors import ConfigError
from tts.generators.backbone import Backbone


class GroupedBackbone(Backbone):
    """Backbone with `groups` outputs for each latent, [B, U, groups * dim].

    Args:
        dim: of each output.
        blocks: how many a latent passes, of which the last `own` are separate for each group.
        groups: of codebooks; sizes: other arguments of Backbone.

    Raises:
        ConfigError: `own` is more than `blocks`.
    """

    def __init__(
        self, dim: int = 256, blocks: int = 6, groups: int = 2, own: int = 3, **sizes: Any
    ):
        if not 0 < own <= blocks:
            raise ConfigError(f"own is from 1 to the {blocks} blocks of the backbone, not {own}")
        super().__init__(dim, blocks=blocks + (groups - 1) * own, **sizes)
        self.groups, self.own, self.shared = groups, own, blocks - own
        #: a recorded graph goes through the blocks one after another
        self.graphs = False

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Load weights, also those of a backbone without groups: its last blocks then initialise
        the blocks of every group."""
        for number in range(self.shared + self.own, len(self.blocks)):
            source = f"{prefix}blocks.{self.shared + (number - self.shared) % self.own}."
            for key in [key for key in state if key.startswith(source)]:
                name = f"{prefix}blocks.{number}.{key[len(source) :]}"
                state.setdefault(name, state[key])
        super()._load_from_state_dict(state, prefix, *rest)

    def through(self, x: Tensor, block: Callable[[int, Tensor], Tensor]) -> Tensor:
        """Run x [B, U, dim] through all blocks to [B, U, groups, dim]; see Backbone.through."""
        for at in range(self.shared):
            x = block(at, x)
        found = []
        for group in range(self.groups):
            y = x
            first = self.shared + group * self.own
            for at in range(first, first + self.own):
                y = block(at, y)
            found.append(y)
        return torch.stack(found, 2)

    def finish(
        self, x: Tensor, shift: Tensor, factor: Tensor, gain: Tensor | None = None
    ) -> Tensor:
        """Normalise and modulate the outputs of all groups and put them side by side."""
        parts = [None if part is None else part.unsqueeze(2) for part in (shift, factor, gain)]
        return super().finish(x, *parts).flatten(2)  # type: ignore[arg-type]
