"""One shot: the whole sentence in one evaluation, by regression (FastSpeech, Ren et al. 2019)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from tts.generators.base import Infill, Losses
from tts.generators.conditioning import Condition
from tts.generators.protocols import LatentHead, Network, SamplingKeys, latent_head
from tts.generators.strategies.non_autoregressive import NonAutoregressive


class OneShot(NonAutoregressive):
    """Strategy: latents are the regressed estimate plus a correction by the backbone, trained by
    their absolute error. Nothing is drawn: a sentence sounds the same for every seed, and there is
    no guidance. No other strategy is as fast, and none sounds as averaged.
    """

    time_conditioned = False
    sampling: SamplingKeys = {}

    def check(self, net: Network) -> None:
        """Raise ConfigError for a head that does not draw whole sequences."""
        latent_head(net.head)

    def made(self, net: Network[LatentHead], condition: Condition) -> Tensor:
        """Latents [B, U, size] of a condition."""
        head = net.head
        return head.mean(condition) + head.predict(net.hidden(condition.frames, condition))

    def losses(self, net: Network[LatentHead], latents: Tensor, condition: Condition) -> Losses:
        """Mean absolute error, weighted by the channel weights of the head."""
        found = self.made(net, condition)
        error = (found - latents).abs() * net.head.channel_weight * condition.mask
        total = error.sum() / (condition.mask.sum().clamp_min(1) * latents.shape[-1])
        return Losses({"frames": total}, lambda: found)

    def run(
        self,
        net: Network[LatentHead],
        condition: Condition,
        rngs: Sequence[torch.Generator],
        options: object,
        infill: Infill | None = None,
    ) -> Iterator[Tensor]:
        """Yield the sequence after one evaluation; known latents stay as they are."""
        out = self.made(net, condition.rows(len(rngs)))
        if infill is not None:
            out = infill.put_into(out)
        yield out
