"""Codes of a frame one after another: a small causal network over the books (dual AR)."""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.generators.base import SamplingOptions
from tts.generators.conditioning import Condition
from tts.generators.guidance import guide_rows
from tts.generators.heads.categorical import CategoricalHead
from tts.modules.transformer import DiTBlock, rotary


class DepthHead(CategoricalHead):
    """K books, each drawn given the hidden state of the frame and the books before it.

    The fast transformer of Fish-Speech (Liao et al. 2024), the sub-decoder of MQTTS (Chen et al.
    2023); embeddings and output entries are those of CategoricalHead. It forgets from frame to
    frame, what was drawn comes back through the backbone.

    Args:
        books, entries, dim, width, levels: see CategoricalHead.
        blocks, heads, hidden: sizes of the transformer over the books, of width `dim`.
    """

    sequential = True

    def __init__(
        self,
        books: int = 8,
        entries: int = 1000,
        dim: int = 256,
        width: int = 64,
        levels: Sequence[int] = (),
        blocks: int = 2,
        heads: int = 4,
        hidden: int = 512,
    ):
        super().__init__(books, entries, dim, width, levels)
        self.heads = heads
        self.place = nn.Parameter(torch.randn(books, dim) * 0.02)
        # A kernel of 1: whatever comes from other books comes by attention.
        self.blocks = nn.ModuleList(
            DiTBlock(dim, heads, hidden, 0, kernel=1, causal=True) for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(dim)

    def _after(self, codes: Tensor, book: int) -> Tensor:
        """What codes [...] of a book add to the input for the next, [..., dim]."""
        part = slice(book * self.width, (book + 1) * self.width)
        return F.linear(self.enter(codes, book), self.entry.weight[:, part])

    def _deepen(self, x: Tensor) -> Tensor:
        """Inputs for the books so far [N, k, dim] to their hidden states."""
        place = torch.arange(x.shape[1], device=x.device)
        table = rotary(place, x.shape[-1] // self.heads)
        before = (place <= place.unsqueeze(1))[None, None]
        still = x.new_zeros(1, 6, x.shape[-1])
        for block in self.blocks:
            x = block(x, cast(DiTBlock, block).parts(still), table, None, before, None)
        return self.norm(x)

    def deepen(self, hidden: Tensor, codes: Tensor) -> Tensor:
        """Hidden states of frames [N, dim] and their true codes [N, K] to the hidden state from
        which each book is drawn, [N, K, dim]: it knows the books before."""
        inputs = [hidden] + [
            hidden + self._after(codes[:, book], book) for book in range(self.books - 1)
        ]
        return self._deepen(torch.stack(inputs, 1) + self.place)

    def loss(self, hidden: Tensor, codes: Tensor, known: Tensor) -> Tensor:
        """Mean cross entropy of codes [B, S, K] where `known`, given those of the frame before."""
        frames = known.any(-1)
        target, counted = codes[frames], known[frames]
        deep = self.deepen(hidden[frames], target)
        total = hidden.new_zeros(())
        for book in range(self.books):
            logits = self(deep[counted[:, book], book], book)
            wanted = target[counted[:, book], book]
            total = total + F.cross_entropy(logits, wanted, reduction="sum")
        return total / cast(Tensor, known.sum().clamp_min(1))

    def draw(
        self, hidden: Tensor, rows: int, rngs: Sequence[torch.Generator],
        options: SamplingOptions, before: Tensor, units: Tensor, condition: Condition, at: int,
        books: Sequence[int] | None = None,
    ) -> Tensor:  # fmt: skip
        """The codes of a frame, [B, 1, K], from hidden [B or 2 B, 1, dim]; see CategoricalHead."""
        history = self.history(units, at, options, range(self.books))
        x = hidden + self.place[0]
        drawn: list[Tensor] = []
        for book in range(self.books):
            # K is small: running the few inputs again costs less than a cache of them.
            logits = guide_rows(self(self._deepen(x)[:, -1:], book), rows, options.guidance)
            past = None if history is None else history[:, :, book]
            drawn.append(self.choose(logits, rngs, options, past))
            if book + 1 < self.books:
                code = drawn[-1].repeat(len(hidden) // rows, 1)
                step = hidden + self._after(code, book) + self.place[book + 1]
                x = torch.cat([x, step], 1)
        return torch.stack(drawn, -1)
