"""Streaming layers of published codecs: strided causal convolutions, and windowed attention.

The layout is [B, C, T], channels before time, as in the published weights. Offline computation is a
single call `forward(x, state) -> (y, state)` with the state of `initial(batch, like)`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: smallest number of vectors that a transformer takes at a time; fewer would be slower
_LEAST_PIECE = 64


@dataclass(frozen=True)
class LayersState:
    """State of a stream, of decoding or of encoding.

    Attributes:
        layers: one state per layer.
        batch: rows of the stream.
        finished: whether the stream has ended.
    """

    layers: list[Any]
    batch: int
    finished: bool = False


class Conv(nn.Module):
    """Causal strided convolution: [B, C_in, n * stride] to [B, C_out, n].

    Args:
        repeats: whether the start is padded by repeating the first value, instead of by zeros.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        kernel: int,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        repeats: bool = False,
    ):
        super().__init__()
        self.conv = nn.Conv1d(
            in_dim, out_dim, kernel, stride, dilation=dilation, groups=groups, bias=bias
        )
        self.context = (kernel - 1) * dilation + 1 - stride
        self.repeats = repeats

    def initial(self, batch: int, like: Tensor) -> Tensor | None:
        """State before the first value."""
        if self.repeats:
            return None
        return like.new_zeros(batch, self.conv.in_channels, self.context)

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Values [B, in_dim, n] and the state to [B, out_dim, n / stride] and the new state."""
        if x.shape[2] == 0:
            return x.new_zeros(len(x), self.conv.out_channels, 0), state
        if state is None:
            state = x[..., :1].expand(-1, -1, self.context)
        x = torch.cat([state, x], 2)
        return self.conv(x), x[..., x.shape[2] - self.context :]


class Transposed(nn.Module):
    """Causal transposed convolution: [B, C_in, n] to [B, C_out, n * stride]. The kernel is at least
    a stride long; what exceeds the stride is kept in the state and added to later outputs."""

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        kernel: int,
        stride: int,
        groups: int = 1,
        bias: bool = True,
    ):
        super().__init__()
        self.conv = nn.ConvTranspose1d(in_dim, out_dim, kernel, stride, groups=groups, bias=bias)
        self.stride, self.tail = stride, kernel - stride

    def initial(self, batch: int, like: Tensor) -> Tensor:
        """State before the first value."""
        return like.new_zeros(batch, self.conv.out_channels, self.tail)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Values [B, in_dim, n] and the state to [B, out_dim, n * stride] and the new state."""
        if x.shape[2] == 0:
            return x.new_zeros(len(x), self.conv.out_channels, 0), state
        conv = self.conv
        y = F.conv_transpose1d(x, conv.weight, None, self.stride, groups=conv.groups)
        y[..., : self.tail] += state
        ready = x.shape[2] * self.stride
        out, state = y[..., :ready], y[..., ready:]
        return out if conv.bias is None else out + conv.bias[:, None], state


class Residual(nn.Module):
    """Residual connection around the layers in `block`."""

    def __init__(self, block: list[nn.Module]):
        super().__init__()
        self.block = nn.ModuleList(block)

    def initial(self, batch: int, like: Tensor) -> list[Any]:
        """State before the first value."""
        return begin(self.block, batch, like)

    def forward(self, x: Tensor, state: list[Any]) -> tuple[Tensor, list[Any]]:
        """x [B, C, T] and state to an output of the same shape and the new state."""
        y, state = run(self.block, x, state)
        return x + y, state


def begin(layers: Iterable[nn.Module], batch: int, like: Tensor) -> list[Any]:
    """Initial states of consecutive layers; None for layers without `initial`."""
    found = []
    for layer in layers:
        initial = getattr(layer, "initial", None)
        found.append(None if initial is None else initial(batch, like))
    return found


def run(layers: Iterable[nn.Module], x: Tensor, states: list[Any]) -> tuple[Tensor, list[Any]]:
    """Run consecutive layers on the next inputs x; return their outputs and the new states."""
    new = []
    for layer, state in zip(layers, states, strict=True):
        if hasattr(layer, "initial"):
            x, state = layer(x, state)
        else:
            x = layer(x)
        new.append(state)
    return x, new


