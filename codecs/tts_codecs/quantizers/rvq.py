"""Residual vector quantization."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.errors import CodecError
from tts_codecs.nn.derived_cache import DerivedCache
from tts_codecs.nn.inference import keeps
from tts_codecs.quantizers.base import Quantizer, QuantizerOutput, check_mask
from tts_codecs.quantizers.vq import CodebookUpdate, VectorQuantizer, nearest

_ROWS = 512  # vectors that are searched for at a time


class ResidualVQ(Quantizer):
    """K codebooks, each quantizing what the ones before left over.

    Algorithm 1 of Zeghidour et al. 2021, "SoundStream", with its quantizer dropout: in training
    some rows use only the first n codebooks, so that one model serves every bitrate. Here n is
    drawn per row, and dropped codebooks neither learn from nor are charged for that row.

    Args:
        dim: D.
        num_codebooks: K.
        codebook_size: entries of each codebook.
        dropout: probability for a row of a training batch to be cut to n codebooks, n uniform in
            ``[dropout_min, K]``.
        dropout_min: smallest n.
        search: outside of training, sums of codes that are followed from codebook to codebook: the
            nearest entry of each leads to one that is not the nearest in the end. 1 follows that
            one alone.
        update, decay, commitment, kmeans_init, dead_below: as for `VectorQuantizer`.

    Raises:
        CodecError: unusable sizes or probabilities.
    """

    def __init__(
        self,
        dim: int,
        num_codebooks: int,
        codebook_size: int,
        dropout: float = 0.0,
        dropout_min: int = 1,
        update: CodebookUpdate = "ema",
        decay: float = 0.99,
        commitment: float = 1.0,
        kmeans_init: bool = False,
        dead_below: float = 0.03,
        search: int = 1,
    ) -> None:
        super().__init__()
        if not 1 <= search <= codebook_size:
            raise CodecError(f"ResidualVQ: search {search} must be in [1, {codebook_size}]")
        if num_codebooks < 1:
            raise CodecError(f"ResidualVQ: num_codebooks must be at least 1, got {num_codebooks}")
        if not 0 <= dropout <= 1 or not 1 <= dropout_min <= num_codebooks:
            raise CodecError(
                f"ResidualVQ: dropout {dropout} must be in [0, 1] and dropout_min {dropout_min} "
                f"in [1, {num_codebooks}]"
            )
        self.dim = dim
        self.num_codebooks = num_codebooks
        self.codebook_size = codebook_size
        self.dropout = dropout
        self.dropout_min = dropout_min
        self.search = search
        self.layers = nn.ModuleList(
            VectorQuantizer(
                dim,
                codebook_size,
                update=update,
                decay=decay,
                commitment=commitment,
                kmeans_init=kmeans_init,
                dead_below=dead_below,
            )
            for _ in range(num_codebooks)
        )
        self._derived = DerivedCache()

    @property
    def prefixes(self) -> tuple[int, ...]:
        """1 to K."""
        return tuple(range(1, self.num_codebooks + 1))

    @property
    def codebooks(self) -> list[Tensor]:
        """The K codebooks ``[S, D]``."""
        return [layer.codebook for layer in self._layers()]

    def forward(
        self,
        z: Tensor,
        mask: Tensor | None = None,
        generator: torch.Generator | None = None,
        used: Tensor | None = None,
    ) -> QuantizerOutput:
        """Quantize ``z [B, T, D]``; ``generator`` draws the dropout, unless ``used`` [B] says it.

        All K codes are returned, also for rows with dropout; ``used`` says how many entered
        ``quantized``, which row by row is ``decode(codes[:, :, :used])`` with the codebooks as
        they were before this call's update. The loss is the mean over codebooks.
        """
        self.check_input(z)
        check_mask(mask, z)
        used = self.draw_used(z, generator) if used is None else used
        residual = z.float()
        total = torch.zeros_like(residual)
        loss = residual.new_zeros(())
        codes = []
        for k, layer in enumerate(self._layers()):
            row = None if used is None else used > k
            layer_mask = mask
            if row is not None:
                layer_mask = row[:, None].expand(z.shape[:2])
                layer_mask = layer_mask if mask is None else layer_mask & mask
            out = layer(residual, layer_mask)
            step = out.quantized.detach()
            residual = residual - step
            total = total + (step if row is None else step * row[:, None, None])
            loss = loss + out.loss / self.num_codebooks
            codes.append(out.codes)
        source = z.float()
        quantized = (total + (source - source.detach())).to(z.dtype)
        return QuantizerOutput(quantized, torch.cat(codes, 2), loss, used)

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Set the codebooks by k-means of vectors ``[N, D]``, one after the other on what the ones
        before leave over."""
        residual = x.float()
        for layer in self._layers():
            layer.fit(residual)
            residual = residual - F.embedding(nearest(residual, layer.codebook), layer.codebook)

    @torch.no_grad()
    def encode(self, z: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes ``[B, T, n]`` of the first n (default K) codebooks for ``z [B, T, D]``."""
        self.check_input(z)
        count = self.check_prefix(num_codebooks)
        residual = z.reshape(-1, self.dim).float()
        if self.search > 1 and count > 1 and len(residual):
            parts = residual.split(_ROWS)
            found = torch.cat([self._searched(part, count) for part in parts])
            return found.view(*z.shape[:2], count)
        codes = []
        for layer in self._layers()[:count]:
            index = layer.nearest(residual)
            residual = residual - F.embedding(index, layer.codebook)
            codes.append(index)
        return torch.stack(codes, 1).view(*z.shape[:2], count)

    @torch.no_grad()
    def encode_merged(self, z: Tensor, merge: int, num_codebooks: int | None = None) -> Tensor:
        """Codes ``[B, T, n]`` of the first n (default K) codebooks, whose first is the same for
        every `merge` neighbours: that of their mean. The others quantize what it leaves over of
        each frame (VALL-E R, Han et al. 2024)."""
        if merge < 1:
            raise CodecError(f"ResidualVQ: merge must be at least 1, got {merge}")
        self.check_input(z)
        count = self.check_prefix(num_codebooks)
        frames = z.shape[1]
        short = -frames % merge
        # A last group that is not full repeats its last frame.
        whole = torch.cat([z, z[:, -1:].expand(-1, short, -1)], 1) if short else z
        mean = whole.unflatten(1, (-1, merge)).mean(2)
        first = self.encode(mean, 1).repeat_interleave(merge, 1)[:, :frames]
        residual = (z.float() - self.decode(first)).reshape(-1, self.dim)
        codes = [first.reshape(-1)]
        for layer in self._layers()[1:count]:
            codes.append(layer.nearest(residual))
            residual = residual - F.embedding(codes[-1], layer.codebook)
        return torch.stack(codes, 1).view(*z.shape[:2], count)

    def _searched(self, residual: Tensor, count: int) -> Tensor:
        """Codes [N, count] of vectors [N, D] by a beam search (multi-path encoding, Liu et al.
        2015, "Improved Residual Vector Quantization")."""
        rows = len(residual)
        left = residual[:, None]  # [N, M, D]: what each of M sums leaves over
        codes = torch.zeros(rows, 1, 0, dtype=torch.int64, device=residual.device)
        for layer in self._layers()[:count]:
            book = layer.codebook.float()
            # The square of what would be left, [N, M, S].
            squares = left.square().sum(2, keepdim=True) + book.square().sum(1)
            squares -= 2 * left.flatten(0, 1).mm(book.t()).view_as(squares)
            kept = min(self.search, squares[0].numel())
            best = squares.flatten(1).topk(kept, dim=1, largest=False).indices
            parent, index = best // len(book), best % len(book)
            row = torch.arange(rows, device=best.device)[:, None]
            codes = torch.cat([codes[row, parent], index[..., None]], 2)
            left = left[row, parent] - F.embedding(index, book)
        nearest = left.square().sum(2).argmin(1)
        return codes[torch.arange(rows, device=codes.device), nearest]

    def decode(self, codes: Tensor) -> Tensor:
        """Values ``[B, T, D]`` float32 of ``codes [B, T, n]`` of the first n codebooks."""
        self.check_codes(codes, self.check_prefix(self.width_of(codes)))
        books: list[Tensor] = [layer.codebook for layer in self.layers]  # type: ignore[misc]
        if keeps(books[0], books[0]):
            # All entries under each other: one lookup, whose sum has the order of the loop below.
            table, starts = self._derived.get(books, lambda: self._table(books))
            found = F.embedding(codes + starts[: codes.shape[2]], table)
            return found.sum(2)
        total = F.embedding(codes[..., 0], books[0])
        for k, codebook in enumerate(books[1 : codes.shape[2]], start=1):
            total = total + F.embedding(codes[..., k], codebook)
        return total

    def _table(self, books: list[Tensor]) -> tuple[Tensor, Tensor]:
        starts = torch.arange(len(books), device=books[0].device) * self.codebook_size
        return torch.cat([book.detach() for book in books]), starts

    def _layers(self) -> list[VectorQuantizer]:
        return [layer for layer in self.layers if isinstance(layer, VectorQuantizer)]

    def draw_used(self, z: Tensor, generator: torch.Generator | None = None) -> Tensor | None:
        """How many codebooks each row [B] uses in this training step; None outside, for all."""
        if not self.training or self.dropout == 0:
            return None
        shape, device = (z.shape[0],), z.device
        cut = torch.rand(shape, device=device, generator=generator) < self.dropout
        count = torch.randint(
            self.dropout_min, self.num_codebooks + 1, shape, device=device, generator=generator
        )
        return torch.where(cut, count, torch.full_like(count, self.num_codebooks))
