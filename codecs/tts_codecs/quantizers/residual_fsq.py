"""Residual finite scalar quantization: every stage quantizes the residual of the stage before."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from tts_codecs.errors import CodecError
from tts_codecs.quantizers.base import Quantizer, QuantizerOutput, check_mask


class ResidualFSQ(Quantizer):
    """K stages of finite scalar quantization with the same levels. The grid of stage k is finer
    than that of the first by a factor of ``L ** k``.

    The L levels of a channel are evenly spaced over [-1, 1], and its input is bounded to half a
    step beyond them. Stage k divides each interval of stage k - 1 into L, so that after n stages
    the error is at most ``1 / ((L - 1) * L ** (n - 1))``. No codebook is learned, and any number of
    leading codes can be decoded.

    Args:
        levels: number of levels L of each channel, 2 to 256; ``dim = len(levels)``.
        num_codebooks: K.
        dropout: probability that a row of a training batch uses only its first n codes, with n
            uniform in [1, K].

    Raises:
        CodecError: invalid levels or sizes.
    """

    bounds = True
    levels: Tensor
    basis: Tensor
    scales: Tensor

    def __init__(self, levels: Sequence[int], num_codebooks: int, dropout: float = 0.0) -> None:
        super().__init__()
        sizes = [int(level) for level in levels]
        if not sizes or any(not 2 <= level <= 256 for level in sizes):
            raise CodecError(f"ResidualFSQ levels must be 2 to 256 each, got {sizes}")
        if num_codebooks < 1 or not 0 <= dropout <= 1:
            raise CodecError(
                f"ResidualFSQ: {num_codebooks} codebooks and dropout {dropout} do not work"
            )
        self.dim, self.num_codebooks, self.dropout = len(sizes), num_codebooks, dropout
        self.codebook_size = math.prod(sizes)
        if self.codebook_size > 2**31:
            raise CodecError(f"ResidualFSQ levels {sizes} make more than 2**31 entries")
        basis = [math.prod(sizes[:i]) for i in range(len(sizes))]
        grid = torch.tensor(sizes, dtype=torch.float64)
        self.register_buffer("levels", torch.tensor(sizes), persistent=False)
        self.register_buffer("basis", torch.tensor(basis), persistent=False)
        scales = torch.stack([grid**-k for k in range(num_codebooks)])
        self.register_buffer("scales", scales.float(), persistent=False)

    @property
    def digits(self) -> tuple[int, ...]:
        """Number of levels of each digit of a code, the least significant digit first."""
        return tuple(int(level) for level in self.levels)

    @property
    def prefixes(self) -> tuple[int, ...]:
        """1 to K."""
        return tuple(range(1, self.num_codebooks + 1))

    def forward(
        self, z: Tensor, mask: Tensor | None = None, generator: torch.Generator | None = None
    ) -> QuantizerOutput:
        """Quantize ``z [B, T, D]``; ``generator`` draws the dropout. The loss is 0."""
        self.check_input(z)
        check_mask(mask, z)
        bounded = self._bound(z)
        digits = self._digits(bounded.detach(), self.num_codebooks)
        used = None
        if self.training and self.dropout:
            draw = torch.rand(len(z), device=z.device, generator=generator)
            count = torch.randint(
                1, self.num_codebooks + 1, (len(z),), device=z.device, generator=generator
            )
            used = torch.where(draw < self.dropout, count, self.num_codebooks)
        total = self._values(digits, used)
        quantized = total + (bounded - bounded.detach())
        return QuantizerOutput(quantized.to(z.dtype), self._index(digits), z.new_zeros(()), used)

    @torch.no_grad()
    def encode(self, z: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes ``[B, T, n]`` of the first n (default K) stages for ``z [B, T, D]``."""
        self.check_input(z)
        return self._index(self._digits(self._bound(z), self.check_prefix(num_codebooks)))

    def decode(self, codes: Tensor) -> Tensor:
        """Values ``[B, T, D]`` float32 of ``codes [B, T, n]`` of the first n stages."""
        self.check_codes(codes, self.check_prefix(self.width_of(codes)))
        digits = (codes[..., None] // self.basis) % self.levels
        return self._values(digits.float())

    @torch.no_grad()
    def snap(self, values: Tensor) -> Tensor:
        """Move ``values [B, T, D]`` to the nearest quantized values."""
        self.check_input(values)
        return self._values(self._digits(values.float(), self.num_codebooks))

    def _bound(self, z: Tensor) -> Tensor:
        """Bound ``z`` to half a step beyond the outermost levels, which are still the nearest
        there."""
        top = 1 + 1 / (self.levels - 1)
        return torch.tanh(z.float() / top) * top

    def _digits(self, bounded: Tensor, count: int) -> Tensor:
        """Digits ``[B, T, n, D]`` of the first ``count`` stages: levels, counted from 0."""
        half = (self.levels - 1) / 2
        residual, found = bounded, []
        for scale in self.scales[:count]:
            position = (residual / scale).clamp(-1, 1)
            digit = (half * (position + 1) + 0.5).floor()
            residual = residual - (digit / half - 1) * scale
            found.append(digit)
        return torch.stack(found, 2)

    def _index(self, digits: Tensor) -> Tensor:
        return (digits.long() * self.basis).sum(-1)

    def _values(self, digits: Tensor, used: Tensor | None = None) -> Tensor:
        """Sum of the values of all stages, for ``digits [B, T, n, D]``; with ``used [B]``, of the
        first ``used`` stages of each row."""
        parts = (digits * (2 / (self.levels - 1)) - 1) * self.scales[: digits.shape[2]]
        if used is not None:
            kept = torch.arange(digits.shape[2], device=digits.device) < used[:, None]
            parts = parts * kept[:, None, :, None]
        return parts.sum(2)
