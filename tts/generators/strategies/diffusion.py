"""Diffusion: the sequence is denoised along a variance-preserving path (SESD, Lovelace et al.
2024).

A noisy sequence is x = alpha data + sigma noise. Schedules are functions of the log
signal-to-noise ratio lambda (Kingma et al. 2021), with alpha^2 = sigmoid(lambda): the cosine
schedule (Nichol & Dhariwal 2021), which can be shifted towards noise for signals that are easily
guessed from their neighbours (Hoogeboom et al. 2023).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from tts.generators.base import Infill, Losses
from tts.generators.conditioning import Condition
from tts.generators.guidance import Guidance, both, guide_rows
from tts.generators.integration import denoise, random_spans, row_noise
from tts.generators.options import (
    AnnealedGuidanceOptions,
    GuidanceOptions,
    IntegrationOptions,
    StepOptions,
    reads,
)
from tts.generators.protocols import LatentHead, Network, SamplingKeys, latent_head
from tts.generators.strategies.non_autoregressive import NonAutoregressive

_LIMIT = 10.0  # of lambda: float32 has no digits for more
_RANGE = 8.0  # no normalised feature is larger


class Diffusion(NonAutoregressive):
    """Strategy: v-, eps- or x-prediction, sampled by DDIM (Song et al. 2021) or DDPM steps.

    As with the data-dependent prior of Grad-TTS (Popov et al. 2021), predictions are relative to
    the regressed mean; heads without a mean predict the data itself.

    Args:
        predict: "v" (Salimans & Ho 2022), "eps", or "x", the data, which is also what the network
            of Flow predicts, so that weights of a flow can be used here.
        shift: added to lambda / 2; negative means more noise. 0 is the plain cosine schedule.
        asymmetric: whether to use SESD's loss weight, which has a heavy tail towards noise. Lambda
            is then drawn uniformly in training, so that the weight alone decides how much each
            level counts, and the schedule is used in sampling only. Otherwise lambda is drawn from
            the schedule and all levels count alike.
        inpaint: share of training rows in which a span is given clean, as a prompt would be.
        both_sides: share of these rows in which all but the span is given, as in an edit.
    """

    sampling: SamplingKeys = {
        **reads(StepOptions, GuidanceOptions, AnnealedGuidanceOptions),
        "method": ("ddim", "ddpm"),
    }

    def __init__(
        self,
        predict: Literal["v", "eps", "x"] = "v",
        shift: float = 0.0,
        asymmetric: bool = True,
        inpaint: float = 0.0,
        both_sides: float = 0.0,
    ):
        self.predict, self.shift, self.asymmetric = predict, shift, asymmetric
        self.inpaint, self.both_sides = inpaint, both_sides

    def check(self, net: Network) -> None:
        """Raise ConfigError for a head that does not draw whole sequences."""
        latent_head(net.head)

    def log_snr(self, t: Tensor) -> Tensor:
        """Lambda at times t from 0 (data) to 1 (noise)."""
        half = -torch.log(torch.tan(math.pi / 2 * t.clamp(1e-4, 1 - 1e-4))) + self.shift
        return (2 * half).clamp(-_LIMIT, _LIMIT)

    @staticmethod
    def scales(log_snr: Tensor) -> tuple[Tensor, Tensor]:
        """Alpha and sigma at lambda."""
        return torch.sigmoid(log_snr).sqrt(), torch.sigmoid(-log_snr).sqrt()

    def weight(self, log_snr: Tensor) -> Tensor:
        """Weight of the squared error of v at lambda."""
        if not self.asymmetric:
            return torch.ones_like(log_snr)
        # A Cauchy of scale 4.8 towards noise, a normal of deviation 2.4 towards the data.
        tail, near = (((log_snr + 1) / scale).square() for scale in (4.8, 2.4))
        return torch.where(log_snr < -1, 1 / (1 + tail), (-near / 2).exp())

    def draw_level(self, count: int, device: torch.device) -> Tensor:
        """Random values of lambda [count] for training."""
        t = torch.rand(count, device=device)
        return _LIMIT * (1 - 2 * t) if self.asymmetric else self.log_snr(t)

    def clean(
        self,
        net: Network[LatentHead],
        x: Tensor,
        condition: Condition,
        log_snr: Tensor,
        known: Tensor | None = None,
    ) -> Tensor:
        """The network's estimate of the data from noisy x [B, U, size] at lambda [B]."""
        head = net.head
        alpha, sigma = (s[:, None, None] for s in self.scales(log_snr))
        # Divided by alpha + sigma the path is that of flow matching, at time alpha / (alpha +
        # sigma): weights may start from a flow's.
        shown = x / (alpha + sigma)
        if known is not None:
            shown = torch.where(known.unsqueeze(-1), x, shown)
        out = denoise(net, head, shown, condition, torch.sigmoid(log_snr / 2), known)
        if self.predict == "x":
            return head.mean(condition) + out
        if self.predict == "v":
            mean = head.mean(condition)
            return mean + alpha * (x - alpha * mean) - sigma * out
        return (x - sigma * out) / alpha

    def losses(self, net: Network[LatentHead], latents: Tensor, condition: Condition) -> Losses:
        """Weighted squared error of v, or of eps if that is predicted."""
        log_snr = self.draw_level(len(latents), latents.device)
        alpha, sigma = (s[:, None, None] for s in self.scales(log_snr))
        x = alpha * latents + sigma * torch.randn_like(latents)
        known = random_spans(condition.mask, self.inpaint, self.both_sides)
        mask = condition.mask
        if known is not None:
            x = torch.where(known.unsqueeze(-1), latents, x)
            mask = mask * (~known).unsqueeze(-1)
        clean = self.clean(net, x, condition, log_snr, known)
        scale = alpha / sigma if self.predict == "eps" else 1 / sigma
        weight = self.weight(log_snr)[:, None, None] * mask * net.head.channel_weight
        error = ((clean - latents) * scale).square() * weight
        loss = error.sum() / (mask.sum() * latents.shape[-1])
        return Losses({"diffusion": loss}, lambda: clean, torch.sigmoid(-log_snr))

    def run(
        self,
        net: Network[LatentHead],
        condition: Condition,
        rngs: Sequence[torch.Generator],
        options: IntegrationOptions,
        infill: Infill | None = None,
    ) -> Iterator[Tensor]:
        """Yield the sequence after DDIM steps, or with method "ddpm" steps with fresh noise."""
        known = infill.known if infill else None
        marks = both(known, condition) if known is not None else None
        scale = Guidance(options.guidance, options.guidance_final)
        size = net.head.size
        x = row_noise(condition, rngs, size) * options.temperature
        grid = self.log_snr(torch.linspace(1, 0, options.steps + 1))
        levels = zip(grid.tolist(), *(s.tolist() for s in self.scales(grid)), strict=True)
        log_snr, alpha, sigma = next(levels)
        # Pure noise is what the path ends in; the limited lambda only nearly so.
        clean = x
        for next_log_snr, next_alpha, next_sigma in levels:
            if infill is not None:
                x = infill.put_into(x)
            rows = both(x, condition)
            level = torch.full((len(rows),), log_snr, device=x.device)
            # The fraction of noise on flow matching's path, to which `clean` maps this one.
            now = scale.at(masked=1 / (1 + math.exp(log_snr / 2)))
            clean = guide_rows(self.clean(net, rows, condition, level, marks), len(x), now)
            if self.predict == "eps":
                # Near pure noise a small error of eps is a large one of the data.
                clean = clean.clamp(-_RANGE, _RANGE)
            eps = (x - alpha * clean) / sigma
            fresh = 0.0
            if options.method == "ddpm":
                share = 1 - (alpha * next_sigma / (next_alpha * sigma)) ** 2
                fresh = next_sigma * math.sqrt(max(0.0, share))
            x = next_alpha * clean + math.sqrt(max(0.0, next_sigma**2 - fresh**2)) * eps
            if fresh:
                x = x + fresh * options.temperature * row_noise(condition, rngs, size)
            log_snr, alpha, sigma = next_log_snr, next_alpha, next_sigma
        if infill is not None:
            clean = infill.put_into(clean)
        yield clean
