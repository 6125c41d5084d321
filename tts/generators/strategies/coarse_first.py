"""Coarse-first generation: the first codebooks from left to right, then the others level by level.

A second, non-causal network draws the others (VALL-E, Wang et al. 2023; with a pointer VALL-E R,
Han et al. 2024).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from tts.errors import ConfigError
from tts.generators.backbone import Backbone, KVCache, TwoPass
from tts.generators.base import Infill, Losses, SamplingOptions
from tts.generators.conditioning import Condition
from tts.generators.cuda_graph import StaticKVCache
from tts.generators.protocols import AutoregressiveHead, Network, masked_head
from tts.generators.strategies.autoregressive import Autoregressive
from tts.generators.strategies.masked import Masked


class CoarseFirst(Autoregressive):
    """Strategy: Autoregressive for the first codebooks, then Masked with `order: levels` for the
    rest.

    Text encoder, voice encoder and embeddings are shared; each pass has a backbone of its own
    (TwoPass). As in VALL-E, the second pass takes one evaluation per level and the likeliest codes.

    Args:
        streams: how many codebooks are drawn from left to right.
        merge: how many neighbouring latents share their first code (tts.generators.latent_space),
            so that one step from left to right makes so many latents (VALL-E R); 1 for none.

    Raises:
        ConfigError: options out of range, or that do not go together.
    """

    streamed = False
    network = TwoPass
    #: one pass draws and the other takes the likeliest codes: together they have no likelihood
    has_likelihood = False

    def __init__(self, streams: int = 1, merge: int = 1):
        super().__init__({"name": "coarse_first", "streams": streams})
        if merge < 1 or merge > 1 and streams > 1:
            raise ConfigError("merge is at least 1, and more than that with streams: 1 only")
        self.streams, self.merge = streams, merge
        self.fine = Masked(order="levels", first=streams)

    def check(self, net: Network) -> None:
        """Raise ConfigError if the parts of a generator do not go together."""
        super().check(net)
        pattern = self.order_of(net)
        if pattern is None or not pattern.levels:
            raise ConfigError("coarse_first needs a head of more codebooks than streams")

    def losses(
        self, net: Network[AutoregressiveHead], latents: Tensor, condition: Condition
    ) -> Losses:
        """The losses of both passes, each given the true codes."""
        coarse = latents[:, :: self.merge]
        found = super().losses(net, coarse, merged(condition, self.merge))
        fine_net = _FineNetwork(net)
        fine = self.fine.losses(fine_net, latents, fine_net.condition(condition))
        return Losses({**found.parts, "fine": fine.parts["codes"]})

    def run(
        self,
        net: Network[AutoregressiveHead],
        condition: Condition,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions,
        infill: Infill | None = None,
    ) -> Iterator[Tensor]:
        """Yield the sequence after both passes: the first codebooks one step at a time, the others
        in one evaluation per level."""
        coarse_condition, coarse_infill = condition, infill
        if self.merge > 1:
            coarse_infill = infill and _merged_infill(infill, self.merge)
            if condition.text is None:
                coarse_condition = merged(condition, self.merge)
        drawn = replace(options, soft_decode=False)  # the second pass needs the codes themselves
        steps = super().run(net, coarse_condition, rngs, drawn, coarse_infill)
        coarse = torch.cat(list(steps), 1)
        coarse = coarse.repeat_interleave(self.merge, 1)[:, : condition.mask.shape[1]]
        committed = torch.zeros_like(coarse, dtype=torch.bool)
        committed[..., : self.streams] = True
        if infill is not None:
            length = min(coarse.shape[1], infill.latents.shape[1])
            known = infill.known[:, :length]
            committed[:, :length] |= known.unsqueeze(-1)
            coarse[:, :length] = torch.where(
                known.unsqueeze(-1), infill.latents[:, :length], coarse[:, :length]
            )
        levels = coarse.shape[2] - self.streams
        fine_net = _FineNetwork(net)
        yield from self.fine.run(
            fine_net,
            fine_net.condition(condition),
            rngs,
            replace(options, steps=levels, temperature=0.0),
            Infill(coarse, committed),
        )


def merged(condition: Condition, merge: int) -> Condition:
    """The condition of steps of `merge` latents: the mean of their text contents."""
    if merge == 1:
        return condition
    short = -condition.mask.shape[1] % merge
    mask = F.pad(condition.mask, (0, 0, 0, short)).unflatten(1, (-1, merge))
    frames = F.pad(condition.frames, (0, 0, 0, short)).unflatten(1, (-1, merge))
    mean = (frames * mask).sum(2) / mask.sum(2).clamp_min(1)
    prior = condition.prior_mean[:, ::merge]
    return replace(condition, frames=mean, prior_mean=prior, mask=mask[:, :, 0])


def _merged_infill(infill: Infill, merge: int) -> Infill:
    """The infill of steps of `merge` latents: those of which all latents are known."""
    short = -infill.known.shape[1] % merge
    known = F.pad(infill.known, (0, short), value=True).unflatten(1, (-1, merge)).all(2)
    return Infill(infill.latents[:, ::merge], known)


class _FineNetwork:
    """The generator as Masked sees it in the second pass: with the second backbone."""

    def __init__(self, net: Network[AutoregressiveHead]):
        backbone = net.backbone
        assert isinstance(backbone, TwoPass)
        self.head, self.conditioner, self.patch = masked_head(net.head), net.conditioner, net.patch
        self.backbone: Backbone = backbone.fine
        self._first = len(backbone.blocks)

    def condition(self, condition: Condition) -> Condition:
        """The condition with the voice memory that was projected for the second backbone."""
        return replace(condition, memory=condition.memory[self._first :])

    def hidden(
        self,
        x: Tensor,
        condition: Condition,
        t: Tensor | None = None,
        window: int = 0,
        cache: KVCache | StaticKVCache | None = None,
    ) -> Tensor:
        """Hidden states [B, U, dim] of the second backbone; see Backbone.hidden."""
        return self.backbone.hidden(x, condition, t, window, cache)
