"""How well codebooks are used, which a codec's training logs."""

from collections import deque

import torch
from torch import Tensor

#: batches whose codes the statistics are of
_KEPT = 50


def codebook_statistics(codes: Tensor, size: int) -> dict[str, float]:
    """How well codebooks are used, from codes [N, K]: the share of entries that occur (`use`), the
    perplexity of a codebook (the mean over K), and the entropy of a frame in `bits`."""
    counts = torch.stack([torch.bincount(column, minlength=size) for column in codes.t()])
    share = counts / counts.sum(1, keepdim=True)
    entropy = -(share * share.clamp_min(1e-12).log2()).sum(1)
    return {
        "use": float((counts > 0).float().mean()),
        "perplexity": float((2**entropy).mean()),
        "bits": float(entropy.sum()),
    }


class RecentCodes:
    """The codes of the last batches, and their statistics.

    Args:
        size: entries of a codebook.
    """

    def __init__(self, size: int):
        self.size = size
        self._kept: deque[Tensor] = deque(maxlen=_KEPT)

    def add(self, codes: Tensor) -> dict[str, float]:
        """Statistics (`codebook_statistics`) with one more batch of codes [B, T, K]."""
        self._kept.append(codes.detach().flatten(0, 1).cpu())
        return codebook_statistics(torch.cat(list(self._kept)), self.size)
