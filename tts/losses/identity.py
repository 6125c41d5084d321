"""Speaker classifier on source-filter features, for identity and style losses.

It is used in training only. While the speaker probe (tts.losses.speaker) predicts the embedding of
the speaker encoder, this network was trained to classify the speakers of the corpus with an
additive angular margin (x-vectors, Snyder et al. 2018; ArcFace, Deng et al. 2019). One loss
compares its embeddings, the other the statistics of its layers, as in style transfer (Gatys et al.
2016).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.envelope import envelope_part
from tts_codecs.nn.convnext import ConvNeXt

#: smallest standard deviation of layer statistics within a batch, by which they are divided
_LEAST_SPREAD = 1e-3


class SpeakerIdentity(nn.Module):
    """Features [B, T, C] to a speaker embedding [B, size] of length 1.

    The mean of each band is removed first, since every generator knows it and it depends on the
    room and the microphone. Pitch is not used.

    Args:
        bands: of the envelope; dim: width of the network; blocks: their number; size: of the
            embedding.
    """

    def __init__(self, bands: int = 80, dim: int = 160, blocks: int = 5, size: int = 160):
        super().__init__()
        self.size = size
        self.entry = nn.Linear(bands, dim)
        self.blocks = nn.ModuleList(ConvNeXt(dim, 2 * dim, 5) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim)
        self.attention = nn.Linear(dim, dim)
        self.out = nn.Linear(2 * dim, size)
        self.spread = nn.BatchNorm1d(size, affine=False)

    def layers(self, features: Tensor, mask: Tensor) -> list[Tensor]:
        """Outputs [B, T, dim] of every block, from features [B, T, C] and mask [B, T, 1]."""
        x = envelope_part(features)
        count = mask.sum(1, keepdim=True).clamp_min(1)
        x = self.entry((x - (x * mask).sum(1, keepdim=True) / count) * mask)
        found = []
        for block in self.blocks:
            x = block(x, mask)
            found.append(x)
        return found

    def pooled(self, last: Tensor, mask: Tensor) -> Tensor:
        """The embedding [B, size] from the output of the last block."""
        x = self.norm(last)
        weight = self.attention(x).masked_fill(mask == 0, -1e9).softmax(1)
        mean = (weight * x).sum(1)
        deviation = ((weight * x.square()).sum(1) - mean.square()).clamp_min(1e-5).sqrt()
        return F.normalize(self.spread(self.out(torch.cat([mean, deviation], -1))), dim=-1)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """The embedding [B, size] of features [B, T, C] with mask [B, T, 1]."""
        return self.pooled(self.layers(features, mask)[-1], mask)

    def distances(self, fake: Tensor, real: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Compute distances between generated and real features [B, T, C] of the same text.

        Returns:
            1 - cosine of their embeddings, and the mean distance of their layer
            statistics, relative to the spread of these within the batch, [B] each.
        """
        with torch.no_grad():
            real_layers = self.layers(real, mask)
            embedding = self.pooled(real_layers[-1], mask)
            targets = [_statistics(each, mask) for each in real_layers]
        fake_layers = self.layers(fake, mask)
        style = torch.zeros_like(embedding[:, 0])
        for layer, target in zip(fake_layers, targets, strict=True):
            scale = target.std(0, correction=0).mean().clamp_min(_LEAST_SPREAD)
            style = style + (_statistics(layer, mask) - target).abs().mean(-1) / scale
        similarity = (self.pooled(fake_layers[-1], mask) * embedding).sum(-1)
        return 1 - similarity, style / len(fake_layers)


def _statistics(x: Tensor, mask: Tensor) -> Tensor:
    """Mean and standard deviation of [B, T, dim] over the frames, [B, 2 dim]."""
    count = mask.sum(1).clamp_min(1)
    mean = (x * mask).sum(1) / count
    deviation = (((x - mean.unsqueeze(1)) * mask).square().sum(1) / count + 1e-4).sqrt()
    return torch.cat([mean, deviation], -1)


class AngularMargin(nn.Module):
    """Cross entropy of speakers with an additive angular margin (ArcFace, Deng et al. 2019).

    Args:
        size: of the embeddings; speakers: number of classes.
        scale: factor on the cosines, which gives logits; margin: in radians.
    """

    def __init__(self, size: int, speakers: int, scale: float = 30.0, margin: float = 0.2):
        super().__init__()
        self.scale, self.margin = scale, margin
        self.centres = nn.Parameter(0.05 * torch.randn(speakers, size))

    def forward(
        self, embeddings: Tensor, labels: Tensor, share: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Compute the loss and the accuracy, scalars.

        Args:
            embeddings: [B, size] of length 1; labels: [B] indices of their speakers.
            share: of the margin that is applied; training raises it to 1.
        """
        cosine = embeddings @ F.normalize(self.centres, dim=-1).T
        target = cosine.gather(1, labels.unsqueeze(1)).clamp(-1 + 1e-6, 1 - 1e-6)
        with_margin = torch.cos(target.acos() + share * self.margin)
        logits = self.scale * cosine.scatter(1, labels.unsqueeze(1), with_margin)
        return F.cross_entropy(logits, labels), (cosine.argmax(1) == labels).float().mean()
