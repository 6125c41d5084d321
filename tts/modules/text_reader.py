"""Text readers: attention of latents over text without durations.

Padded text (E2 TTS, F5-TTS) and spread text (ZipVoice) are at other positions than the latents in
which they are spoken. Text readers are extra attention heads that find them. In training, where
durations are known, their attention is supervised (guided attention, Tachibana et al. 2018); in
synthesis it is free.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.nn.inference import linear


@dataclass
class Unaligned:
    """Text content that is not aligned with the latents, for text readers.

    Attributes:
        text: [B, U, dim] embedded text at each position.
        has_text: [B, U] bool, positions that are not filler.
        lengths: [B, U] for how many latents the text at a position usually lasts, 0 in filler;
            in sum the length of the row.
        target: [B, U, U] bool, in training: whether the text spoken in a latent (dim 1) is at a
            position (dim 2); None if durations are unknown.
        errors: scalars that readers append if there is a target: cross entropies of the attention.
    """

    text: Tensor
    has_text: Tensor
    lengths: Tensor
    target: Tensor | None = None
    errors: list[Tensor] = field(default_factory=list)

    def rows(self, chosen: "slice | list[int]", length: int | None = None) -> "Unaligned":
        """Select rows, up to a length, without target and errors."""
        text, has_text = self.text[chosen, :length], self.has_text[chosen, :length]
        return Unaligned(text, has_text, self.lengths[chosen, :length])

    def cat(self, other: "Unaligned") -> "Unaligned":
        """Concatenate the rows of both, without target and errors."""
        return Unaligned(
            torch.cat([self.text, other.text]),
            torch.cat([self.has_text, other.has_text]),
            torch.cat([self.lengths, other.lengths]),
        )


class TextReader(nn.Module):
    """Attention heads from latents to text, with a bias towards text that is expected nearby.

    Attention scores are query-key products, minus half the squared distance between the latent and
    the expected time of the text, in units of a width that each head learns (a distance bias as in
    ALiBi, Press et al. 2022). The expected time is the sum of the lengths before: usual lengths
    times a factor predicted from the text, scaled to the length of the row.

    Args:
        dim: of latents and text; heads: number of attention heads.
        first: whether the output is nonzero from the beginning of training. Otherwise it is 0 at
            first, so that training can start from weights without text readers.
    """

    def __init__(self, dim: int, heads: int, first: bool):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)
        self.query, self.key = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.value, self.out = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.longer = nn.Linear(dim, 1)
        self.width = nn.Parameter(torch.full((heads,), 0.3))
        nn.init.normal_(self.query.weight, std=0.02)
        for layer in (self.value, self.out):
            nn.init.eye_(layer.weight)
        for layer in [self.longer, *([] if first else [self.out])]:
            nn.init.zeros_(layer.weight)
        for layer in (self.query, self.value, self.out, self.longer):
            nn.init.zeros_(layer.bias)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def expected_times(self, unaligned: Unaligned) -> Tensor:
        """Predict the time [B, U] of the middle of the text at each position, in latents."""
        # Lengths vary by a factor of 10 at most.
        factor = (2.3 * torch.tanh(self.longer(unaligned.text)[..., 0])).exp()
        lengths = unaligned.lengths * factor
        total, usual = lengths.sum(1, keepdim=True), unaligned.lengths.sum(1, keepdim=True)
        lengths = lengths * (usual / total.clamp_min(1e-6))
        return lengths.cumsum(1) - lengths / 2 - 0.5

    def forward(self, x: Tensor, unaligned: Unaligned) -> Tensor:
        """Compute the residual [B, U, dim] for latents x [B, U, dim]."""
        query, key = self._split(self.query(self.norm(x))), self._split(self.key(unaligned.text))
        value = self._split(self.value(unaligned.text))
        index = torch.arange(x.shape[1], device=x.device)
        distance = index[:, None] - self.expected_times(unaligned)[:, None, None]
        bias = (distance / self.width.exp()[:, None, None]).square() / -2
        bias = bias.masked_fill(~unaligned.has_text[:, None, None], -1e4)
        if unaligned.target is None or not self.training:
            y = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        else:
            scores = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5 + bias
            scores = scores.log_softmax(-1)
            # Early in a flow, latents are noise and only the bias is informative, so that it is
            # supervised by itself too.
            unaligned.errors += [self._error(each, unaligned.target) for each in (scores, bias)]
            y = scores.exp() @ value
        return linear(self.out, y.transpose(1, 2).flatten(2))

    @staticmethod
    def _error(scores: Tensor, target: Tensor) -> Tensor:
        """Cross entropy of attending to any target position, mean over latents and heads."""
        known = target.any(-1).unsqueeze(1)
        log_probs = scores.masked_fill(~target.unsqueeze(1), -1e4).logsumexp(-1)
        log_probs = log_probs - scores.logsumexp(-1)
        return -(log_probs * known).sum() / (known.sum().clamp_min(1) * scores.shape[1])
