"""DAC (Kumar et al. 2023, "High-Fidelity Audio Compression with Improved RVQGAN"): residual codes
of general audio at 16, 24 or 44.1 kHz.

An own implementation for the weights published for the library `transformers`, with the same names
of tensors and the same output. The networks are not causal: a stream is delayed by `look_ahead`
frames, and the context that neighbouring chunks share is computed again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.base import CodecInfo, Encoded, check_batch, check_encoded, check_stream, check_wav
from tts_codecs.checkpoint import load_state
from tts_codecs.layered import LayeredCodec
from tts_codecs.nn.centred import WindowState, in_windows, windowed
from tts_codecs.nn.snake import Snake
from tts_codecs.quantizers.base import FixedQuantizer, Quantizer
from tts_codecs.quantizers.vq import nearest
from tts_codecs.sources import DAC_LICENCE


@dataclass(frozen=True)
class DacConfig:
    """Sizes; the defaults are those of the weights for 44.1 kHz."""

    sample_rate: int = 44100
    strides: tuple[int, ...] = (2, 4, 8, 8)
    encoder_dim: int = 64
    decoder_dim: int = 1536
    codebooks: int = 9
    codebook_size: int = 1024
    codebook_dim: int = 8


#: published weights by sample rate
CONFIGS = {
    16000: DacConfig(16000, (2, 4, 5, 8), codebooks=12),
    24000: DacConfig(24000, (2, 4, 5, 8), codebooks=32),
    44100: DacConfig(),
}


class _Unit(nn.Module):
    def __init__(self, dim: int, dilation: int):
        super().__init__()
        self.snake1, self.snake2 = Snake(dim), Snake(dim)
        self.conv1 = nn.Conv1d(dim, dim, 7, dilation=dilation, padding=3 * dilation)
        self.conv2 = nn.Conv1d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(self.snake2(self.conv1(self.snake1(x))))
        return x + y


class _Block(nn.Module):
    """Residual units with downsampling after them (encoder) or upsampling before them (decoder)."""

    def __init__(self, dim: int, out_dim: int, stride: int, up: bool):
        super().__init__()
        self.up = up
        inner = out_dim if up else dim
        self.res_unit1, self.res_unit2, self.res_unit3 = (_Unit(inner, d) for d in (1, 3, 9))
        self.snake1 = Snake(dim)
        sizes = (dim, out_dim, 2 * stride, stride, math.ceil(stride / 2))
        if up:
            self.conv_t1 = nn.ConvTranspose1d(*sizes)
        else:
            self.conv1 = nn.Conv1d(*sizes)

    def forward(self, x: Tensor) -> Tensor:
        if self.up:
            x = self.conv_t1(self.snake1(x))
        x = self.res_unit3(self.res_unit2(self.res_unit1(x)))
        return x if self.up else self.conv1(self.snake1(x))


class _Net(nn.Module):
    """Encoder, [B, 1, N] to [B, D, N / hop], or decoder with `up`, the inverse."""

    def __init__(self, dims: list[int], strides: tuple[int, ...], ends: tuple[int, int], up: bool):
        super().__init__()
        self.conv1 = nn.Conv1d(ends[0], dims[0], 7, padding=3)
        pairs = zip(dims, dims[1:], strides, strict=False)
        self.block = nn.ModuleList(_Block(a, b, stride, up) for a, b, stride in pairs)
        self.snake1 = Snake(dims[-1])
        kernel = 7 if up else 3
        self.conv2 = nn.Conv1d(dims[-1], ends[1], kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        for block in self.block:
            x = block(x)
        y: Tensor = self.conv2(self.snake1(x))
        return y


class FactorizedBook(nn.Module):
    """Factorised codebook of DAC: entries of low dimension between two projections. The nearest
    entry is that with the largest cosine similarity."""

    def __init__(self, dim: int, size: int, width: int):
        super().__init__()
        self.in_proj, self.out_proj = nn.Conv1d(dim, width, 1), nn.Conv1d(width, dim, 1)
        self.codebook = nn.Embedding(size, width)

    def encode(self, z: Tensor) -> Tensor:
        """Vectors [B, T, D] to codes [B, T]."""
        low = F.linear(z, self.in_proj.weight[..., 0], self.in_proj.bias).flatten(0, 1)
        index = nearest(F.normalize(low), F.normalize(self.codebook.weight))
        return index.unflatten(0, z.shape[:2])

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, T] to vectors [B, T, D]."""
        return F.linear(self.codebook(codes), self.out_proj.weight[..., 0], self.out_proj.bias)


