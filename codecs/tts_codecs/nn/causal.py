"""A causal stack of ConvNeXt blocks with explicit state, and computation whose rounding does not
depend on how a stream is split.

Every layer has one code path, `forward(x, state) -> (y, state)`. Offline decoding is a single call
with the initial state, so that a stream split anywhere gives the same samples.
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
from tts_codecs.nn.inference import Norm, Product, Windows, is_plain_inference, uses_cache


def steadily(module: nn.Module, x: Tensor, states: Sequence[Tensor] = ()) -> Any:
    """`module(x)`, or `module(x, states)`, computed independently of the number of frames.

    A frame then has the same output however many frames are computed in one call (batch-invariant
    inference). Most matrix products round differently for different numbers of rows. That would be
    audible for small networks whose output is compared with a threshold or accumulated over a whole
    stream, as voicing and pitch are.

    The result is in float32 and equal bit by bit, if there are matrix products for it
    (tts_codecs.nn.half); otherwise it is in float64 and equal up to 1e-9.
    """
    if is_plain_inference(x):
        # These two cache their weights in that dtype, as converting them takes longer than the
        # product.
        if isinstance(module, CausalStack):
            return module.steady(x, states)
        if isinstance(module, CachedLinear):
            return module.steady(x)
    weights = {name: value.double() for name, value in module.state_dict(keep_vars=True).items()}
    arguments = (x.double(), [state.double() for state in states]) if states else (x.double(),)
    return functional_call(module, weights, arguments)


class CachedLinear(nn.Linear):
    """A linear layer that caches its weights as inference needs them, in the dtype of its input."""

    def __init__(self, in_dim: int, out_dim: int):
        super().__init__(in_dim, out_dim)
        self._derived = DerivedCache()

    def forward(self, x: Tensor) -> Tensor:
        """[..., in_dim] to [..., out_dim]. Without gradients the dtype of x may differ from that of
        the weights; it is that of the output."""
        if not uses_cache(x, self.weight):
            return super().forward(x)
        return self._product(x.dtype)(x)

    def steady(self, x: Tensor) -> Tensor:
        """`steadily(self, x)` without gradients on a CPU."""
        product = self._product(None)
        return product(x.to(product.weight.dtype))

    def _product(self, dtype: torch.dtype | None) -> Product:
        """The cached layer in a dtype; for None, the one of `steadily`."""
        weight, bias = self.weight, self.bias

        def make() -> Product:
            used = dtype or steady_dtype([weight])
            return Product(weight.to(used), bias.to(used), pieces=True, steady=dtype is None)

        product: Product = self._derived.get([weight, bias], make, dtype)
        return product


class CausalStack(nn.Module):
    """A convolution that sees `look_ahead` later frames, followed by causal ConvNeXt blocks.

    The look-ahead is implemented as a delay: output frame t belongs to input frame t - look_ahead.

    Args:
        in_dim: channels of the input.
        dim: channels of the blocks and of the output.
        hidden: width between the two linear layers of a block.
        blocks: number of blocks.
        kernel: kernel size of the blocks' convolutions.
        look_ahead: in frames.
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
        """State before the first frame: the past inputs of the entry convolution, filled with
        `value`, and those of all blocks, zeros [blocks, B, kernel - 1, dim]."""
        past = like.new_zeros(len(self.blocks), batch, self.kernel - 1, self.dim)
        return [self.entry.initial(batch, like, value), past]

    def forward(
        self, x: Tensor, states: list[Tensor], extra: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Compute the next frames of a stream.

        Args:
            x: [B, T, in_dim]. Without gradients its dtype may differ from that of the weights.
            states: from `initial` or the previous call.
            extra: [B, T, dim] that is added to the output of the entry convolution.

        Returns:
            [B, T, dim], delayed by `look_ahead` frames, and the new states.
        """
        if uses_cache(x, self.final.weight):
            return self._prepared(states, x.dtype)(x, states, extra)
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
        """`steadily(self, x, states)` without gradients on a CPU."""
        stack = self._prepared(states, None)
        return stack(x.to(stack.dtype), [state.to(stack.dtype) for state in states])

    def _prepared(self, states: Sequence[Tensor], dtype: torch.dtype | None) -> "_PreparedStack":
        """The cached stack for inference in a dtype; for None, the one of `steadily`."""
        last = states.stack if isinstance(states, StackState) else None
        if last is not None and last.requested_dtype == dtype and self._derived.holds(last):
            return last
        weights = self._derived.weights(self)
        stack: _PreparedStack = self._derived.get(
            weights, lambda: _PreparedStack(self, dtype), dtype
        )
        return stack


class StackState(list[Tensor]):
    """State of a stream between calls: the past inputs in the receptive field of each convolution.

    Attributes:
        stack: the prepared stack of the previous call. The stream continues with it without
            checking all weights for changes, unless another call has found a change.
    """

    stack: "_PreparedStack | None" = None

    def __reduce__(self) -> Any:
        return StackState, (list(self),)


class _PreparedStack:
    """A CausalStack prepared for inference, with its weights in a dtype; None stands for the dtype
    and the products of `steadily`."""

    def __init__(self, stack: CausalStack, dtype: torch.dtype | None):
        blocks = [block for block in stack.blocks if isinstance(block, CausalConvNeXt)]
        steady, self.requested_dtype = dtype is None, dtype
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
        # One buffer holds the past and present inputs of all blocks. Each block writes its output
        # into the present inputs of the next.
        blocks, batch, past, dim = before.shape
        windows = x.new_empty(blocks, batch, past + frames, dim)
        windows[:, :, :past] = before
        present = windows[:, :, past:].unbind()
        for at, (block, each) in enumerate(zip(self.blocks, windows.unbind(), strict=True)):
            if at == 0:
                present[0].copy_(x)
            block(each, present[at], x if at + 1 == blocks else present[at + 1])
        new = StackState([window[:, frames:], windows[:, :, frames:]])
        new.stack = self
        return self.final(x), new
