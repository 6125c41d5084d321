"""Multi-period discriminator of HiFi-GAN (Kong et al. 2020)."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from tts_codecs.adversaries.base import Adversary, Judgement


class PeriodDiscriminator(nn.Module):
    """Discriminator of one period: the waveform is folded to [N / period, period] and convolved
    along the first axis.

    Args:
        period: in samples.
        channels: channels of the first layer; each later layer has four times as many, up to 32
            times those of the first.
        layers: number of strided convolutions.
    """

    def __init__(self, period: int, channels: int = 16, layers: int = 4):
        super().__init__()
        self.period = period
        sizes = [1] + [channels * min(4**i, 32) for i in range(layers)]
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(a, b, (5, 1), (3, 1), (2, 0)))
            for a, b in zip(sizes, sizes[1:], strict=False)
        )
        self.convs.append(weight_norm(nn.Conv2d(sizes[-1], sizes[-1], (5, 1), padding=(2, 0))))
        self.out = weight_norm(nn.Conv2d(sizes[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, wav: Tensor) -> Judgement:
        """[B, N] to (scores [B, N / period / 3^layers, period], feature maps of every layer)."""
        short = -wav.shape[1] % self.period
        x = F.pad(
            wav.unsqueeze(1), (0, short), mode="reflect" if short < wav.shape[1] else "constant"
        )
        x = x.unflatten(2, (-1, self.period))
        features = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.1)
            features.append(x)
        return self.out(x).squeeze(1), features


class MultiPeriodDiscriminator(Adversary):
    """One PeriodDiscriminator per period. The periods are primes, so that their views of the
    waveform overlap little."""

    def __init__(self, periods: Sequence[int] = (2, 3, 5, 7, 11), channels: int = 16):
        super().__init__()
        self.parts = nn.ModuleList(PeriodDiscriminator(period, channels) for period in periods)

    def forward(self, wav: Tensor) -> list[Judgement]:
        """Scores and feature maps of each period, for a waveform [B, N]."""
        return [part(wav) for part in self.parts]
