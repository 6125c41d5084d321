"""Backbone of generators: a transformer over latents, shared by every family."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.generators.conditioning import Condition
from tts.generators.cuda_graph import StaticKVCache, StaticPool
from tts.modules.text_reader import TextReader, Unaligned
from tts.modules.transformer import (
    BlockCache,
    DiTBlock,
    VoiceUnits,
    timestep_embedding,
    whole_rotary,
)


@dataclass
class KVCache:
    """KV cache of one causal run: keys and values of the voice memory and of all latents so far.

    Attributes:
        blocks: the cache of each block.
        attend: [B, M + L] bool, positions to attend to; callers slice off those not filled yet.
        bias: the same as a bias of attention scores, [B, 1, 1, M + L]; None if all are attended to.
        table: rotary embeddings, cosine and sine, [L, D] each.
        memory: M; position: latents so far.
        parts: the modulation by the voice, computed at the first step.
    """

    blocks: list[BlockCache]
    attend: Tensor
    bias: Tensor | None
    table: tuple[Tensor, Tensor]
    memory: int
    position: int = 0
    parts: "list[tuple[Tensor, ...]] | None" = None

    def trim(self, position: int) -> None:
        """Drop all latents after the first `position`. Only those of the last call can be dropped.

        Raises:
            ValueError: `position` is before the last call.
        """
        for block in self.blocks:
            block.trim(self.memory + position)
        self.position = position

    def mark(self) -> "Mark":
        """The current position, to which `back` can return."""
        return Mark(self.position, [block.recent for block in self.blocks])

    def back(self, mark: "Mark") -> None:
        """Return to a position of `mark`: drop all latents after it."""
        for block, recent in zip(self.blocks, mark.recent, strict=True):
            block.filled, block.recent = self.memory + mark.position, recent
        self.position = mark.position


@dataclass(frozen=True)
class Mark:
    """A position in a KVCache.

    Attributes:
        position: latents before it; recent: last inputs of the convolution of each block.
    """

    position: int
    recent: list[Tensor]


class Backbone(nn.Module):
    """Transformer over latents. It attends to the voice prompt and is modulated by time and voice
    (adaptive layer norm, as in DiT).

    Args:
        dim, heads, hidden, blocks: sizes; kernel: of the depthwise convolutions.
        memory_dim: width of the encoded voice prompt; global_dim: of the voice vector.
        causal: whether latents see only the past, as autoregression needs.
        time_conditioned: whether it takes a noise level (0..1) beside the voice.
        voice_units: hidden units of each block, and before the output, which the voice gates
            (tts.modules.transformer.VoiceUnits).
        readers: how many of the first blocks have a text reader in front of them, which lets
            latents attend to text without durations (tts.modules.text_reader).
    """

    def __init__(
        self,
        dim: int = 256,
        heads: int = 4,
        hidden: int = 1024,
        blocks: int = 6,
        memory_dim: int = 192,
        global_dim: int = 192,
        causal: bool = False,
        time_conditioned: bool = True,
        kernel: int = 5,
        dropout: float = 0.0,
        voice_units: int = 0,
        readers: int = 0,
    ):
        super().__init__()
        self.dim, self.heads, self.causal = dim, heads, causal
        self.time = (
            nn.Sequential(nn.Linear(128, dim), nn.SiLU(), nn.Linear(dim, dim))
            if time_conditioned
            else None
        )
        self.global_cond = nn.Linear(global_dim, dim)
        self.modulation = nn.Linear(dim, 8 * dim)
        self.blocks = nn.ModuleList(
            DiTBlock(dim, heads, hidden, memory_dim, kernel, dropout, causal, voice_units)
            for _ in range(blocks)
        )
        self.readers = nn.ModuleList(TextReader(dim, heads, at == 0) for at in range(readers))
        #: projects text without durations, which is added to the latents at the same position
        self.beside = nn.Linear(dim, dim) if readers else None
        if self.beside is not None:
            nn.init.zeros_(self.beside.weight)
        self.voice = VoiceUnits(dim, voice_units, dim) if voice_units else None
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)
        nn.init.normal_(self.modulation.weight, std=0.01)
        nn.init.zeros_(self.modulation.bias)
        #: whether steps of one latent replay a CUDA graph; None: if the weights are on a GPU
        self.graphs: bool | None = None
        self._pool = StaticPool()

    def project(self, memory: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of every block from the voice memory [B, M, memory_dim]."""
        return [block.attention.project_memory(memory) for block in self.blocks]  # type: ignore[union-attr, operator]

    def start(
        self, memory: Sequence[tuple[Tensor, Tensor]], memory_mask: Tensor, length: int
    ) -> KVCache:
        """A cache with the voice memory, for up to `length` latents."""
        size = memory_mask.shape[1]
        blocks = []
        for (key, value), module in zip(memory, self.blocks, strict=True):
            block = cast(DiTBlock, module)
            batch, heads, _, width = key.shape
            # Callers slice off what is not filled yet.
            keys = key.new_empty(batch, heads, size + length, width)
            values = torch.empty_like(keys)
            keys[:, :, :size], values[:, :, :size] = key, value
            recent = key.new_zeros(batch, block.kernel - 1, self.dim)
            blocks.append(BlockCache(keys, values, size, recent, block.taps()))
        attend = F.pad(memory_mask, (0, length), value=True)
        bias = None
        if not bool(memory_mask.all()):
            bias = torch.zeros(attend.shape, dtype=memory[0][0].dtype, device=attend.device)
            bias = bias.masked_fill_(~attend, float("-inf"))[:, None, None]
        position = torch.arange(length, device=attend.device)
        return KVCache(blocks, attend, bias, whole_rotary(position, self.dim // self.heads), size)

    def steps(
        self, memory: Sequence[tuple[Tensor, Tensor]], memory_mask: Tensor, length: int
    ) -> "KVCache | StaticKVCache":
        """As `start`, for latents that come one by one and are never dropped. On a GPU the cache
        may replay a CUDA graph. It has to be returned by `done`."""
        device = memory[0][0].device
        graphs = device.type == "cuda" if self.graphs is None else self.graphs
        # Autocast makes new copies of the weights, which a recorded graph would not read.
        if graphs and not torch.is_autocast_enabled(device.type):
            return self._pool.take(self, memory[: len(self.blocks)], memory_mask, length)
        return self.start(memory, memory_mask, length)

    def done(self, cache: "KVCache | StaticKVCache") -> None:
        """Return a cache from `steps`, for reuse by later runs."""
        if isinstance(cache, StaticKVCache) and cache.sound:
            self._pool.give(cache)

    def modulated(self, global_cond: Tensor) -> list[tuple[Tensor, ...]]:
        """The modulation by the voice vector [B, G] alone, for every block and for the output; see
        CausalNetwork in tts.generators.cuda_graph."""
        return self._modulation(global_cond, None)

    def _modulation(self, global_cond: Tensor, t: Tensor | None) -> list[tuple[Tensor, ...]]:
        """The modulation (adaptive layer norm) by voice and noise level `t` [B]: the parts of each
        block (DiTBlock.parts), then shift and factor of the output, and the gain of its voice units
        if it has some."""
        time_embedding = self.global_cond(global_cond)
        if self.time is not None and t is not None:
            time_embedding = time_embedding + self.time(timestep_embedding(t, 128))
        cond = F.silu(time_embedding)
        modulation = self.modulation(cond).unflatten(-1, (8, self.dim))
        parts = [cast(DiTBlock, block).parts(modulation[:, :6], cond) for block in self.blocks]
        last: tuple[Tensor, ...] = (modulation[:, 7:8], 1 + modulation[:, 6:7])
        return [*parts, last if self.voice is None else (*last, self.voice.gain(cond))]

    def forward(
        self,
        x: Tensor,
        global_cond: Tensor,
        memory: Sequence[tuple[Tensor, Tensor]],
        memory_mask: Tensor,
        mask: Tensor,
        t: Tensor | None = None,
        window: int = 0,
        cache: "KVCache | StaticKVCache | None" = None,
        unaligned: Unaligned | None = None,
    ) -> Tensor:
        """Run the whole sequence, or with a cache the next latents.

        Args:
            x: [B, U, dim]; global_cond: [B, G]; memory: from `project`; memory_mask: [B, M] bool.
            mask: [B, U, 1] float, valid latents (without a cache).
            t: [B] noise level.
            window: attend to at most so many latents on either side; 0 is all (MAGNeT restricts the
                context of its finer codebooks so).
            cache: from `start` or `steps`; the new latents are appended to it. With a cache there
                is no noise level, and the voice may not change.
            unaligned: text for the readers.

        Returns:
            [B, U, dim], normalised.
        """
        if isinstance(cache, StaticKVCache):
            return cache.step(x, global_cond)
        if cache is not None:
            return self._next(x, global_cond, cache, window)
        parts = self._modulation(global_cond, t)
        position = torch.arange(x.shape[1], device=x.device)
        table = whole_rotary(position, self.dim // self.heads)
        attend = torch.cat([memory_mask, mask[..., 0] > 0], 1)[:, None, None, :]
        if self.causal or window:
            attend = attend & self._allowed(position, x.shape[1], memory_mask.shape[1], window)
        blocks, readers = list(self.blocks), list(self.readers)

        def block(at: int, x: Tensor) -> Tensor:
            if unaligned is not None and at < len(readers):
                x = x + readers[at](x, unaligned)
            out: Tensor = blocks[at](x, parts[at], table, mask, attend, memory[at])
            return out

        return self.finish(self.through(x, block), *parts[-1])

    def hidden(
        self,
        x: Tensor,
        condition: Condition,
        t: Tensor | None = None,
        window: int = 0,
        cache: "KVCache | StaticKVCache | None" = None,
    ) -> Tensor:
        """`forward` with the voice, mask and text of a condition.

        Args:
            x: [B, U, dim] embedded latents, to which `condition.frames` were added.
        """
        out: Tensor = self(
            x,
            condition.global_cond,
            condition.memory,
            condition.memory_mask,
            condition.mask,
            t,
            window,
            cache,
            condition.unaligned,
        )
        return out

    def through(self, x: Tensor, block: Callable[[int, Tensor], Tensor]) -> Tensor:
        """Run x [B, U, dim] through all blocks; `block` runs one, by its index."""
        for at in range(len(self.blocks)):
            x = block(at, x)
        return x

    def finish(
        self, x: Tensor, shift: Tensor, factor: Tensor, gain: Tensor | None = None
    ) -> Tensor:
        """Normalise and modulate the output of the last block [B, U, dim]."""
        x = self.norm(x)
        made = torch.addcmul(shift, x, factor)
        return made if self.voice is None or gain is None else made + self.voice(x, gain)

    def _next(self, x: Tensor, global_cond: Tensor, cache: KVCache, window: int) -> Tensor:
        """`forward` of the latents [B, n, dim] that follow those in the cache."""
        if cache.parts is None:
            cache.parts = self.modulated(global_cond)
        begin, end = cache.position, cache.position + x.shape[1]
        attend = cache.bias if cache.bias is None else cache.bias[..., : cache.memory + end]
        if x.shape[1] > 1 or window:
            position = torch.arange(begin, end, device=x.device)
            allowed = self._allowed(position, end, cache.memory, window)
            attend = cache.attend[:, None, None, : cache.memory + end] & allowed
        table = (cache.table[0][begin:end], cache.table[1][begin:end])
        parts, held, blocks = cache.parts, cache.blocks, list(self.blocks)

        def block(at: int, x: Tensor) -> Tensor:
            out: Tensor = blocks[at](x, parts[at], table, None, attend, None, held[at])
            return out

        x = self.through(x, block)
        cache.position = end
        return self.finish(x, *parts[-1])

    def _allowed(self, position: Tensor, total: int, memory: int, window: int) -> Tensor:
        """[1, 1, U, M + total] bool, what the latents at `position` may attend to."""
        distance = position.unsqueeze(1) - torch.arange(total, device=position.device)
        allowed = distance >= 0 if self.causal else torch.ones_like(distance, dtype=torch.bool)
        if window:
            allowed = allowed & (distance.abs() <= window)
        return F.pad(allowed, (memory, 0), value=True)[None, None]


class TwoPass(Backbone):
    """A causal backbone, and a non-causal one of the same sizes, `fine`, for the second pass of
    strategy CoarseFirst."""

    def __init__(self, dim: int = 256, **sizes: Any):
        super().__init__(dim, **sizes)
        self.fine = Backbone(dim, **{**sizes, "causal": False, "time_conditioned": True})

    def project(self, memory: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of the causal blocks, then those of the others."""
        return [*super().project(memory), *self.fine.project(memory)]

    def start(
        self, memory: Sequence[tuple[Tensor, Tensor]], memory_mask: Tensor, length: int
    ) -> KVCache:
        """A cache of the causal blocks alone."""
        return super().start(memory[: len(self.blocks)], memory_mask, length)
