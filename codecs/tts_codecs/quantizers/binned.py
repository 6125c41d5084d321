"""Quantizers of single channels: scalar quantization of SQ-Codec, and evenly spaced bins."""

from __future__ import annotations

import torch
from torch import Tensor

from tts_codecs.base import check_latents
from tts_codecs.errors import CodecError
from tts_codecs.quantizers.base import Quantizer, QuantizerOutput, check_mask
from tts_codecs.quantizers.fsq import GroupedFSQ


class ScalarQuantizer(GroupedFSQ):
    """Scalar quantizer: every channel is rounded to one of ``2 S + 1`` values in [-1, 1], by
    ``round(S tanh(z)) / S``.

    The quantizer of SQ-Codec (Yang et al. 2024, "SimpleSpeech"). Continuous generators can predict
    its values; `snap` then moves their output to the nearest values that the decoder was trained
    on.

    Args:
        dim: D, number of channels and of codes per frame.
        scale: S.
        passthrough, noise: see GroupedFSQ.
    """

    def __init__(
        self, dim: int, scale: int = 9, passthrough: float = 0.0, noise: float = 0.0
    ) -> None:
        if scale < 1 or dim < 1:
            raise CodecError(f"ScalarQuantizer: dim {dim} and scale {scale} must be at least 1")
        super().__init__([2 * scale + 1], dim, True, passthrough, noise)


class BinnedQuantizer(Quantizer):
    """Uniform quantizer: every channel is rounded to the nearest of evenly spaced values in a fixed
    range. Nothing is learned.

    With log-mel bands as channels, its codes are the tokens of Bai et al. 2024, "dMel: Speech
    Tokenization Made Simple".

    Args:
        dim: D, number of channels and of codes per frame.
        low, high: the range; values outside are clipped to it.
        levels: number of values of a channel, 2 to 256.

    Raises:
        CodecError: invalid sizes or an empty range.
    """

    bounds = True

    def __init__(self, dim: int, low: float, high: float, levels: int = 16) -> None:
        super().__init__()
        if dim < 1 or not 2 <= levels <= 256 or not low < high:
            raise CodecError(
                f"BinnedQuantizer: dim {dim}, {levels} levels in [{low}, {high}] do not work"
            )
        self.dim = self.num_codebooks = dim
        self.codebook_size, self.low, self.high = levels, low, high
        self.step = (high - low) / (levels - 1)

    def forward(self, z: Tensor, mask: Tensor | None = None) -> QuantizerOutput:
        """Quantize ``z [B, T, D]`` with a straight-through gradient inside the range. The loss is
        0."""
        check_mask(mask, z)
        codes = self.encode(z)
        inside = z.clamp(self.low, self.high)
        values = self.decode(codes).to(z.dtype) + (inside - inside.detach())
        return QuantizerOutput(values, codes, z.new_zeros(()))

    @torch.no_grad()
    def encode(self, z: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes ``[B, T, D]`` of ``z [B, T, D]``."""
        check_latents(z, self.dim, type(self).__name__)
        self.check_prefix(num_codebooks)
        position = (z.float() - self.low) / self.step
        return position.round().clamp(0, self.codebook_size - 1).long()

    def decode(self, codes: Tensor) -> Tensor:
        """Values ``[B, T, D]`` float32 of ``codes [B, T, D]``."""
        self.check_codes(codes)
        return self.low + codes * self.step

    def snap(self, values: Tensor) -> Tensor:
        """Move ``values [B, T, D]`` to the nearest quantized values."""
        return self.decode(self.encode(values))
