"""Finite scalar quantization, single and grouped: no codebook to learn, none to collapse."""

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

    Each channel is bounded by tanh and rounded to one of its levels; the levels of a group form
    one mixed-radix index, first channel least significant. Mentzer et al. 2023, "Finite Scalar
    Quantization: VQ-VAE Made Simple". The symmetric variant places an even number of levels
    evenly in [-1, 1] and, like the uniform noise in place of rounding, follows Parker et al. 2024,
    "Scaling Transformers for Low-Bitrate High-Quality Speech Coding"; here noise (or the plain
    bounded value) replaces rounding for whole rows of a batch, not single values.

    Args:
        levels: levels of each channel of a group, 2 to 256 each (3 or more unless symmetric).
        groups: G; ``dim = G * len(levels)``.
        symmetric: levels evenly spaced over [-1, 1]. False is the paper's form, where an even
            L covers ``[-1, 1 - 2 / L]`` and 0 is always a level.
        passthrough: in training, probability for a row to keep its bounded, unrounded values.
        noise: in training, probability for a row to get uniform noise of one step's width
            instead of rounding. ``passthrough + noise`` is at most 1.

    Raises:
        CodecError: unusable levels, groups or probabilities.
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
        """The levels of a code's channels, the first changing fastest."""
        return tuple(int(level) for level in self.levels)

    def forward(
        self, z: Tensor, mask: Tensor | None = None, generator: torch.Generator | None = None
    ) -> QuantizerOutput:
        """Quantize ``z [B, T, D]``; ``generator`` draws the training noise. The loss is 0."""
        self.check_input(z)
        check_mask(mask, z)
        position = self._positions(z)
        digits = self._round(position)
        # Straight through: the value is exactly the level, the gradient that of the bound.
        rounded = digits.detach() + (position - position.detach())
        if self.training and self.passthrough + self.noise > 0:
            rounded = self._loosen(position, rounded, generator)
        quantized = self._to_values(rounded).flatten(2).to(z.dtype)
        codes = self.digits_to_codes(digits.detach().flatten(2).long())
        return QuantizerOutput(quantized, codes, z.new_zeros(()))

    def encode(self, z: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes ``[B, T, G]`` of ``z [B, T, D]``."""
        self.check_prefix(num_codebooks)
        with torch.no_grad():
            return self.digits_to_codes(self.encode_digits(z))

    def encode_digits(self, z: Tensor) -> Tensor:
        """Level of each channel, ``[B, T, D]`` int64 in ``[0, levels)``."""
        self.check_input(z)
        with torch.no_grad():
            return self._round(self._positions(z)).flatten(2).long()

    def decode(self, codes: Tensor) -> Tensor:
        """Values ``[B, T, D]`` float32 in [-1, 1] of ``codes [B, T, G]``."""
        digits = self.codes_to_digits(codes)
        return self._to_values(self._split(digits).float()).flatten(2)

    def codes_to_digits(self, codes: Tensor) -> Tensor:
        """Level of each channel ``[B, T, D]`` int64 of ``codes [B, T, G]``."""
        self.check_codes(codes)
        return ((codes[..., None] // self.basis) % self.levels).flatten(2)

    def digits_to_codes(self, digits: Tensor) -> Tensor:
        """Inverse of `codes_to_digits`; levels out of range are a CodecError."""
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
        """Codes ``[B, T, G]`` of the levels nearest to ``values [B, T, D]`` (as `decode` gives
        them, not bounded again): the exact inverse of `decode`, tolerant of small errors."""
        check_latents(values, self.dim, type(self).__name__)
        centre, scale = self._affine()
        digits = (self._split(values.float()) * scale + centre).round().long()
        digits = torch.minimum(digits.clamp(min=0), self.levels - 1)
        return self.digits_to_codes(digits.flatten(2))

    def snap(self, values: Tensor) -> Tensor:
        """The nearest values ``[B, T, D]`` of the quantizer to ``values [B, T, D]``."""
        return self.decode(self.values_to_codes(values))

    def _split(self, x: Tensor) -> Tensor:
        """``[B, T, D]`` to ``[B, T, G, D / G]``."""
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
        """Bounded position of ``z`` on the scale of digits, ``[B, T, G, D / G]`` float32.

        Float32 at least: in half precision neighbouring levels would merge."""
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

    def _loosen(
        self, position: Tensor, rounded: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """Replace the rounded digits of randomly chosen rows by noisy or plain positions."""
        rows = position.shape[0]
        draw = torch.rand(rows, 1, 1, 1, device=position.device, generator=generator)
        jitter = torch.rand(
            position.shape, device=position.device, dtype=position.dtype, generator=generator
        )
        top = self.levels - 1
        clipped = torch.minimum(position.clamp(min=0), top.to(position.dtype))
        noisy = torch.minimum((position + jitter - 0.5).clamp(min=0), top.to(position.dtype))
        # The clips above stop gradients only outside the levels, where rounding saturates too.
        out = torch.where(draw < self.passthrough, clipped, rounded)
        chosen = (draw >= self.passthrough) & (draw < self.passthrough + self.noise)
        return torch.where(chosen, noisy, out)


class FSQ(GroupedFSQ):
    """Finite scalar quantization of ``len(levels)`` channels to one code: `GroupedFSQ` with G = 1.

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
