"""Bases of the heads that draw one continuous latent per step, among them by flow matching.

Latents are features (`size == features`) or those of a codec. Every head predicts the difference to
a regressed estimate, which is learned from far less data than the latents themselves. For features
the estimate is `Condition.prior_mean`, for latents of a codec a learned linear map of it.
"""

import itertools
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tts.generators.base import Losses
from tts.generators.conditioning import Condition
from tts.generators.folding import channel_weights
from tts.generators.guidance import Guidance, guide_rows
from tts.generators.heads.base import HeadBase
from tts.generators.integration import row_normal, time_grid
from tts.generators.options import (
    ANY,
    AnnealedGuidanceOptions,
    IntegrationOptions,
    StepOptions,
    reads,
)
from tts.generators.protocols import SamplingKeys
from tts.generators.step_types import StepContext, TeacherForced

#: weight of the regression of a step beside the flow (FELLE)
REGRESSION = 0.1


class ContinuousHead(HeadBase):
    """Base of the heads of Autoregressive that draw a vector per step. Subclasses complete the
    contract StepHead by `step_losses` and `draw`.

    Args:
        size: D of a latent; dim: of the backbone.
        features: size of `Condition.prior_mean`; channels: of a frame of it.
    """

    channel_weight: Tensor

    def __init__(self, size: int = 164, dim: int = 256, features: int = 164, channels: int = 82):
        super().__init__()
        self.size = size
        #: frames in a latent
        self.frames = size // channels if size == features else 1
        self.entry = nn.Linear(size, dim)
        self.estimate = nn.Linear(features, size, bias=False) if size != features else None
        channel_weight = (
            torch.ones(size) if self.estimate else channel_weights(channels, self.frames)
        )
        self.register_buffer("channel_weight", channel_weight, persistent=False)

    def empty(self, batch: int, steps: int) -> Tensor:
        """Zero latents [B, S, size], which are fed before the first step."""
        return self.entry.weight.new_zeros(batch, steps, self.size)

    def embed(self, latents: Tensor) -> Tensor:
        """Embed latents [B, S, size] to [B, S, dim]."""
        out: Tensor = self.entry(latents)
        return out

    def with_noise(self, latents: Tensor, noise: Tensor) -> Tensor:
        """Add noise, of the shape of the latents, to latents that are fed back."""
        return latents + noise

    def mean(self, condition: Condition, steps: slice = slice(None)) -> Tensor:
        """The regressed estimate of the latents from text and voice alone, [B, S, size]."""
        mean = condition.prior_mean[:, steps]
        return mean if self.estimate is None else self.estimate(mean)

    def previous(self, before: Tensor) -> Tensor:
        """Latents [B, S, size] that repeat the last frame of the latents before."""
        out: Tensor = (
            before.unflatten(-1, (self.frames, -1))[..., -1:, :]
            .expand(*before.shape[:-1], self.frames, -1)
            .flatten(-2)
        )
        return out

    def average(self, error: Tensor, known: Tensor) -> Tensor:
        """Mean of errors [B, S, size] where `known` [B, S, 1], weighted by channel."""
        total = (error * self.channel_weight * known).sum()
        return total / (known.sum().clamp_min(1) * error.shape[-1])