class WindowAttention(nn.Module):
    """Attention to the present and the `window - 1` values before it, with rotary positions.

    State: rotated keys and values [B, heads, n, D] of the last values, n < window.
    """

    def __init__(self, dim: int, heads: int, window: int, theta: float = 10000.0):
        super().__init__()
        self.heads, self.window, self.theta = heads, window, theta
        self.q_proj = nn.Linear(dim, dim, bias=False)
        self.k_proj = nn.Linear(dim, dim, bias=False)
        self.v_proj = nn.Linear(dim, dim, bias=False)
        self.o_proj = nn.Linear(dim, dim, bias=False)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def _rotated(self, x: Tensor, start: int) -> Tensor:
        half = x.shape[-1] // 2
        rates = self.theta ** (-torch.arange(half, device=x.device) / half)
        angles = torch.arange(start, start + x.shape[2], device=x.device)[:, None] * rates
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        a, b = x[..., :half], x[..., half:]
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None, start: int) -> Any:
        """x [B, T, dim], whose first position is `start`, to an output of the same shape and the
        new state: keys and values [B, H, window - 1, D] of the past, at most."""
        query = self._rotated(self._heads(self.q_proj(x)), start)
        key = self._rotated(self._heads(self.k_proj(x)), start)
        value = self._heads(self.v_proj(x))
        if state is not None:
            key, value = torch.cat([state[0], key], 2), torch.cat([state[1], value], 2)
        old = key.shape[2] - x.shape[1]
        rows = torch.arange(x.shape[1], device=x.device)[:, None] + old
        columns = torch.arange(key.shape[2], device=x.device)
        seen = (columns <= rows) & (columns > rows - self.window)
        out = F.scaled_dot_product_attention(query, key, value, seen)
        kept = max(0, key.shape[2] - self.window + 1)
        return self.o_proj(out.transpose(1, 2).flatten(2)), (key[:, :, kept:], value[:, :, kept:])


class Scale(nn.Module):
    """LayerScale: a learned factor per channel of a residual branch."""

    def __init__(self, dim: int):
        super().__init__()
        self.scale = nn.Parameter(torch.full((dim,), 0.01))

    def forward(self, x: Tensor) -> Tensor:
        """[..., dim] scaled."""
        return self.scale * x


class TransformerLayer(nn.Module):
    """Pre-norm transformer layer: WindowAttention, then two linear layers with GELU, both as
    residual branches with LayerScale."""

    def __init__(self, dim: int, heads: int, hidden: int, window: int):
        super().__init__()
        self.self_attn = WindowAttention(dim, heads, window)
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(dim, hidden, False), "fc2": nn.Linear(hidden, dim, False)}
        )
        self.input_layernorm = nn.LayerNorm(dim)
        self.post_attention_layernorm = nn.LayerNorm(dim)
        self.self_attn_layer_scale = Scale(dim)
        self.mlp_layer_scale = Scale(dim)

    def forward(self, x: Tensor, state: Any, start: int) -> Any:
        """x [B, T, dim] to an output of the same shape and the new state."""
        y, state = self.self_attn(self.input_layernorm(x), state, start)
        x = x + self.self_attn_layer_scale(y)
        y = self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.post_attention_layernorm(x))))
        return x + self.mlp_layer_scale(y), state


class Transformer(nn.Module):
    """Streaming transformer over [B, dim, T]. Its state is the position and that of each layer.

    In inference long inputs are split into pieces of about a window. Attention computes all pairs
    within a piece, though only those within the window are needed.
    """

    def __init__(self, dim: int, heads: int, hidden: int, window: int, layers: int):
        super().__init__()
        self.window = window
        self.layers = nn.ModuleList(
            TransformerLayer(dim, heads, hidden, window) for _ in range(layers)
        )

    def initial(self, batch: int, like: Tensor) -> list[Any]:
        """State before the first value."""
        return [0, *(None for _ in self.layers)]

    def forward(self, x: Tensor, state: list[Any]) -> tuple[Tensor, list[Any]]:
        """x [B, dim, T] to an output of the same shape and the new state."""
        size = max(self.window, _LEAST_PIECE)
        if self.training or x.shape[2] <= size:
            return self._piece(x, state)
        made = []
        for piece in x.split(size, 2):
            piece, state = self._piece(piece, state)
            made.append(piece)
        return torch.cat(made, 2), state

    def _piece(self, x: Tensor, state: list[Any]) -> tuple[Tensor, list[Any]]:
        if x.shape[2] == 0:
            return x, state
        start, new = state[0], []
        y = x.transpose(1, 2)
        for layer, each in zip(self.layers, state[1:], strict=True):
            y, each = layer(y, each, start)
            new.append(each)
        return y.transpose(1, 2), [start + x.shape[2], *new]
