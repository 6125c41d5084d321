"""Quantizers of single channels: scalar with snapping, and bins of a known range."""

from __future__ import annotations

import torch
from torch import Tensor

from tts_codecs.base import check_latents
from tts_codecs.errors import CodecError
from tts_codecs.quantizers.base import Quantizer, QuantizerOutput, check_mask
from tts_codecs.quantizers.fsq import GroupedFSQ


class ScalarQuantizer(GroupedFSQ):
    """Every channel by itself to one of ``2 S + 1`` values in [-1, 1]: ``round(S tanh(z)) / S``.

    The quantizer of SQ-Codec (Yang et al. 2024, "SimpleSpeech"). Its values are a latent space for
    continuous generators, whose output `snap` moves to the nearest value the decoder knows.

    Args:
        dim: D, as many codes per frame.
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
    """Every channel by itself to the nearest of evenly spaced values in a range; nothing is
    learned.

    With log-mel bands as channels these are the tokens of Bai et al. 2024, "dMel: Speech
    Tokenization Made Simple".

    Args:
        dim: D, as many codes per frame.
        low, high: the range; what lies outside takes the value at its end.
        levels: values of a channel, 2 to 256.

    Raises:
        CodecError: unusable sizes or an empty range.
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
        """Quantize ``z [B, T, D]``; gradients pass where z lies inside the range. The loss is 0."""
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
        place = (z.float() - self.low) / self.step
        return place.round().clamp(0, self.codebook_size - 1).long()

    def decode(self, codes: Tensor) -> Tensor:
        """Values ``[B, T, D]`` float32 of ``codes [B, T, D]``."""
        self.check_codes(codes)
        return self.low + codes * self.step

    def snap(self, values: Tensor) -> Tensor:
        """The nearest values ``[B, T, D]`` of the quantizer to ``values [B, T, D]``."""
        return self.decode(self.encode(values))
