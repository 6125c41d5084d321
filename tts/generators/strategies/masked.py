"""Masked generation of codes: every step draws all masked codes and commits the surest ones.

This is MaskGIT (Chang et al. 2022) over the codes of speech, as in SoundStorm and MaskGCT (Wang et
al. 2024).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from tts.errors import ConfigError
from tts.generators.base import Infill, Losses
from tts.generators.conditioning import Condition
from tts.generators.guidance import Guidance, both, guide_rows
from tts.generators.integration import random_spans
from tts.generators.options import (
    ANY,
    CHOICES,
    AnnealedGuidanceOptions,
    GuidanceOptions,
    MaskedOptions,
    StepOptions,
    UnmaskingOptions,
    reads,
)
from tts.generators.protocols import MaskedHead, Network, SamplingKeys, masked_head
from tts.generators.sampling import draw, process
from tts.generators.schedules import (
    choose,
    choose_in_time,
    choose_spans,
    masked_fraction,
    masked_fractions,
    own_time,
    places,
    remaining,
    spans,
)
from tts.generators.soft_codes import soft_codes
from tts.generators.strategies.non_autoregressive import NonAutoregressive


class Masked(NonAutoregressive):
    """Strategy: iterative unmasking.

    MAGNeT (Ziv et al. 2024) is `order: levels, span: 3, window: 5, split: even`; its guidance is
    `SamplingOptions(guidance=10, guidance_final=1)`. With levels, temperature and guidance reach
    their final values in the last step of each level: it takes the likeliest codes, and unless it
    is the only step it is guided by `guidance_final`.

    Args:
        order: "joint" unmasks the codes of all codebooks together, for independent codebooks
            (grouped FSQ); "levels" unmasks one codebook after the other, for residual ones
            (MaskGCT).
        schedule: of the masked fraction, in training and sampling (tts.generators.schedules).
        rescale: how far guided logits are brought back to the spread of the conditional ones
            (MaskGCT: 0.75).
        inpaint: share of training rows in which a span is known in all codebooks.
        span: how many adjacent latents are masked and committed together; more than 1 needs levels.
        window: how many latents on either side codebooks above the first attend to; 0 is all. All
            rows of a training batch are then of one level.
        first: the level to begin with; the codes of lower levels are known.
        hyper: share of training rows that are masked as in the middle of a hyperschedule of random
            width, for `SamplingOptions.hyperschedule` below 1.
        both_sides: share of the rows with `inpaint` in which instead all but the span is known, as
            around the words of an edit.
        split: how steps are shared out over levels: "halves" gives each level half of the steps
            that are left (MaskGCT: 40, 16, 1 ...), "even" gives the first twice as many as each
            other one (MAGNeT: 20, 10, 10, 10).

    Raises:
        ConfigError: options out of range, or that do not go together.
    """

    has_likelihood = True
    sampling: SamplingKeys = {
        **reads(StepOptions, GuidanceOptions, AnnealedGuidanceOptions, MaskedOptions),
        **dict.fromkeys(("top_k", "top_p", "min_p", "typical_p", *CHOICES), ANY),
    }

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
        """Raise ConfigError for a head that draws codebooks one after another."""
        masked_head(net.head)

    def losses(self, net: Network[MaskedHead], latents: Tensor, condition: Condition) -> Losses:
        """Cross entropy of randomly masked codes."""
        masked = self._random_mask(latents, condition)
        counted, window = torch.ones_like(masked), 0
        if self.order == "levels":
            masked, counted, window = self._mask_levels(masked)
        known = random_spans(condition.mask, self.inpaint, self.both_sides)
        if known is not None:
            masked = masked & ~known.unsqueeze(-1)
        return self.masked_losses(net, latents, condition, masked, counted, window)

    def _random_mask(self, latents: Tensor, condition: Condition) -> Tensor:
        """Codes [B, U, K] bool to mask in training, as many as at a random time of the schedule."""
        batch, length, num_codebooks = latents.shape
        time = torch.randint(1000, (batch,), device=latents.device)
        share = masked_fractions(self.schedule, latents.device)[time]
        # Spans begin at the same latents as in sampling.
        dice = torch.rand(batch, -(-length // self.span), num_codebooks, device=latents.device)
        masked = dice < share[:, None, None].clamp_min(0.02)
        masked = masked.repeat_interleave(self.span, 1)[:, :length]
        if self.hyper:
            width = torch.rand(batch, 1, device=latents.device)
            own = own_time((time / 1000).unsqueeze(1), places(condition.mask), width)
            shares = masked_fractions(self.schedule, latents.device)[(own * 999).long()]
            moving = torch.rand(batch, 1, 1, device=latents.device) < self.hyper
            masked = torch.where(moving, dice < shares.unsqueeze(-1), masked)
        return masked

    def _mask_levels(self, masked: Tensor) -> tuple[Tensor, Tensor, int]:
        """Training of a random level per row: codes of lower levels are known, those above masked.

        Returns:
            The mask [B, U, K] bool, the codes [B, U, K] bool of the level, which alone count in the
            loss, and the window of attention.
        """
        batch, _, num_codebooks = masked.shape
        device = masked.device
        # Lower levels are drawn more often: they carry more (MaskGCT).
        count = num_codebooks - self.first
        # A window is one number for the batch, so with one the batch has one level. It is drawn on
        # the CPU, where reading it waits for no device, and put on the device by a kernel, as a
        # copy would wait.
        draws, where = (1, torch.device("cpu")) if self.window else (batch, device)
        weights = 1 - 2 * torch.arange(count, device=where) / (count * (count + 1))
        lots = torch.rand(draws, device=where) * weights.sum()
        level = self.first + torch.searchsorted(weights.cumsum(0), lots).clamp_max(count - 1)
        window = self.window and (self.window if level[0] else 0)
        if self.window:
            level = torch.full((batch,), int(level), device=device)
        codebook = torch.arange(num_codebooks, device=device)
        counted = (codebook == level[:, None])[:, None].expand_as(masked)
        masked = (masked & counted) | (codebook > level[:, None])[:, None]
        return masked, counted, window

    def masked_losses(
        self,
        net: Network[MaskedHead],
        latents: Tensor,
        condition: Condition,
        masked: Tensor,
        counted: Tensor,
        window: int = 0,
    ) -> Losses:
        """Cross entropy of masked codes.

        Args:
            latents: [B, U, K] true codes.
            masked: [B, U, K] bool, codes that the network does not see.
            counted: [B, U, K] bool, codes that count in the loss if they are masked.
            window: of attention, see the class.
        """
        head = net.head
        valid = (condition.mask > 0).expand_as(latents)
        masked = masked & valid
        known = latents.masked_fill(masked, head.codebook_size)
        t = _known_share(masked, valid)
        x = head.embed(known) + condition.frames
        out = net.hidden(x, condition, t, window)

        def estimate() -> Tensor:
            seen = F.one_hot(latents, head.codebook_size).float()
            return torch.where(masked.unsqueeze(-1), head(out).softmax(-1), seen)

        loss = head.loss(out, latents, masked & counted)
        return Losses({"codes": loss}, estimate, 1 - t)

    def begin(
        self, net: Network[MaskedHead], condition: Condition, rows: int, infill: Infill | None
    ) -> Tensor:
        """The codes [B, U, K] to start from: known ones, and V where masked and in padding."""
        valid = condition.mask[:rows] > 0
        head = net.head
        shape = (*valid.shape[:2], head.num_codebooks)
        latents = torch.full(shape, head.codebook_size, device=valid.device)
        if infill is not None:
            latents = torch.where(infill.mask & valid, infill.latents, latents)
        return latents

    def predict(
        self,
        net: Network[MaskedHead],
        condition: Condition,
        latents: Tensor,
        rngs: Sequence[torch.Generator],
        options: UnmaskingOptions,
        scale: float,
        window: int = 0,
    ) -> tuple[Tensor, Tensor]:
        """Draw a code at every position, masked or not, given the known ones.

        Args:
            latents: [B, U, K], V where masked.
            scale: of guidance.

        Returns:
            ids [B, U, K], and log-probabilities [B, U, K, V] at temperature 1.
        """
        head, rows = net.head, len(rngs)
        valid = (condition.mask[:rows] > 0).expand_as(latents)
        masked = valid & (latents == head.codebook_size)
        t = _known_share(masked, valid)
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
        self, net: Network[MaskedHead], condition: Condition, known: Tensor, drawn: Tensor
    ) -> Tensor:
        """Probabilities [B, U, K] of codes given the known ones; see Rescoring."""
        head = net.head
        valid = (condition.mask > 0).expand_as(known)
        masked = valid & (known == head.codebook_size)
        t = _known_share(masked, valid)
        out = net.hidden(head.embed(known) + condition.frames, condition, t)
        return head(out).softmax(-1).gather(-1, drawn.unsqueeze(-1))[..., 0]

    def run(
        self,
        net: Network[MaskedHead],
        condition: Condition,
        rngs: Sequence[torch.Generator],
        options: UnmaskingOptions,
        infill: Infill | None = None,
    ) -> Iterator[Tensor]:
        """Yield the sequence after `options.steps` evaluations, shared out over the levels."""
        head = net.head
        external, moving = condition.external, options.hyperschedule < 1
        if external is None and (options.rescore or options.hybrid):
            raise ConfigError("rescore and hybrid need an external model: name its `external`")
        if external is not None and options.hybrid:
            infill = _behind(external.lead(rngs, options.hybrid), condition.mask.shape[1], infill)
        rows, num_codebooks, unknown = len(rngs), head.num_codebooks, head.codebook_size
        valid = (condition.mask[:rows] > 0).expand(-1, -1, num_codebooks)
        latents = self.begin(net, condition, rows, infill)
        soft = soft_codes(condition.code_values, options, latents)
        guidance = Guidance(options.guidance, options.guidance_final)
        if moving and (self.span > 1 or self.order == "levels"):
            raise ConfigError("a hyperschedule goes with order: joint and single codes")
        place = places(condition.mask[:rows]).unsqueeze(-1).expand_as(latents)
        for level, steps in self._plan(options.steps, num_codebooks):
            wanted = valid[..., level] & (latents[..., level] == unknown)
            size = self._count(wanted)
            window = self.window if level[0] else 0
            for step in range(steps):
                # Annealed, as the last codes are drawn into a finished neighbourhood (MaskGCT).
                # That of levels reaches 0, as in MAGNeT: each is a whole of its own to those above.
                past = step if self.order == "levels" else step - 1
                heat = options.temperature * masked_fraction(past, steps, "linear")
                scale = guidance.at(masked=self._still_masked(step, steps))
                heated = replace(options, temperature=heat)
                drawn, likely = self.predict(net, condition, latents, rngs, heated, scale, window)
                ids = drawn[..., level]
                confidence = likely[..., level, :].gather(-1, ids.unsqueeze(-1))[..., 0]
                if external is not None and options.rescore:
                    tried = torch.where(latents == unknown, drawn, latents)
                    theirs = external.probability(latents, tried)[..., level]
                    confidence = _rescored(confidence, theirs, options.rescore)
                masked = wanted & (latents[..., level] == unknown)
                noise = options.choice_temperature * heat
                if moving:
                    time = own_time((step + 1) / steps, place, options.hyperschedule)
                    chosen = choose_in_time(
                        confidence.flatten(1),
                        time.flatten(1),
                        wanted.flatten(1),
                        masked.flatten(1),
                        self.schedule,
                        rngs,
                        noise,
                    ).view_as(masked)
                else:
                    count = self._count(masked) - remaining(size, step, steps, self.schedule)
                    chosen = self._choose(confidence, count, masked, rngs, noise)
                latents[..., level] = torch.where(chosen, ids, latents[..., level])
                if soft is not None:
                    soft.commit(chosen, level, likely[..., level, :])
        yield latents.masked_fill(~valid, 0) if soft is None else soft.latents()

    def _plan(self, steps: int, num_codebooks: int) -> Iterator[tuple[list[int], int]]:
        """Yield, in order, the codebooks that are unmasked together and the number of steps that
        they take."""
        if self.order == "joint":
            return iter([(list(range(num_codebooks)), steps)])
        levels = [[codebook] for codebook in range(self.first, num_codebooks)]
        return zip(levels, self.shares(steps, len(levels)), strict=True)

    def _choose(
        self,
        confidence: Tensor,
        count: Tensor,
        masked: Tensor,
        rngs: Sequence[torch.Generator],
        noise: float,
    ) -> Tensor:
        """The `count` [B] surest of the masked codes [B, U, k], or whole spans of them, bool."""
        if self.span > 1:
            return choose_spans(
                confidence[..., 0], count, masked[..., 0], self.span, rngs, noise
            ).unsqueeze(-1)
        flat = choose(confidence.flatten(1), count, masked.flatten(1), rngs, noise)
        return flat.view_as(masked)

    def shares(self, steps: int, levels: int) -> list[int]:
        """How many steps each level takes, by `split`; at least one each."""
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
        """The masked fraction before step `step` (from 0) of `steps`, with which guidance falls.
        With levels it is 0 in the last step, unless that is the only one."""
        if self.order == "levels" and steps > 1:
            steps -= 1
        return 1.0 if step == 0 else masked_fraction(step - 1, steps, self.schedule)

    def _count(self, mask: Tensor) -> Tensor:
        """How many codes, or spans if `span` is above 1, are in a mask, [B]."""
        return (mask if self.span == 1 else spans(mask[..., 0], self.span)).flatten(1).sum(1)


def _known_share(masked: Tensor, valid: Tensor) -> Tensor:
    """The share of the valid codes [B, U, K] that is not masked, [B]: the noise level that the
    backbone is given."""
    return 1 - masked.sum((1, 2)) / valid.sum((1, 2)).clamp_min(1)


def _rescored(confidence: Tensor, probability: Tensor, weight: float) -> Tensor:
    """Log-probabilities [...] of drawn codes, mixed with their probabilities [...] under an
    external model, which have the given weight."""
    mixed = (1 - weight) * confidence.exp() + weight * probability
    return mixed.clamp_min(1e-30).log()


def _behind(lead: Tensor, count: int, infill: Infill | None) -> Infill:
    """An infill of `count` latents that also knows the first ones, `lead` [B, n, K], which an
    external model generated; codes that were known before stay."""
    latents = F.pad(lead, (0, 0, 0, count - lead.shape[1]))
    known = torch.arange(count, device=lead.device) < lead.shape[1]
    known = known[:, None].expand_as(latents)
    if infill is not None:
        latents, known = infill.put_into(latents), known | infill.mask
    return Infill(latents, known)


def _draw_rows(distribution: Tensor, rngs: Sequence[torch.Generator], lengths: Tensor) -> Tensor:
    """Draw ids [B, U, K]. A row uses as many random numbers as it has latents, so that it does not
    depend on the padding of the batch."""
    ids = torch.zeros(distribution.shape[:-1], dtype=torch.int64, device=distribution.device)
    for row, (rng, length) in enumerate(zip(rngs, lengths.tolist(), strict=True)):
        ids[row, :length] = draw(distribution[row : row + 1, :length], [rng])[0]
    return ids
