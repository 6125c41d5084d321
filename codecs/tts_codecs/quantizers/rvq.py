"""Residual vector quantization."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.errors import CodecError
from tts_codecs.nn.derived_cache import DerivedCache
from tts_codecs.nn.inference import uses_cache
from tts_codecs.quantizers.base import Quantizer, QuantizerOutput, check_mask
from tts_codecs.quantizers.vq import CodebookUpdate, VectorQuantizer, nearest

_SEARCH_ROWS = 512  # number of vectors that the beam search takes at a time


class ResidualVQ(Quantizer):
    """Residual vector quantizer: K codebooks, each quantizing the residual of those before it.

    Algorithm 1 of Zeghidour et al. 2021, "SoundStream", with its quantizer dropout: in training
    some rows use only the first n codebooks, so that one model serves all bitrates. Here n is drawn
    per row, and a row contributes neither to the updates nor to the losses of codebooks that it
    drops.

    Args:
        dim: D.
        num_codebooks: K.
        codebook_size: number of entries of each codebook.
        dropout: probability that a row of a training batch uses only its first n codebooks, with n
            uniform in ``[dropout_min, K]``.
        dropout_min: smallest n.
        search: beam width of the search for codes outside of training. Choosing the nearest entry
            of every codebook in turn (1) need not give the nearest sum.
        update, decay, commitment, kmeans_init, dead_below: as in VectorQuantizer.

    Raises:
        CodecError: invalid sizes or probabilities.
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
        """Quantize ``z [B, T, D]``.

        Args:
            z: ``[B, T, D]``.
            mask: ``[B, T]``, False for padded frames.
            generator: draws the dropout.
            used: ``[B]`` number of codebooks of each row, instead of drawing it.

        Returns:
            all K codes, also for rows with dropout. A row of ``quantized`` is
            ``decode(codes[:, :, :used])`` with the codebooks before this call's update. The loss is
            the mean over codebooks.
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
        """Initialise the codebooks by k-means on vectors ``x [N, D]``, each on the residual of the
        codebooks before it."""
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
            parts = residual.split(_SEARCH_ROWS)
            searched = torch.cat([self._beam_search(part, count) for part in parts])
            return searched.view(*z.shape[:2], count)
        codes = []
        for layer in self._layers()[:count]:
            index = layer.nearest(residual)
            residual = residual - F.embedding(index, layer.codebook)
            codes.append(index)
        return torch.stack(codes, 1).view(*z.shape[:2], count)

    @torch.no_grad()
    def encode_merged(self, z: Tensor, merge: int, num_codebooks: int | None = None) -> Tensor:
        """Codes ``[B, T, n]`` of the first n (default K) codebooks, with merged codes in the first
        (VALL-E R, Han et al. 2024): every `merge` neighbouring frames share the code of their mean.
        The other codebooks quantize the residual of every frame."""
        if merge < 1:
            raise CodecError(f"ResidualVQ: merge must be at least 1, got {merge}")
        self.check_input(z)
        count = self.check_prefix(num_codebooks)
        frames = z.shape[1]
        missing = -frames % merge
        # An incomplete last group is filled with its last frame.
        padded = torch.cat([z, z[:, -1:].expand(-1, missing, -1)], 1) if missing else z
        mean = padded.unflatten(1, (-1, merge)).mean(2)
        first = self.encode(mean, 1).repeat_interleave(merge, 1)[:, :frames]
        residual = (z.float() - self.decode(first)).reshape(-1, self.dim)
        codes = [first.reshape(-1)]
        for layer in self._layers()[1:count]:
            codes.append(layer.nearest(residual))
            residual = residual - F.embedding(codes[-1], layer.codebook)
        return torch.stack(codes, 1).view(*z.shape[:2], count)

    def _beam_search(self, residual: Tensor, count: int) -> Tensor:
        """Codes [N, count] of vectors [N, D] by a beam search (multi-path encoding, Liu et al.
        2015, "Improved Residual Vector Quantization")."""
        rows = len(residual)
        left = residual[:, None]  # [N, M, D] residuals of the M hypotheses
        codes = torch.zeros(rows, 1, 0, dtype=torch.int64, device=residual.device)
        for layer in self._layers()[:count]:
            book = layer.codebook.float()
            # Squared norms of the residuals with each entry, [N, M, S].
            squares = left.square().sum(2, keepdim=True) + book.square().sum(1)
            squares -= 2 * left.flatten(0, 1).mm(book.t()).view_as(squares)
            beam = min(self.search, squares[0].numel())
            best = squares.flatten(1).topk(beam, dim=1, largest=False).indices
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
        if uses_cache(books[0], books[0]):
            # One lookup in a table of all codebooks; it is summed in the order of the loop below.
            table, starts = self._derived.get(books, lambda: self._table(books))
            entries = F.embedding(codes + starts[: codes.shape[2]], table)
            return entries.sum(2)
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
        """Draw the quantizer dropout: the number of codebooks that each row uses, [B]; None outside
        of training or without dropout, for all K."""
        if not self.training or self.dropout == 0:
            return None
        shape, device = (z.shape[0],), z.device
        cut = torch.rand(shape, device=device, generator=generator) < self.dropout
        count = torch.randint(
            self.dropout_min, self.num_codebooks + 1, shape, device=device, generator=generator
        )
        return torch.where(cut, count, torch.full_like(count, self.num_codebooks))
