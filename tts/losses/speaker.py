"""Speaker probe: reads the speaker embedding off source-filter features.

Training aid only: it makes the similarity of generated features a loss (speaker consistency, as in
YourTTS, Casanova et al. 2022) without a vocoder in the loop.
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
        # Embeddings of all people share a direction, which says nothing about one of them.
        self.register_buffer("centre", torch.zeros(speaker_dim))

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """features [B, T, C], mask [B, T, 1] to [B, 256], relative to the centre."""
        x = self.entry(features)
        for block in self.blocks:
            x = block(x, mask)
        x = self.norm(x) * mask
        count = mask.sum(1).clamp_min(1)
        mean = x.sum(1) / count
        spread = (((x - mean.unsqueeze(1)) * mask).square().sum(1) / count + 1e-5).sqrt()
        return self.out(torch.cat([mean, spread], -1))

    def similarity(self, features: Tensor, mask: Tensor, speaker: Tensor) -> Tensor:
        """Cosine to the true embedding, both relative to the centre, [B]."""
        return F.cosine_similarity(self(features, mask), speaker - self.centre, dim=-1)
