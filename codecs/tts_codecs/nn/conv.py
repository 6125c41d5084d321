"""Convolutions over time with explicit state: causal, and centred with a known look-ahead.

Frames are [B, T, C]. Offline is one call with the initial state, so a stream that is cut anywhere
gives the same values.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CausalConv(nn.Module):
    """Convolution over time that sees only the present and `kernel - 1` past frames.

    State: the last `kernel - 1` inputs, [B, kernel - 1, C_in].
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
        """[B, T, C_in] to [B, T, C_out]."""
        x = torch.cat([state, x], dim=1)
        y = self.conv(x.transpose(1, 2)).transpose(1, 2)
        return y, x[:, x.shape[1] - self.context :]


class CentredConv(nn.Module):
    """Convolution over time with as much future as past context, fed in pieces.

    State: the inputs that later outputs still need, [B, n, C_in], n < kernel. The sequence is
    continued by zeros on both sides.
    """

    def __init__(self, in_dim: int, out_dim: int, kernel: int, groups: int = 1):
        super().__init__()
        self.kernel, self.reach, self.in_dim = kernel, kernel // 2, in_dim
        self.conv = nn.Conv1d(in_dim, out_dim, kernel, groups=groups)

    def initial(self, batch: int, like: Tensor) -> Tensor:
        """State before the first frame."""
        return like.new_zeros(batch, self.reach, self.in_dim)

    def window(self, x: Tensor, state: Tensor, last: bool) -> tuple[Tensor, Tensor, Tensor]:
        """What the outputs that are ready see, [B, u + kernel - 1, C_in] (u = 0: nothing), their
        own inputs [B, u, C_in], new state."""
        x = torch.cat([state, x], 1)
        if last:
            x = F.pad(x, (0, 0, 0, self.reach))
        ready = max(0, x.shape[1] - 2 * self.reach)
        return x if ready else x[:, :0], x[:, self.reach : self.reach + ready], x[:, ready:]

    def forward(self, window: Tensor) -> Tensor:
        """[B, u + kernel - 1, C_in] to [B, u, C_out]."""
        return self.conv(window.transpose(1, 2)).transpose(1, 2)
