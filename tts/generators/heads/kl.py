"""Next-distribution head of KALL-E: a Gaussian per step, trained on a VAE's posterior."""

import torch
from torch import Tensor, nn

from tts.generators.base import Losses
from tts.generators.conditioning import Condition
from tts.generators.guidance import guide_rows
from tts.generators.heads.continuous import ContinuousHead
from tts.generators.integration import row_normal
from tts.generators.step_types import StepContext, TeacherForced

#: logarithm of the variance of latents that are drawn, not distributed
CERTAIN = -30.0


class KLHead(ContinuousHead):
    """Prediction of the next latent's distribution (Xia et al. 2024, "KALL-E: Autoregressive Speech
    Synthesis with Next-Distribution Prediction").

    A latent is a distribution, mean and log-variance side by side
    (tts.generators.latent_space.VAESpace); drawn latents have variance 0. Guidance, which the paper
    does not have, is applied to the mean.

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
        """Latents with mean 0 and variance 0."""
        mean = super().empty(batch, steps)
        return torch.cat([mean, torch.full_like(mean, CERTAIN)], -1)

    def with_noise(self, latents: Tensor, noise: Tensor) -> Tensor:
        """Add noise to the means of latents; their variances stay."""
        mean, log_variance = latents.chunk(2, -1)
        return torch.cat([mean + noise.chunk(2, -1)[0], log_variance], -1)

    def embed(self, latents: Tensor) -> Tensor:
        """Embed latents [B, S, size] to [B, S, dim]: their means, or in training a random draw."""
        mean, log_variance = latents.chunk(2, -1)
        if self.training:
            mean = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        out: Tensor = self.entry(mean)
        return out

    def distribution(self, hidden: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the next latents, [B, S, size / 2] each."""
        offset, log_variance = self.out(hidden).chunk(2, -1)
        return mean + offset, log_variance.clamp(-12, 6)

    def step_losses(self, forced: TeacherForced, condition: Condition) -> Losses:
        """KL divergence of the VAE's posterior from the prediction."""
        mean, log_variance = self.distribution(forced.hidden, self.mean(condition))
        wanted, spread = forced.steps.chunk(2, -1)
        ratio = spread - log_variance
        square = (wanted - mean).square() * (-log_variance).exp()
        divergence = 0.5 * (ratio.exp() - ratio - 1 + square)
        return Losses({"kl": self.average(divergence, forced.known)})

    def draw(self, hidden: Tensor, context: StepContext) -> Tensor:
        """Draw the latent of a step, [B, 1, size]; see StepHead.draw."""
        found = self.distribution(hidden, self.mean(context.condition, context.latent))
        mean = guide_rows(found[0], context.rows, context.options.guidance)
        noise = row_normal(mean, context.rngs) * context.options.temperature
        drawn = mean + (0.5 * found[1][: context.rows]).exp() * noise
        return torch.cat([drawn, torch.full_like(drawn, CERTAIN)], -1)
