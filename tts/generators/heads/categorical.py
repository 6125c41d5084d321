"""Codes: an embedding per book on the way in, a distribution per book on the way out."""

import math
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.generators.base import Losses, SamplingOptions
from tts.generators.conditioning import Condition
from tts.generators.guidance import guide_rows
from tts.generators.sampling import sample


class CategoricalHead(nn.Module):
    """K books of V entries, drawn independently given the hidden state.

    Entries are vectors of `width` shared by both directions (Press & Wolf 2017), low-rank against
    V. Where the codes are those of an FSQ, `levels` lets entries that agree in a digit share what
    is learned of it: a few hours of speech show many entries only a few times.

    Args:
        books: K; entries: V, entry V stands for a code not known (masked, or not yet begun).
        dim: of the backbone; width: of an entry.
        levels: digits of an FSQ code, their product is V; () for codes without structure.
    """

    digits: Tensor

    def __init__(
        self,
        books: int = 8,
        entries: int = 1000,
        dim: int = 256,
        width: int = 64,
        levels: Sequence[int] = (),
    ):
        super().__init__()
        if levels and math.prod(levels) != entries:
            raise ValueError(f"levels {list(levels)} do not make {entries} entries")
        self.books, self.entries, self.width = books, entries, width
        self.table = nn.Parameter(torch.randn(books, entries + 1, width) * (0.02 if levels else 1))
        digits = torch.zeros(entries + 1, sum(levels))
        step, column = 1, 0
        for size in levels:
            digit = torch.arange(entries) // step % size
            digits[torch.arange(entries), column + digit] = 1.0
            step, column = step * size, column + size
        self.register_buffer("digits", digits, persistent=False)
        self.shared = nn.Parameter(torch.randn(books, sum(levels), width)) if levels else None
        self.entry = nn.Linear(books * width, dim)
        self.out = nn.Linear(dim, books * width)
        self.bias = nn.Parameter(torch.zeros(books, entries))
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)

    def vectors(self) -> Tensor:
        """[K, V + 1, width]."""
        if self.shared is None:
            return self.table
        return self.table + self.digits @ self.shared

    def embed(self, codes: Tensor) -> Tensor:
        """Codes [B, S, K] int64, V where not known, to [B, S, dim]."""
        vectors = self.vectors()
        parts = [F.embedding(codes[..., k], vectors[k]) for k in range(self.books)]
        return self.entry(torch.cat(parts, -1))

    def forward(self, hidden: Tensor, book: int | None = None) -> Tensor:
        """Hidden [..., dim] to logits [..., K, V], or of one book [..., V]."""
        query = self.out(hidden).unflatten(-1, (self.books, self.width))
        vectors = self.vectors()[:, :-1]
        if book is not None:
            return query[..., book, :] @ vectors[book].T + self.bias[book]
        return torch.einsum("...kw,kvw->...kv", query, vectors) + self.bias

    def loss(self, hidden: Tensor, codes: Tensor, known: Tensor) -> Tensor:
        """Mean cross entropy of codes [B, S, K] where `known` [B, S, K] bool."""
        query = self.out(hidden).unflatten(-1, (self.books, self.width))
        vectors = self.vectors()[:, :-1]
        total = hidden.new_zeros(())
        for book in range(self.books):
            # Only what counts is computed: logits of all positions would be the largest tensor.
            rows = known[..., book]
            logits = query[rows][:, book] @ vectors[book].T + self.bias[book]
            total = total + F.cross_entropy(logits, codes[rows][:, book], reduction="sum")
        return total / cast(Tensor, known.sum().clamp_min(1))

    def empty(self, batch: int, steps: int) -> Tensor:
        """Steps before the first: codes not known, [B, S, K]."""
        return torch.full((batch, steps, self.books), self.entries, device=self.bias.device)

    def step_losses(
        self, hidden: Tensor, steps: Tensor, known: Tensor, before: Tensor, condition: Condition
    ) -> Losses:
        """Cross entropy of the next step's codes [B, S, K]."""
        return Losses({"codes": self.loss(hidden, steps, known)})

    def draw(
        self, hidden: Tensor, rows: int, rngs: Sequence[torch.Generator],
        options: SamplingOptions, before: Tensor, units: Tensor, condition: Condition, step: int,
    ) -> Tensor:  # fmt: skip
        """The codes of a step, [B, 1, K], from hidden [B or 2 B, 1, dim]."""
        logits = guide_rows(self(hidden), rows, options.guidance)
        recent = units[:, max(0, step - options.repetition_window) : step].transpose(1, 2)
        history = recent.masked_fill(recent == self.entries, -1).unsqueeze(1)
        return sample(logits, options.categorical(), rngs, history)
