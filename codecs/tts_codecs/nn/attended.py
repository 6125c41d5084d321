"""Waveform encoder with a transformer on top, as in PAST (Har-Tuv et al. 2025)."""

from typing import Any

import torch
from torch import Tensor

from tts_codecs.errors import CodecError
from tts_codecs.nn.streamed import Transformer
from tts_codecs.nn.waveform import States, WaveEncoder


class AttendedEncoder(WaveEncoder):
    """Mean of the output of another encoder and of a causal transformer on top of it.

    In training some rows use only the transformer's output and some only the encoder's, so that
    each is also useful by itself.

    Args:
        hop: samples per vector.
        dim: width of the vectors and of the transformer.
        under: the encoder below, built for that hop and width.
        layers, heads, hidden: sizes of the transformer.
        window: number of past vectors that a vector attends to, itself included.
        alone: fraction of training rows with only the transformer's output.
        skipped: fraction of training rows with only the encoder's output.

    Raises:
        CodecError: invalid sizes or fractions.
    """

    def __init__(
        self,
        hop: int,
        dim: int,
        under: WaveEncoder,
        layers: int = 8,
        heads: int = 8,
        hidden: int = 1024,
        window: int = 250,
        alone: float = 0.3,
        skipped: float = 0.1,
    ):
        super().__init__()
        if min(layers, heads, hidden, window) < 1 or dim % (2 * heads):
            raise CodecError(
                f"{heads} heads of even width must divide {dim}, and sizes be positive"
            )
        if alone < 0 or skipped < 0 or alone + skipped > 1:
            raise CodecError(f"alone {alone} and skipped {skipped} are shares of the same rows")
        self.under, self.look_ahead = under, under.look_ahead
        self.transformer = Transformer(dim, heads, hidden, window, layers)
        self.alone, self.skipped = alone, skipped

    def initial(self, batch: int, like: Tensor) -> States:
        """States before the first sample."""
        return [self.transformer.initial(batch, like), *self.under.initial(batch, like)]

    def forward(self, wav: Tensor, states: States) -> tuple[Tensor, States]:
        """Samples [B, n * hop] and states to vectors [B, n, dim] and new states."""
        x, under = self.under(wav, states[1:])
        made: Any = self.transformer(x.transpose(1, 2), states[0])
        share = x.new_full((len(x), 1, 1), 0.5)
        if self.training:
            dice = torch.rand_like(share)
            share = share.masked_fill(dice < self.alone + self.skipped, 0.0)
            share = share.masked_fill(dice < self.alone, 1.0)
        return x + share * (made[0].transpose(1, 2) - x), [made[1], *under]
