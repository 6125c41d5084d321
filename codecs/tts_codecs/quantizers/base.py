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

    @property
    def bits(self) -> float:
        """Bits for one frame of K codes."""
        return self.num_codebooks * math.log2(self.codebook_size)

    @abstractmethod
    def forward(self, z: Tensor, mask: Tensor | None = None) -> QuantizerOutput:
        """Quantize ``z [B, T, D]``; ``mask [B, T]`` (True: real frame) keeps padding out of
        losses and statistics."""

    @abstractmethod
    def encode(self, z: Tensor) -> Tensor:
        """Codes ``[B, T, K]`` of ``z [B, T, D]``; CodecError on wrong shape or non-finite."""

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """Quantized values ``[B, T, D]`` of ``codes [B, T, K]``; CodecError if out of range."""

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
