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
        text: [B, U, dim] content at each position; has_text: [B, U] bool, positions that are not
            filler.
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
        """Some rows, up to a length; without target and errors."""
        text, has_text = self.text[chosen, :length], self.has_text[chosen, :length]
        return Unaligned(text, has_text, self.lengths[chosen, :length])

    def cat(self, other: "Unaligned") -> "Unaligned":
        """The rows of both; without target and errors."""
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
        dim: of latents and text; heads: how many.
        first: whether the output counts from the beginning of training. Otherwise it is 0 at first,
            so that weights without readers can be a warm start.
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
        for whole in (self.value, self.out):
            nn.init.eye_(whole.weight)
        for none in [self.longer, *([] if first else [self.out])]:
            nn.init.zeros_(none.weight)
        for each in (self.query, self.value, self.out, self.longer):
            nn.init.zeros_(each.bias)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def places(self, given: Unaligned) -> Tensor:
        """[B, U] expected time of the text at each position, the middle of it, in latents."""
        # No phone is a tenth or ten times as long as it usually is.
        factor = (2.3 * torch.tanh(self.longer(given.text)[..., 0])).exp()
        lengths = given.lengths * factor
        total, usual = lengths.sum(1, keepdim=True), given.lengths.sum(1, keepdim=True)
        lengths = lengths * (usual / total.clamp_min(1e-6))
        return lengths.cumsum(1) - lengths / 2 - 0.5

    def forward(self, x: Tensor, given: Unaligned) -> Tensor:
        """What is added to the latents x [B, U, dim], of the same shape."""
        query, key = self._split(self.query(self.norm(x))), self._split(self.key(given.text))
        value = self._split(self.value(given.text))
        index = torch.arange(x.shape[1], device=x.device)
        distance = index[:, None] - self.places(given)[:, None, None]
        near = (distance / self.width.exp()[:, None, None]).square() / -2
        near = near.masked_fill(~given.has_text[:, None, None], -1e4)
        if given.target is None or not self.training:
            y = F.scaled_dot_product_attention(query, key, value, attn_mask=near)
        else:
            scores = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5 + near
            scores = scores.log_softmax(-1)
            # Late in a flow the latents themselves tell what they say; early only the times do.
            given.errors += [self._error(each, given.target) for each in (scores, near)]
            y = scores.exp() @ value
        return linear(self.out, y.transpose(1, 2).flatten(2))

    @staticmethod
    def _error(scores: Tensor, target: Tensor) -> Tensor:
        """Cross entropy of attending to any target position, mean over latents and heads."""
        known = target.any(-1).unsqueeze(1)
        found = scores.masked_fill(~target.unsqueeze(1), -1e4).logsumexp(-1) - scores.logsumexp(-1)
        return -(found * known).sum() / (known.sum().clamp_min(1) * scores.shape[1])
