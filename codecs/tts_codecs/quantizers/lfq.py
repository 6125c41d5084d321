"""Lookup-free quantization: the signs of the channels are the bits of the code."""

from __future__ import annotations

import torch
from torch import Tensor

from tts_codecs.errors import CodecError
from tts_codecs.quantizers.base import Quantizer, QuantizerOutput, check_mask

_MOST_BITS = 16


class LookupFreeQuantizer(Quantizer):
    """Lookup-free quantizer: every channel is quantized to its sign, and the signs of a group of
    channels are the bits of one code. The first channel is the least significant bit.

    Yu et al. 2023, "Language Model Beats Diffusion: Tokenizer is Key to Visual Generation"
    (MAGVIT-v2). The entropy loss makes the code of each frame certain and all codes equally
    frequent. The entropy of a frame is exact and needs no table of codes, since a softmax over the
    distances to all codes factorises over channels.

    Args:
        bits: number of channels of a group.
        groups: number of codes per frame; ``dim = bits * groups``.
        entropy: weight of the entropy loss.
        diversity: weight, within the entropy loss, of the entropy of the average code, which is
            maximised.
        commitment: weight of the commitment loss, the squared distance to the quantized values.
        sharpness: inverse temperature of the softmax over distances.
        scale: the quantized values are ``-scale`` and ``scale``.

    Raises:
        CodecError: invalid sizes.
    """

    bounds = True

    def __init__(
        self,
        bits: int,
        groups: int = 1,
        entropy: float = 0.1,
        diversity: float = 1.0,
        commitment: float = 0.25,
        sharpness: float = 10.0,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        if not 1 <= bits <= _MOST_BITS or groups < 1:
            raise CodecError(
                f"LookupFreeQuantizer: bits {bits} must be 1 to {_MOST_BITS}, groups {groups} at "
                "least 1"
            )
        if scale <= 0 or sharpness <= 0:
            raise CodecError(f"LookupFreeQuantizer: scale {scale}, sharpness {sharpness} below 0")
        self.width, self.groups = bits, groups
        self.dim, self.num_codebooks, self.codebook_size = bits * groups, groups, 2**bits
        self.entropy, self.diversity, self.commitment = entropy, diversity, commitment
        self.sharpness, self.scale = sharpness, scale

    def forward(self, z: Tensor, mask: Tensor | None = None) -> QuantizerOutput:
        """Quantize ``z [B, T, D]``; in training the loss is entropy plus commitment loss."""
        self.check_input(z)
        check_mask(mask, z)
        x = z.float()
        positive = x.detach() > 0
        values = torch.where(positive, self.scale, -self.scale)
        loss = x.new_zeros(())
        if self.training:
            frames = x.flatten(0, 1) if mask is None else x[mask]
            if len(frames):
                error = (frames - torch.where(frames > 0, self.scale, -self.scale)).square().mean()
                loss = self.entropy * self._entropy(frames) + self.commitment * error
        quantized = (values + (x - x.detach())).to(z.dtype)
        return QuantizerOutput(quantized, self._index(positive), loss)

    @torch.no_grad()
    def encode(self, z: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes ``[B, T, G]`` of ``z [B, T, D]``."""
        self.check_input(z)
        self.check_prefix(num_codebooks)
        return self._index(z > 0)

    def decode(self, codes: Tensor) -> Tensor:
        """Values ``[B, T, D]`` float32 of ``codes [B, T, G]``."""
        self.check_codes(codes)
        powers = 2 ** torch.arange(self.width, device=codes.device)
        signs = (codes[..., None] // powers) % 2
        return (signs.flatten(2).float() * 2 - 1) * self.scale

    def snap(self, values: Tensor) -> Tensor:
        """Move ``values [B, T, D]`` to the nearest quantized values."""
        return self.decode(self.encode(values))

    def _index(self, positive: Tensor) -> Tensor:
        powers = 2 ** torch.arange(self.width, device=positive.device)
        return (positive.unflatten(-1, (self.groups, -1)).long() * powers).sum(-1)

    def _entropy(self, x: Tensor) -> Tensor:
        """Entropy loss of frames ``x [N, D]`` in nats, averaged over groups: the mean entropy of a
        frame's code minus `diversity` times the entropy of the average code."""
        # The distances to all codes differ by 4 * scale * x between the two signs of a channel.
        logit = (4 * self.sharpness * self.scale * x).unflatten(1, (self.groups, -1))
        plus, minus = torch.sigmoid(logit), torch.sigmoid(-logit)
        frame_entropy = -(
            plus * torch.nn.functional.logsigmoid(logit)
            + minus * torch.nn.functional.logsigmoid(-logit)
        ).sum(-1)
        # The average over frames does not factorise. The probabilities of all codes of a group are
        # built bit by bit.
        joint = x.new_ones(len(x), self.groups, 1)
        for bit in range(self.width):
            both = torch.stack([minus[..., bit], plus[..., bit]], -1)
            joint = (both[..., :, None] * joint[..., None, :]).flatten(-2)
        average = joint.mean(0)
        code_entropy = -(average * average.clamp_min(1e-5).log()).sum(-1)
        return frame_entropy.mean() - self.diversity * code_entropy.mean()
