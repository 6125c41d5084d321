"""Flow matching: the whole sequence is integrated from noise to data (Lipman et al. 2023).

As in Matcha-TTS and F5-TTS, with differences that pay at small scale: the network predicts the
clean latents as a correction to a regressed mean, from which the velocity follows; the voice prompt
is a memory to attend to and not a part of the integrated sequence; training times are drawn from
sigmoid(N(-0.2, 1)), unless they are set to be uniform; and the weight of the loss is clipped near
the data. The temperature scales the noise at which sampling starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from tts.generators.base import Infill, Losses
from tts.generators.conditioning import Condition
from tts.generators.guidance import Guidance, both, guide_rows
from tts.generators.integration import denoise, random_spans, row_noise, time_grid
from tts.generators.options import IntegrationOptions, reads
from tts.generators.protocols import LatentHead, Network, SamplingKeys, latent_head
from tts.generators.strategies.non_autoregressive import NonAutoregressive


class Flow(NonAutoregressive):
    """Strategy: conditional flow matching on the straight path (1 - t) noise + t data.

    Args:
        inpaint: share of training rows in which a span is given clean (VoiceBox, F5-TTS), so that
            the model can continue and edit known latents.
        both_sides: share of these rows in which all but the span is given, as in an edit.
        uniform: whether training times are drawn uniformly, so that early times, at which attention
            has to align noise with the text, count more.
    """

    sampling: SamplingKeys = {**reads(IntegrationOptions), "method": ("euler", "midpoint")}

    def __init__(self, inpaint: float = 0.0, both_sides: float = 0.0, uniform: bool = False):
        self.inpaint, self.both_sides, self.uniform = inpaint, both_sides, uniform

    def check(self, net: Network) -> None:
        """Raise ConfigError for a head that does not draw whole sequences."""
        latent_head(net.head)

    def losses(self, net: Network[LatentHead], latents: Tensor, condition: Condition) -> Losses:
        """Squared error of the clean latents, weighted as that of the velocity would be."""
        head = net.head
        if self.uniform:
            t = torch.rand(len(latents), device=latents.device)
        else:
            t = torch.sigmoid(torch.randn(len(latents), device=latents.device) - 0.2)
        blend = t[:, None, None]
        noisy = (1 - blend) * torch.randn_like(latents) + blend * latents
        known = random_spans(condition.mask, self.inpaint, self.both_sides)
        mask = condition.mask
        if known is not None:
            noisy = torch.where(known.unsqueeze(-1), latents, noisy)
            mask = mask * (~known).unsqueeze(-1)
        clean = head.mean(condition) + denoise(net, head, noisy, condition, t, known)
        # The velocity error is the clean error over 1 - t; clipped, as it diverges at t = 1.
        weight = (1 - blend).clamp_min(0.2).pow(-2) * mask * head.channel_weight
        flow = ((clean - latents).square() * weight).sum() / (mask.sum() * latents.shape[-1])
        # Late in the flow the noisy input shows the voice; early only the prompt can.
        return Losses({"flow": flow}, lambda: clean, 1 - t)

    def run(
        self,
        net: Network[LatentHead],
        condition: Condition,
        rngs: Sequence[torch.Generator],
        options: IntegrationOptions,
        infill: Infill | None = None,
    ) -> Iterator[Tensor]:
        """Yield the sequence after Euler or midpoint steps on a swayed time grid."""
        x = row_noise(condition, rngs, net.head.size) * options.temperature
        yield self._integrated(net, condition, x, 0.0, options, infill)

    def refine(
        self,
        net: Network,
        condition: Condition,
        rngs: Sequence[torch.Generator],
        options: IntegrationOptions,
        latents: Tensor,
        begin: float,
    ) -> Tensor:
        """Generate given latents anew from the time `begin` on (SDEdit, Meng et al. 2021).

        Args:
            latents: [B, U, size], which are mixed with as much noise as there is at that time.
            begin: 0 keeps nothing of the latents, values near 1 all but the details.

        Returns:
            [B, U, size].
        """
        noise = row_noise(condition, rngs, net.head.size) * options.temperature
        start = (1 - begin) * noise + begin * latents
        return self._integrated(net, condition, start, begin, options, None)

    def _integrated(
        self,
        net: Network[LatentHead],
        condition: Condition,
        x: Tensor,
        begin: float,
        options: IntegrationOptions,
        infill: Infill | None,
    ) -> Tensor:
        """Integrate x [B, U, size] from the time `begin` to the data at time 1."""
        head = net.head
        mean = head.mean(condition)
        known = infill.known if infill else None
        marks = both(known, condition) if known is not None else None
        scale = Guidance(options.guidance, options.guidance_final)

        def with_known(x: Tensor) -> Tensor:
            return x if infill is None else infill.put_into(x)

        def velocity(x: Tensor, t: float) -> Tensor:
            rows = both(with_known(x), condition)
            level = torch.full((len(rows),), t, device=x.device)
            clean = mean + denoise(net, head, rows, condition, level, marks)
            return (guide_rows(clean, len(x), scale.at(masked=1 - t)) - x) / max(1 - t, 1e-3)

        midpoint = options.method == "midpoint"
        evaluations = options.steps // 2 if midpoint else options.steps
        grid = time_grid(max(1, evaluations), options.sway).tolist()
        grid = [begin + (1 - begin) * t for t in grid]
        for now, then in zip(grid, grid[1:], strict=False):
            if midpoint:
                middle = x + velocity(x, now) * (then - now) / 2
                x = x + velocity(middle, (now + then) / 2) * (then - now)
            else:
                x = x + velocity(x, now) * (then - now)
        return with_known(x)
