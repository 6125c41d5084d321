"""A Gaussian per step, fitted to the posterior of a variational autoencoder (KALL-E)."""

import torch
from torch import Tensor, nn

from tts.generators.base import Losses
from tts.generators.conditioning import Condition
from tts.generators.guidance import guide_rows
from tts.generators.heads.continuous import ContinuousHead
from tts.generators.integration import row_normal
from tts.generators.protocols import StepContext, TeacherForced

#: logarithm of the variance of latents that are drawn, not distributed
CERTAIN = -30.0


class KLHead(ContinuousHead):
    """Xia et al. 2024, "KALL-E: Autoregressive Speech Synthesis with Next-Distribution Prediction".

    A latent is the mean and the logarithm of the variance of its latents side by side
    (tts.generators.latent_space.VAESpace); what is drawn has no variance. Guidance, which the
    paper has not, moves the mean.

    Args:
        size: twice the size of the codec's latents; dim, features, channels: see ContinuousHead.
    """

    #: latents are distributions
    posterior = True

    def __init__(self, size: int = 128, dim: int = 256, features: int = 164, channels: int = 82):
        super().__init__(size // 2, dim, features, channels)
        self.out = nn.Linear(dim, size)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)

    def empty(self, batch: int, steps: int) -> Tensor:
        """Latents that are 0 for certain."""
        mean = super().empty(batch, steps)
        return torch.cat([mean, torch.full_like(mean, CERTAIN)], -1)

    def with_noise(self, latents: Tensor, noise: Tensor) -> Tensor:
        """Latents with noise on their means: how sure they are stays what the codec says."""
        mean, log_variance = latents.chunk(2, -1)
        return torch.cat([mean + noise.chunk(2, -1)[0], log_variance], -1)

    def embed(self, latents: Tensor) -> Tensor:
        """[B, S, size] to [B, S, dim]; in training of a draw from what they say."""
        mean, log_variance = latents.chunk(2, -1)
        if self.training:
            mean = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        out: Tensor = self.entry(mean)
        return out

    def distribution(self, hidden: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of the next latents, [B, S, size / 2]."""
        offset, log_variance = self.out(hidden).chunk(2, -1)
        return mean + offset, log_variance.clamp(-12, 6)

    def step_losses(self, forced: TeacherForced, condition: Condition) -> Losses:
        """Divergence of the posterior from the prediction."""
        mean, log_variance = self.distribution(forced.hidden, self.mean(condition))
        wanted, spread = forced.steps.chunk(2, -1)
        ratio = spread - log_variance
        square = (wanted - mean).square() * (-log_variance).exp()
        divergence = 0.5 * (ratio.exp() - ratio - 1 + square)
        return Losses({"kl": self.average(divergence, forced.known)})

    def draw(self, hidden: Tensor, given: StepContext) -> Tensor:
        """The latent of a step, [B, 1, size]."""
        found = self.distribution(hidden, self.mean(given.condition, given.latent))
        mean = guide_rows(found[0], given.rows, given.options.guidance)
        noise = row_normal(mean, given.rngs) * given.options.temperature
        drawn = mean + (0.5 * found[1][: given.rows]).exp() * noise
        return torch.cat([drawn, torch.full_like(drawn, CERTAIN)], -1)
