"""A causal stack of ConvNeXt blocks with explicit state, and what is computed in float64.

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
from tts_codecs.nn.inference import Norm, Product, Windows, keeps, plain


def in_double(module: nn.Module, x: Tensor, states: Sequence[Tensor] = ()) -> Any:
    """`module(x)`, or `module(x, states)` with states, in float64 whatever its weights' type.

    For the small networks whose output is compared with a threshold or summed over a whole stream:
    matrix products round differently for every number of rows, and what differs in the last bit of
    float32 is then heard. In float64 it stays below 1e-9.
    """
    if plain(x) and isinstance(module, CausalStack | KeptLinear):
        # These keep their weights in float64, which takes longer to make than to use.
        x = x.double()
        return module(x, [state.double() for state in states]) if states else module(x)
    weights = {name: value.double() for name, value in module.state_dict(keep_vars=True).items()}
    arguments = (x.double(), [state.double() for state in states]) if states else (x.double(),)
    return functional_call(module, weights, arguments)


class KeptLinear(nn.Linear):
    """A linear layer that keeps its weights as inference wants them, in the dtype of its input."""

    def __init__(self, in_dim: int, out_dim: int):
        super().__init__(in_dim, out_dim)
        self._derived = DerivedCache()

    def forward(self, x: Tensor) -> Tensor:
        """[..., in_dim] to [..., out_dim]; without gradients x may be float64 where the weights
        are not."""
        if not keeps(x, self.weight):
            return super().forward(x)
        dtype, weight, bias = x.dtype, self.weight, self.bias
        kept: Product = self._derived.get(
            [weight, bias], lambda: Product(weight.to(dtype), bias.to(dtype), pieces=True), dtype
        )
        return kept(x)


class CausalStack(nn.Module):
    """A convolution with `look_ahead` future frames, then causal ConvNeXt blocks.

    The look-ahead is a delay: output frame t belongs to input frame t - look_ahead.
    """

    def __init__(
        self, in_dim: int, dim: int, hidden: int, blocks: int, kernel: int, look_ahead: int
    ):
        super().__init__()
        self.entry = CausalConv(in_dim, dim, 2 * look_ahead + 3)
        self.norm = nn.LayerNorm(dim)
        self.blocks = nn.ModuleList(CausalConvNeXt(dim, hidden, kernel) for _ in range(blocks))
        self.final = nn.LayerNorm(dim)
        self._derived = DerivedCache()

    def initial(self, batch: int, like: Tensor, value: float) -> list[Tensor]:
        """State before the first frame; `value` fills the missing past of the input."""
        states = [self.entry.initial(batch, like, value)]
        for block in self.blocks:
            assert isinstance(block, CausalConvNeXt)
            states.append(block.depthwise.initial(batch, like))
        return states

    def forward(
        self, x: Tensor, states: list[Tensor], extra: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """[B, T, in_dim] (and `extra` [B, T, dim], added after the entry) to [B, T, dim].

        Without gradients x may be float64 where the weights are not.
        """
        if keeps(x, self.final.weight):
            dtype = x.dtype
            weights = self._derived.weights(self)
            kept: _Kept = self._derived.get(weights, lambda: _Kept(self, dtype), dtype)
            return kept(x, states, extra)
        x, first = self.entry(x, states[0])
        if extra is not None:
            x = x + extra
        x = self.norm(x)
        new = [first]
        for block, state in zip(self.blocks, states[1:], strict=True):
            x, state = block(x, state)
            new.append(state)
        return self.final(x), new


class _Kept:
    """A `CausalStack` as inference runs it, with weights of a dtype."""

    def __init__(self, stack: CausalStack, dtype: torch.dtype):
        self.entry = Windows(stack.entry.conv, dtype)
        self.norm, self.final = Norm(stack.norm, dtype), Norm(stack.final, dtype)
        self.blocks = []
        for block in stack.blocks:
            assert isinstance(block, CausalConvNeXt)
            self.blocks.append(FastConvNeXt(block, dtype))

    def __call__(
        self, x: Tensor, states: list[Tensor], extra: Tensor | None
    ) -> tuple[Tensor, list[Tensor]]:
        """`CausalStack.forward`."""
        frames = x.shape[1]
        window = torch.cat([states[0], x], 1)
        new = [window[:, frames:]]
        x = self.entry(window)
        x = self.norm(x if extra is None else x.add_(extra))
        for block, state in zip(self.blocks, states[1:], strict=True):
            window = torch.cat([state, x], 1)
            new.append(window[:, frames:])
            x = block(window, x)
        return self.final(x), new
