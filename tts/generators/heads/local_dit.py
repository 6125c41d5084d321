"""Flow-matching head of DiTAR: a small transformer over the frames of the last and next latent."""

import itertools
from collections.abc import Callable
from typing import Literal, cast

import torch
from torch import Tensor, nn

from tts.generators.heads.continuous import FlowHead
from tts.generators.options import IntegrationOptions
from tts.modules.transformer import DiTBlock, timestep_embedding, whole_rotary

#: times that are nearer to each other are one
_APART = 1e-3


class LocalDiTHead(FlowHead):
    """Flow matching of one latent by a local diffusion transformer (Jia et al. 2025, "DiTAR:
    Diffusion Transformer Autoregressive Modeling for Speech Generation").

    The frames of the latent before are clean tokens in front of the noisy ones; attention is
    bidirectional. Guidance is guidance of the language model: in training its hidden state is
    dropped for a share of the latents, and in sampling only this transformer runs twice, so that
    the backbone needs no unconditional rows.

    Args:
        size, dim, features, channels, prior, spread, noise, repeats: see FlowHead.
        width, heads, hidden, blocks: of the transformer.
        encoder: blocks of the transformer that makes a latent's frames one input of the language
            model (the aggregation encoder of the paper); 0 is a linear map of them.
        history: whether the latent before is given; in the paper the error rate rises tenfold
            without it.
        drop: share of latents for which training drops the hidden state.
    """

    guides_itself = True

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
        width: int = 192,
        heads: int = 4,
        hidden: int = 576,
        blocks: int = 3,
        history: bool = True,
        drop: float = 0.1,
        encoder: int = 0,
    ):
        super().__init__(size, dim, features, channels, prior, spread, noise, repeats)
        self.width, self.heads, self.drop = width, heads, drop
        frame = size // self.frames
        self.noisy = nn.Linear(frame, width)
        self.past = nn.Linear(frame, width) if history else None
        self.state = nn.Linear(dim, 2 * width)
        self.time = nn.Sequential(nn.Linear(128, width), nn.SiLU(), nn.Linear(width, width))
        self.modulation = nn.Linear(width, 8 * width)
        self.blocks = nn.ModuleList(DiTBlock(width, heads, hidden, 0, 3) for _ in range(blocks))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.out = nn.Linear(width, frame)
        for layer in (self.modulation, self.out):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        self.encoder: nn.ModuleList | None = None
        if encoder:
            self.framed = nn.Linear(frame, width)
            self.summary = nn.Parameter(torch.randn(width) * 0.02)
            self.encoder = nn.ModuleList(
                DiTBlock(width, heads, hidden, 0, 1) for _ in range(encoder)
            )
            self.entry = nn.Linear(width, dim)

    def embed(self, latents: Tensor) -> Tensor:
        """Embed latents [B, S, size] to [B, S, dim]: with an encoder, by a learned summary token
        that attends to the frames of a latent."""
        if self.encoder is None:
            return super().embed(latents)
        frames = latents.reshape(-1, self.frames, latents.shape[-1] // self.frames)
        tokens = self.framed(frames)
        tokens = torch.cat([self.summary.expand(len(tokens), 1, -1), tokens], 1)
        place = torch.arange(tokens.shape[1], device=latents.device)
        table = whole_rotary(place, self.width // self.heads)
        attend = torch.ones(1, 1, 1, len(place), dtype=torch.bool, device=latents.device)
        still = tokens.new_zeros(1, 6, self.width)
        for block in self.encoder:
            tokens = block(tokens, cast(DiTBlock, block).parts(still), table, None, attend, None)
        out: Tensor = self.entry(tokens[:, 0]).unflatten(0, latents.shape[:2])
        return out

    def network(
        self, x: Tensor, t: Tensor, hidden: Tensor, before: Tensor, drawn: Tensor, band: int
    ) -> Tensor:
        """Predict a band from noisy values; see FlowHead.network."""
        frames = x.reshape(-1, self.frames, x.shape[-1] // self.frames)
        added, time_embedding = self.state(hidden.flatten(0, 1)).chunk(2, -1)
        tokens = self.noisy(frames) + added.unsqueeze(1)
        if self.past is not None:
            tokens = torch.cat([self.past(before.reshape(frames.shape)), tokens], 1)
        time_embedding = time_embedding + self.time(timestep_embedding(t.flatten(), 128))
        modulation = self.modulation(nn.functional.silu(time_embedding)).unflatten(
            -1, (8, self.width)
        )
        position = torch.arange(tokens.shape[1], device=x.device)
        table = whole_rotary(position, self.width // self.heads)
        attend = torch.ones(1, 1, 1, len(position), dtype=torch.bool, device=x.device)
        for block in self.blocks:
            parts = cast(DiTBlock, block).parts(modulation[:, :6])
            tokens = block(tokens, parts, table, None, attend, None)
        made = self.norm(tokens[:, -self.frames :])
        made = self.out(made * (1 + modulation[:, 6:7]) + modulation[:, 7:8])
        out: Tensor = made.reshape(x.shape)
        return out

    def forget(self, hidden: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Drop hidden state and mean, and with them the text, for a share of the latents."""
        kept = (torch.rand_like(hidden[..., :1]) >= self.drop).float()
        return hidden * kept, mean * kept

    def branches(self, hidden: Tensor, mean: Tensor, rows: int, guided: bool) -> list[Tensor]:
        """With guidance, the same rows again, with zeros for hidden state and estimate."""
        if not guided:
            return [hidden, mean]
        return [torch.cat([x, torch.zeros_like(x)]) for x in (hidden, mean)]

    def times(self, options: IntegrationOptions) -> list[float]:
        """Times from 0 (noise) to 1 (data). Below temperature 1 the time at which the noise is
        added is one of them, and then there is one step more, unless it is next to another."""
        grid = super().times(options)
        entry = 1 - options.temperature
        if 0 < entry < grid[-1] - _APART:
            inner = [time for time in grid[1:-1] if abs(time - entry) > _APART]
            grid = [grid[0], *sorted([*inner, entry]), grid[-1]]
        return grid

    def integrate(
        self, clean: Callable[[Tensor, int], Tensor], noise: Tensor, options: IntegrationOptions
    ) -> Tensor:
        """Euler steps. At temperature T below 1 noise is added at time 1 - T to the data found
        last, from there on the flow is that of temperature 1; before that there is none."""
        late = options.temperature < 1
        x = torch.zeros_like(noise) if late else noise * options.temperature
        found = x
        for at, (now, then) in enumerate(itertools.pairwise(self.times(options))):
            if late and now >= 1 - options.temperature:
                late = False
                x = now * found + (1 - now) * noise
            found = clean(x, at)
            x = x + (found - x) * ((then - now) / (1 - now))
        return x
