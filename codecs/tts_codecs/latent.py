"""Variational latents of source-filter features, for generators of distributions (KALL-E)."""

import torch
from torch import Tensor

from tts_codecs.autoencoder import FeatureAutoencoder
from tts_codecs.nn.coupling import CouplingFlow


class LatentAutoencoder(FeatureAutoencoder):
    """Variational autoencoder (Kingma & Welling 2014) of features, with 25 latents per second.

    Args:
        channels, patch, dim, blocks, look_ahead: see FeatureAutoencoder.
        latents: D, the width of a latent.
        flow: number of affine couplings of a normalising flow between the latents and the prior
            N(0, 1), as in the Flow-VAE of Glow-WaveGAN (Cong et al. 2021) and KALL-E (Xia et al.
            2024). It makes the distribution of latents more flexible. 0 is no flow. Only training
            and `prior` use it.
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
        """Mean and log-variance [B, U, D] of the posterior of features [B, T, channels]."""
        mean, log_variance = self.latents(features).chunk(2, -1)
        return mean, log_variance.clamp(-12, 4)

    def prior(self, noise: Tensor) -> Tensor:
        """Transform standard normal noise [B, U, D] into latents distributed as the prior."""
        return noise if self.flow is None else self.flow.inverse(noise)

    def decode(self, values: Tensor) -> Tensor:
        """Decode latents [B, U, D] to features [B, U * patch, channels]."""
        return self.restore(values)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Training pass: the features [B, U * patch, channels] reconstructed from a sample of the
        posterior, and its `divergence`."""
        mean, log_variance = self.encode(features)
        noise = torch.randn_like(mean)
        drawn = mean + (0.5 * log_variance).exp() * noise
        return self.reconstruct(drawn), self.divergence(mean, log_variance, noise, drawn)

    def divergence(
        self, mean: Tensor, log_variance: Tensor, noise: Tensor, drawn: Tensor
    ) -> Tensor:
        """KL divergence of the posterior from the prior, in nats per latent dimension: exact,
        [B, U, D], or with a flow estimated from the sample `drawn`, [B, U]."""
        if self.flow is None:
            return 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance)
        flown, log_determinant = self.flow(drawn)
        own = -0.5 * (log_variance + noise.square()).sum(-1)
        return (own + 0.5 * flown.square().sum(-1) - log_determinant) / self.size
