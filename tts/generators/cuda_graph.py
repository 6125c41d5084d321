"""Static KV cache: single steps in fixed buffers, which a GPU replays as one CUDA graph.

A step of a small network is hundreds of kernels of a few microseconds, which Python cannot launch
as fast as a GPU runs them. A recorded graph is launched at once, but reads and writes the same
memory each time. So attention always runs over the whole buffers of keys and values, and a bias
masks what is not filled yet.

Without a GPU the same steps run without a recording. This gains nothing, but lets tests compare
them with the growing cache (tts.generators.backbone.KVCache).
"""

import threading
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from tts.modules.transformer import BlockCache, DiTBlock, whole_rotary

#: lengths are rounded up to a multiple of this, so that requests of similar length share buffers
#: and graph
BUCKET = 256
#: buffers kept for the next request
_KEPT = 4


class CausalNetwork(Protocol):
    """A backbone as a recorded step sees it (tts.generators.backbone.Backbone)."""

    dim: int
    blocks: nn.ModuleList
    modulation: nn.Linear

    def modulated(self, global_cond: Tensor) -> list[tuple[Tensor, ...]]:
        """The modulation by the voice, for every block and for the output."""
        ...

    def finish(
        self, x: Tensor, shift: Tensor, factor: Tensor, gain: Tensor | None = None
    ) -> Tensor:
        """Normalise and modulate the output of the last block."""
        ...


class StaticBlock(BlockCache):
    """BlockCache in fixed buffers."""

    def __init__(self, block: DiTBlock, like: Tensor, length: int, at: Tensor):
        batch, heads, _, width = like.shape
        keys = like.new_zeros(batch, heads, length, width)
        dim = heads * width
        self._recent = like.new_zeros(batch, block.kernel - 1, dim)
        super().__init__(keys, torch.zeros_like(keys), 0, self._recent, block.taps())
        self.at = at

    @property
    def recent(self) -> Tensor:
        """Last inputs of the depthwise convolution, [B, kernel - 1, dim]."""
        return self._recent

    @recent.setter
    def recent(self, window: Tensor) -> None:
        past = self._recent.shape[1]
        self._recent.copy_(window[:, window.shape[1] - past :])

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Store [B, H, 1, D] and return the whole buffers."""
        self.keys.index_copy_(2, self.at, key.to(self.keys.dtype))
        self.values.index_copy_(2, self.at, value.to(self.values.dtype))
        return self.keys, self.values


class StaticKVCache:
    """KV cache in fixed buffers for runs that take one latent at a time and never drop any.

    Args:
        like: keys of the memory, [B, H, *, D], for shape and device.
        length: most positions of memory and latents together.
    """

    def __init__(self, backbone: CausalNetwork, like: Tensor, length: int):
        batch, device = len(like), like.device
        self.backbone, self.length = backbone, length
        self.at = torch.zeros(1, dtype=torch.int64, device=device)
        self.blocks = [
            StaticBlock(block, like, length, self.at)  # type: ignore[arg-type]
            for block in backbone.blocks
        ]
        self.bias = like.new_full((batch, 1, 1, length), float("-inf"))
        positions = torch.arange(length, device=device)
        self.table = tuple(t.to(like.dtype) for t in whole_rotary(positions, like.shape[-1]))
        self.offset = torch.zeros_like(self.at)
        self.x = like.new_zeros(batch, 1, backbone.dim)
        self.out = torch.zeros_like(self.x)
        self.parts: list[tuple[Tensor, ...]] | None = None
        self.position = self.memory = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        #: False after a failed recording; the cache is then not reused
        self.sound = True
        self._fresh = True

    def begin(self, memory: Sequence[tuple[Tensor, Tensor]], memory_mask: Tensor) -> None:
        """Reset the cache and take the memory of the next request."""
        size = memory_mask.shape[1]
        for block, module, (key, value) in zip(
            self.blocks, self.backbone.blocks, memory, strict=False
        ):
            block.keys[:, :, :size], block.values[:, :, :size] = key, value
            block.recent.zero_()
            block.taps.copy_(module.taps())  # type: ignore[operator]
        self.bias.fill_(float("-inf"))
        self.bias[:, 0, 0, :size].masked_fill_(memory_mask, 0.0)
        self.at.fill_(size)
        self.offset.zero_()
        self.position, self.memory, self._fresh = 0, size, True

    def step(self, x: Tensor, global_cond: Tensor) -> Tensor:
        """Run the network for the next latent [B, 1, dim]."""
        if self._fresh:
            parts = self.backbone.modulated(global_cond)
            if self.parts is None:
                self.parts = [tuple(part.clone() for part in some) for some in parts]
            else:
                for held, made in zip(self.parts, parts, strict=True):
                    for to, part in zip(held, made, strict=True):
                        to.copy_(part)
            self._fresh = False
        self.x.copy_(x)
        if self.x.is_cuda and self._graph is None:
            self._record()
        if self._graph is None:
            self._run()
        else:
            self._graph.replay()
        self.at += 1
        self.offset += 1
        self.position += 1
        return self.out.clone()

    def _run(self) -> None:
        assert self.parts is not None
        self.bias.index_fill_(3, self.at, 0.0)
        table = (self.table[0][self.offset], self.table[1][self.offset])
        x = self.x
        for block, parts, held in zip(self.backbone.blocks, self.parts, self.blocks, strict=False):
            x = block(x, parts, table, None, self.bias, None, held)
        self.out.copy_(self.backbone.finish(x, *self.parts[-1]))

    def _record(self) -> None:
        """Record the graph, and undo what the warm-up runs have changed."""
        kept = [block.recent.clone() for block in self.blocks]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(2):  # libraries choose their kernels in the first runs
                self._run()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        self.sound = False
        # Work of other threads on the GPU is not recorded and is not an error.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._run()
        self._graph, self.sound = graph, True
        for block, recent in zip(self.blocks, kept, strict=True):
            block.recent.copy_(recent)


class StaticPool:
    """Pool of static caches for reuse. Requests that run at the same time have one each."""

    def __init__(self) -> None:
        self._free: list[tuple[object, StaticKVCache]] = []
        self._lock = threading.Lock()

    def __deepcopy__(self, memo: object) -> "StaticPool":
        return StaticPool()  # graphs belong to the weights they were recorded with

    def __reduce__(self) -> tuple[type["StaticPool"], tuple[()]]:
        return StaticPool, ()

    def take(
        self,
        backbone: CausalNetwork,
        memory: Sequence[tuple[Tensor, Tensor]],
        memory_mask: Tensor,
        length: int,
    ) -> StaticKVCache:
        """A cache for a request of up to `length` latents, filled with its memory."""
        like = memory[0][0]
        size = -(-(memory_mask.shape[1] + length) // BUCKET) * BUCKET
        key = _key(backbone, like, size)
        with self._lock:
            at = next((at for at, (other, _) in enumerate(self._free) if other == key), None)
            kept = None if at is None else self._free.pop(at)[1]
        found = StaticKVCache(backbone, like, size) if kept is None else kept
        found.begin(memory, memory_mask)
        return found

    def give(self, cache: StaticKVCache) -> None:
        """Return a cache that is not needed any more."""
        key = _key(cache.backbone, cache.blocks[0].keys, cache.length)
        with self._lock:
            self._free.append((key, cache))
            del self._free[:-_KEPT]


def _key(backbone: CausalNetwork, like: Tensor, length: int) -> object:
    """Key by which a free cache is found: batch size, length, type and device, and the address of
    the weights, from which a recorded graph reads them."""
    pointer = backbone.modulation.weight.data_ptr()
    return len(like), length, like.dtype, like.device, pointer
