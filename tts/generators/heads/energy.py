"""Energy-distance head of SLED: a latent from noise in one pass of an MLP."""

import torch
from torch import Tensor

from tts.generators.base import Losses
from tts.generators.conditioning import Condition
from tts.generators.guidance import guide_rows
from tts.generators.heads.continuous import ContinuousHead
from tts.generators.integration import row_normal
from tts.generators.step_types import StepContext, TeacherForced
from tts.modules.adaln import AdaLNMLP


class EnergyHead(ContinuousHead):
    """One-pass sampling of a latent, trained by the energy distance (Ma et al. 2025, "Efficient
    Speech Language Modeling via Energy Distance in Continuous Latent Space", SLED).

    The hidden state is the input of the MLP, the noise its condition. Guidance is applied to the
    hidden state.

    Args:
        size, dim, features, channels: see ContinuousHead.
        noise: entries of the noise vector.
        repulsion: weight of the distance between two draws; 1 is the energy distance, below 1 the
            draws collapse to one.
        width, blocks: of the MLP.
    """

    def __init__(
        self,
        size: int = 164,
        dim: int = 256,
        features: int = 164,
        channels: int = 82,
        noise: int = 64,
        repulsion: float = 1.0,
        width: int = 384,
        blocks: int = 4,
    ):
        super().__init__(size, dim, features, channels)
        self.noise, self.repulsion = noise, repulsion
        self.net = AdaLNMLP(dim, noise, size, width, blocks)

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Root mean square difference of latents, weighted by channel, [B, S, 1]."""
        square = ((a - b).square() * self.channel_weight).mean(-1, keepdim=True)
        return (square + 1e-8).sqrt()  # the root has no slope at 0, where two draws begin

    def step_losses(self, forced: TeacherForced, condition: Condition) -> Losses:
        """The energy distance: the distances of two draws to the data, minus that between them."""
        mean, hidden, steps, known = self.mean(condition), forced.hidden, forced.steps, forced.known
        noise = torch.randn(2, *hidden.shape[:-1], self.noise, device=hidden.device)
        first, second = (mean + self.net(hidden, part) for part in noise)
        distance = self.distance(first, steps) + self.distance(second, steps)
        distance = distance - self.repulsion * self.distance(first, second)
        return Losses({"energy": (distance * known).sum() / known.sum().clamp_min(1)})

    def draw(self, hidden: Tensor, context: StepContext) -> Tensor:
        """Draw the latent of a step, [B, 1, size]; see StepHead.draw."""
        rows, options = context.rows, context.options
        hidden = guide_rows(hidden, rows, options.guidance)
        noise = row_normal(hidden.new_empty(rows, 1, self.noise), context.rngs)
        noise = noise * options.temperature
        mean = self.mean(context.condition, context.latent)[:rows]
        out: Tensor = mean + self.net(hidden, noise)
        return out
