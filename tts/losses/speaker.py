"""Speaker probe: predicts the speaker embedding from source-filter features.

It is used in training only, for a speaker consistency loss (as in YourTTS, Casanova et al. 2022)
that needs no vocoder.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.nn.convnext import ConvNeXt


class SpeakerProbe(nn.Module):
    """Features [B, T, C] to an estimate of the speaker embedding [B, 256]."""

    centre: Tensor

    def __init__(self, channels: int = 82, dim: int = 160, blocks: int = 4, speaker_dim: int = 256):
        super().__init__()
        self.entry = nn.Linear(channels, dim)
        self.blocks = nn.ModuleList(ConvNeXt(dim, 2 * dim, 5) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(2 * dim, speaker_dim)
        # Embeddings of all speakers have a common mean, which carries no information.
        self.register_buffer("centre", torch.zeros(speaker_dim))

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """The embedding [B, 256] of features [B, T, C] with mask [B, T, 1], minus the centre."""
        x = self.entry(features)
        for block in self.blocks:
            x = block(x, mask)
        x = self.norm(x) * mask
        count = mask.sum(1).clamp_min(1)
        mean = x.sum(1) / count
        spread = (((x - mean.unsqueeze(1)) * mask).square().sum(1) / count + 1e-5).sqrt()
        return self.out(torch.cat([mean, spread], -1))

    def similarity(self, features: Tensor, mask: Tensor, speaker: Tensor) -> Tensor:
        """Cosine similarity [B] to the true embedding [B, 256], both without the centre."""
        return F.cosine_similarity(self(features, mask), speaker - self.centre, dim=-1)
