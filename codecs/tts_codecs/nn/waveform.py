"""Waveform encoders, to one vector per `hop` samples, and waveform decoders.

All are causal except for a declared look-ahead, and take a stream chunk by chunk with an explicit
list of states; offline computation is a single chunk. `initial(batch, like)` returns the initial
states. An encoder maps samples [B, n * hop] to vectors [B, n, dim], a decoder vectors to samples.
A look-ahead delays the output: output t belongs to input t - look_ahead.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.errors import CodecError
from tts_codecs.nn.causal import CausalStack
from tts_codecs.nn.conv import CausalConv

#: states of all layers of a network, mostly tensors
States = list[Any]

# Upper limit of predicted magnitudes.
_MAX_MAGNITUDE = 100.0


class WaveEncoder(nn.Module):
    """Base of encoders: `forward(wav, states)` maps samples [B, n * hop] to vectors [B, n, dim] and
    the new states. `look_ahead` is in vectors."""

    look_ahead = 0

    def initial(self, batch: int, like: Tensor) -> States:
        """States before the first sample."""
        raise NotImplementedError


class WaveDecoder(nn.Module):
    """Base of decoders: `forward(x, states)` maps vectors [B, n, dim] to samples [B, n * hop] and
    the new states. `look_ahead` is in vectors."""

    look_ahead = 0

    def initial(self, batch: int, like: Tensor) -> States:
        """States before the first vector."""
        raise NotImplementedError


class ResidualUnit(nn.Module):
    """Residual unit of SEANet: two causal convolutions with ELU.

    Raises:
        CodecError: fewer than 2 channels, as the inner convolution has half as many.
    """

    def __init__(self, channels: int, kernel: int = 3):
        super().__init__()
        if channels < 2:
            raise CodecError(f"seanet: channels are at least 2, not {channels}")
        self.first = CausalConv(channels, channels // 2, kernel)
        self.second = nn.Linear(channels // 2, channels)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, T, channels] and state to an output of the same shape and the new state."""
        y, state = self.first(F.elu(x), state)
        return x + self.second(F.elu(y)), state


def _check_strides(strides: Sequence[int], hop: int) -> list[int]:
    if not strides or any(s < 1 for s in strides) or math.prod(strides) != hop:
        raise CodecError(f"strides {list(strides)} must multiply to hop, {hop}")
    return list(strides)


