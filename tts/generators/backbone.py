"""The network between what enters a canvas and what leaves it, shared by every family."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.modules.transformer import BlockCache, DiTBlock, rotary, timestep_embedding


@dataclass
class Cache:
    """State of a causal run: a BlockCache per block, what may be attended to, and the position."""

    blocks: list[BlockCache]
    attend: Tensor  # [B, M + L] bool; positions not yet filled are cut off by use
    memory: int
    position: int = 0

    def trim(self, position: int) -> None:
        """Forget what came after `position` units; of the convolutions only a whole step back is
        forgotten, so the caller keeps `recent` where it needs it."""
        self.position = position
        for block in self.blocks:
            block.filled = self.memory + position


class Backbone(nn.Module):
    """Transformer over units, with the voice prompt as memory and (time, voice) as modulation.

    Args:
        dim, heads, hidden, blocks: sizes; kernel: of the depthwise convolutions.
        memory_dim: width of the encoded voice prompt; glob: of the voice vector.
        causal: units see only the past; needed to generate unit after unit.
        timed: takes a noise level (0..1) beside the voice.
    """

    def __init__(
        self,
        dim: int = 256,
        heads: int = 4,
        hidden: int = 1024,
        blocks: int = 6,
        memory_dim: int = 192,
        glob: int = 192,
        causal: bool = False,
        timed: bool = True,
        kernel: int = 5,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.dim, self.heads, self.causal = dim, heads, causal
        self.time = (
            nn.Sequential(nn.Linear(128, dim), nn.SiLU(), nn.Linear(dim, dim)) if timed else None
        )
        self.glob = nn.Linear(glob, dim)
        self.modulation = nn.Linear(dim, 8 * dim)
        self.blocks = nn.ModuleList(
            DiTBlock(dim, heads, hidden, memory_dim, kernel, dropout, causal) for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)
        nn.init.normal_(self.modulation.weight, std=0.01)
        nn.init.zeros_(self.modulation.bias)

    def project(self, memory: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Voice memory [B, M, memory_dim] to the keys and values of every block, made once."""
        return [block.attention.project_memory(memory) for block in self.blocks]  # type: ignore[union-attr, operator]

    def start(
        self, memory: Sequence[tuple[Tensor, Tensor]], memory_mask: Tensor, length: int
    ) -> Cache:
        """An empty cache for sequences of up to `length` units after the memory."""
        size = memory_mask.shape[1]
        blocks = []
        for (key, value), block in zip(memory, self.blocks, strict=True):
            batch, heads, _, width = key.shape
            keys = key.new_zeros(batch, heads, size + length, width)
            values = torch.zeros_like(keys)
            keys[:, :, :size], values[:, :, :size] = key, value
            width = cast(DiTBlock, block).kernel - 1
            recent = key.new_zeros(batch, self.dim, width)
            blocks.append(BlockCache(keys, values, size, recent))
        return Cache(blocks, F.pad(memory_mask, (0, length), value=True), size)

    def forward(
        self,
        x: Tensor,
        glob: Tensor,
        memory: Sequence[tuple[Tensor, Tensor]],
        memory_mask: Tensor,
        mask: Tensor,
        t: Tensor | None = None,
        window: int = 0,
        cache: Cache | None = None,
    ) -> Tensor:
        """Run all units, or with a cache the next ones.

        Args:
            x: [B, U, dim]; glob: [B, G]; memory: from `project`; memory_mask: [B, M] bool.
            mask: [B, U, 1] float, valid units (without a cache).
            t: [B] noise level.
            window: attend to at most so many units on either side; 0 to all (MAGNeT's restricted
                context of the finer codebooks).
            cache: from `start`; the new units are appended to it.

        Returns:
            [B, U, dim], normalised.
        """
        moment = self.glob(glob)
        if self.time is not None and t is not None:
            moment = moment + self.time(timestep_embedding(t, 128))
        modulation = self.modulation(F.silu(moment)).unflatten(-1, (8, self.dim))
        begin = cache.position if cache else 0
        place = torch.arange(begin, begin + x.shape[1], device=x.device)
        table = rotary(place, self.dim // self.heads)
        if cache is None:
            attend = torch.cat([memory_mask, mask[..., 0] > 0], 1)[:, None, None, :]
        else:
            end = cache.memory + begin + x.shape[1]
            attend = cache.attend[:, None, None, :end]
        if self.causal and x.shape[1] > 1 or window:
            allowed = self._allowed(place, begin + x.shape[1], memory_mask.shape[1], window)
            attend = attend & allowed
        for at, block in enumerate(self.blocks):
            x = block(
                x, modulation[:, :6], table, None if cache else mask, attend,
                memory[at] if cache is None else None, cache.blocks[at] if cache else None,
            )  # fmt: skip
        if cache is not None:
            cache.position += x.shape[1]
        return self.norm(x) * (1 + modulation[:, 6:7]) + modulation[:, 7:8]

    def _allowed(self, place: Tensor, total: int, memory: int, window: int) -> Tensor:
        """[1, 1, U, M + total] bool: which units each of `place` may see."""
        distance = place.unsqueeze(1) - torch.arange(total, device=place.device)
        allowed = distance >= 0 if self.causal else torch.ones_like(distance, dtype=torch.bool)
        if window:
            allowed = allowed & (distance.abs() <= window)
        return F.pad(allowed, (memory, 0), value=True)[None, None]


class TwoPass(Backbone):
    """A causal network, and beside it another of the same sizes that sees all."""

    def __init__(self, dim: int = 256, **sizes: Any):
        super().__init__(dim, **sizes)
        self.fine = Backbone(dim, **{**sizes, "causal": False, "timed": True})

    def project(self, memory: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Those of the causal blocks, then of the others."""
        return [*super().project(memory), *self.fine.project(memory)]

    def start(
        self, memory: Sequence[tuple[Tensor, Tensor]], memory_mask: Tensor, length: int
    ) -> Cache:
        """A cache of the causal blocks."""
        return super().start(memory[: len(self.blocks)], memory_mask, length)
