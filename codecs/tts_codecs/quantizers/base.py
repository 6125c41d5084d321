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
    """Result of a quantizer's forward pass.

    Attributes:
        quantized: ``[B, T, D]``; gradients pass straight through to the input.
        codes: ``[B, T, K]`` int64.
        loss: scalar to add to the training loss (0 where the quantizer needs none).
        used: codebooks that entered ``quantized`` for each row ``[B]``, or None when all did.
    """

    quantized: Tensor
    codes: Tensor
    loss: Tensor
    used: Tensor | None = None


class Quantizer(nn.Module, ABC):
    """Abstract quantizer over the last axis of ``z [B, T, D]``."""

    dim: int
    num_codebooks: int
    codebook_size: int
    bounds = False  # whether it bounds its input itself, as FSQ does
    #: names of buffers that are saved for training alone
    statistics: tuple[str, ...] = ()

    @property
    def bits(self) -> float:
        """Bits for one frame of K codes."""
        return self.num_codebooks * math.log2(self.codebook_size)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Entries of each of the K codebooks."""
        return (self.codebook_size,) * self.num_codebooks

    @property
    def prefixes(self) -> tuple[int, ...]:
        """Numbers of leading codes that `encode` and `decode` take; all K alone, unless the
        quantizer is residual."""
        return (self.num_codebooks,)

    @property
    def residual(self) -> bool:
        """Whether each code refines those before it, so that the leading ones do by themselves."""
        return len(self.prefixes) > 1

    @property
    def digits(self) -> tuple[int, ...]:
        """Levels whose combinations the entries of a codebook are, as those of an FSQ; () where
        entries are learned or have no such order."""
        return ()

    @property
    def codebooks(self) -> list[Tensor]:
        """The learned entries ``[S, D]`` of each of the K codebooks; none where they are not."""
        return []

    def expected(self, probabilities: Tensor) -> Tensor:
        """Expectation of the values ``[B, T, D]`` under ``probabilities [B, T, K, V]`` of codes
        of the leading K codebooks, independent of each other: the values of a frame are a sum of
        what each code adds."""
        count, size = probabilities.shape[2], self.codebook_size
        device = probabilities.device
        none = torch.zeros(1, 1, count, dtype=torch.int64, device=device)
        alone = none.expand(size, count, count).clone()  # one code of each, the others 0
        alone.diagonal(dim1=1, dim2=2).copy_(torch.arange(size, device=device)[:, None])
        base = self.decode(none)[0, 0]
        table = self.decode(alone.flatten(0, 1)[None])[0].view(size, count, -1) - base
        return base + torch.einsum("btkv,vkd->btd", probabilities, table.to(probabilities.dtype))

    def prefix_bits(self, count: int) -> float:
        """Bits for one frame of the first `count` codes."""
        return sum(math.log2(size) for size in self.sizes[:count])

    @abstractmethod
    def forward(self, z: Tensor, mask: Tensor | None = None) -> QuantizerOutput:
        """Quantize ``z [B, T, D]``; ``mask [B, T]`` (True: real frame) keeps padding out of
        losses and statistics."""

    @abstractmethod
    def encode(self, z: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes ``[B, T, n]`` of ``z [B, T, D]``, n one of `prefixes` (default K); CodecError on
        wrong shape, non-finite values or another n."""

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """Quantized values ``[B, T, D]`` of ``codes [B, T, K]``; CodecError if out of range."""

    def snap(self, values: Tensor) -> Tensor:
        """The nearest values ``[B, T, D]`` of the quantizer to ``values [B, T, D]``, as a generator
        makes them; without levels, as with codebooks, they stay as they are."""
        return values

    def check_prefix(self, count: int | None) -> int:
        """Return `count` (default K) if it is one of `prefixes`, else raise CodecError."""
        if count is None:
            return self.num_codebooks
        if count not in self.prefixes:
            allowed = self.prefixes
            told = f"[{allowed[0]}, {allowed[-1]}]" if len(allowed) > 1 else f"{allowed[0]}"
            raise CodecError(f"{type(self).__name__}: num_codebooks must be in {told}, got {count}")
        return count

    def fit(self, x: Tensor) -> None:
        """Set learned codebooks by k-means of vectors ``[N, D]``; CodecError where there are
        none."""
        raise CodecError(f"{type(self).__name__} has no codebooks to fit")

    @staticmethod
    def width_of(codes: Tensor) -> int | None:
        """n of ``codes [B, T, n]``; None for what is not of that rank."""
        return codes.shape[2] if isinstance(codes, Tensor) and codes.dim() == 3 else None

    def check_input(self, z: Tensor) -> Tensor:
        """Return ``z`` if it is finite float ``[B, T, D]``, else raise CodecError."""
        return check_latents(z, self.dim, type(self).__name__)

    def check_codes(self, codes: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Return ``codes`` if valid for the first ``num_codebooks`` (default all) codebooks."""
        count = self.num_codebooks if num_codebooks is None else num_codebooks
        return check_codes(codes, (self.codebook_size,) * count, type(self).__name__)


def check_mask(mask: Tensor | None, z: Tensor) -> Tensor | None:
    """Return ``mask`` if None or bool ``[B, T]`` like ``z [B, T, D]``, else raise CodecError."""
    if mask is None:
        return None
    if mask.dtype != torch.bool or mask.shape != z.shape[:2]:
        raise CodecError(
            f"mask: expected bool {tuple(z.shape[:2])}, got {mask.dtype} {tuple(mask.shape)}"
        )
    return mask


class FixedQuantizer(Quantizer):
    """A quantizer of published weights, whose codebooks do not learn."""

    def forward(self, z: Tensor, mask: Tensor | None = None) -> QuantizerOutput:
        """Quantize ``z [B, T, D]``; ``mask [B, T]`` (True: real frame) keeps padding out of losses
        and statistics, of which there are none."""
        codes = self.encode(z)
        return QuantizerOutput(z + (self.decode(codes) - z).detach(), codes, z.new_zeros(()))
