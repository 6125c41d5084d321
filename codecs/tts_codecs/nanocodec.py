"""NanoCodec (Casanova et al. 2025, "NanoCodec: Towards High-Quality Ultra Fast Speech LLM
Inference"): 12.5 or 21.5 frames/s of independent codes, for speech at 22.05 kHz.

An own implementation for the weights that NVIDIA published for NeMo, held to the output of its
modules. The quantizer is an FSQ of groups of channels. The decoder is causal, so that a stream of
codes has no delay. The encoder sees both sides: a stream of samples is coded `reach` frames late,
and the context that neighbouring pieces share is computed again.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.base import (
    Codec,
    CodecInfo,
    Encoded,
    check_batch,
    check_encoded,
    check_state,
    check_stream,
    check_wav,
)
from tts_codecs.checkpoint import wrong_model
from tts_codecs.construction import building
from tts_codecs.errors import TTSError
from tts_codecs.nanocodec_weights import NanoCodecConfig, read_weights
from tts_codecs.nn.centred import SECONDS, WindowState, in_windows, windowed
from tts_codecs.nn.hifigan import CentredConv, ResidualBranches
from tts_codecs.nn.snake import HalfSnake
from tts_codecs.nn.streamed import Conv, LayersState, Transposed, begin, run
from tts_codecs.quantizers.fsq import GroupedFSQ
from tts_codecs.sources import NANOCODEC_LICENCE

#: kernel sizes of the first and last convolution of the encoder and of the first of the decoder,
#: and of the last of the decoder
_KERNEL, _LAST_KERNEL = 7, 3


class NanoFSQ(GroupedFSQ):
    """Grouped FSQ with the bounds of NeMo, which differ from those of the paper in two respects:
    outermost levels are compressed instead of stretched, by the same factor, and an even number of
    levels is centred by the tangent instead of the inverse hyperbolic tangent."""

    def _positions(self, z: Tensor) -> Tensor:
        half = (self.levels - 1) / 2 * (1 - 1e-3)
        offset = torch.where(self.levels % 2 == 0, 0.5, 0.0)
        bounded = half * torch.tanh(self._split(z.float()) + (offset / half).tan()) - offset
        return bounded + self.levels // 2


@dataclass(frozen=True)
class NanoEncodingState:
    """State of a stream of samples.

    Attributes:
        window: frames of samples in the receptive field of later codes.
        remainder: samples [B, n] that do not fill a frame yet.
    """

    window: WindowState
    remainder: Tensor


class _Net(nn.Module):
    """Encoder, [B, 1, N] to [B, D, N / hop], or causal decoder with `up`, the inverse."""

    def __init__(self, config: NanoCodecConfig, up: bool):
        super().__init__()
        width = config.groups * len(config.levels)
        strides = config.strides[::-1] if up else config.strides
        dim = config.decoder_dim if up else config.encoder_dim
        self.up = up
        self.pre_conv = Conv(width, dim, _KERNEL) if up else CentredConv(1, dim, _KERNEL)
        self.activations, self.resampling = nn.ModuleList(), nn.ModuleList()
        self.residual = nn.ModuleList()
        for stride in strides:
            self.activations.append(HalfSnake(dim) if up else nn.LeakyReLU())
            if up:
                half = dim // 2
                self.resampling.append(Transposed(dim, half, 2 * stride, stride, groups=half))
                dim = half
            self.residual.append(self._branches(config, dim))
            if not up:
                self.resampling.append(CentredConv(dim, 2 * dim, 2 * stride, stride))
                dim *= 2
        self.post_activation = HalfSnake(dim) if up else nn.LeakyReLU()
        self.post_conv = Conv(dim, 1, _LAST_KERNEL) if up else CentredConv(dim, width, _KERNEL)

    def _branches(self, config: NanoCodecConfig, dim: int) -> ResidualBranches:
        def conv(channels: int, kernel: int, dilation: int) -> nn.Module:
            kind = Conv if self.up else CentredConv
            return kind(channels, channels, kernel, dilation=dilation)

        def activation(channels: int) -> nn.Module:
            return HalfSnake(channels) if self.up else nn.LeakyReLU()

        return ResidualBranches(dim, config.kernels, config.dilations, conv, activation)

    @property
    def layers(self) -> list[nn.Module]:
        """The layers in their order."""
        found: list[nn.Module] = [self.pre_conv]
        steps = zip(self.activations, self.resampling, self.residual, strict=True)
        for activation, resampling, residual in steps:
            found += [activation, resampling, residual] if self.up else [
                residual, activation, resampling,
            ]  # fmt: skip
        return [*found, self.post_activation, self.post_conv]


class NanoCodec(Codec):
    """NanoCodec; it can also encode streams.

    Attributes:
        reach: receptive field of the encoder on each side, in frames.
    """

    def __init__(self, config: NanoCodecConfig | None = None):
        super().__init__()
        self.config = config = config or NanoCodecConfig()
        self.encoder, self.decoder = _Net(config, False), _Net(config, True)
        self.quantizer = NanoFSQ(config.levels, config.groups)
        self.hop = math.prod(config.strides)
        self.reach = _reach(config)

    @classmethod
    def from_file(cls, path: str | Path, sha256: str | None = None) -> "NanoCodec":
        """The published weights: the archive `.nemo`, or its state dict as `.safetensors`, from
        whose shapes the sizes are read.

        Args:
            path: of the file.
            sha256: 64 hex digits, verified if given.

        Raises:
            CheckpointError: missing, damaged, or of another architecture.
        """
        config, tensors = read_weights(path, sha256)
        try:
            # Buffers of the quantizer, which are not stored, are a few values more.
            with building(sum(each.numel() for each in tensors.values()) + 1000):
                codec = cls(config)
            codec.load_state_dict(tensors)
        except (TTSError, ArithmeticError, RuntimeError, TypeError, ValueError) as error:
            raise wrong_model(path, error) from error
        return codec.eval().requires_grad_(False)

    @property
    def info(self) -> CodecInfo:
        """12.5 frames/s of 4 or 13 codes or 21.5 of 8, at 0.6, 1.78 or 1.89 kbit/s."""
        config, quantizer = self.config, self.quantizer
        return CodecInfo(
            name="nanocodec",
            sample_rate=config.sample_rate,
            hop=self.hop,
            kind="codes",
            num_codebooks=quantizer.num_codebooks,
            codebook_size=quantizer.codebook_size,
            dim=quantizer.dim,
            bitrate=quantizer.bits * config.sample_rate / self.hop,
            causal=True,
            look_ahead=0,
            licence=NANOCODEC_LICENCE,
            levels=config.levels,
        )

    @torch.no_grad()
    def encode(self, wav: Tensor) -> Encoded:
        """Encode ``wav [B, 1, N]`` to frames with ``T = ceil(N / hop)``."""
        wav = check_wav(wav).to(self.device)
        frames = F.pad(wav[:, 0], (0, -wav.shape[2] % self.hop)).unflatten(1, (-1, self.hop))
        rate = self.info.frame_rate
        return Encoded(in_windows(self._codes, frames, self.reach, 1, rate), rate)

    def _codes(self, frames: Tensor, start: int = 0) -> Tensor:
        """Codes [B, T, K] of samples [B, T, hop]."""
        layers, wav = self.encoder.layers, frames.flatten(1)[:, None]
        z, _ = run(layers, wav, begin(layers, len(wav), wav))
        return self.quantizer.encode(z.transpose(1, 2))

    def init_encoding(self, batch: int) -> NanoEncodingState:
        """State of a new encoding stream of `batch` rows, for `encode_chunk`."""
        empty = self.decoder.pre_conv.conv.weight.new_zeros(check_batch(batch), 0)
        return NanoEncodingState(WindowState(empty.view(batch, 0, self.hop), batch), empty)

    @torch.no_grad()
    def encode_chunk(
        self, wav: Tensor, state: NanoEncodingState, last: bool = False
    ) -> tuple[Tensor, NanoEncodingState]:
        """Encode the next samples wav [B, 1, n] of a stream to codes [B, t, K], `reach` frames
        late. With `last` the stream ends: samples that do not fill a frame are padded with
        silence, and all codes are returned."""
        window = check_state(state, NanoEncodingState).window
        check_stream(check_wav(wav, piece=True), window, WindowState)
        samples = torch.cat([state.remainder, wav[:, 0].to(state.remainder)], 1)
        if last:
            samples = F.pad(samples, (0, -samples.shape[1] % self.hop))
        count = samples.shape[1] // self.hop
        frames = samples[:, : count * self.hop].reshape(window.batch, count, self.hop)
        codes, window = windowed(self._codes, frames, window, self.reach, 1, last)
        if codes.shape[1] == 0:
            codes = codes.new_zeros(window.batch, 0, self.config.groups, dtype=torch.int64)
        return codes, NanoEncodingState(window, samples[:, count * self.hop :])

    @torch.no_grad()
    def decode(self, encoded: Encoded | Tensor) -> Tensor:
        """Decode codes ``[B, T, K]`` to ``wav [B, 1, T * hop]``."""
        codes = check_encoded(encoded, self.info).to(self.device)
        state, made = self.init_state(len(codes)), []
        # In pieces of a few seconds, so that memory does not grow with the duration.
        for piece in codes.split(round(SECONDS * self.info.frame_rate) or 1, 1):
            wav, state = self.decode_chunk(piece, state)
            made.append(wav)
        return torch.cat(made, 2)

    def init_state(self, batch: int) -> LayersState:
        """State of a new stream of ``batch`` rows, before its first frame."""
        like = self.decoder.pre_conv.conv.weight
        return LayersState(begin(self.decoder.layers, check_batch(batch), like), batch)

    @torch.no_grad()
    def decode_chunk(
        self, encoded: Tensor, state: LayersState, last: bool = False
    ) -> tuple[Tensor, LayersState]:
        """Decode the next ``t`` frames of a stream."""
        codes = check_encoded(encoded, self.info).to(self.device)
        check_stream(codes, state, LayersState)
        z = self.quantizer.decode(codes).transpose(1, 2)
        wav, layers = run(self.decoder.layers, z, state.layers)
        return wav.clamp(-1, 1), LayersState(layers, state.batch, last)


def _reach(config: NanoCodecConfig) -> int:
    """Receptive field of the encoder on each side, in frames."""
    branch = max(config.kernels) // 2 * sum(each + 1 for each in config.dilations)
    samples, rate = _KERNEL // 2, 1
    for stride in config.strides:
        # A strided convolution sees half a stride on each side of its own.
        samples += rate * (branch + (stride + 1) // 2)
        rate *= stride
    return math.ceil(samples / rate) + _KERNEL // 2
