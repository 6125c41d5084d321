"""Statistics of how the codebooks of a codec are used, for the log of its training."""

from collections import deque

import torch
from torch import Tensor

#: batches over which the statistics are computed
_WINDOW = 50
#: entries of a codebook whose counts are kept, one by one; of larger ones the codes are
_MOST_COUNTED = 1 << 16


def code_counts(codes: Tensor, size: int) -> Tensor:
    """Occurrences [K, size] of each entry in codes [N, K], on the device of the codes."""
    counts = torch.zeros(codes.shape[1], size, dtype=torch.long, device=codes.device)
    return counts.scatter_add_(1, codes.t().long(), torch.ones_like(codes.t(), dtype=torch.long))


def usage_of_counts(counts: Tensor) -> dict[str, Tensor]:
    """The statistics of `codebook_statistics` from counts [K, size], as scalar tensors."""
    share = counts / counts.sum(1, keepdim=True)
    entropy = -(share * share.clamp_min(1e-12).log2()).sum(1)
    return {
        "use": (counts > 0).float().mean(),
        "perplexity": (2**entropy).mean(),
        "bits": entropy.sum(),
    }


def codebook_statistics(codes: Tensor, size: int) -> dict[str, float]:
    """Compute how well codebooks are used.

    Args:
        codes: [N, K] codes of N frames.
        size: number of entries of a codebook.

    Returns:
        "use", the share of entries that occur; "perplexity" of a codebook, a mean over K; "bits",
        the entropy of a frame, summed over K.
    """
    return {name: float(value) for name, value in usage_of_counts(code_counts(codes, size)).items()}


def usage_of_codes(codes: Tensor, size: int) -> dict[str, Tensor]:
    """The statistics of `codebook_statistics` from codes [N, K], whose memory does not grow with
    `size`."""
    use, entropies = [], []
    for column in codes.unbind(1):
        share = column.unique(return_counts=True)[1] / len(column)
        use.append(share.new_tensor(len(share) / size))
        entropies.append(-(share * share.log2()).sum())
    entropy = torch.stack(entropies)
    return {
        "use": torch.stack(use).mean(),
        "perplexity": (2**entropy).mean(),
        "bits": entropy.sum(),
    }


class CodebookUsage:
    """Codebook statistics over the last batches of a training.

    Args:
        size: number of entries of a codebook.
    """

    def __init__(self, size: int):
        self.size = size
        self._recent: deque[Tensor] = deque()
        self._total: Tensor | None = None

    def add(self, codes: Tensor) -> dict[str, Tensor]:
        """Add a batch of codes [B, T, K], and return the statistics with it.

        Only counts are kept, on the device of the codes, so that a training step does not wait for
        a GPU. Of more than 65,536 entries the counts would take gigabytes: the codes are kept.
        """
        rows = codes.detach().flatten(0, 1)
        if self.size > _MOST_COUNTED:
            self._recent.append(rows)
            while len(self._recent) > _WINDOW:
                self._recent.popleft()
            return usage_of_codes(torch.cat(list(self._recent)), self.size)
        counts = code_counts(rows, self.size)
        self._recent.append(counts)
        self._total = counts if self._total is None else self._total + counts
        if len(self._recent) > _WINDOW:
            self._total = self._total - self._recent.popleft()
        return usage_of_counts(self._total)
