"""Affine couplings: an invertible network whose density is known (Glow, Kingma & Dhariwal 2018)."""

import torch
from torch import Tensor, nn


class _Coupling(nn.Module):
    """Scales and moves the second half of each vector by what the first half says."""

    def __init__(self, size: int, width: int):
        super().__init__()
        self.kept = size // 2
        # Neighbours on either side are heard.
        self.net = nn.Sequential(
            nn.Conv1d(self.kept, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv1d(width, 2 * (size - self.kept), 1),
        )
        last = self.net[-1]
        assert isinstance(last, nn.Conv1d)
        nn.init.zeros_(last.weight)
        assert last.bias is not None
        nn.init.zeros_(last.bias)

    def change(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Logarithm of the scale, and the move, of the second half."""
        log_scale, move = self.net(kept.transpose(1, 2)).transpose(1, 2).chunk(2, -1)
        return log_scale.tanh(), move


class CouplingFlow(nn.Module):
    """Vectors [B, T, D] to others of the same shape and back, at first the identity.

    Args:
        size: D; layers: couplings; width: of their networks.
    """

    def __init__(self, size: int, layers: int = 4, width: int = 128):
        super().__init__()
        self.layers = nn.ModuleList(_Coupling(size, width) for _ in range(layers))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[B, T, D] to [B, T, D], and the logarithm of the determinant of each frame, [B, T]."""
        total = x.new_zeros(x.shape[:2])
        for layer in self._couplings():
            kept, moved = x[..., : layer.kept], x[..., layer.kept :]
            log_scale, move = layer.change(kept)
            total = total + log_scale.sum(-1)
            # The other half comes first in the next.
            x = torch.cat([kept, moved * log_scale.exp() + move], -1).flip(-1)
        return x, total

    def inverse(self, y: Tensor) -> Tensor:
        """The vectors that `forward` makes [B, T, D] of."""
        for layer in reversed(self._couplings()):
            y = y.flip(-1)
            kept, moved = y[..., : layer.kept], y[..., layer.kept :]
            log_scale, move = layer.change(kept)
            y = torch.cat([kept, (moved - move) * (-log_scale).exp()], -1)
        return y

    def _couplings(self) -> list[_Coupling]:
        return [layer for layer in self.layers if isinstance(layer, _Coupling)]
