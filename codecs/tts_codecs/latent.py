"""Variational latents of source-filter features, for generators of distributions (KALL-E)."""

import torch
from torch import Tensor

from tts_codecs.autoencoder import FeatureAutoencoder


class LatentAutoencoder(FeatureAutoencoder):
    """Variational autoencoder (Kingma & Welling 2014) of features, 25 latents a second.

    Args:
        channels, patch, dim, blocks, look_ahead: see FeatureAutoencoder.
        latents: D of a frame.
    """

    def __init__(
        self,
        channels: int = 82,
        patch: int = 2,
        dim: int = 256,
        blocks: int = 4,
        look_ahead: int = 1,
        latents: int = 48,
    ):
        super().__init__(channels, patch, dim, blocks, look_ahead, 2 * latents, latents)
        self.size = latents

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """[B, T, channels] to mean and logarithm of the variance of the latents, [B, U, D]."""
        mean, log_variance = self.latents(features).chunk(2, -1)
        return mean, log_variance.clamp(-12, 4)

    def decode(self, values: Tensor) -> Tensor:
        """Latents [B, U, D] to features [B, U * patch, channels]."""
        return self.restore(values)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Training pass: reconstruction from a draw, and the divergence of the posterior from
        N(0, 1) per latent, [B, U, D]."""
        mean, log_variance = self.encode(features)
        drawn = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        divergence = 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance)
        return self.reconstruct(drawn), divergence
