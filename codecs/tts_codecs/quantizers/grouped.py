"""Grouped residual vector quantization: one residual quantizer per group of channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tts_codecs.errors import CodecError
from tts_codecs.quantizers.base import Quantizer, QuantizerOutput
from tts_codecs.quantizers.rvq import ResidualVQ
from tts_codecs.quantizers.vq import CodebookUpdate


class GroupedRVQ(Quantizer):
    """Grouped residual vector quantization: the channels are split into G groups, each with its
    own ResidualVQ (Yang et al. 2023, "HiFi-Codec").

    The codes of a frame are ordered by depth, then by group. The first G codes are the coarsest
    ones of all groups, and any multiple of G leading codes can be decoded.

    Args:
        dim: D, a multiple of groups.
        groups: G.
        depth: number of residual codebooks of a group; in all there are ``K = G * depth``.
        codebook_size: number of entries of each codebook.
        dropout, dropout_min, update, decay, commitment, kmeans_init, dead_below: as in ResidualVQ.
            Dropout leaves the same depth in all groups of a row.

    Raises:
        CodecError: invalid sizes.
    """

    def __init__(
        self,
        dim: int,
        groups: int,
        depth: int,
        codebook_size: int,
        dropout: float = 0.0,
        dropout_min: int = 1,
        update: CodebookUpdate = "ema",
        decay: float = 0.99,
        commitment: float = 1.0,
        kmeans_init: bool = False,
        dead_below: float = 0.03,
    ) -> None:
        super().__init__()
        if groups < 1 or dim % groups:
            raise CodecError(f"GroupedRVQ: {groups} groups do not divide {dim} channels")
        self.dim, self.groups, self.depth = dim, groups, depth
        self.num_codebooks, self.codebook_size = groups * depth, codebook_size
        self.parts = nn.ModuleList(
            ResidualVQ(
                dim // groups,
                depth,
                codebook_size,
                dropout,
                dropout_min,
                update,
                decay,
                commitment,
                kmeans_init,
                dead_below,
            )
            for _ in range(groups)
        )

    @property
    def prefixes(self) -> tuple[int, ...]:
        """The multiples of G up to K."""
        return tuple(range(self.groups, self.num_codebooks + 1, self.groups))

    @property
    def codebooks(self) -> list[Tensor]:
        """The K codebooks ``[S, D / G]``, in the order of the codes."""
        books = [part.codebooks for part in self._parts()]
        return [book for level in zip(*books, strict=True) for book in level]

    def forward(
        self, z: Tensor, mask: Tensor | None = None, generator: torch.Generator | None = None
    ) -> QuantizerOutput:
        """Quantize ``z [B, T, D]``. The loss is the mean over groups; ``used`` counts codes of all
        groups; ``generator`` draws the dropout."""
        self.check_input(z)
        parts = self._parts()
        used = parts[0].draw_used(z, generator)
        found = [
            part(each, mask, used=used)
            for part, each in zip(parts, z.chunk(self.groups, 2), strict=True)
        ]
        loss = torch.stack([out.loss for out in found]).mean()
        return QuantizerOutput(
            torch.cat([out.quantized for out in found], 2),
            self._interleave([out.codes for out in found]),
            loss,
            None if used is None else used * self.groups,
        )

    def fit(self, x: Tensor) -> None:
        """Initialise the codebooks of every group by k-means on vectors ``x [N, D]``, each on the
        residual of the codebooks before it."""
        for part, each in zip(self._parts(), x.chunk(self.groups, 1), strict=True):
            part.fit(each)

    def encode(self, z: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes ``[B, T, n]``, n a multiple of G (default K), of ``z [B, T, D]``."""
        self.check_input(z)
        depth = self.check_prefix(num_codebooks) // self.groups
        chunks = z.chunk(self.groups, 2)
        return self._interleave(
            [part.encode(each, depth) for part, each in zip(self._parts(), chunks, strict=True)]
        )

    def decode(self, codes: Tensor) -> Tensor:
        """Values ``[B, T, D]`` float32 of ``codes [B, T, n]``, n a multiple of G."""
        self.check_codes(codes, self.check_prefix(self.width_of(codes)))
        split = codes.unflatten(2, (-1, self.groups))
        return torch.cat([part.decode(split[..., g]) for g, part in enumerate(self._parts())], 2)

    def _interleave(self, codes: list[Tensor]) -> Tensor:
        return torch.stack(codes, 3).flatten(2)

    def _parts(self) -> list[ResidualVQ]:
        return [part for part in self.parts if isinstance(part, ResidualVQ)]
