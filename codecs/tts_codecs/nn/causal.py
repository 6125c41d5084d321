"""A causal stack of ConvNeXt blocks with explicit state, and what no cut of a stream may change.

Every layer has one code path, `forward(x, state) -> (y, state)`: offline decoding is a single call
with the initial state, so a stream cut anywhere gives the same samples.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from tts_codecs.nn.conv import CausalConv
from tts_codecs.nn.convnext import CausalConvNeXt, FastConvNeXt
from tts_codecs.nn.derived_cache import DerivedCache
from tts_codecs.nn.half import steady_dtype
from tts_codecs.nn.inference import Norm, Product, Windows, keeps, plain


def steadily(module: nn.Module, x: Tensor, states: Sequence[Tensor] = ()) -> Any:
    """`module(x)`, or `module(x, states)` with states, in which a frame comes out the same however
    many are given at once: bit by bit in float32 where there are products for it
    (tts_codecs.nn.half), else but for 1e-9 in float64.

    For the small networks whose output is compared with a threshold or summed over a whole stream:
    most matrix products round differently for every number of rows, and what differs in the last
    bit of float32 is then heard.
    """
    if plain(x):
        # These keep their weights in that dtype, which takes longer to make than to use.
        if isinstance(module, CausalStack):
            return module.steady(x, states)
        if isinstance(module, KeptLinear):
            return module.steady(x)
    weights = {name: value.double() for name, value in module.state_dict(keep_vars=True).items()}
    arguments = (x.double(), [state.double() for state in states]) if states else (x.double(),)
    return functional_call(module, weights, arguments)


class KeptLinear(nn.Linear):
    """A linear layer that keeps its weights as inference wants them, in the dtype of its input."""

    def __init__(self, in_dim: int, out_dim: int):
        super().__init__(in_dim, out_dim)
        self._derived = DerivedCache()

    def forward(self, x: Tensor) -> Tensor:
        """[..., in_dim] to [..., out_dim]; without gradients x may be of another dtype than the
        weights."""
        if not keeps(x, self.weight):
            return super().forward(x)
        return self._product(x.dtype)(x)

    def steady(self, x: Tensor) -> Tensor:
        """What `steadily` says, without gradients on a CPU."""
        product = self._product(None)
        return product(x.to(product.weight.dtype))

    def _product(self, dtype: torch.dtype | None) -> Product:
        """The layer in a dtype, or None for a steady one."""
        weight, bias = self.weight, self.bias

        def make() -> Product:
            used = dtype or steady_dtype([weight])
            return Product(weight.to(used), bias.to(used), pieces=True, steady=dtype is None)

        kept: Product = self._derived.get([weight, bias], make, dtype)
        return kept


class CausalStack(nn.Module):
    """A convolution with `look_ahead` future frames, then causal ConvNeXt blocks.

    The look-ahead is a delay: output frame t belongs to input frame t - look_ahead.
    """

    def __init__(
        self, in_dim: int, dim: int, hidden: int, blocks: int, kernel: int, look_ahead: int
    ):
        super().__init__()
        self.dim, self.kernel = dim, kernel
        self.entry = CausalConv(in_dim, dim, 2 * look_ahead + 3)
        self.norm = nn.LayerNorm(dim)
        self.blocks = nn.ModuleList(CausalConvNeXt(dim, hidden, kernel) for _ in range(blocks))
        self.final = nn.LayerNorm(dim)
        self._derived = DerivedCache()

    def initial(self, batch: int, like: Tensor, value: float) -> list[Tensor]:
        """State before the first frame, the past of the entry and that of all blocks,
        [blocks, B, kernel - 1, dim]; `value` fills the missing past of the input."""
        past = like.new_zeros(len(self.blocks), batch, self.kernel - 1, self.dim)
        return [self.entry.initial(batch, like, value), past]

    def forward(
        self, x: Tensor, states: list[Tensor], extra: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """[B, T, in_dim] (and `extra` [B, T, dim], added after the entry) to [B, T, dim].

        Without gradients x may be of another dtype than the weights.
        """
        if keeps(x, self.final.weight):
            return self._as_kept(states, x.dtype)(x, states, extra)
        x, first = self.entry(x, states[0])
        if extra is not None:
            x = x + extra
        x = self.norm(x)
        past = []
        for block, state in zip(self.blocks, states[1], strict=True):
            x, state = block(x, state)
            past.append(state)
        return self.final(x), [first, torch.stack(past) if past else states[1]]

    def steady(self, x: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """What `steadily` says, without gradients on a CPU."""
        kept = self._as_kept(states, None)
        return kept(x.to(kept.dtype), [state.to(kept.dtype) for state in states])

    def _as_kept(self, states: Sequence[Tensor], dtype: torch.dtype | None) -> "_Kept":
        """The stack in a dtype, or None for a steady one."""
        before = states.kept if isinstance(states, StackState) else None
        if before is not None and before.asked == dtype and self._derived.holds(before):
            return before
        weights = self._derived.weights(self)
        kept: _Kept = self._derived.get(weights, lambda: _Kept(self, dtype), dtype)
        return kept


class StackState(list[Tensor]):
    """What a stream carries between pieces: the inputs that each convolution still sees.

    Attributes:
        kept: what the piece before was computed with. A stream goes on with it without looking at
            all weights again, unless another call has found them changed.
    """

    kept: "_Kept | None" = None

    def __reduce__(self) -> Any:
        return StackState, (list(self),)


class _Kept:
    """A `CausalStack` as inference runs it, with weights of a dtype, or None for a steady one."""

    def __init__(self, stack: CausalStack, dtype: torch.dtype | None):
        blocks = [block for block in stack.blocks if isinstance(block, CausalConvNeXt)]
        steady, self.asked = dtype is None, dtype
        if dtype is None:
            layers = [layer for block in blocks for layer in (block.up, block.down)]
            dtype = steady_dtype([stack.entry.conv.weight, *(layer.weight for layer in layers)])
        self.dtype = dtype
        self.entry = Windows(stack.entry.conv, dtype, steady)
        self.norm, self.final = Norm(stack.norm, dtype), Norm(stack.final, dtype)
        self.blocks = [FastConvNeXt(block, dtype, steady) for block in blocks]

    def __call__(
        self, x: Tensor, states: Sequence[Tensor], extra: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """`CausalStack.forward`."""
        frames, before = x.shape[1], states[1]
        window = torch.cat([states[0], x], 1)
        x = self.entry(window)
        x = self.norm(x if extra is None else x.add_(extra))
        # One buffer of the windows of all blocks, each of which writes into the next one's.
        blocks, batch, past, dim = before.shape
        windows = x.new_empty(blocks, batch, past + frames, dim)
        windows[:, :, :past] = before
        seen = windows[:, :, past:].unbind()
        for at, (block, each) in enumerate(zip(self.blocks, windows.unbind(), strict=True)):
            if at == 0:
                seen[0].copy_(x)
            block(each, seen[at], x if at + 1 == blocks else seen[at + 1])
        new = StackState([window[:, frames:], windows[:, :, frames:]])
        new.kept = self
        return self.final(x), new
