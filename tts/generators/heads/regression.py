"""Regression head of Tacotron 2: the next latent is predicted, not drawn."""

import torch.nn.functional as F
from torch import Tensor, nn

from tts.generators.base import Losses
from tts.generators.conditioning import Condition
from tts.generators.guidance import guide_rows
from tts.generators.heads.continuous import ContinuousHead
from tts.generators.step_types import StepContext, TeacherForced


class RegressionHead(ContinuousHead):
    """Regression of the next latent; nothing is random.

    This is the frame projection of Tacotron 2 (Shen et al. 2018) with its pre-net, a bottleneck for
    the frames that are fed back, which keeps the network from copying them. It is trained by the
    sum of absolute and squared errors (SV2TTS, Jia et al. 2018). The convolutional post-net over
    the whole utterance is left out, since it looks ahead.

    Args:
        size, dim, features, channels: see ContinuousHead.
        width: of the pre-net; dropout: in it, in training only.
    """

    def __init__(
        self,
        size: int = 164,
        dim: int = 256,
        features: int = 164,
        channels: int = 82,
        width: int = 128,
        dropout: float = 0.5,
    ):
        super().__init__(size, dim, features, channels)
        self.dropout = dropout
        self.first, self.second = nn.Linear(size, width), nn.Linear(width, width)
        self.entry = nn.Linear(width, dim)
        self.out = nn.Linear(dim, size)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)

    def embed(self, latents: Tensor) -> Tensor:
        """[B, S, size] through the pre-net to [B, S, dim]."""
        x = latents
        for layer in (self.first, self.second):
            x = F.dropout(F.relu(layer(x)), self.dropout, self.training)
        out: Tensor = self.entry(x)
        return out

    def step_losses(self, forced: TeacherForced, condition: Condition) -> Losses:
        """Absolute and squared errors of the next latents."""
        found = self.mean(condition) + self.out(forced.hidden)
        error = (found - forced.steps).abs()
        estimate = None if self.estimate is not None else lambda: found
        return Losses({"frames": self.average(error + error.square(), forced.known)}, estimate)

    def draw(self, hidden: Tensor, context: StepContext) -> Tensor:
        """Draw the latent of a step, [B, 1, size]; see StepHead.draw."""
        found = self.mean(context.condition, context.latent) + self.out(hidden)
        return guide_rows(found, context.rows, context.options.guidance)
