"""Convolutions over time with explicit state: causal ones, and centred ones with a look-ahead.

Frames are [B, T, C]. Offline computation is a single call with the initial state, so that a stream
split anywhere gives the same values.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CausalConv(nn.Module):
    """Causal convolution over time: it sees the present and `kernel - 1` past frames.

    Its state is the last `kernel - 1` inputs, [B, kernel - 1, C_in].
    """

    def __init__(self, in_dim: int, out_dim: int, kernel: int, groups: int = 1):
        super().__init__()
        self.context = kernel - 1
        self.in_dim = in_dim
        self.conv = nn.Conv1d(in_dim, out_dim, kernel, groups=groups)

    def initial(self, batch: int, like: Tensor, value: float = 0.0) -> Tensor:
        """State before the first frame."""
        return like.new_full((batch, self.context, self.in_dim), value)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs [B, T, C_in] to outputs [B, T, C_out] and the new state."""
        x = torch.cat([state, x], dim=1)
        y = self.conv(x.transpose(1, 2)).transpose(1, 2)
        return y, x[:, x.shape[1] - self.context :]


class CentredConv(nn.Module):
    """Convolution over time that sees as many later as earlier frames, for streams.

    Its state is the inputs in the receptive field of later outputs, [B, n, C_in], n < kernel. The
    whole sequence is padded with zeros on both sides.
    """

    def __init__(self, in_dim: int, out_dim: int, kernel: int, groups: int = 1):
        super().__init__()
        self.kernel, self.reach, self.in_dim = kernel, kernel // 2, in_dim
        self.conv = nn.Conv1d(in_dim, out_dim, kernel, groups=groups)

    def initial(self, batch: int, like: Tensor) -> Tensor:
        """State before the first frame."""
        return like.new_zeros(batch, self.reach, self.in_dim)

    def window(self, x: Tensor, state: Tensor, last: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Take the next inputs x [B, T, C_in] of a stream; `last` says whether they are its end.

        Returns:
            the inputs [B, u + kernel - 1, C_in] in the receptive field of the u outputs that can be
            computed now ([B, 0, C_in] if u = 0), the inputs [B, u, C_in] at the positions of these
            outputs, and the new state.
        """
        x = torch.cat([state, x], 1)
        if last:
            x = F.pad(x, (0, 0, 0, self.reach))
        ready = max(0, x.shape[1] - 2 * self.reach)
        return x if ready else x[:, :0], x[:, self.reach : self.reach + ready], x[:, ready:]

    def forward(self, window: Tensor) -> Tensor:
        """Inputs [B, u + kernel - 1, C_in] of `window` to outputs [B, u, C_out]."""
        return self.conv(window.transpose(1, 2)).transpose(1, 2)