class FlowHead(ContinuousHead):
    """Base of heads with flow matching of one latent; subclasses define the network.

    The flow runs on a straight line from noise around a centre to the latent. Input and prediction
    of the network are scaled by the spread of the data around the centre and by the noise (Karras
    et al. 2022), so that all times count alike and an untrained head returns the centre.

    Args:
        size, dim, features, channels: see ContinuousHead.
        prior: the centre: "normal" is 0, "previous" the last frame before (FELLE), "mean" the
            regressed estimate of this step.
        spread: standard deviation of latents around the centre; None takes that of the features.
        noise: standard deviation of the noise; None takes the spread, and 1 for "normal".
        repeats: noise levels drawn per latent in training (MAR has 4).
    """

    sampling: SamplingKeys = {**reads(StepOptions, AnnealedGuidanceOptions), "sway": ANY}
    spreads = {"normal": 0.85, "previous": 0.4, "mean": 0.3}

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
    ):
        super().__init__(size, dim, features, channels)
        if prior not in self.spreads:
            raise ValueError(f"prior is one of {', '.join(self.spreads)}, not {prior!r}")
        self.prior, self.repeats = prior, repeats
        self.spread = self.spreads[prior] if spread is None else spread
        self.noise = (1.0 if prior == "normal" else self.spread) if noise is None else noise
        self.step = nn.Linear(dim, size)
        nn.init.normal_(self.step.weight, std=0.01)
        nn.init.zeros_(self.step.bias)

    def bands(self) -> list[Tensor]:
        """Groups (bands) of the dimensions of a latent, which are drawn one after another, as index
        tensors; here one group of all."""
        return [torch.arange(self.size, device=self.channel_weight.device)]

    def network(
        self, x: Tensor, t: Tensor, hidden: Tensor, before: Tensor, drawn: Tensor, band: int
    ) -> Tensor:
        """Predict a band of n dimensions from noisy values, [B, S, n]: the error of the best linear
        estimate of the clean values, divided by its standard deviation (see `scales`).

        Args:
            x: [B, S, n] noisy values of the band, divided by their standard deviation.
            t: [B, S] times, 0 noise to 1 data; hidden: [B, S, dim] states of the backbone.
            before: [B, S, size] the latent before each latent.
            drawn: [B, S, size] the bands of this latent that are known, zero elsewhere.
            band: index in `bands`.
        """
        raise NotImplementedError

    def sampler(
        self, times: tuple[float, ...], hidden: Tensor, before: Tensor, drawn: Tensor, band: int
    ) -> Callable[[Tensor, int], Tensor]:
        """`network` as a function of x [B, 1, n] and the index of the time, for sampling one latent
        at the given times. Subclasses can compute here what is the same in all steps."""
        levels = torch.tensor(times, device=hidden.device).view(-1, 1, 1)

        def evaluate(x: Tensor, at: int) -> Tensor:
            time = levels[at].expand(len(hidden), 1)
            return self.network(x, time, hidden, before, drawn, band)

        return evaluate

    def centre(self, step: Tensor, before: Tensor) -> Tensor:
        """The centre [B, S, size] of the noise, see `prior` of the class.

        Args:
            step: [B, S, size] regressed estimate of each latent; before: the latent before it.
        """
        if self.prior == "previous":
            return self.previous(before)
        return torch.zeros_like(step) if self.prior == "normal" else step.detach()

    def scales(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scales at times t, of the shape of t (preconditioning, Karras et al. 2022): the standard
        deviation of the noisy input, the coefficient of the input in the best linear estimate of
        the data, and the standard deviation of the error of that estimate."""
        data, noise = t * self.spread, (1 - t) * self.noise
        norm = (data.square() + noise.square()).sqrt().clamp_min(1e-4)
        return norm, data * self.spread / norm.square(), self.spread * noise / norm

    def step_losses(self, forced: TeacherForced, condition: Condition) -> Losses:
        """The flow matching loss, and the regression of the step."""
        hidden, mean = self.forget(forced.hidden, self.mean(condition))
        steps, known, before = forced.steps, forced.known, forced.fed
        step = mean + self.step(hidden)
        error = steps - step
        parts = {"step": REGRESSION * self.average(error.abs() + error.square(), known)}
        offset = steps - self.centre(step, before)
        total = hidden.new_zeros(())
        made = torch.zeros_like(steps)
        for _ in range(self.repeats):
            drawn = torch.zeros_like(steps)
            for band, dims in enumerate(self.bands()):
                # Few draws at the ends, where there is little to learn (Esser et al. 2024).
                t = torch.sigmoid(torch.randn_like(steps[..., 0])).clamp(1e-3, 1 - 1e-3)
                norm, share, rest = self.scales(t.unsqueeze(-1))
                clean = offset[..., dims]
                noisy = t.unsqueeze(-1) * clean
                noisy = noisy + (1 - t.unsqueeze(-1)) * self.noise * torch.randn_like(clean)
                found = self.network(noisy / norm, t, hidden, before, drawn, band)
                made = made.index_copy(-1, dims, share * noisy + rest * found)
                wrong = torch.zeros_like(steps)
                wrong[..., dims] = (found - (clean - share * noisy) / rest).square()
                total = total + self.average(wrong, known)
                drawn[..., dims] = steps[..., dims]
        estimate = self.centre(step, before) + made
        return Losses({**parts, "flow": total / self.repeats}, lambda: estimate)

    def forget(self, hidden: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states [B, S, dim] and estimates [B, S, size] as training uses them: unchanged
        here; a head that guides itself drops some, to learn the unconditional branch."""
        return hidden, mean

    def branches(self, hidden: Tensor, mean: Tensor, rows: int, guided: bool) -> list[Tensor]:
        """Hidden states and estimates of the conditional rows, followed by those of the
        unconditional ones: as the backbone gives them, or made here by a head that guides itself.

        Args:
            rows: number of conditional rows; guided: whether unconditional ones are wanted.
        """
        return [hidden, mean]

    def draw(self, hidden: Tensor, context: StepContext) -> Tensor:
        """Draw the latent of a step, [B, 1, size], in `options.steps` Euler steps per band."""
        options: IntegrationOptions = context.options
        rows, before = context.rows, context.before
        mean = self.mean(context.condition, context.latent)
        hidden, mean = self.branches(hidden, mean, rows, options.guided)
        past = before.repeat(len(hidden) // rows, 1, 1)
        centre = self.centre(mean + self.step(hidden), past)
        drawn = torch.zeros_like(before)
        noise = row_normal(before, context.rngs) * self.noise
        times = tuple(self.times(options)[:-1])
        falling = Guidance(options.guidance, options.guidance_final)
        guidance = [falling.at(masked=1 - time) for time in times]
        scales = list(zip(*(x.tolist() for x in self.scales(torch.tensor(times))), strict=True))
        for band, dims in enumerate(self.bands()):
            filled = drawn.repeat(len(past) // rows, 1, 1)
            network = self.sampler(times, hidden, past, filled, band)
            there = centre[..., dims]

            def clean(x: Tensor, n: int, there: Tensor = there, network: Any = network) -> Tensor:
                # x is the noisy latent less its noisy centre, so that each branch may have its own.
                norm, share, rest = scales[n]
                offset = x.repeat(len(past) // rows, 1, 1) - times[n] * there
                found = network(offset / norm, n)
                return guide_rows(there + share * offset + rest * found, rows, guidance[n])

            drawn[..., dims] = self.integrate(clean, noise[..., dims], options)
        return drawn

    def times(self, options: IntegrationOptions) -> list[float]:
        """Times of the Euler steps from 0 (noise) to 1 (data), `options.steps` + 1 of them, on a
        swayed grid."""
        found: list[float] = time_grid(options.steps, options.sway).tolist()
        return found

    def integrate(
        self, clean: Callable[[Tensor, int], Tensor], noise: Tensor, options: IntegrationOptions
    ) -> Tensor:
        """Draw the values of a band by Euler steps between `times`.

        Args:
            clean: estimates the clean values [B, 1, n] from noisy ones and the index of the time.
            noise: [B, 1, n].
        """
        x = noise * options.temperature
        for at, (now, then) in enumerate(itertools.pairwise(self.times(options))):
            x = x + (clean(x, at) - x) * ((then - now) / (1 - now))
        return x
