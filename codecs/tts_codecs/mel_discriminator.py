"""Patch discriminator of log-mels, which keeps decoders at low bitrates from blurring harmonics."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm


class MelDiscriminator(nn.Module):
    """2-D convolutions over time and bands with local scores (PatchGAN, Isola et al. 2017)."""

    def __init__(self, channels: int = 24, layers: int = 4):
        super().__init__()
        sizes = [1] + [channels] * layers
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(a, b, (3, 5), stride=(1, 2), padding=(1, 2)))
            for a, b in zip(sizes, sizes[1:], strict=False)
        )
        self.out = weight_norm(nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, mel: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Mel [B, T, n_mels] to scores [B, T, F] and the feature maps of every layer."""
        x = mel.unsqueeze(1)
        features = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.1)
            features.append(x)
        return self.out(x).squeeze(1), features

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Hinge loss of the discriminator on real and generated mels; the latter are detached."""
        return F.relu(1 - self(real)[0]).mean() + F.relu(1 + self(fake.detach())[0]).mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Hinge loss of the generator, and feature-matching loss (relative L1)."""
        with torch.no_grad():
            wanted = self(real)[1]
        scores, got = self(fake)
        pairs = zip(wanted, got, strict=True)
        matching = sum(
            ((a - b).abs().mean() / a.abs().mean().clamp_min(1e-3) for a, b in pairs),
            start=real.new_zeros(()),
        )
        return -scores.mean(), matching / len(wanted)
