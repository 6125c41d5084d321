"""Masked generation of codes: every step draws all that is unknown and commits the surest.

MaskGIT (Chang et al. 2022) over the codes of speech: SoundStorm, MaskGCT (Wang et al. 2024).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from tts.errors import ConfigError
from tts.generators.base import Infill, Losses, SamplingOptions
from tts.generators.conditioning import Condition
from tts.generators.guidance import Guidance, both, guide_rows
from tts.generators.integration import random_spans
from tts.generators.protocols import Network, SamplingKeys, masked_head
from tts.generators.sampling import draw, process
from tts.generators.schedules import (
    choose,
    choose_in_time,
    choose_spans,
    masked_fraction,
    masked_fractions,
    own_time,
    remaining,
    spans,
)
from tts.generators.strategies.non_autoregressive import NonAutoregressive


class Masked(NonAutoregressive):
    """Strategy: iterative unmasking.

    MAGNeT (Ziv et al. 2024) is `order: levels, span: 3, window: 5, split: even`, its guidance
    `SamplingOptions(guidance=10, guidance_final=1)`. Of levels the last step takes the likeliest
    codes, at the final guidance where it is not the only one: temperature and guidance reach their
    ends with it.

    Args:
        order: "joint" unmasks codes of all codebooks together, for codebooks that are independent
            (grouped FSQ); "levels" one codebook after the other, for residual ones (MaskGCT).
        schedule: of the masked fraction, in training and sampling (tts.generators.schedules).
        rescale: of guided logits to the spread of the conditional ones (MaskGCT: 0.75).
        inpaint: share of training rows of which a stretch is known in all codebooks.
        span: latents that are masked and committed together; more than 1 needs levels.
        window: latents on either side that codebooks above the first attend to; 0 is all. A batch
            is then trained on one level.
        first: level to begin with; codes of the codebooks below are known.
        hyper: share of training rows that are masked as in the middle of a hyperschedule of random
            width, for `SamplingOptions.hyperschedule` below 1.
        both_sides: share of the rows with a stretch that is known in which instead all but that
            stretch is known, as around the words of an edit.
        split: of the steps over levels: "halves" gives each half of what is left (MaskGCT: 40, 16,
            1 ...), "even" the first twice as many as each other (MAGNeT: 20, 10, 10, 10).
    """

    sampling: SamplingKeys = {
        "steps": (), "guidance": (), "guidance_final": (), "uncond": (), "temperature": (),
        "top_k": (), "top_p": (), "min_p": (), "typical_p": (), "fsq_decode": (),
        "choice_temperature": (), "hyperschedule": (), "rescore": (), "hybrid": (),
    }  # fmt: skip

    def __init__(
        self,
        order: Literal["joint", "levels"] = "joint",
        schedule: str = "cosine",
        rescale: float = 0.0,
        inpaint: float = 0.0,
        span: int = 1,
        window: int = 0,
        first: int = 0,
        hyper: float = 0.0,
        both_sides: float = 0.0,
        split: Literal["halves", "even"] = "halves",
    ):
        masked_fraction(0, 2, schedule)  # refuses an unknown name
        if order not in ("joint", "levels"):
            raise ConfigError(f"order is joint or levels, not {order!r}")
        if min(span - 1, window, first) < 0 or order == "joint" and (span > 1 or window or first):
            raise ConfigError("span, window and first go with order: levels, and are not negative")
        self.order, self.schedule, self.rescale = order, schedule, rescale
        if not 0 <= hyper <= 1 or hyper and order == "levels":
            raise ConfigError("hyper is a share from 0 to 1 and goes with order: joint")
        self.inpaint, self.span, self.window, self.first = inpaint, span, window, first
        self.hyper, self.both_sides, self.split = hyper, both_sides, split
        if order == "levels":
            self.sampling = {key: of for key, of in self.sampling.items() if key != "hyperschedule"}

    def check(self, net: Network) -> None:
        """ConfigError for a head that draws codebooks one after another."""
        masked_head(net.head)

    def losses(self, net: Network, latents: Tensor, condition: Condition) -> Losses:
        """Cross entropy of what is masked."""
        batch, length, num_codebooks = latents.shape
        position = torch.randint(1000, (batch,), device=latents.device)
        share = masked_fractions(self.schedule, latents.device)[position]
        # Spans lie as they do in sampling.
        dice = torch.rand(batch, -(-length // self.span), num_codebooks, device=latents.device)
        hidden = dice < share[:, None, None].clamp_min(0.02)
        hidden = hidden.repeat_interleave(self.span, 1)[:, :length]
        if self.hyper:
            width = torch.rand(batch, 1, device=latents.device)
            time = own_time((position / 1000).unsqueeze(1), _places(condition.mask), width)
            own = masked_fractions(self.schedule, latents.device)[(time * 999).long()]
            moving = torch.rand(batch, 1, 1, device=latents.device) < self.hyper
            hidden = torch.where(moving, dice < own.unsqueeze(-1), hidden)
        window = 0
        here = torch.ones_like(hidden)
        if self.order == "levels":
            # Lower levels are drawn more often: they carry more (MaskGCT).
            count = num_codebooks - self.first
            # One level decides on the window: that is drawn where no device has to be asked, and
            # written there by a kernel, as a copy would wait.
            draws, where = (1, torch.device("cpu")) if self.window else (batch, latents.device)
            weights = 1 - 2 * torch.arange(count, device=where) / (count * (count + 1))
            lots = torch.rand(draws, device=where) * weights.sum()
            level = self.first + torch.searchsorted(weights.cumsum(0), lots).clamp_max(count - 1)
            if self.window:
                window = self.window if level[0] else 0
                level = torch.full((batch,), int(level), device=latents.device)
            codebook = torch.arange(num_codebooks, device=latents.device)
            here = (codebook == level[:, None])[:, None].expand_as(hidden)
            hidden = (hidden & here) | (codebook > level[:, None])[:, None]
        known = random_spans(condition.mask, self.inpaint, self.both_sides)
        if known is not None:
            hidden = hidden & ~known.unsqueeze(-1)
        return self.masked_losses(net, latents, condition, hidden, here, window)

    def masked_losses(
        self,
        net: Network,
        latents: Tensor,
        condition: Condition,
        hidden: Tensor,
        counted: Tensor,
        window: int = 0,
    ) -> Losses:
        """Cross entropy of codes [B, U, K] where `counted` of those that are `hidden` [B, U, K]."""
        head = masked_head(net.head)
        valid = (condition.mask > 0).expand_as(latents)
        hidden = hidden & valid
        known = latents.masked_fill(hidden, head.codebook_size)
        t = 1 - hidden.sum((1, 2)) / valid.sum((1, 2)).clamp_min(1)
        x = head.embed(known) + condition.frames
        out = net.hidden(x, condition, t, window)

        def estimate() -> Tensor:
            seen = F.one_hot(latents, head.codebook_size).float()
            return torch.where(hidden.unsqueeze(-1), head(out).softmax(-1), seen)

        loss = head.loss(out, latents, hidden & counted)
        return Losses({"codes": loss}, estimate, 1 - t)

    def begin(self, net: Network, condition: Condition, rows: int, infill: Infill | None) -> Tensor:
        """Codes [B, U, K] with what is known; V where not known and past the end."""
        valid = condition.mask[:rows] > 0
        head = masked_head(net.head)
        shape = (*valid.shape[:2], head.num_codebooks)
        latents = torch.full(shape, head.codebook_size, device=valid.device)
        if infill is not None:
            known = infill.known
            known = known if known.ndim == 3 else known.unsqueeze(-1)
            latents = torch.where(known & valid, infill.latents, latents)
        return latents

    def predict(
        self,
        net: Network,
        condition: Condition,
        latents: Tensor,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions,
        scale: float,
        window: int = 0,
    ) -> tuple[Tensor, Tensor]:
        """Draw all codes given those known; what is known is drawn too.

        Args:
            latents: [B, U, K], V where not known.
            scale: of guidance.

        Returns:
            ids [B, U, K], and log-probabilities [B, U, K, V] at temperature 1.
        """
        head, rows = masked_head(net.head), len(rngs)
        valid = (condition.mask[:rows] > 0).expand_as(latents)
        masked = valid & (latents == head.codebook_size)
        t = 1 - masked.sum((1, 2)) / valid.sum((1, 2)).clamp_min(1)
        x = both(head.embed(latents), condition) + condition.frames
        out = net.hidden(x, condition, both(t, condition), window)
        logits = guide_rows(head(out), rows, scale, self.rescale)
        heated = process(logits, options.categorical())
        if options.fsq_decode == "expected" and head.has_digits:
            ids = head.expected(heated)
        else:
            ids = _draw_rows(heated, rngs, condition.lengths[:rows])
        return ids, process(logits, options.categorical(1.0))

    def probability(
        self, net: Network, condition: Condition, known: Tensor, drawn: Tensor
    ) -> Tensor:
        """Probabilities [B, U, K] of codes given those that are known."""
        head = masked_head(net.head)
        valid = (condition.mask > 0).expand_as(known)
        masked = valid & (known == head.codebook_size)
        t = 1 - masked.sum((1, 2)) / valid.sum((1, 2)).clamp_min(1)
        out = net.hidden(head.embed(known) + condition.frames, condition, t)
        return head(out).softmax(-1).gather(-1, drawn.unsqueeze(-1))[..., 0]

    def run(
        self,
        net: Network,
        condition: Condition,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions,
        infill: Infill | None = None,
    ) -> Iterator[Tensor]:
        """`options.steps` evaluations, shared out over the levels where there are such."""
        head = masked_head(net.head)
        weight, outside = options.rescore, condition.external
        if outside is None and (weight or options.hybrid):
            raise ConfigError("rescore and hybrid need an external model: name its `external`")
        if outside is not None and options.hybrid:
            infill = _behind(outside.lead(rngs, options.hybrid), condition.mask.shape[1], infill)
        rows, num_codebooks, unknown = len(rngs), head.num_codebooks, head.codebook_size
        valid = (condition.mask[:rows] > 0).expand(-1, -1, num_codebooks)
        latents = self.begin(net, condition, rows, infill)
        plan: list[list[int]] = [list(range(num_codebooks))]
        counts = [options.steps]
        if self.order == "levels":
            plan = [[codebook] for codebook in range(self.first, num_codebooks)]
            counts = self.shares(options.steps, len(plan))
        guidance = Guidance(options.guidance, options.guidance_final)
        moving = options.hyperschedule < 1
        if moving and (self.span > 1 or self.order == "levels"):
            raise ConfigError("a hyperschedule goes with order: joint and single codes")
        place = _places(condition.mask[:rows]).unsqueeze(-1).expand_as(latents)
        for level, steps in zip(plan, counts, strict=True):
            wanted = valid[..., level] & (latents[..., level] == unknown)
            size = self._count(wanted)
            window = self.window if level[0] else 0
            for step in range(steps):
                # Annealed, as the last codes are drawn into a finished neighbourhood (MaskGCT).
                # That of levels reaches 0, as in MAGNeT: each is a whole of its own to those above.
                past = step if self.order == "levels" else step - 1
                heat = options.temperature * masked_fraction(past, steps, "linear")
                ids, likely = self.predict(
                    net,
                    condition,
                    latents,
                    rngs,
                    replace(options, temperature=heat),
                    guidance.at(masked=self._still_masked(step, steps)),
                    window,
                )
                drawn, ids = ids, ids[..., level]
                sure = likely[..., level, :].gather(-1, ids.unsqueeze(-1))[..., 0]
                if outside is not None and weight:
                    told = outside.probability(
                        latents, torch.where(latents == unknown, drawn, latents)
                    )
                    mixed = (1 - weight) * sure.exp() + weight * told[..., level]
                    sure = mixed.clamp_min(1e-30).log()
                open_ = wanted & (latents[..., level] == unknown)
                count = self._count(open_) - remaining(size, step, steps, self.schedule)
                noise = options.choice_temperature * heat
                if self.span > 1:
                    chosen = choose_spans(
                        sure[..., 0], count, open_[..., 0], self.span, rngs, noise
                    ).unsqueeze(-1)
                elif moving:
                    time = own_time((step + 1) / steps, place, options.hyperschedule)
                    chosen = choose_in_time(
                        sure.flatten(1),
                        time.flatten(1),
                        wanted.flatten(1),
                        open_.flatten(1),
                        self.schedule,
                        rngs,
                        noise,
                    ).view_as(open_)
                else:
                    chosen = choose(sure.flatten(1), count, open_.flatten(1), rngs, noise)
                    chosen = chosen.view_as(open_)
                latents[..., level] = torch.where(chosen, ids, latents[..., level])
        yield latents.masked_fill(~valid, 0)

    def shares(self, steps: int, levels: int) -> list[int]:
        """Steps of each level as `split` says, at least one."""
        if self.split == "even":
            ends = [steps * (level + 2) // (levels + 1) for level in range(levels)]
            return [max(1, end - begin) for begin, end in zip([0, *ends], ends, strict=False)]
        counts = [1] * levels
        spare = max(0, steps - levels)
        for level in range(levels):
            part = spare if level == levels - 1 else -(-spare // 2)
            counts[level] += part
            spare -= part
        return counts

    def _still_masked(self, step: int, steps: int) -> float:
        """The masked fraction before step `step` (from 0) of `steps`, by which guidance falls. Of
        levels it is 0 in the last step, if that is not the first."""
        if self.order == "levels" and steps > 1:
            steps -= 1
        return 1.0 if step == 0 else masked_fraction(step - 1, steps, self.schedule)

    def _count(self, mask: Tensor) -> Tensor:
        """[B] what is committed one by one: codes, or spans of one codebook."""
        return (mask if self.span == 1 else spans(mask[..., 0], self.span)).flatten(1).sum(1)


def _behind(lead: Tensor, count: int, infill: Infill | None) -> Infill:
    """What is known of `count` latents: those that lead [B, n, K], and what was given beforehand,
    which goes before them."""
    latents = F.pad(lead, (0, 0, 0, count - lead.shape[1]))
    known = torch.arange(count, device=lead.device) < lead.shape[1]
    known = known[:, None].expand_as(latents)
    if infill is not None:
        given = infill.known if infill.known.ndim == 3 else infill.known.unsqueeze(-1)
        latents = torch.where(given, infill.latents, latents)
        known = known | given
    return Infill(latents, known)


def _places(mask: Tensor) -> Tensor:
    """Where each latent is in its row, 0 to 1, [B, U] of a mask [B, U, 1]."""
    index = torch.arange(mask.shape[1], device=mask.device)
    return (index / (mask[..., 0].sum(1, keepdim=True) - 1).clamp_min(1)).clamp_max(1)


def _draw_rows(distribution: Tensor, rngs: Sequence[torch.Generator], lengths: Tensor) -> Tensor:
    """Ids [B, U, K]; a row takes as many numbers as it has latents, however long the batch is."""
    ids = torch.zeros(distribution.shape[:-1], dtype=torch.int64, device=distribution.device)
    for row, (rng, length) in enumerate(zip(rngs, lengths.tolist(), strict=True)):
        ids[row, :length] = draw(distribution[row : row + 1, :length], [rng])[0]
    return ids
