"""Transformer blocks with voice prompts, which all generators share."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from tts.errors import ConfigError
from tts_codecs.nn.inference import linear


def rotary(positions: Tensor, dim: int, base: float = 10000.0) -> tuple[Tensor, Tensor]:
    """Compute cosines and sines [T, dim / 2] of rotary embeddings (Su et al. 2021) for positions
    [T]."""
    rates = base ** (-torch.arange(0, dim, 2, device=positions.device).float() / dim)
    angles = positions.float().unsqueeze(-1) * rates
    return angles.cos(), angles.sin()


def whole_rotary(positions: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Compute the table of `rotate`: cosines and sines [T, dim], with negative sines in the first
    half."""
    cos, sin = rotary(positions, dim)
    return torch.cat([cos, cos], -1), torch.cat([-sin, sin], -1)


def rotate(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate x [..., T, D] of halves (a, b) to (a cos - b sin, b cos + a sin), by a table of
    `whole_rotary`."""
    cos, sin = table
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


def timestep_embedding(t: Tensor, dim: int) -> Tensor:
    """Embed times t [B] between 0 and 1 as sinusoids [B, dim]."""
    rates = torch.exp(-math.log(1000.0) * torch.arange(dim // 2, device=t.device) / (dim // 2))
    angles = t.unsqueeze(-1) * rates * 1000.0
    return torch.cat([angles.sin(), angles.cos()], -1)


@dataclass
class BlockCache:
    """Cache of a causal block: keys, values, and the last inputs of its convolution.

    Attributes:
        keys, values: [B, H, L, D], preallocated, so that a step allocates nothing; the memory (the
            voice prompt) is at the beginning.
        filled: number of positions in use.
        recent: [B, n, dim] last inputs of the depthwise convolution, at least kernel - 1.
        taps: [kernel, dim] weights of the convolution with the residual, for single steps.
    """

    keys: Tensor
    values: Tensor
    filled: int
    recent: Tensor
    taps: Tensor

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Append keys and values [B, H, n, D], and return all that are stored."""
        begin, count = self.filled, key.shape[2]
        self.keys.narrow(2, begin, count).copy_(key)
        self.values.narrow(2, begin, count).copy_(value)
        self.filled = end = begin + count
        return self.keys.narrow(2, 0, end), self.values.narrow(2, 0, end)

    def trim(self, filled: int) -> None:
        """Drop all positions after the first `filled`. Only positions of the last call can be
        dropped."""
        drop, past = self.filled - filled, len(self.taps) - 1
        if past:
            kept = self.recent.shape[1] - drop
            if drop < 0 or kept < past:
                raise ValueError("only what was appended last can be forgotten")
            self.recent = self.recent[:, :kept]
        self.filled = filled


class MemoryAttention(nn.Module):
    """Self-attention with further keys and values from a memory (a voice prompt).

    The memory is projected once for all steps. It has no positions, so that prompts may have any
    length.

    Args:
        memory_dim: channels of the memory; 0 for no memory.

    Raises:
        ConfigError: `dim` is not a multiple of twice the number of heads.
    """

    def __init__(self, dim: int, heads: int, memory_dim: int = 0):
        super().__init__()
        # Rotary embeddings need an even number of channels in each head.
        if dim % (2 * heads):
            raise ConfigError(
                f"heads is a number of which twice as many divide the width {dim}, not {heads}"
            )
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.memory = nn.Linear(memory_dim, 2 * dim) if memory_dim else None

    def _split(self, x: Tensor) -> Tensor:
        return rearrange(x, "b t (h d) -> b h t d", h=self.heads)

    def project_memory(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Project a memory [B, M, memory_dim] to keys and values [B, H, M, D] for all steps."""
        assert self.memory is not None
        key, value = self.memory(memory).chunk(2, -1)
        return self._split(key), self._split(value)

    def forward(
        self,
        x: Tensor,
        table: tuple[Tensor, Tensor],
        mask: Tensor | None,
        memory: tuple[Tensor, Tensor] | None = None,
        cache: BlockCache | None = None,
    ) -> Tensor:
        """Attend from x to the memory and x.

        Args:
            x: [B, T, dim]; with a cache, the new positions.
            table: of `whole_rotary`.
            mask: [B, 1, 1 or T, M + T] bool, True for keys that are attended to, or a bias; with a
                cache, for all positions so far; None for all keys.
            memory: keys and values of `project_memory`; None with a cache, which has them.

        Returns:
            [B, T, dim].
        """
        batch, count, dim = x.shape
        # Not by einops, which takes longer than the products in a step of one latent.
        parts = linear(self.qkv, x).view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key = rotate(parts[:2], table).unbind()
        value = parts[2]
        if cache is not None:
            key, value = cache.append(key, value)
        elif memory is not None:
            key = torch.cat([memory[0], key], 2)
            value = torch.cat([memory[1], value], 2)
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return linear(self.out, y.transpose(1, 2).reshape(batch, count, dim))


class VoiceUnits(nn.Module):
    """Narrow feed-forward path whose hidden units are multiplied by gains from the voice.

    Adaptive layer normalization sets the scale of each channel by the voice, but combines channels
    in the same way for all voices. This path depends on the voice with few weights: it is a
    low-rank adapter (LoRA, Hu et al. 2021) with a diagonal that the condition sets. Its output is 0
    at first.

    Args:
        dim: of input and output; units: number of hidden units; cond_dim: of the condition.
    """

    def __init__(self, dim: int, units: int, cond_dim: int):
        super().__init__()
        self.up = nn.Linear(dim, units)
        self.down = nn.Linear(units, dim, bias=False)
        self.condition = nn.Linear(cond_dim, units)
        nn.init.zeros_(self.down.weight)
        nn.init.ones_(self.condition.bias)

    def gain(self, cond: Tensor) -> Tensor:
        """Compute the gains [B, 1, units] from a condition [B, cond_dim]."""
        gain: Tensor = self.condition(cond).unsqueeze(1)
        return gain

    def forward(self, x: Tensor, gain: Tensor) -> Tensor:
        """Apply the path to x [B, T, dim] with gains [B, 1, units]."""
        return linear(self.down, linear(self.up, x, gelu="none") * gain)


class DiTBlock(nn.Module):
    """Transformer block with adaptive layer normalization by time and voice (DiT, Peebles & Xie
    2023), and a depthwise convolution before the feed-forward layers, for local detail.

    All blocks share the modulation, to which each block learns an offset.

    Args:
        hidden: width of the feed-forward layers; memory_dim: as of MemoryAttention.
        kernel: of the convolution; causal: whether it sees only the past. Attention is causal by
            its mask.
        voice_units: hidden units of VoiceUnits; 0 for none.

    Raises:
        ConfigError: the kernel is even and not causal, or as of MemoryAttention.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        hidden: int,
        memory_dim: int,
        kernel: int = 5,
        dropout: float = 0.0,
        causal: bool = False,
        voice_units: int = 0,
    ):
        super().__init__()
        if not causal and kernel % 2 == 0:
            raise ConfigError(f"kernel is odd, as latents see as far on both sides, not {kernel}")
        self.causal, self.kernel = causal, kernel
        self.norm1 = nn.LayerNorm(dim, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(dim, elementwise_affine=False)
        self.attention = MemoryAttention(dim, heads, memory_dim)
        self.depthwise = nn.Conv1d(dim, dim, kernel, groups=dim)
        self.up = nn.Linear(dim, hidden)
        self.down = nn.Linear(hidden, dim)
        self.offset = nn.Parameter(torch.zeros(6, dim))
        self.dropout = nn.Dropout(dropout)
        self.voice = VoiceUnits(dim, voice_units, dim) if voice_units else None

    def parts(self, modulation: Tensor, cond: Tensor | None = None) -> tuple[Tensor, ...]:
        """Split a modulation [B, 6, dim] for `forward`.

        Returns:
            shift, scale and gate of attention and feed-forward part, [B, 1, dim] each, and with
            voice units their gains, from `cond` [B, dim].
        """
        parts = (modulation + self.offset).unsqueeze(2).unbind(1)
        shift1, scale1, gate1, shift2, scale2, gate2 = parts
        modulations = shift1, 1 + scale1, 1 + gate1, shift2, 1 + scale2, 1 + gate2
        if self.voice is None or cond is None:
            return modulations
        return *modulations, self.voice.gain(cond)

    def taps(self) -> Tensor:
        """Weights [kernel, dim] of the convolution in a causal step, with the residual."""
        taps = self.depthwise.weight[:, 0].T.clone()
        taps[-1] += 1
        return taps

    def _mix(self, y: Tensor, cache: BlockCache | None) -> Tensor:
        """Add its convolution to y [B, T, dim]."""
        past = self.kernel - 1
        if not past and self.depthwise.bias is not None:
            # A product is faster than a grouped convolution with a kernel of 1.
            return torch.addcmul(self.depthwise.bias, y, self.taps()[0])
        if cache is not None and past:
            recent = cache.recent
            window = torch.cat([recent[:, recent.shape[1] - past :], y], 1)
            cache.recent = window
            if y.shape[1] == 1 and self.depthwise.bias is not None:
                # For a single step, products are several times faster than the convolution.
                return (window * cache.taps).sum(1, keepdim=True) + self.depthwise.bias
            return y + self.depthwise(window.transpose(1, 2)).transpose(1, 2)
        ahead = 0 if self.causal else self.kernel // 2
        padded = F.pad(y.transpose(1, 2), (ahead or past, ahead))
        return y + self.depthwise(padded).transpose(1, 2)

    def forward(
        self,
        x: Tensor,
        parts: tuple[Tensor, ...],
        table: tuple[Tensor, Tensor],
        frame_mask: Tensor | None,
        attention_mask: Tensor | None,
        memory: tuple[Tensor, Tensor] | None,
        cache: BlockCache | None = None,
    ) -> Tensor:
        """Apply the block.

        Args:
            x: [B, T, dim].
            parts: of the modulation, by `parts`.
            frame_mask: [B, T, 1], 0 for padding; None for no padding.
            table, attention_mask, memory, cache: as of MemoryAttention.

        Returns:
            [B, T, dim].
        """
        shift1, scale1, gate1, shift2, scale2, gate2, *gain = parts
        y = torch.addcmul(shift1, self.norm1(x), scale1)
        x = torch.addcmul(x, gate1, self.attention(y, table, attention_mask, memory, cache))
        y = torch.addcmul(shift2, self.norm2(x), scale2)
        if frame_mask is not None:
            y = y * frame_mask
        y = self._mix(y, cache)
        update = linear(self.down, self.dropout(linear(self.up, y, gelu="none")))
        if self.voice is not None and gain:
            update = update + self.voice(y, gain[0])
        return torch.addcmul(x, gate2, update)
