"""SNAC (Siuzdak et al. 2024, "SNAC: Multi-Scale Neural Audio Codec"): codes at several frame rates.

An own implementation for the weights of the package `snac`, those for speech at 24 kHz. A frame
here consists of one code of the slowest level and all concurrent codes of the faster levels,
1 + 2 + 4 codes. The noise in the decoder is a fixed function of the position in the stream, so that
the same codes always give the same waveform.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.base import (
    Codec,
    CodecInfo,
    Encoded,
    check_batch,
    check_encoded,
    check_stream,
    check_wav,
)
from tts_codecs.checkpoint import load_state
from tts_codecs.dac import FactorizedBook, reach_of
from tts_codecs.nn.centred import WindowState, in_windows, windowed
from tts_codecs.nn.snake import Snake
from tts_codecs.nn.weight_norm import folded
from tts_codecs.sources import SNAC_LICENCE

_PERIOD = 1 << 16  # period of the noise in samples


@dataclass(frozen=True)
class SnacConfig:
    """Sizes; the defaults are those of the weights for speech at 24 kHz."""

    sample_rate: int = 24000
    strides: tuple[int, ...] = (2, 4, 8, 8)
    encoder_dim: int = 48
    decoder_dim: int = 1024
    levels: tuple[int, ...] = (4, 2, 1)
    codebook_size: int = 4096
    codebook_dim: int = 8


PUBLISHED = SnacConfig()


class _Noise(nn.Module):
    """Noise block: adds noise whose amplitude is a linear function of the input. `seed` is that of
    the noise."""

    table: Tensor

    def __init__(self, dim: int, seed: int):
        super().__init__()
        self.linear = nn.Conv1d(dim, dim, 1, bias=False)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(_PERIOD, generator=generator, device="cpu")
        self.register_buffer("table", noise, persistent=False)

    def forward(self, x: Tensor, start: int) -> Tensor:
        """x [B, C, T], whose first sample has the position `start`, to the same shape."""
        positions = torch.arange(start, start + x.shape[2], device=x.device) % _PERIOD
        mixed: Tensor = x + self.table[positions] * self.linear(x)
        return mixed


class _Unit(nn.Module):
    def __init__(self, dim: int, dilation: int):
        super().__init__()
        self.block = nn.Sequential(
            Snake(dim),
            nn.Conv1d(dim, dim, 7, dilation=dilation, padding=3 * dilation, groups=dim),
            Snake(dim),
            nn.Conv1d(dim, dim, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x)
        return x + y


class _Down(nn.Module):
    def __init__(self, dim: int, stride: int):
        super().__init__()
        self.block = nn.Sequential(
            *(_Unit(dim, dilation) for dilation in (1, 3, 9)),
            Snake(dim),
            nn.Conv1d(dim, 2 * dim, 2 * stride, stride, math.ceil(stride / 2)),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x)
        return y


class _Up(nn.Module):
    def __init__(self, dim: int, stride: int, seed: int):
        super().__init__()
        half = dim // 2
        self.stride = stride
        self.block = nn.ModuleList([
            Snake(dim),
            nn.ConvTranspose1d(
                dim, half, 2 * stride, stride, math.ceil(stride / 2), output_padding=stride % 2
            ),
            _Noise(half, seed),
            *(_Unit(half, dilation) for dilation in (1, 3, 9)),
        ])  # fmt: skip

    def forward(self, x: Tensor, start: int) -> Tensor:
        """x [B, C, T], whose first position is `start`, to [B, C / 2, T * stride]."""
        for layer in self.block:
            x = layer(x, start * self.stride) if isinstance(layer, _Noise) else layer(x)
        return x


class SnacCodec(Codec):
    """SNAC codec. `reach` is the receptive field of its networks on each side, in frames."""

    def __init__(self, config: SnacConfig | None = None):
        super().__init__()
        self.config = config = config or PUBLISHED
        dim = config.encoder_dim
        down: list[nn.Module] = [nn.Conv1d(1, dim, 7, padding=3)]
        for stride in config.strides:
            down.append(_Down(dim, stride))
            dim *= 2
        down.append(nn.Conv1d(dim, dim, 7, padding=3, groups=dim))
        self.encoder = nn.ModuleDict({"block": nn.Sequential(*down)})
        wide = config.decoder_dim
        up: list[nn.Module] = [
            nn.Conv1d(dim, dim, 7, padding=3, groups=dim),
            nn.Conv1d(dim, wide, 1),
        ]
        for seed, stride in enumerate(config.strides[::-1]):
            up.append(_Up(wide, stride, seed))
            wide //= 2
        up += [Snake(wide), nn.Conv1d(wide, 1, 7, padding=3), nn.Tanh()]
        self.decoder = nn.ModuleDict({"model": nn.ModuleList(up)})
        books = [
            FactorizedBook(dim, config.codebook_size, config.codebook_dim) for _ in config.levels
        ]
        self.quantizer = nn.ModuleDict({"quantizers": nn.ModuleList(books)})
        self.books = books
        #: number of latents per frame, and numbers of codes per frame of each level
        self.span = config.levels[0]
        self.counts = [self.span // level for level in config.levels]
        self.hop = self.span * math.prod(config.strides)
        self.reach = math.ceil(reach_of(config.strides[::-1]) / self.span)

    @classmethod
    def from_file(cls, path: str | Path, sha256: str | None = None) -> "SnacCodec":
        """The published weights: safetensors, or the pickled file with its checksum.

        Raises:
            CheckpointError: missing, unverified, damaged, or of another architecture.
        """
        codec = cls(PUBLISHED)
        load_state(codec, path, sha256, folded)
        return codec.eval().requires_grad_(False)

    @property
    def info(self) -> CodecInfo:
        """11.7 frames/s of 7 codes, 0.98 kbit/s."""
        config, count = self.config, sum(self.counts)
        rate = config.sample_rate / self.hop
        return CodecInfo(
            name="snac",
            sample_rate=config.sample_rate,
            hop=self.hop,
            kind="codes",
            num_codebooks=count,
            codebook_size=config.codebook_size,
            dim=config.encoder_dim * 2 ** len(config.strides),
            bitrate=count * math.log2(config.codebook_size) * rate,
            causal=False,
            look_ahead=self.reach,
            licence=SNAC_LICENCE,
            residual=True,
        )

    @torch.no_grad()
    def encode(self, wav: Tensor) -> Encoded:
        """Encode ``wav [B, 1, N]`` to ``T = ceil(N / hop)`` frames. The codes of a frame are
        ordered by level."""
        wav = check_wav(wav).to(self.device)
        frames = F.pad(wav[:, 0], (0, -wav.shape[2] % self.hop)).unflatten(1, (-1, self.hop))
        # The receptive field of the encoder, the decoder's mirror image, is no larger.
        rate = self.info.frame_rate
        return Encoded(in_windows(self._codes, frames, self.reach, 1, rate), rate)

    def _codes(self, frames: Tensor, start: int = 0) -> Tensor:
        residual = self.encoder["block"](frames.flatten(1)[:, None]).transpose(1, 2)
        codes = []
        for book, level in zip(self.books, self.config.levels, strict=True):
            pooled = residual.unflatten(1, (-1, level)).mean(2)
            index = book.encode(pooled)
            residual = residual - book.decode(index).repeat_interleave(level, 1)
            codes.append(index.unflatten(1, (-1, self.span // level)))
        return torch.cat(codes, 2)

    def _network(self, codes: Tensor, start: int) -> Tensor:
        values = []
        levels = zip(self.books, self.config.levels, codes.split(self.counts, 2), strict=True)
        for book, level, part in levels:
            values.append(book.decode(part.flatten(1)).repeat_interleave(level, 1))
        x, position = torch.stack(values).sum(0).transpose(1, 2), start * self.span
        layers: Any = self.decoder["model"]
        for layer in layers:
            if isinstance(layer, _Up):
                x, position = layer(x, position), position * layer.stride
            else:
                x = layer(x)
        return x[:, 0]

    @torch.no_grad()
    def decode(self, encoded: Encoded | Tensor) -> Tensor:
        """Decode codes ``[B, T, K]`` to ``wav [B, 1, T * hop]``."""
        codes = check_encoded(encoded, self.info).to(self.device)
        if codes.shape[1] == 0:
            return torch.zeros(len(codes), 1, 0, device=codes.device)
        rate = self.info.frame_rate
        return in_windows(self._network, codes, self.reach, self.hop, rate).unsqueeze(1)

    def init_state(self, batch: int) -> WindowState:
        """State of a new stream of ``batch`` rows, before its first frame."""
        size = (check_batch(batch), 0, sum(self.counts))
        return WindowState(torch.zeros(size, dtype=torch.int64, device=self.device), batch)

    @torch.no_grad()
    def decode_chunk(self, encoded: Tensor, state: Any, last: bool = False) -> tuple[Tensor, Any]:
        """Decode the next ``t`` frames of a stream."""
        codes = check_encoded(encoded, self.info).to(self.device)
        check_stream(codes, state, WindowState)
        wav, new = windowed(self._network, codes, state, self.reach, self.hop, last)
        return wav.unsqueeze(1), new
