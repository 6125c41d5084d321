"""Attention blocks shared by every generator."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn


def rotary(positions: Tensor, dim: int, base: float = 10000.0) -> tuple[Tensor, Tensor]:
    """Cosine and sine tables of rotary embeddings (Su et al. 2021): [T] to two [T, dim / 2]."""
    rates = base ** (-torch.arange(0, dim, 2, device=positions.device).float() / dim)
    angles = positions.float().unsqueeze(-1) * rates
    return angles.cos(), angles.sin()


def rotate(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Apply rotary tables to [B, H, T, D]."""
    cos, sin = table
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def timestep_embedding(t: Tensor, dim: int) -> Tensor:
    """Sinusoids of t in 0..1: [B] to [B, dim]."""
    rates = torch.exp(-math.log(1000.0) * torch.arange(dim // 2, device=t.device) / (dim // 2))
    angles = t.unsqueeze(-1) * rates * 1000.0
    return torch.cat([angles.sin(), angles.cos()], -1)


@dataclass
class BlockCache:
    """What one causal block remembers of a sequence.

    Attributes:
        keys, values: [B, H, L, D], preallocated, so that a step allocates nothing; a memory (the
            voice prompt) fills the front.
        filled: positions used so far.
        recent: [B, dim, kernel - 1] last inputs of the depthwise convolution.
    """

    keys: Tensor
    values: Tensor
    filled: int
    recent: Tensor

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Store [B, H, n, D] and return all that is there."""
        end = self.filled + key.shape[2]
        self.keys[:, :, self.filled : end] = key
        self.values[:, :, self.filled : end] = value
        self.filled = end
        return self.keys[:, :, :end], self.values[:, :, :end]


class MemoryAttention(nn.Module):
    """Self-attention whose keys are [memory; self]: the memory (a voice prompt) is projected once
    and has no positions, so any length of prompt can be attended to."""

    def __init__(self, dim: int, heads: int, memory_dim: int = 0):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.memory = nn.Linear(memory_dim, 2 * dim) if memory_dim else None

    def _split(self, x: Tensor) -> Tensor:
        return rearrange(x, "b t (h d) -> b h t d", h=self.heads)

    def project_memory(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """[B, M, memory_dim] to keys and values [B, H, M, D]; reusable over sampler steps."""
        assert self.memory is not None
        key, value = self.memory(memory).chunk(2, -1)
        return self._split(key), self._split(value)

    def forward(
        self,
        x: Tensor,
        table: tuple[Tensor, Tensor],
        mask: Tensor,
        memory: tuple[Tensor, Tensor] | None = None,
        cache: BlockCache | None = None,
    ) -> Tensor:
        """x [B, T, dim]; mask [B, 1, 1 or T, M + T] bool, true where attended. With a cache, which
        holds the memory already, T are the new positions and the mask spans all so far."""
        query, key, value = (self._split(part) for part in self.qkv(x).chunk(3, -1))
        query, key = rotate(query, table), rotate(key, table)
        if cache is not None:
            key, value = cache.append(key, value)
        elif memory is not None:
            key = torch.cat([memory[0], key], 2)
            value = torch.cat([memory[1], value], 2)
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.out(rearrange(y, "b h t d -> b t (h d)"))


class DiTBlock(nn.Module):
    """Transformer block modulated by (time, voice) (adaLN, Peebles & Xie 2023) with a depthwise
    convolution in the feed-forward part, which small models need for local detail.

    The modulation is shared over blocks; each block learns an offset to it. `causal` shifts the
    convolution into the past; what is attended to is the mask's business.
    """

    def __init__(
        self, dim: int, heads: int, hidden: int, memory_dim: int, kernel: int = 5,
        dropout: float = 0.0, causal: bool = False,
    ):  # fmt: skip
        super().__init__()
        self.causal, self.kernel = causal, kernel
        self.norm1 = nn.LayerNorm(dim, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(dim, elementwise_affine=False)
        self.attention = MemoryAttention(dim, heads, memory_dim)
        self.depthwise = nn.Conv1d(dim, dim, kernel, groups=dim)
        self.up = nn.Linear(dim, hidden)
        self.down = nn.Linear(hidden, dim)
        self.offset = nn.Parameter(torch.zeros(6, dim))
        self.dropout = nn.Dropout(dropout)

    def _mix(self, y: Tensor, cache: BlockCache | None) -> Tensor:
        y = y.transpose(1, 2)
        if cache is not None:
            y = torch.cat([cache.recent, y], 2)
            cache.recent = y[:, :, y.shape[2] - self.kernel + 1 :]
        elif self.causal:
            y = F.pad(y, (self.kernel - 1, 0))
        else:
            y = F.pad(y, (self.kernel // 2, self.kernel // 2))
        return self.depthwise(y).transpose(1, 2)

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        table: tuple[Tensor, Tensor],
        frame_mask: Tensor | None,
        attention_mask: Tensor,
        memory: tuple[Tensor, Tensor] | None,
        cache: BlockCache | None = None,
    ) -> Tensor:
        """x [B, T, dim], modulation [B, 6, dim], frame_mask [B, T, 1] or None for all valid."""
        parts = (modulation + self.offset).unsqueeze(2).unbind(1)
        shift1, scale1, gate1, shift2, scale2, gate2 = parts
        y = self.norm1(x) * (1 + scale1) + shift1
        x = x + (1 + gate1) * self.attention(y, table, attention_mask, memory, cache)
        y = self.norm2(x) * (1 + scale2) + shift2
        if frame_mask is not None:
            y = y * frame_mask
        y = y + self._mix(y, cache)
        y = self.down(self.dropout(F.gelu(self.up(y))))
        return x + (1 + gate2) * y
