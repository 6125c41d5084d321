"""Soft decoding of codes: the decoder of the codec is given, in place of the vector of each drawn
code, the mean of the vectors under the distribution that the code was drawn from.

The codes themselves, which a generator is fed, stay as they are drawn. What is heard has neither
the noise of the draw nor all of that of the quantizer: it is an expectation over the last draw
(Rao-Blackwell). Losses of probes see the same in training (Losses.estimate). Only codecs whose
decoder takes a sum of one vector per code can be decoded so (tts_codecs Quantizer.contributions).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tts.generators.options import CategoricalOptions


class CodeValues(NamedTuple):
    """What the codes of a codec stand for: a latent is `origin` and one vector for each code.

    Attributes:
        origin: [D].
        contributions: [K, V, D].
    """

    origin: Tensor
    contributions: Tensor

    def of(self, codes: Tensor) -> Tensor:
        """The vectors [B, U, K, D] of codes [B, U, K]; 0 where they are V, not known."""
        size = self.contributions.shape[1]
        codebook = torch.arange(codes.shape[-1], device=codes.device)
        vectors = self.contributions[codebook, codes.clamp_max(size - 1)]
        return vectors.masked_fill((codes == size).unsqueeze(-1), 0.0)

    def expected(self, log_probabilities: Tensor, codebooks: Sequence[int]) -> Tensor:
        """The mean vectors [..., k, D] under distributions [..., k, V] of codes of k codebooks."""
        every = list(codebooks) == list(range(len(self.contributions)))
        table = self.contributions if every else self.contributions[list(codebooks)]
        return torch.einsum("...kv,kvd->...kd", log_probabilities.exp(), table)


class SoftCodes:
    """The vectors of the codes of one run, known or expected.

    Args:
        values: of the codec.
        codes: [B, U, K] what is known beforehand, V where nothing is.
    """

    def __init__(self, values: CodeValues, codes: Tensor):
        self.values = values
        self.vectors = values.of(codes)
        self.known = codes < values.contributions.shape[1]

    def commit(self, chosen: Tensor, codebooks: Sequence[int], log_probabilities: Tensor) -> None:
        """Note the codes where `chosen` [B, U, k], given the distributions [B, U, k, V]."""
        expected = self.values.expected(log_probabilities, codebooks)
        columns = list(codebooks)
        before = self.vectors[..., columns, :]
        self.vectors[..., columns, :] = torch.where(chosen.unsqueeze(-1), expected, before)

    def commit_step(
        self, times: Sequence[int], codebooks: Sequence[int], log_probabilities: Tensor
    ) -> None:
        """Note n codes that are not known beforehand, at a latent and of a codebook each, given
        their distributions [B, n, V]."""
        expected = self.values.expected(log_probabilities, codebooks)
        places = list(times), list(codebooks)
        known = self.known[:, places[0], places[1]].unsqueeze(-1)
        self.vectors[:, places[0], places[1]] = torch.where(
            known, self.vectors[:, places[0], places[1]], expected
        )

    def latents(self, begin: int = 0, end: int | None = None) -> Tensor:
        """The input of the codec's decoder from latent `begin` to `end`, or all, [B, u, D]."""
        return self.values.origin + self.vectors[:, begin:end].sum(2)


def soft_codes(
    values: CodeValues | None, options: CategoricalOptions, codes: Tensor
) -> SoftCodes | None:
    """The vectors of a run that decodes softly; None if it does not.

    Args:
        values: of the codec, if it can be decoded so.
        codes: [B, U, K] what is known beforehand, V where nothing is.
    """
    return SoftCodes(values, codes) if options.soft_decode and values is not None else None
