"""Encoder of phone tokens: embeddings of symbol and modifiers, mixed by ConvNeXt blocks."""

from torch import Tensor, nn

from tts.text.symbols import N_MODS, N_SYMBOLS
from tts.text.tokens import TokenBatch
from tts_codecs.nn.convnext import ConvNeXt


class PhoneEncoder(nn.Module):
    """Encoder of phone tokens, each the sum of the embeddings of its symbol and its modifier.

    Args:
        dim, blocks: width of the encoder, and number of its ConvNeXt blocks.
        kernel: tokens that the convolutions see.
        cond: size of a condition; 0 for none.
    """

    def __init__(self, dim: int, blocks: int, kernel: int = 5, cond: int = 0, dropout: float = 0.1):
        super().__init__()
        self.symbol = nn.Embedding(N_SYMBOLS, dim)
        self.modifier = nn.Embedding(N_MODS, dim)
        nn.init.normal_(self.symbol.weight, std=0.5)
        nn.init.normal_(self.modifier.weight, std=0.1)
        self.blocks = nn.ModuleList(
            ConvNeXt(dim, 3 * dim, kernel, cond, dropout) for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: TokenBatch, cond: Tensor | None = None) -> Tensor:
        """Encode tokens [B, S] with a condition [B, cond] to [B, S, dim], 0 for padding."""
        mask = tokens.mask
        x = self.symbol(tokens.ids) + self.modifier(tokens.mods)
        for block in self.blocks:
            x = block(x, mask, cond)
        return self.norm(x) * mask