class SeanetEncoder(WaveEncoder):
    """SEANet encoder of EnCodec (Défossez et al. 2022): strided causal convolutions with residual
    units, without an LSTM.

    A convolution with kernel 2 s and stride s is computed as one with kernel 2 and stride 1, after
    concatenating the channels of every s frames.

    Args:
        hop: samples per vector.
        dim: width of the vectors.
        channels: channels of the first layer; they double with every stride.
        strides: from first to last; their product has to be `hop`.
        look_ahead: later vectors that the last convolution sees, beside the earlier ones; 0 is
            causal.

    Raises:
        CodecError: sizes that do not fit each other.
    """

    def __init__(
        self,
        hop: int,
        dim: int,
        channels: int = 16,
        strides: Sequence[int] = (2, 4, 5, 8),
        look_ahead: int = 0,
    ):
        super().__init__()
        self.strides, self.look_ahead = _check_strides(strides, hop), look_ahead
        self.entry = CausalConv(1, channels, 7)
        self.units, self.down = nn.ModuleList(), nn.ModuleList()
        for stride in self.strides:
            self.units.append(ResidualUnit(channels))
            self.down.append(CausalConv(channels * stride, 2 * channels, 2))
            channels *= 2
        self.exit = CausalConv(channels, dim, 3 + look_ahead)

    def initial(self, batch: int, like: Tensor) -> States:
        """States before the first sample."""
        states = [self.entry.initial(batch, like)]
        for unit, down in zip(self.units, self.down, strict=True):
            assert isinstance(unit, ResidualUnit) and isinstance(down, CausalConv)
            states += [unit.first.initial(batch, like), down.initial(batch, like)]
        return [*states, self.exit.initial(batch, like)]

    def forward(self, wav: Tensor, states: States) -> tuple[Tensor, States]:
        """Samples [B, n * hop] and states to vectors [B, n, dim] and new states."""
        x, first = self.entry(wav.unsqueeze(-1), states[0])
        new = [first]
        for k, (unit, down) in enumerate(zip(self.units, self.down, strict=True)):
            x, inner = unit(x, states[2 * k + 1])
            x = F.elu(x).reshape(len(x), x.shape[1] // self.strides[k], -1)
            x, outer = down(x, states[2 * k + 2])
            new += [inner, outer]
        x, last = self.exit(F.elu(x), states[-1])
        return x, [*new, last]


class SeanetDecoder(WaveDecoder):
    """SEANet decoder, the mirror image of SeanetEncoder.

    A transposed convolution with kernel 2 s and stride s is computed as a convolution with kernel 2
    and stride 1, whose output channels are split into s frames.

    Args: as for SeanetEncoder. `strides` are in the encoder's order, and are used in reverse; the
        first convolution sees the later vectors.

    Raises:
        CodecError: sizes that do not fit each other.
    """

    def __init__(
        self,
        hop: int,
        dim: int,
        channels: int = 16,
        strides: Sequence[int] = (2, 4, 5, 8),
        look_ahead: int = 0,
    ):
        super().__init__()
        self.strides, self.look_ahead = _check_strides(strides, hop)[::-1], look_ahead
        wide = channels * 2 ** len(self.strides)
        self.entry = CausalConv(dim, wide, 7 + look_ahead)
        self.units, self.up = nn.ModuleList(), nn.ModuleList()
        for stride in self.strides:
            self.up.append(CausalConv(wide, stride * wide // 2, 2))
            wide //= 2
            self.units.append(ResidualUnit(wide))
        self.exit = CausalConv(wide, 1, 7)

    def initial(self, batch: int, like: Tensor) -> States:
        """States before the first vector."""
        states = [self.entry.initial(batch, like)]
        for unit, up in zip(self.units, self.up, strict=True):
            assert isinstance(unit, ResidualUnit) and isinstance(up, CausalConv)
            states += [up.initial(batch, like), unit.first.initial(batch, like)]
        return [*states, self.exit.initial(batch, like)]

    def forward(self, x: Tensor, states: States) -> tuple[Tensor, States]:
        """Vectors [B, n, dim] and states to samples [B, n * hop] and new states."""
        x, first = self.entry(x, states[0])
        new = [first]
        for k, (unit, up) in enumerate(zip(self.units, self.up, strict=True)):
            x, outer = up(F.elu(x), states[2 * k + 1])
            x = x.reshape(len(x), x.shape[1] * self.strides[k], -1)
            x, inner = unit(x, states[2 * k + 2])
            new += [outer, inner]
        x, last = self.exit(F.elu(x), states[-1])
        return x[..., 0], [*new, last]


class SpectrumEncoder(WaveEncoder):
    """ConvNeXt blocks on the complex short-time spectrum with compressed magnitudes.

    The window of a vector is its own `hop` samples and the `hop` samples before them.

    Args:
        hop, dim: as for SeanetEncoder.
        width, blocks: width and number of the blocks.
        look_ahead: later vectors that the network sees; 0 is causal.
    """

    window: Tensor

    def __init__(self, hop: int, dim: int, width: int = 256, blocks: int = 4, look_ahead: int = 0):
        super().__init__()
        if look_ahead < 0:
            raise CodecError(f"look_ahead {look_ahead} must be 0 or more")
        self.hop, self.look_ahead = hop, look_ahead
        self.register_buffer("window", torch.hann_window(2 * hop), persistent=False)
        self.stack = CausalStack(2 * hop + 2, width, 3 * width, blocks, 7, look_ahead)
        self.exit = nn.Linear(width, dim)

    def initial(self, batch: int, like: Tensor) -> States:
        """States before the first sample."""
        return [like.new_zeros(batch, self.hop), *self.stack.initial(batch, like, 0.0)]

    def forward(self, wav: Tensor, states: States) -> tuple[Tensor, States]:
        """Samples [B, n * hop] and states to vectors [B, n, dim] and new states."""
        seen = torch.cat([states[0], wav], 1)
        spectrum = torch.fft.rfft(seen.unfold(1, 2 * self.hop, self.hop) * self.window)
        spectrum = spectrum / spectrum.abs().clamp_min(1e-4) ** 0.7
        x, stack = self.stack(torch.cat([spectrum.real, spectrum.imag], -1), states[1:])
        return self.exit(x), [seen[:, seen.shape[1] - self.hop :], *stack]


class SpectrumDecoder(WaveDecoder):
    """ConvNeXt blocks and an inverse STFT (Siuzdak 2023, "Vocos").

    The window of a frame begins with the frame instead of being centred on it, so that a frame's
    samples never depend on a later window. The decoder is thus causal except for `look_ahead`
    vectors. The first frames of a sequence, where fewer windows overlap, fade in.

    Args:
        hop, dim: as for SeanetEncoder.
        width, blocks: width and number of the blocks.
        patch: STFT frames per vector; `hop` has to be a multiple of it.
        look_ahead: later vectors that the network sees.
    """

    window: Tensor

    def __init__(
        self,
        hop: int,
        dim: int,
        width: int = 256,
        blocks: int = 6,
        patch: int = 1,
        look_ahead: int = 0,
    ):
        super().__init__()
        if patch < 1 or hop % patch or look_ahead < 0:
            raise CodecError(f"patch {patch} must divide hop, {hop}, and look_ahead be 0 or more")
        self.step, self.patch, self.look_ahead = hop // patch, patch, look_ahead
        self.n_fft = 4 * self.step
        self.register_buffer("window", torch.hann_window(self.n_fft) / 2, persistent=False)
        self.stack = CausalStack(dim, width, 3 * width, blocks, 7, look_ahead)
        self.head = nn.Linear(width, patch * (self.n_fft + 2))

    def initial(self, batch: int, like: Tensor) -> States:
        """States before the first vector."""
        tail = like.new_zeros(batch, self.n_fft - self.step)
        return [tail, *self.stack.initial(batch, like, 0.0)]

    def forward(self, x: Tensor, states: States) -> tuple[Tensor, States]:
        """Vectors [B, n, dim] and states to samples [B, n * hop] and new states."""
        x, stack = self.stack(x, states[1:])
        x = self.head(x).unflatten(-1, (self.patch, -1)).flatten(1, 2)
        magnitude, phase = x.chunk(2, -1)
        magnitude = magnitude.exp().clamp_max(_MAX_MAGNITUDE)
        spectrum = torch.complex(magnitude * phase.cos(), magnitude * phase.sin())
        frames = torch.fft.irfft(spectrum, self.n_fft) * self.window  # [B, F, n_fft]
        count = frames.shape[1]
        total = F.fold(
            frames.transpose(1, 2),
            (1, self.n_fft + (count - 1) * self.step),
            (1, self.n_fft),
            stride=(1, self.step),
        )[:, 0, 0]
        total = total + F.pad(states[0], (0, total.shape[1] - states[0].shape[1]))
        ready = count * self.step
        return total[:, :ready], [total[:, ready:], *stack]