class FactorizedRVQ(FixedQuantizer):
    """Residual vector quantizer with factorised codebooks."""

    def __init__(self, dim: int, num_codebooks: int, codebook_size: int, width: int):
        super().__init__()
        self.dim, self.num_codebooks, self.codebook_size = dim, num_codebooks, codebook_size
        self.quantizers = nn.ModuleList(
            FactorizedBook(dim, codebook_size, width) for _ in range(num_codebooks)
        )

    @property
    def prefixes(self) -> tuple[int, ...]:
        """1 to K."""
        return tuple(range(1, self.num_codebooks + 1))

    def _books(self, count: int) -> list[FactorizedBook]:
        return [book for book in self.quantizers[:count] if isinstance(book, FactorizedBook)]

    @torch.no_grad()
    def encode(self, z: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes ``[B, T, n]`` of ``z [B, T, D]``, n one of `prefixes` (default K); CodecError on
        wrong shape, non-finite values or another n."""
        residual, codes = self.check_input(z), []
        for book in self._books(self.check_prefix(num_codebooks)):
            codes.append(book.encode(residual))
            residual = residual - book.decode(codes[-1])
        return torch.stack(codes, -1)

    def decode(self, codes: Tensor) -> Tensor:
        """Quantized values ``[B, T, D]`` of ``codes [B, T, K]``; CodecError if out of range."""
        count = self.check_prefix(self.width_of(codes))
        self.check_codes(codes, count)
        parts = [book.decode(codes[..., k]) for k, book in enumerate(self._books(count))]
        return torch.stack(parts).sum(0)


def reach_of(strides: Sequence[int]) -> float:
    """Receptive field of a DAC decoder on each side, in latents; `strides` in the decoder's order.

    It is the sum of a convolution of kernel 7, for each block of a transposed convolution (2 of its
    inputs) and residual units (3 * (1 + 3 + 9) of its outputs), and of another convolution of
    kernel 7 over samples.
    """
    reach, rate = 3.0, 1
    for stride in strides:
        reach += 2 / rate + 39 / (rate * stride)
        rate *= stride
    return reach + 3 / rate


class DacCodec(LayeredCodec):
    """DAC codec. `reach` is the receptive field of its networks on each side, in frames."""

    name = "dac"

    def __init__(self, config: DacConfig | None = None):
        super().__init__()
        self.config = config = config or DacConfig()
        down = [config.encoder_dim * 2**k for k in range(len(config.strides) + 1)]
        up = [config.decoder_dim // 2**k for k in range(len(config.strides) + 1)]
        dim, ups = down[-1], config.strides[::-1]
        self.encoder = _Net(down, config.strides, (1, dim), False)
        self.decoder = _Net(up, ups, (dim, 1), True)
        self.quantizer = FactorizedRVQ(
            dim, config.codebooks, config.codebook_size, config.codebook_dim
        )
        self.num_codebooks = config.codebooks
        self.hop = math.prod(config.strides)
        self.reach = math.ceil(reach_of(ups))

    @classmethod
    def from_file(
        cls, path: str | Path, rate: int = 44100, sha256: str | None = None
    ) -> "DacCodec":
        """The published weights for a sample rate, a file of safetensors.

        Raises:
            CheckpointError: missing, damaged, or of another architecture.
        """
        codec = cls(CONFIGS[rate])
        load_state(codec, path, sha256)
        return codec.eval().requires_grad_(False)

    @property
    def layered(self) -> Quantizer:
        """The quantizer whose number of codebooks can be chosen."""
        return self.quantizer

    @property
    def frames_per_second(self) -> float:
        """Frames per second."""
        return self.config.sample_rate / self.hop

    @property
    def info(self) -> CodecInfo:
        """86 frames/s at 44.1 kHz, 0.86 to 7.8 kbit/s."""
        return CodecInfo(
            name=self.name,
            sample_rate=self.config.sample_rate,
            hop=self.hop,
            kind="codes",
            num_codebooks=self.num_codebooks,
            codebook_size=self.config.codebook_size,
            dim=self.quantizer.dim,
            bitrate=self.bandwidths()[self.num_codebooks],
            causal=False,
            look_ahead=self.reach,
            licence=DAC_LICENCE,
            residual=True,
        )

    @torch.no_grad()
    def encode(self, wav: Tensor) -> Encoded:
        """Encode ``wav [B, 1, N]`` to frames with ``T = ceil(N / hop)``."""
        wav = check_wav(wav).to(self.device)
        frames = F.pad(wav[:, 0], (0, -wav.shape[2] % self.hop)).unflatten(1, (-1, self.hop))
        # The receptive field of the encoder, the decoder's mirror image, is no larger.
        rate = self.frames_per_second
        codes = in_windows(self._codes, frames, self.reach, 1, rate)
        return Encoded(codes, rate)

    def _codes(self, frames: Tensor, start: int = 0) -> Tensor:
        z = self.encoder(frames.flatten(1)[:, None])
        return self.quantizer.encode(z.transpose(1, 2), self.num_codebooks)

    def _network(self, codes: Tensor, start: int = 0) -> Tensor:
        wav = self.decoder(self.quantizer.decode(codes).transpose(1, 2))[:, 0].tanh()
        # With odd strides a few samples at the end are missing.
        return F.pad(wav, (0, codes.shape[1] * self.hop - wav.shape[1]))

    @torch.no_grad()
    def decode(self, encoded: Encoded | Tensor) -> Tensor:
        """Decode codes ``[B, T, K]`` to ``wav [B, 1, T * hop]``; K is the number of codebooks in
        use."""
        codes = check_encoded(encoded, self.info).to(self.device)
        if codes.shape[1] == 0:
            return torch.zeros(len(codes), 1, 0, device=codes.device)
        wav = in_windows(self._network, codes, self.reach, self.hop, self.frames_per_second)
        return wav.unsqueeze(1)

    def init_state(self, batch: int) -> WindowState:
        """State of a new stream of ``batch`` rows, before its first frame."""
        size = (check_batch(batch), 0, self.num_codebooks)
        return WindowState(torch.zeros(size, dtype=torch.int64, device=self.device), batch)

    @torch.no_grad()
    def decode_chunk(self, encoded: Tensor, state: Any, last: bool = False) -> tuple[Tensor, Any]:
        """Decode the next ``t`` frames of a stream."""
        codes = check_encoded(encoded, self.info).to(self.device)
        check_stream(codes, state, WindowState)
        wav, new = windowed(self._network, codes, state, self.reach, self.hop, last)
        return wav.unsqueeze(1), new
