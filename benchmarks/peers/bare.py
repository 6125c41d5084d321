"""Yardsticks: loops with nothing in them but the arithmetic, on plain PyTorch."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.harness.shapes import CODEBOOK_SIZE, DIM, HEADS, HIDDEN, LAYERS
from benchmarks.peers.packages import sampled


class BareBlock(nn.Module):
    """Pre-norm attention and GELU feed-forward part with a cache that never moves."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.qkv, self.out = nn.Linear(DIM, 3 * DIM), nn.Linear(DIM, DIM)
        self.up, self.down = nn.Linear(DIM, HIDDEN), nn.Linear(HIDDEN, DIM)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, at: int) -> Tensor:
        """x [B, T, dim] at positions from `at` of keys and values [B, heads, L, dim / heads]."""
        batch, count, _ = x.shape
        parts = self.qkv(self.norm1(x)).view(batch, count, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        keys[:, :, at : at + count] = parts[1]
        values[:, :, at : at + count] = parts[2]
        end = at + count
        y = F.scaled_dot_product_attention(
            parts[0], keys[:, :, :end], values[:, :, :end], is_causal=count > 1 and at == 0
        )
        x = x + self.out(y.transpose(1, 2).reshape(batch, count, DIM))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class BareLM(nn.Module):
    """Codes [B, K] of a step to those of the next; a prompt before them; positions learned."""

    def __init__(self, codebooks: int, length: int = 1024):
        super().__init__()
        self.codebooks, self.length = codebooks, length
        self.embed = nn.Embedding(codebooks * (CODEBOOK_SIZE + 1), DIM)
        self.place = nn.Parameter(torch.randn(length, DIM) * 0.02)
        self.blocks = nn.ModuleList(BareBlock() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(DIM)
        self.heads = nn.Linear(DIM, codebooks * CODEBOOK_SIZE)
        shift = torch.arange(codebooks) * (CODEBOOK_SIZE + 1)
        self.register_buffer("shift", shift)

    def hidden(self, x: Tensor, cache: list[tuple[Tensor, Tensor]], at: int) -> Tensor:
        """[B, T, dim] at positions from `at` to the same, normalised."""
        x = x + self.place[at : at + x.shape[1]]
        for block, (keys, values) in zip(self.blocks, cache, strict=True):
            x = block(x, keys, values, at)
        return self.norm(x)

    def cache(self, like: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Empty keys and values of all blocks."""
        shape = (len(like), HEADS, self.length, DIM // HEADS)
        return [(like.new_zeros(shape), like.new_zeros(shape)) for _ in self.blocks]

    @torch.inference_mode()
    def generate(self, prompt: Tensor, steps: int) -> Tensor:
        """Codes [B, steps, K] after a prompt [B, P, dim]."""
        cache = self.cache(prompt)
        at = prompt.shape[1]
        self.hidden(prompt, cache, 0)
        shift = self.shift
        codes = torch.full((len(prompt), self.codebooks), CODEBOOK_SIZE, device=prompt.device)
        found = []
        for step in range(steps):
            x = self.embed(codes + shift).sum(1, keepdim=True)  # type: ignore[operator]
            hidden = self.hidden(x, cache, at + step)
            codes = sampled(self.heads(hidden).view(len(prompt), self.codebooks, CODEBOOK_SIZE))
            found.append(codes)
        return torch.stack(found, 1)


class PlainMasked(nn.Module):
    """MaskGIT's loop as it is written down: prompt, text and canvas in one sequence that is
    evaluated anew, with guidance in a second batch row, and every code of every step drawn."""

    def __init__(self, codebooks: int):
        super().__init__()
        self.codebooks = codebooks
        self.embed = nn.ModuleList(nn.Embedding(CODEBOOK_SIZE + 1, DIM) for _ in range(codebooks))
        self.place = nn.Parameter(torch.randn(1024, DIM) * 0.02)
        layer = nn.TransformerEncoderLayer(
            DIM, HEADS, HIDDEN, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.heads = nn.ModuleList(nn.Linear(DIM, CODEBOOK_SIZE) for _ in range(codebooks))

    @torch.inference_mode()
    def generate(self, prompt: Tensor, text: Tensor, steps: int, guidance: float = 2.0) -> Tensor:
        """Codes [1, U, K] for a prompt [1, P, dim] and text [1, U, dim] per unit."""
        latents = text.shape[1]
        codes = torch.full((1, latents, self.codebooks), CODEBOOK_SIZE, device=prompt.device)
        for step in range(1, steps + 1):
            x = sum(table(codes[..., k]) for k, table in enumerate(self.embed))
            rows = torch.cat([x + text, x])
            rows = torch.cat([torch.cat([prompt, torch.zeros_like(prompt)]), rows], 1)
            hidden = self.layers(rows + self.place[: rows.shape[1]])[:, prompt.shape[1] :]
            logits = torch.stack([head(hidden) for head in self.heads], 2)
            likely = (guidance * logits[:1] + (1 - guidance) * logits[1:]).softmax(-1)
            drawn = torch.multinomial(likely.flatten(0, 2), 1).view_as(codes)
            sure = likely.gather(-1, drawn.unsqueeze(-1))[..., 0]
            sure = sure.masked_fill(codes != CODEBOOK_SIZE, 2.0)
            left = int(codes.numel() * torch.cos(torch.tensor(step / steps * torch.pi / 2)))
            drawn = torch.where(codes == CODEBOOK_SIZE, drawn, codes)
            if step < steps:
                rest = sure.flatten().topk(max(left, 0), largest=False).indices
                drawn.view(-1)[rest] = CODEBOOK_SIZE
            codes = drawn
        return codes
