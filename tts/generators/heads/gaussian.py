"""Gaussian head of MELLE: a Gaussian latent per step, and a residual MLP from it to the output."""

import torch
from torch import Tensor, nn

from tts.generators.base import Losses
from tts.generators.conditioning import Condition
from tts.generators.guidance import guide_rows
from tts.generators.heads.continuous import ContinuousHead
from tts.generators.integration import row_normal
from tts.generators.step_types import StepContext, TeacherForced


class GaussianHead(ContinuousHead):
    """Variational sampling of a latent (Meng et al. 2024, "Autoregressive Speech Synthesis without
    Vector Quantization", MELLE).

    z ~ N(mu, sigma^2), both predicted from the hidden state, and the output is z + MLP(z). The
    paper's convolutional post-net over the whole utterance is left out, since it looks ahead and a
    vocoder follows anyway. Guidance, which the paper does not have, is applied to mu.

    Args:
        size, dim, features, channels: see ContinuousHead.
        spread: standard deviation of the prior N(output, spread^2) of the latent; 1 in the paper,
            whose log-mel has a larger variance.
        kl: weight of the divergence from the prior; flux: weight of the spectrogram flux loss. It
            rewards a mu that differs from the latent before, so that speech does not stand still.
        width: of the MLP.
    """

    def __init__(
        self,
        size: int = 164,
        dim: int = 256,
        features: int = 164,
        channels: int = 82,
        spread: float = 0.3,
        kl: float = 0.1,
        flux: float = 0.1,
        width: int = 384,
    ):
        super().__init__(size, dim, features, channels)
        self.spread, self.kl, self.flux = spread, kl, flux
        self.out = nn.Linear(dim, 2 * size)
        self.refine = nn.Sequential(
            nn.Linear(size, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, size),
        )
        for layer in (self.out, self.refine[-1]):
            assert isinstance(layer, nn.Linear)
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def latent(self, hidden: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """mu and the logarithm of (sigma / spread)^2, [B, S, size]."""
        offset, log_ratio = self.out(hidden).chunk(2, -1)
        return mean + offset, log_ratio.clamp(-10, 4)

    def decode(self, mu: Tensor, log_ratio: Tensor, noise: Tensor) -> Tensor:
        """The latent drawn with standard normal noise."""
        z = mu + self.spread * (0.5 * log_ratio).exp() * noise
        out: Tensor = z + self.refine(z)
        return out

    def step_losses(self, forced: TeacherForced, condition: Condition) -> Losses:
        """Regression of the output minus flux, and the divergence of the Gaussian. Flux compares mu
        with the clean latent before; from a noisy one even a constant mu would seem to move."""
        steps, known = forced.steps, forced.known
        mu, log_ratio = self.latent(forced.hidden, self.mean(condition))
        error = steps - self.decode(mu, log_ratio, torch.randn_like(mu))
        moved = self.average((mu - forced.clean).abs(), known)
        frames = self.average(error.abs() + error.square(), known) - self.flux * moved
        squares = log_ratio.exp() + ((mu - steps) / self.spread).square()
        divergence = self.average(0.5 * (squares - 1 - log_ratio), known)
        return Losses({"frames": frames, "kl": self.kl * divergence})

    def draw(self, hidden: Tensor, context: StepContext) -> Tensor:
        """Draw the latent of a step, [B, 1, size]; see StepHead.draw."""
        rows, options = context.rows, context.options
        mu, log_ratio = self.latent(hidden, self.mean(context.condition, context.latent))
        noise = row_normal(context.before, context.rngs) * options.temperature
        return self.decode(guide_rows(mu, rows, options.guidance), log_ratio[:rows], noise)
