"""Attention of latents over the text of a sentence that nobody has aligned.

Padded text (E2 TTS, F5-TTS) and text that is spread (ZipVoice) lie beside latents in which
something else is said. Heads of their own find it; training, where durations are known, tells them
where (guided attention, Tachibana et al. 2018), and nothing tells them when a model speaks.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.nn.inference import linear


@dataclass
class Unaligned:
    """Text that lies beside the latents without being said there.

    Attributes:
        text: [B, U, dim] at each latent; held: [B, U] bool, latents that hold some and not filler.
        lengths: [B, U] for how many latents each is usually said, 0 where there is none; those of a
            row are together its length.
        said: [B, U, U] bool, in training, whether what is said at a latent (dim 1) lies at another
            (dim 2); None where nobody knows.
        errors: what readers with `said` have found: cross entropy of where they looked, scalars.
    """

    text: Tensor
    held: Tensor
    lengths: Tensor
    said: Tensor | None = None
    errors: list[Tensor] = field(default_factory=list)

    def rows(self, chosen: "slice | list[int]", length: int | None = None) -> "Unaligned":
        """Some rows, up to a length, outside of training."""
        text, held = self.text[chosen, :length], self.held[chosen, :length]
        return Unaligned(text, held, self.lengths[chosen, :length])

    def cat(self, other: "Unaligned") -> "Unaligned":
        """The rows of both, outside of training."""
        return Unaligned(
            torch.cat([self.text, other.text]),
            torch.cat([self.held, other.held]),
            torch.cat([self.lengths, other.lengths]),
        )


class TextReader(nn.Module):
    """Heads of attention from latents to text, near to where it may be said.

    Scores are products of queries and keys, less the squared distance between a latent and the
    place of a text in terms of a width that each head learns, as linear biases are (ALiBi, Press et
    al. 2022). The place of a text is the sum of the lengths before it: the usual ones, each times a
    factor that the text itself says, brought to the length of the row.

    Args:
        dim: of latents and text; heads: how many.
        first: whether what is read is added from the beginning of a training; else nothing is, and
            weights that know no readers are a warm start.
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
        """[B, U] in latents, the middle of where each text may be said."""
        # No phone is a tenth or ten times as long as it usually is.
        factor = (2.3 * torch.tanh(self.longer(given.text)[..., 0])).exp()
        lengths = given.lengths * factor
        total, usual = lengths.sum(1, keepdim=True), given.lengths.sum(1, keepdim=True)
        lengths = lengths * (usual / total.clamp_min(1e-6))
        return lengths.cumsum(1) - lengths / 2 - 0.5

    def forward(self, x: Tensor, given: Unaligned) -> Tensor:
        """Latents [B, U, dim] to what is to be added to them."""
        query, key = self._split(self.query(self.norm(x))), self._split(self.key(given.text))
        value = self._split(self.value(given.text))
        index = torch.arange(x.shape[1], device=x.device)
        distance = index[:, None] - self.places(given)[:, None, None]
        near = (distance / self.width.exp()[:, None, None]).square() / -2
        near = near.masked_fill(~given.held[:, None, None], -1e4)
        if given.said is None or not self.training:
            y = F.scaled_dot_product_attention(query, key, value, attn_mask=near)
        else:
            scores = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5 + near
            scores = scores.log_softmax(-1)
            # Late in a flow the latents show where they are; at its beginning places alone do.
            given.errors += [self._error(each, given.said) for each in (scores, near)]
            y = scores.exp() @ value
        return linear(self.out, y.transpose(1, 2).flatten(2))

    @staticmethod
    def _error(scores: Tensor, said: Tensor) -> Tensor:
        """Cross entropy of looking at any text that is said, mean over latents and heads."""
        known = said.any(-1).unsqueeze(1)
        found = scores.masked_fill(~said.unsqueeze(1), -1e4).logsumexp(-1) - scores.logsumexp(-1)
        return -(found * known).sum() / (known.sum().clamp_min(1) * scores.shape[1])
