"""Masked generation of codes: every step draws all that is unknown and commits the surest.

MaskGIT (Chang et al. 2022) over the codes of speech: SoundStorm, MaskGCT (Wang et al. 2024).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from tts.generators.base import Canvas, Losses, SamplingOptions
from tts.generators.conditioning import Condition
from tts.generators.guidance import guide_rows
from tts.generators.sampling import draw, process
from tts.generators.schedules import choose, masked_fraction, remaining
from tts.generators.strategies.flow import both, random_spans

if TYPE_CHECKING:
    from tts.generators.generator import Generator


class Masked:
    """Strategy: iterative unmasking.

    Args:
        order: "joint" unmasks codes of all books together, for books that are independent (grouped
            FSQ); "levels" one book after the other, for residual ones (MaskGCT).
        schedule: of the masked fraction, in training and sampling (tts.generators.schedules).
        rescale: of guided logits to the spread of the conditional ones (MaskGCT: 0.75).
        inpaint: share of training rows of which a stretch is given in all books.
    """

    causal = False
    timed = True
    streamed = False

    def __init__(
        self,
        order: Literal["joint", "levels"] = "joint",
        schedule: str = "cosine",
        rescale: float = 0.0,
        inpaint: float = 0.0,
    ):
        masked_fraction(0, 2, schedule)  # refuses an unknown name
        self.order, self.schedule = order, schedule
        self.rescale, self.inpaint = rescale, inpaint

    def losses(self, net: Generator, units: Tensor, condition: Condition) -> Losses:
        """Cross entropy of what is masked."""
        head = net.head
        batch, length, books = units.shape
        valid = (condition.mask > 0).expand(-1, -1, books)
        share = torch.tensor(
            [
                masked_fraction(int(x), 1000, self.schedule)
                for x in torch.randint(-1, 999, (batch,))
            ],
            device=units.device,
        )
        hidden = torch.rand(units.shape, device=units.device) < share[:, None, None].clamp_min(0.02)
        if self.order == "levels":
            # Lower levels are drawn more often: they carry more (MaskGCT).
            weights = 1 - 2 * torch.arange(books) / (books * (books + 1))
            level = torch.multinomial(weights, batch, replacement=True).to(units.device)
            book = torch.arange(books, device=units.device)
            here = (book == level[:, None])[:, None]
            hidden = (hidden & here) | (book > level[:, None])[:, None]
        given = random_spans(condition.mask, self.inpaint)
        if given is not None:
            hidden = hidden & ~given.unsqueeze(-1)
        hidden = hidden & valid
        counted = hidden & here if self.order == "levels" else hidden
        known = units.masked_fill(hidden, head.entries)  # type: ignore[arg-type]
        level_t = 1 - hidden.sum((1, 2)) / valid.sum((1, 2)).clamp_min(1)
        out = net.hidden(head.embed(known) + condition.frames, condition, level_t)  # type: ignore[operator]
        return Losses({"codes": head.loss(out, units, counted)})  # type: ignore[operator]

    def run(
        self,
        net: Generator,
        condition: Condition,
        rngs: Sequence[torch.Generator],
        options: SamplingOptions,
        canvas: Canvas | None = None,
    ) -> Iterator[Tensor]:
        """`options.steps` evaluations, shared out over the levels where there are such."""
        head = net.head
        books, unknown = int(head.books), int(head.entries)  # type: ignore[arg-type]
        rows = len(rngs)
        valid = (condition.mask[:rows] > 0).expand(-1, -1, books)
        units = torch.full(valid.shape, unknown, device=valid.device)
        if canvas is not None:
            units = torch.where(canvas.committed.unsqueeze(-1), canvas.units, units)
        plan: list[list[int]] = [list(range(books))]
        counts = [options.steps]
        if self.order == "levels":
            plan = [[book] for book in range(books)]
            counts = _share_steps(options.steps, books)
        total = valid.sum((1, 2))
        for level, steps in zip(plan, counts, strict=True):
            wanted = torch.zeros_like(valid)
            wanted[..., level] = valid[..., level]
            wanted &= units == unknown
            size = wanted.sum((1, 2))
            for step in range(steps):
                masked = valid & (units == unknown)
                t = 1 - masked.sum((1, 2)) / total.clamp_min(1)
                seen = units.masked_fill(~valid, unknown)
                x = both(head.embed(seen), condition) + condition.frames  # type: ignore[operator]
                out = net.hidden(x, condition, both(t, condition))
                logits = guide_rows(head(out), rows, options.guidance, self.rescale)
                # Annealed, as the last codes are drawn into a finished neighbourhood (MaskGCT).
                heat = options.temperature * masked_fraction(step - 1, steps, "linear")
                distribution = process(logits, options.categorical(heat))
                ids = _draw_rows(distribution, rngs, condition.lengths[:rows])
                sure = process(logits, options.categorical(1.0)).gather(-1, ids.unsqueeze(-1))
                open_ = wanted & (units == unknown)
                keep = remaining(size, step, steps, self.schedule)
                count = open_.sum((1, 2)) - keep
                chosen = choose(
                    sure[..., 0].flatten(1), count, open_.flatten(1), rngs,
                    options.choice * heat,
                ).view_as(open_)  # fmt: skip
                units = torch.where(chosen, ids, units)
        yield units.masked_fill(~valid, 0)


def _share_steps(steps: int, books: int) -> list[int]:
    """Half of the steps for the first book, at least one for each (MaskGCT: 40, 16, 1 ...)."""
    counts = [1] * books
    spare = max(0, steps - books)
    for book in range(books):
        part = spare if book == books - 1 else -(-spare // 2)
        counts[book] += part
        spare -= part
    return counts


def _draw_rows(distribution: Tensor, rngs: Sequence[torch.Generator], lengths: Tensor) -> Tensor:
    """Ids [B, U, K]; a row takes as many numbers as it has units, however long the batch is."""
    ids = torch.zeros(distribution.shape[:-1], dtype=torch.int64, device=distribution.device)
    for row, (rng, length) in enumerate(zip(rngs, lengths.tolist(), strict=True)):
        ids[row, :length] = draw(distribution[row : row + 1, :length], [rng])[0]
    return ids
