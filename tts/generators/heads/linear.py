"""Linear head: continuous latents for flow, diffusion and one-shot regression."""

import torch
from torch import Tensor, nn

from tts.generators.conditioning import Condition
from tts.generators.folding import channel_weights
from tts.generators.heads.base import HeadBase


class LinearHead(HeadBase):
    """A linear map from latents to the backbone, and one back; fulfils the contract LatentHead.

    Latents are features, whose regressed mean is `Condition.prior_mean`, or those of a codec
    (`size != features`), whose mean is a learned linear map of it.

    Args:
        size: D of a latent; dim: of the backbone.
        features: size of `Condition.prior_mean`; by default that of a latent. channels: of a frame
            of it.
    """

    _channel_weight: Tensor

    def __init__(
        self, size: int = 164, dim: int = 256, features: int | None = None, channels: int = 82
    ):
        super().__init__()
        self.size = size
        self.entry = nn.Linear(size, dim)
        self.known = nn.Parameter(torch.zeros(dim))
        self.out = nn.Linear(dim, size)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)
        features = features or size
        latent = features != size
        self.estimate = nn.Linear(features, size, bias=False) if latent else None
        # In latents of a codec no dimension is known to hold the pitch.
        plain = latent or size % channels
        channel_weight = torch.ones(size) if plain else channel_weights(channels, size // channels)
        self.register_buffer("_channel_weight", channel_weight, persistent=False)

    @property
    def channel_weight(self) -> Tensor:
        """[size] weight of each dimension in losses."""
        return self._channel_weight

    def embed(self, latents: Tensor, known: Tensor | None = None) -> Tensor:
        """Embed latents [B, U, size] to [B, U, dim]; `known` [B, U] bool marks clean latents among
        noisy ones."""
        x: Tensor = self.entry(latents)
        return x if known is None else x + known.unsqueeze(-1) * self.known

    def mean(self, condition: Condition) -> Tensor:
        """The regressed estimate of the latents, [B, U, size]."""
        if self.estimate is None:
            return condition.prior_mean
        mean: Tensor = self.estimate(condition.prior_mean)
        return mean

    def predict(self, hidden: Tensor) -> Tensor:
        """The prediction [B, U, size] from hidden states [B, U, dim]."""
        out: Tensor = self.out(hidden)
        return out

    def forward(self, hidden: Tensor) -> Tensor:
        """`predict`."""
        return self.predict(hidden)
