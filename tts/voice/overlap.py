"""Detector of two people who speak at once, by a logistic regression on statistics of a recording.

To a phone probe two voices are sounds that change faster and are less similar to any phone, and
spectra lie between those of both. The statistics are the mean, the standard deviation and the rate
of change of the features and of the probe's last layer over the whole recording. tts.data.overlap
fits the regression.
"""

import torch
from torch import Tensor, nn

__all__ = ["OverlapDetector", "statistics"]

_MOST = 5.0  # standard deviations at which a statistic is clipped


def statistics(features: Tensor, hidden: Tensor) -> Tensor:
    """Return mean, standard deviation and mean absolute step of features and hidden layer.

    Args:
        features: [1, T, C] of a recording, T at least 2.
        hidden: [1, T, D], `PhoneProbe.hidden` of them.

    Returns:
        [3 * (C + D)].
    """
    both = torch.cat([features, hidden], -1)[0]
    steps = (both[1:] - both[:-1]).abs().mean(0)
    return torch.cat([both.mean(0), both.std(0), steps])


class OverlapDetector(nn.Module):
    """Linear classifier of `statistics`: a score above 0 stands for two people at once.

    Args:
        size: number of statistics.
    """

    def __init__(self, size: int = 630):
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(size))
        self.weight = nn.Parameter(torch.zeros(size))
        self.bias = nn.Parameter(torch.zeros(1))
        self.mean: Tensor
        self.deviation: Tensor

    def forward(self, found: Tensor) -> Tensor:
        """Return the scores [...] of statistics [..., size]."""
        scaled = ((found - self.mean) / self.deviation).clamp(-_MOST, _MOST)
        return scaled @ self.weight + self.bias
