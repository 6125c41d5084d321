"""The network of F5-TTS v1 (Chen et al. 2024, "F5-TTS: A Fairytaler that Fakes Fluent and Faithful
Speech with Flow Matching"): text padded to the length of the speech, joined to it frame by frame.

Attention and its rotary positions are the shared ones (tts.modules.transformer); the published
weights are reordered for them when loaded (tts.published.f5.conversion). What differs from the
shared blocks lies here: modulation per block (adaLN-zero, Peebles & Xie 2023) and the
convolutional positions.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts.modules.transformer import MemoryAttention, rotary, whole_rotary
from tts_codecs.nn.convnext import ConvNeXtV2
from tts_codecs.nn.inference import linear

_TIME_DIM = 256


@dataclass(frozen=True)
class F5Config:
    """Sizes; the defaults are those of F5-TTS v1 Base.

    Attributes:
        vocabulary: tokens without the filler; channels: mel bands.
        text_dim, text_blocks: of the text encoder; feed: width of a feed-forward part over `dim`.
        kernel, groups: of the convolutional positions.
    """

    vocabulary: int = 2545
    channels: int = 100
    dim: int = 1024
    blocks: int = 22
    heads: int = 16
    feed: int = 2
    text_dim: int = 512
    text_blocks: int = 4
    kernel: int = 31
    groups: int = 16


class TextEncoder(nn.Module):
    """Characters, one per frame from the start, then filler to the length of the speech."""

    def __init__(self, config: F5Config):
        super().__init__()
        self.embed = nn.Embedding(config.vocabulary + 1, config.text_dim)
        self.blocks = nn.ModuleList(
            ConvNeXtV2(config.text_dim, 2 * config.text_dim) for _ in range(config.text_blocks)
        )

    def forward(self, ids: Tensor, frames: Tensor, drop: bool = False) -> Tensor:
        """Encode.

        Args:
            ids: [B, S] tokens, -1 where padded; frames: [B] length of the speech.
            drop: the unconditional branch. As in training, where text stood there is then filler
                with its position, and nothing where filler stood.

        Returns:
            [B, max(frames), text_dim], zero but where there is text.
        """
        length = int(frames.max())
        # Row 0 of the table is the filler.
        rows = F.pad(ids[:, :length] + 1, (0, max(0, length - ids.shape[1])))
        index = torch.arange(length, device=ids.device)
        valid = index < frames.unsqueeze(1)
        kept = ((rows > 0) & valid).unsqueeze(-1)
        x = self.embed(torch.zeros_like(rows) if drop else rows)
        x = (x + torch.cat(rotary(index, x.shape[-1]), -1)) * kept
        for block in self.blocks:
            x = block(x, valid.unsqueeze(-1).to(x.dtype)) * kept
        return x


class F5Block(nn.Module):
    """Transformer block with adaLN-zero."""

    def __init__(self, config: F5Config):
        super().__init__()
        dim = config.dim
        self.norm = nn.LayerNorm(dim, elementwise_affine=False, eps=1e-6)
        self.modulation = nn.Linear(dim, 6 * dim)
        self.attention = MemoryAttention(dim, config.heads)
        self.up = nn.Linear(dim, config.feed * dim)
        self.down = nn.Linear(config.feed * dim, dim)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(
        self, x: Tensor, time_embedding: Tensor, table: tuple[Tensor, Tensor], attend: Tensor
    ) -> Tensor:
        """x [B, T, dim], time_embedding [B, dim], attend [B, 1, 1, T] bool."""
        parts = self.modulation(time_embedding).unsqueeze(1).chunk(6, -1)
        shift1, scale1, gate1, shift2, scale2, gate2 = parts
        y = torch.addcmul(shift1, self.norm(x), 1 + scale1)
        x = torch.addcmul(x, gate1, self.attention(y, table, attend))
        y = torch.addcmul(shift2, self.norm(x), 1 + scale2)
        return torch.addcmul(x, gate2, linear(self.down, linear(self.up, y, gelu="tanh")))


class F5Network(nn.Module):
    """Velocity of noisy mel frames given text and the frames that are known."""

    def __init__(self, config: F5Config | None = None):
        super().__init__()
        self.config = config = config or F5Config()
        dim = config.dim
        self.time = nn.Sequential(nn.Linear(_TIME_DIM, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.text = TextEncoder(config)
        self.entry = nn.Linear(2 * config.channels + config.text_dim, dim)
        reach = config.kernel // 2
        self.position = nn.ModuleList(
            nn.Conv1d(dim, dim, config.kernel, padding=reach, groups=config.groups)
            for _ in range(2)
        )
        self.blocks = nn.ModuleList(F5Block(config) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(dim, elementwise_affine=False, eps=1e-6)
        self.modulation = nn.Linear(dim, 2 * dim)
        self.head = nn.Linear(dim, config.channels)
        for layer in (self.modulation, self.head):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def _time_embedding(self, t: Tensor) -> Tensor:
        """Times in 0..1 [B] to [B, dim]."""
        half = _TIME_DIM // 2
        index = torch.arange(half, device=t.device)
        rates = torch.exp(index * (-math.log(10000.0) / (half - 1)))
        angles = 1000.0 * t.unsqueeze(-1) * rates
        return F.silu(self.time(torch.cat([angles.sin(), angles.cos()], -1)))

    def velocity(self, x: Tensor, cond: Tensor, text: Tensor, t: Tensor, mask: Tensor) -> Tensor:
        """The same as `forward` with the text already encoded: [B, T, text_dim]."""
        hidden = self.entry(torch.cat([x, cond, text], -1))
        valid = mask.unsqueeze(1)
        y = hidden.transpose(1, 2) * valid
        for conv in self.position:
            y = F.mish(conv(y) * valid)
        hidden = hidden + y.transpose(1, 2)
        time_embedding = self._time_embedding(t)
        width = self.config.dim // self.config.heads
        table = whole_rotary(torch.arange(x.shape[1], device=x.device), width)
        attend = mask[:, None, None, :]
        for block in self.blocks:
            hidden = block(hidden, time_embedding, table, attend)
        scale, shift = self.modulation(time_embedding).unsqueeze(1).chunk(2, -1)
        return self.head(self.norm(hidden) * (1 + scale) + shift)

    def forward(
        self,
        x: Tensor,
        cond: Tensor,
        ids: Tensor,
        t: Tensor,
        mask: Tensor | None = None,
        drop_audio: bool = False,
        drop_text: bool = False,
    ) -> Tensor:
        """Predict the velocity.

        Args:
            x: [B, T, channels] noisy frames.
            cond: [B, T, channels] known frames, zero elsewhere.
            ids: [B, S] characters of the known and the wanted speech, -1 where padded.
            t: [B], 0 noise to 1 data.
            mask: [B, T] bool, frames of each row, which start it; None for all.

        Returns:
            [B, T, channels], anything past a row's end.
        """
        if mask is None:
            mask = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        text = self.text(ids, mask.sum(1), drop_text)
        text = F.pad(text, (0, 0, 0, x.shape[1] - text.shape[1]))
        cond = torch.zeros_like(cond) if drop_audio else cond
        return self.velocity(x, cond, text, t, mask)
