"""What heads of continuous latents share: how latents enter, what counts how much, and flow
matching of one latent.

Latents are features (`size == features`) or those of a codec. Features have a regressed estimate,
`Condition.prior_mean`, to which every head predicts a difference: a few hours of speech teach that
far sooner than the whole. Of latents a linear map of it is the estimate.
"""

import itertools
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tts.generators.base import Losses, SamplingOptions
from tts.generators.conditioning import Condition
from tts.generators.folding import channel_weights
from tts.generators.guidance import Guidance, guide_rows
from tts.generators.integration import row_normal, time_grid
from tts.generators.protocols import SamplingKeys, StepContext, TeacherForced

#: weight of the regression of a step beside the flow (FELLE)
REGRESSION = 0.1


class ContinuousHead(nn.Module):
    """Base of the heads of strategy Autoregressive that draw a vector per step; contract StepHead,
    of which subclasses add `step_losses` and `draw`.

    Args:
        size: D of a latent; dim: of the backbone.
        features: size of `Condition.prior_mean`; channels: of a frame of it.
    """

    posterior = False
    guides_itself = False
    sampling: SamplingKeys = {}
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
        """Latents before the first, [B, S, size]."""
        return self.entry.weight.new_zeros(batch, steps, self.size)

    def embed(self, latents: Tensor) -> Tensor:
        """[B, S, size] to [B, S, dim]."""
        out: Tensor = self.entry(latents)
        return out

    def with_noise(self, latents: Tensor, noise: Tensor) -> Tensor:
        """Latents with noise of their shape on what is fed back."""
        return latents + noise

    def mean(self, condition: Condition, steps: slice = slice(None)) -> Tensor:
        """The estimate that does not know the latents before, [B, S, size]."""
        mean = condition.prior_mean[:, steps]
        return mean if self.estimate is None else self.estimate(mean)

    def previous(self, before: Tensor) -> Tensor:
        """Latents [B, S, size] that hold the last frame of those before."""
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
    """Flow matching of one latent given the hidden state; subclasses are the network.

    The flow runs from a centre (plus noise) to the latent on a straight line. What the network sees
    and predicts is scaled by the spread of the data around the centre and by the noise
    (Karras et al. 2022), so every time weighs the same and an untrained head says the centre.

    Args:
        prior: where the flow starts, and what the prediction is relative to: "normal" 0,
            "previous" the frame before (FELLE), "mean" the regression of this step.
        spread: standard deviation of latents around the centre; None takes that of the features.
        noise: of the start; None takes the spread, and 1 for "normal".
        repeats: noise levels drawn per latent in training (MAR has 4).
    """

    sampling: SamplingKeys = {"steps": (), "sway": (), "guidance_final": ()}
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
        """Dimensions of a latent that are drawn together, in the order of drawing."""
        return [torch.arange(self.size, device=self.channel_weight.device)]

    def network(
        self, x: Tensor, t: Tensor, hidden: Tensor, before: Tensor, drawn: Tensor, band: int
    ) -> Tensor:
        """Scaled noisy latents to the scaled prediction, both [B, S, size of the band].

        Args:
            t: [B, S] times, 0 noise to 1 data; hidden: [B, S, dim].
            before: [B, S, size] latents before.
            drawn: [B, S, size] what the bands before this one hold, zero elsewhere.
        """
        raise NotImplementedError

    def sampler(
        self, times: tuple[float, ...], hidden: Tensor, before: Tensor, drawn: Tensor, band: int
    ) -> Callable[[Tensor, int], Tensor]:
        """`network` for one latent of [B, 1, *]: a function of x and the number of the time, which
        may do once what the steps have in common."""
        levels = torch.tensor(times, device=hidden.device).view(-1, 1, 1)

        def evaluate(x: Tensor, at: int) -> Tensor:
            time = levels[at].expand(len(hidden), 1)
            return self.network(x, time, hidden, before, drawn, band)

        return evaluate

    def centre(self, step: Tensor, before: Tensor) -> Tensor:
        """Where the flow starts: [B, S, size] as the regressed step and the latents before."""
        if self.prior == "previous":
            return self.previous(before)
        return torch.zeros_like(step) if self.prior == "normal" else step.detach()

    def scales(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of times t: what the input is divided by, the share of the input in the best linear
        guess, and the deviation of what that guess leaves open."""
        data, noise = t * self.spread, (1 - t) * self.noise
        norm = (data.square() + noise.square()).sqrt().clamp_min(1e-4)
        return norm, data * self.spread / norm.square(), self.spread * noise / norm

    def step_losses(self, forced: TeacherForced, condition: Condition) -> Losses:
        """Flow matching, and regression of the step."""
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
        """What training hides from the head: nothing."""
        return hidden, mean

    def branches(self, hidden: Tensor, mean: Tensor, rows: int, guided: bool) -> list[Tensor]:
        """Hidden states and means of the conditional rows, then those guidance pushes from."""
        return [hidden, mean]

    def draw(self, hidden: Tensor, given: StepContext) -> Tensor:
        """The latent of a step, [B, 1, size], in `options.steps` Euler steps per band."""
        options, rows, before = given.options, given.rows, given.before
        mean = self.mean(given.condition, given.latent)
        hidden, mean = self.branches(hidden, mean, rows, options.guided)
        past = before.repeat(len(hidden) // rows, 1, 1)
        centre = self.centre(mean + self.step(hidden), past)
        drawn = torch.zeros_like(before)
        noise = row_normal(before, given.rngs) * self.noise
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

    def times(self, options: SamplingOptions) -> list[float]:
        """Times of the steps from 0 (noise) to 1 (data), on a swayed grid."""
        found: list[float] = time_grid(options.steps, options.sway).tolist()
        return found

    def integrate(
        self, clean: Callable[[Tensor, int], Tensor], noise: Tensor, options: SamplingOptions
    ) -> Tensor:
        """Euler steps between `times`, which `clean` takes by number."""
        x = noise * options.temperature
        for at, (now, then) in enumerate(itertools.pairwise(self.times(options))):
            x = x + (clean(x, at) - x) * ((then - now) / (1 - now))
        return x
