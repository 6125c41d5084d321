"""Finite scalar quantization (FSQ), single and grouped: without a learned codebook, and so without
codebook collapse."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from tts_codecs.base import check_latents, checks_values
from tts_codecs.errors import CodecError
from tts_codecs.quantizers.base import Quantizer, QuantizerOutput, check_mask

# Stretch of the bound, so that the outermost levels are reached by finite inputs.
_BOUND_MARGIN = 1e-3
_MAX_LEVEL = 256


class GroupedFSQ(Quantizer):
    """Finite scalar quantization over G groups of ``len(levels)`` channels each.

    Every channel is bounded by tanh and rounded to one of its levels (Mentzer et al. 2023, "Finite
    Scalar Quantization: VQ-VAE Made Simple"). The levels of a group are the digits of its code, a
    mixed-radix number whose least significant digit is the first channel.

    The symmetric variant spaces also an even number of levels evenly over [-1, 1]. It follows
    Parker et al. 2024, "Scaling Transformers for Low-Bitrate High-Quality Speech Coding", as does
    the uniform noise in place of rounding. Here noise (or the bounded value itself) replaces
    rounding in whole rows of a batch, not in single values.

    Args:
        levels: number of levels of each channel of a group, 2 to 256 (at least 3 unless symmetric).
        groups: G; ``dim = G * len(levels)``.
        symmetric: whether levels are evenly spaced over [-1, 1]. False is the paper's form, where
            an even number L of levels covers ``[-1, 1 - 2 / L]`` and 0 is always a level.
        passthrough: in training, probability that a row keeps its bounded values without rounding.
        noise: in training, probability that a row gets uniform noise of the width of one step
            instead of rounding. ``passthrough + noise`` is at most 1.

    Raises:
        CodecError: invalid levels, groups or probabilities.
    """

    bounds = True
    levels: Tensor
    basis: Tensor

    def __init__(
        self,
        levels: Sequence[int],
        groups: int = 1,
        symmetric: bool = False,
        passthrough: float = 0.0,
        noise: float = 0.0,
    ) -> None:
        super().__init__()
        sizes = [int(level) for level in levels]
        lowest = 2 if symmetric else 3
        if not sizes or any(not lowest <= level <= _MAX_LEVEL for level in sizes):
            raise CodecError(
                f"FSQ levels must be {lowest} to {_MAX_LEVEL} each (2 only when symmetric), "
                f"got {sizes}"
            )
        if groups < 1:
            raise CodecError(f"FSQ groups must be at least 1, got {groups}")
        if passthrough < 0 or noise < 0 or passthrough + noise > 1:
            raise CodecError(
                f"FSQ passthrough {passthrough} and noise {noise} must be probabilities "
                "that sum to at most 1"
            )
        size = math.prod(sizes)
        if size > 2**31:
            raise CodecError(f"FSQ levels {sizes} make {size} entries, more than 2**31")
        self.groups = groups
        self.symmetric = symmetric
        self.passthrough = passthrough
        self.noise = noise
        self.dim = groups * len(sizes)
        self.num_codebooks = groups
        self.codebook_size = size
        basis = [math.prod(sizes[:i]) for i in range(len(sizes))]
        self.register_buffer("levels", torch.tensor(sizes), persistent=False)
        self.register_buffer("basis", torch.tensor(basis), persistent=False)

    @property
    def digits(self) -> tuple[int, ...]:
        """Number of levels of each digit of a code, the least significant digit first."""
        return tuple(int(level) for level in self.levels)

    def forward(
        self, z: Tensor, mask: Tensor | None = None, generator: torch.Generator | None = None
    ) -> QuantizerOutput:
        """Quantize ``z [B, T, D]``; ``generator`` draws the training noise. The loss is 0."""
        self.check_input(z)
        check_mask(mask, z)
        position = self._positions(z)
        digits = self._round(position)
        # Straight-through estimator: the value of the level, the gradient of the bounded value.
        rounded = digits.detach() + (position - position.detach())
        if self.training and self.passthrough + self.noise > 0:
            rounded = self._replace_rounding(position, rounded, generator)
        quantized = self._to_values(rounded).flatten(2).to(z.dtype)
        codes = self.digits_to_codes(digits.detach().flatten(2).long())
        return QuantizerOutput(quantized, codes, z.new_zeros(()))

    def encode(self, z: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes ``[B, T, G]`` of ``z [B, T, D]``."""
        self.check_prefix(num_codebooks)
        with torch.no_grad():
            return self.digits_to_codes(self.encode_digits(z))

    def encode_digits(self, z: Tensor) -> Tensor:
        """Digits of ``z [B, T, D]``: the level of each channel, int64 in ``[0, levels)``."""
        self.check_input(z)
        with torch.no_grad():
            return self._round(self._positions(z)).flatten(2).long()

    def decode(self, codes: Tensor) -> Tensor:
        """Values ``[B, T, D]`` float32 in [-1, 1] of ``codes [B, T, G]``."""
        digits = self.codes_to_digits(codes)
        return self._to_values(self._split(digits).float()).flatten(2)

    def codes_to_digits(self, codes: Tensor) -> Tensor:
        """Digits ``[B, T, D]`` int64 of ``codes [B, T, G]``."""
        self.check_codes(codes)
        return ((codes[..., None] // self.basis) % self.levels).flatten(2)

    def digits_to_codes(self, digits: Tensor) -> Tensor:
        """Codes ``[B, T, G]`` of ``digits [B, T, D]``; CodecError if a digit is out of range."""
        if digits.dim() != 3 or digits.shape[-1] != self.dim or digits.dtype != torch.int64:
            raise CodecError(
                f"{type(self).__name__}: expected int64 levels [B, T, {self.dim}], got "
                f"{digits.dtype} {tuple(digits.shape)}"
            )
        grouped = self._split(digits)
        if checks_values() and bool(((grouped < 0) | (grouped >= self.levels)).any()):
            raise CodecError(f"{type(self).__name__}: level out of range")
        return (grouped * self.basis).sum(-1)

    def values_to_codes(self, values: Tensor) -> Tensor:
        """Codes ``[B, T, G]`` of the quantized values nearest to ``values [B, T, D]``. It inverts
        `decode`, and so does not apply tanh, unlike `encode`."""
        check_latents(values, self.dim, type(self).__name__)
        centre, scale = self._affine()
        digits = (self._split(values.float()) * scale + centre).round().long()
        digits = torch.minimum(digits.clamp(min=0), self.levels - 1)
        return self.digits_to_codes(digits.flatten(2))

    def snap(self, values: Tensor) -> Tensor:
        """Move ``values [B, T, D]`` to the nearest quantized values."""
        return self.decode(self.values_to_codes(values))

    def _split(self, x: Tensor) -> Tensor:
        """Split channels into groups: ``[B, T, D]`` to ``[B, T, G, D / G]``."""
        return x.unflatten(2, (self.groups, -1))

    def _affine(self) -> tuple[Tensor, Tensor]:
        """Centre and scale per channel: ``value = (digit - centre) / scale``."""
        if self.symmetric:
            half = (self.levels - 1) / 2
            return half, half
        half = self.levels // 2
        return half, half

    def _to_values(self, digits: Tensor) -> Tensor:
        if self.symmetric:
            return digits * (2.0 / (self.levels - 1)) - 1.0
        centre, scale = self._affine()
        return (digits - centre) / scale

    def _positions(self, z: Tensor) -> Tensor:
        """Bounded ``z`` on the scale of digits, ``[B, T, G, D / G]``: rounding gives the digits.

        In float32 at least, since half precision cannot tell neighbouring levels apart."""
        x = self._split(z if z.dtype == torch.float64 else z.float())
        if self.symmetric:
            return (self.levels - 1) * (torch.tanh(x) + 1) / 2
        half = (self.levels - 1) * (1 + _BOUND_MARGIN) / 2
        offset = torch.where(self.levels % 2 == 0, 0.5, 0.0)
        shift = torch.atanh(offset / half)
        return torch.tanh(x + shift) * half - offset + self.levels // 2

    def _round(self, position: Tensor) -> Tensor:
        if self.symmetric:
            return (position + 0.5).floor()
        return position.round()

    def _replace_rounding(
        self, position: Tensor, rounded: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """Replace the rounded digits of randomly chosen rows by noisy or unrounded positions."""
        rows = position.shape[0]
        draw = torch.rand(rows, 1, 1, 1, device=position.device, generator=generator)
        jitter = torch.rand(
            position.shape, device=position.device, dtype=position.dtype, generator=generator
        )
        top = self.levels - 1
        clipped = torch.minimum(position.clamp(min=0), top.to(position.dtype))
        noisy = torch.minimum((position + jitter - 0.5).clamp(min=0), top.to(position.dtype))
        # The clips above stop gradients only outside the levels, where rounding also saturates.
        out = torch.where(draw < self.passthrough, clipped, rounded)
        chosen = (draw >= self.passthrough) & (draw < self.passthrough + self.noise)
        return torch.where(chosen, noisy, out)


class FSQ(GroupedFSQ):
    """Finite scalar quantization of ``len(levels)`` channels to one code: GroupedFSQ with G = 1.

    Args: as for `GroupedFSQ`, without ``groups``.
    """

    def __init__(
        self,
        levels: Sequence[int],
        symmetric: bool = False,
        passthrough: float = 0.0,
        noise: float = 0.0,
    ) -> None:
        super().__init__(levels, 1, symmetric, passthrough, noise)
