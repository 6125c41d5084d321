"""The identity in place of a quantizer, for codecs of latents such as mel vocoders."""

from __future__ import annotations

import torch
from torch import Tensor

from tts_codecs.errors import CodecError
from tts_codecs.quantizers.base import Quantizer, QuantizerOutput, check_mask


class Identity(Quantizer):
    """Quantizer that returns its input unchanged and has no codes.

    Args:
        dim: D.
    """

    bounds = True
    num_codebooks = 0
    codebook_size = 0

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim < 1:
            raise CodecError(f"Identity: dim must be at least 1, got {dim}")
        self.dim = dim

    @property
    def bits(self) -> float:
        """0, as there are no codes."""
        return 0.0

    def forward(self, z: Tensor, mask: Tensor | None = None) -> QuantizerOutput:
        """Return ``z [B, T, D]`` itself, and codes ``[B, T, 0]``."""
        check_mask(mask, z)
        return QuantizerOutput(self.check_input(z), self.encode(z), z.new_zeros(()))

    def encode(self, z: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes ``[B, T, 0]``."""
        self.check_prefix(num_codebooks)
        return torch.zeros(*z.shape[:2], 0, dtype=torch.int64, device=z.device)

    def decode(self, codes: Tensor) -> Tensor:
        """Raise CodecError, as codes contain nothing."""
        raise CodecError("Identity has no codes to decode from; it passes latents on")
