"""Layers of the 48 kHz EnCodec: non-causal convolutions, each followed by a normalisation over its
whole output. In the layout [B, C, T], for inference on segments of a fixed length."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.nn.framed import elu


class NormedConv(nn.Module):
    """Convolution with reflection padding, then normalisation over channels and time."""

    def __init__(self, in_dim: int, out_dim: int, kernel: int, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv1d(in_dim, out_dim, kernel, stride)
        self.norm = nn.GroupNorm(1, out_dim)
        self.stride, self.padding = stride, kernel - stride

    def forward(self, x: Tensor) -> Tensor:
        """x [B, I, T] to [B, O, ceil(T / stride)]; T has to be larger than the kernel."""
        right = self.padding // 2
        left, filled = self.padding - right, -x.shape[2] % self.stride
        if self.padding or filled:
            x = F.pad(x, (left, right + filled), mode="reflect")
        return torch.as_tensor(self.norm(self.conv(x)))


class NormedTransposed(nn.Module):
    """Transposed convolution with a kernel of two strides, then normalisation. The ends are cut off
    only after the normalisation."""

    def __init__(self, in_dim: int, out_dim: int, stride: int):
        super().__init__()
        self.conv = nn.ConvTranspose1d(in_dim, out_dim, 2 * stride, stride)
        self.norm = nn.GroupNorm(1, out_dim)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """x [B, I, T] to [B, O, T * stride]."""
        right = self.stride // 2
        made: Tensor = self.norm(self.conv(x))
        return made[..., self.stride - right : made.shape[2] - right]


class NormedBlock(nn.Module):
    """Residual block: convolutions of kernel 3 to half the channels and of kernel 1 back, and a
    linear shortcut."""

    def __init__(self, dim: int):
        super().__init__()
        self.narrow = NormedConv(dim, dim // 2, 3)
        self.wide = NormedConv(dim // 2, dim, 1)
        self.shortcut = NormedConv(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, dim, T] to the same."""
        inner: Tensor = self.narrow(elu(x.clone()))
        made: Tensor = self.shortcut(x)
        return made + self.wide(elu(inner))


class SkippedLSTM(nn.Module):
    """LSTM over [B, dim, T] with a residual connection."""

    def __init__(self, dim: int, layers: int = 2):
        super().__init__()
        self.lstm = nn.LSTM(dim, dim, layers)

    def forward(self, x: Tensor) -> Tensor:
        """[B, dim, T] to the same."""
        made: Tensor = self.lstm(x.permute(2, 0, 1))[0]
        return x + made.permute(1, 2, 0)
