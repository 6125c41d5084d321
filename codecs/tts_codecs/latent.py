"""Variational latents of source-filter features, for generators of distributions (KALL-E)."""

import torch
from torch import Tensor

from tts_codecs.autoencoder import FeatureAutoencoder
from tts_codecs.nn.coupling import CouplingFlow


class LatentAutoencoder(FeatureAutoencoder):
    """Variational autoencoder (Kingma & Welling 2014) of features, 25 latents a second.

    Args:
        channels, patch, dim, blocks, look_ahead: see FeatureAutoencoder.
        latents: D of a frame.
        flow: affine couplings between the latents and what is to be N(0, 1), as in the Flow-VAE of
            Glow-WaveGAN (Cong et al. 2021) and KALL-E (Xia et al. 2024): the distribution of
            latents then need not be so simple itself. 0 for none. Only training and `prior` use it.
    """

    def __init__(
        self,
        channels: int = 82,
        patch: int = 2,
        dim: int = 256,
        blocks: int = 4,
        look_ahead: int = 1,
        latents: int = 48,
        flow: int = 0,
    ):
        super().__init__(channels, patch, dim, blocks, look_ahead, 2 * latents, latents)
        self.size = latents
        self.flow = CouplingFlow(latents, flow, dim) if flow else None

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """[B, T, channels] to mean and logarithm of the variance of the latents, [B, U, D]."""
        mean, log_variance = self.latents(features).chunk(2, -1)
        return mean, log_variance.clamp(-12, 4)

    def prior(self, noise: Tensor) -> Tensor:
        """Standard normal noise [B, U, D] to latents of the distribution that all have together."""
        return noise if self.flow is None else self.flow.inverse(noise)

    def decode(self, values: Tensor) -> Tensor:
        """Latents [B, U, D] to features [B, U * patch, channels]."""
        return self.restore(values)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Training pass: reconstruction from a draw, and the divergence of the posterior from
        N(0, 1) per latent, [B, U, D]; with a flow, of that draw, [B, U]."""
        mean, log_variance = self.encode(features)
        noise = torch.randn_like(mean)
        drawn = mean + (0.5 * log_variance).exp() * noise
        return self.reconstruct(drawn), self.divergence(mean, log_variance, noise, drawn)

    def divergence(
        self, mean: Tensor, log_variance: Tensor, noise: Tensor, drawn: Tensor
    ) -> Tensor:
        """Nats by which the posterior differs from the prior, for each of the D numbers of a
        latent: exact [B, U, D], or with a flow an estimate by what was drawn, [B, U]."""
        if self.flow is None:
            return 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance)
        flown, log_determinant = self.flow(drawn)
        own = -0.5 * (log_variance + noise.square()).sum(-1)
        return (own + 0.5 * flown.square().sum(-1) - log_determinant) / self.size
