"""Flow-matching head of FELLE: a small MLP generates one latent at a time."""

from collections.abc import Callable
from typing import Literal, cast

import torch
from torch import Tensor, nn

from tts.generators.heads.continuous import FlowHead
from tts.modules.adaln import AdaLNMLP
from tts.modules.transformer import timestep_embedding
from tts_codecs.nn.derived_cache import DerivedCache


class FlowMLPHead(FlowHead):
    """Flow matching of one latent by an MLP (Wang et al. 2025, "FELLE: Autoregressive Speech
    Synthesis with Token-Wise Coarse-to-Fine Flow Matching").

    As published: `prior: previous, bands: 2`, 3 steps per band.

    Args:
        size, dim, features, channels, prior, spread, noise, repeats: see FlowHead.
        bands: 2 draws every other channel first, then those between them; 1 draws all together.
        width, blocks: of the MLP.
    """

    def __init__(
        self,
        size: int = 164,
        dim: int = 256,
        features: int = 164,
        channels: int = 82,
        prior: Literal["normal", "previous", "mean"] = "mean",
        spread: float | None = None,
        noise: float | None = None,
        repeats: int = 1,
        bands: int = 1,
        width: int = 384,
        blocks: int = 3,
    ):
        super().__init__(size, dim, features, channels, prior, spread, noise, repeats)
        frame = size // self.frames
        parts = [[at for at in range(size) if at % frame % bands == k] for k in range(bands)]
        for at, part in enumerate(parts):
            self.register_buffer(f"band{at}", torch.tensor(part), persistent=False)
        self.count = bands
        self.time = nn.Sequential(nn.Linear(128, dim), nn.SiLU(), nn.Linear(dim, dim))
        self._moments = DerivedCache()
        # What is known of the latent, and the frame before, enter with the noisy channels.
        self.nets = nn.ModuleList(
            AdaLNMLP(len(part) + frame + (size if at else 0), dim, len(part), width, blocks)
            for at, part in enumerate(parts)
        )

    def bands(self) -> list[Tensor]:
        """Dimensions of a latent that are drawn together, in the order of drawing."""
        return [self.get_buffer(f"band{at}") for at in range(self.count)]

    def network(
        self, x: Tensor, t: Tensor, hidden: Tensor, before: Tensor, drawn: Tensor, band: int
    ) -> Tensor:
        """Predict a band from noisy values; see FlowHead.network."""
        parts = [x, before[..., -(self.size // self.frames) :]]
        if band:
            parts.append(drawn)
        out: Tensor = self.nets[band](
            torch.cat(parts, -1), hidden + self.time(timestep_embedding(t, 128))
        )
        return out

    def sampler(
        self, times: tuple[float, ...], hidden: Tensor, before: Tensor, drawn: Tensor, band: int
    ) -> Callable[[Tensor, int], Tensor]:
        """`network` as a function of x [B, 1, n] and the index of the time, for one latent. The
        embeddings of the times are the same for all latents and are kept; the modulation of all
        steps is computed in one call, since most weights of the network are in it."""
        parts = [before[..., -(self.size // self.frames) :]]
        if band:
            parts.append(drawn)
        weights = [layer.weight for layer in self.time if isinstance(layer, nn.Linear)]
        moments = self._moments.get(weights, lambda: self._times(times), times)
        return cast(AdaLNMLP, self.nets[band]).prepare(torch.cat(parts, -1), hidden, moments)

    def _times(self, times: tuple[float, ...]) -> Tensor:
        """Embeddings of times, [steps, dim]."""
        t = torch.tensor(times, device=self.channel_weight.device)
        found: Tensor = self.time(timestep_embedding(t, 128))
        return found
