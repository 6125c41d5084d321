"""The quantizer contract: continuous ``z [B, T, D]`` to codes ``[B, T, K]`` and back."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tts_codecs.base import check_codes, check_latents
from tts_codecs.errors import CodecError


class QuantizerOutput(NamedTuple):
    """Output of a quantizer's forward pass.

    Attributes:
        quantized: quantized values ``[B, T, D]``, with a straight-through gradient to the input.
        codes: ``[B, T, K]`` int64.
        loss: scalar to add to the training loss, such as the commitment loss; 0 if the quantizer
            needs none.
        used: number of codebooks that contribute to ``quantized`` in each row, ``[B]``, with
            quantizer dropout; None if all do.
    """

    quantized: Tensor
    codes: Tensor
    loss: Tensor
    used: Tensor | None = None


class Quantizer(nn.Module, ABC):
    """Abstract quantizer over the last axis of ``z [B, T, D]``.

    Attributes:
        dim: D, width of the quantized vectors.
        num_codebooks: K, number of codes per frame.
        codebook_size: number of entries of each codebook.
        bounds: whether the quantizer bounds its input itself, as FSQ does by tanh.
        statistics: names of buffers that only training needs, such as usage counts.
    """

    dim: int
    num_codebooks: int
    codebook_size: int
    bounds = False
    statistics: tuple[str, ...] = ()

    @property
    def bits(self) -> float:
        """Bits per frame of K codes."""
        return self.num_codebooks * math.log2(self.codebook_size)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of entries of each of the K codebooks."""
        return (self.codebook_size,) * self.num_codebooks

    @property
    def prefixes(self) -> tuple[int, ...]:
        """Numbers of leading codes per frame that `encode` and `decode` support. Only residual
        quantizers support fewer than K."""
        return (self.num_codebooks,)

    @property
    def residual(self) -> bool:
        """Whether every code of a frame refines the codes before it, so that the leading codes can
        be decoded by themselves."""
        return len(self.prefixes) > 1

    @property
    def digits(self) -> tuple[int, ...]:
        """Number of levels of each digit of a code, if the entries of a codebook are all
        combinations of digits, as in FSQ; () otherwise."""
        return ()

    @property
    def codebooks(self) -> list[Tensor]:
        """The K learned codebooks ``[S, D]``; empty if the entries are not learned."""
        return []

    def expected(self, probabilities: Tensor) -> Tensor:
        """Expected quantized values ``[B, T, D]`` under ``probabilities [B, T, K, V]`` of the codes
        of the leading K codebooks, taken as independent; see `contributions`."""
        base, table = self.contributions(probabilities.shape[2], probabilities.device)
        return base + torch.einsum("btkv,kvd->btd", probabilities, table.to(probabilities.dtype))

    def contributions(
        self, count: int, device: torch.device | str = "cpu"
    ) -> tuple[Tensor, Tensor]:
        """What each code adds to the values of a frame, which have to be a sum of one contribution
        per code: the values ``[D]`` that all have, and contributions ``[n, V, D]`` of the codes of
        the first n = `count` codebooks."""
        size = self.codebook_size
        zeros = torch.zeros(1, 1, count, dtype=torch.int64, device=device)
        # Decode every code of every codebook with all other codes 0.
        single = zeros.expand(size, count, count).clone()
        single.diagonal(dim1=1, dim2=2).copy_(torch.arange(size, device=device)[:, None])
        base = self.decode(zeros)[0, 0]
        table = self.decode(single.flatten(0, 1)[None])[0].view(size, count, -1) - base
        return base, table.transpose(0, 1)

    def prefix_bits(self, count: int) -> float:
        """Bits per frame of the first `count` codes."""
        return sum(math.log2(size) for size in self.sizes[:count])

    @abstractmethod
    def forward(self, z: Tensor, mask: Tensor | None = None) -> QuantizerOutput:
        """Quantize ``z [B, T, D]`` in training. Padded frames, where ``mask [B, T]`` is False, are
        excluded from losses and statistics."""

    @abstractmethod
    def encode(self, z: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes ``[B, T, n]`` of ``z [B, T, D]``; n is one of `prefixes`, K by default.

        Raises:
            CodecError: wrong shape, non-finite values, or another n.
        """

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """Quantized values ``[B, T, D]`` of ``codes [B, T, K]``; CodecError if out of range."""

    def snap(self, values: Tensor) -> Tensor:
        """Move ``values [B, T, D]``, such as the output of a generator, to the nearest quantized
        values. Quantizers with learned codebooks return them unchanged."""
        return values

    def check_prefix(self, count: int | None) -> int:
        """Return `count`, K by default; CodecError if it is not one of `prefixes`."""
        if count is None:
            return self.num_codebooks
        if count not in self.prefixes:
            allowed = self.prefixes
            told = f"[{allowed[0]}, {allowed[-1]}]" if len(allowed) > 1 else f"{allowed[0]}"
            raise CodecError(f"{type(self).__name__}: num_codebooks must be in {told}, got {count}")
        return count

    def fit(self, x: Tensor) -> None:
        """Initialise the learned codebooks by k-means on vectors ``x [N, D]``; CodecError if the
        quantizer has none."""
        raise CodecError(f"{type(self).__name__} has no codebooks to fit")

    @staticmethod
    def width_of(codes: Tensor) -> int | None:
        """The number n of codes per frame of ``codes [B, T, n]``; None for another rank."""
        return codes.shape[2] if isinstance(codes, Tensor) and codes.dim() == 3 else None

    def check_input(self, z: Tensor) -> Tensor:
        """Return ``z``; CodecError unless it is a finite floating-point tensor ``[B, T, D]``."""
        return check_latents(z, self.dim, type(self).__name__)

    def check_codes(self, codes: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Return ``codes``; CodecError unless they are valid for the first ``num_codebooks``
        codebooks, all by default."""
        count = self.num_codebooks if num_codebooks is None else num_codebooks
        return check_codes(codes, (self.codebook_size,) * count, type(self).__name__)


def check_mask(mask: Tensor | None, z: Tensor) -> Tensor | None:
    """Return ``mask``; CodecError unless it is None or bool ``[B, T]`` for ``z [B, T, D]``."""
    if mask is None:
        return None
    if mask.dtype != torch.bool or mask.shape != z.shape[:2]:
        raise CodecError(
            f"mask: expected bool {tuple(z.shape[:2])}, got {mask.dtype} {tuple(mask.shape)}"
        )
    return mask


class FixedQuantizer(Quantizer):
    """Base of quantizers with published weights, whose codebooks are not trained here."""

    def forward(self, z: Tensor, mask: Tensor | None = None) -> QuantizerOutput:
        """Quantize ``z [B, T, D]`` with a straight-through gradient. There are no losses and no
        statistics, so ``mask`` has no effect."""
        codes = self.encode(z)
        return QuantizerOutput(z + (self.decode(codes) - z).detach(), codes, z.new_zeros(()))
