"""Affine coupling flow: an invertible network with a tractable density (Glow, Kingma & Dhariwal
2018)."""

import torch
from torch import Tensor, nn


class _Coupling(nn.Module):
    """Affine coupling layer: scales and shifts the second half of each vector, depending on the
    first half of it and of its neighbours."""

    def __init__(self, size: int, width: int):
        super().__init__()
        self.kept = size // 2
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
        """Log-scale and shift of the second half, given the first half [B, T, kept]."""
        log_scale, move = self.net(kept.transpose(1, 2)).transpose(1, 2).chunk(2, -1)
        return log_scale.tanh(), move


class CouplingFlow(nn.Module):
    """Normalising flow of affine couplings over vectors [B, T, D]; it starts as the identity.

    Args:
        size: D.
        layers: number of couplings.
        width: width of their networks.
    """

    def __init__(self, size: int, layers: int = 4, width: int = 128):
        super().__init__()
        self.layers = nn.ModuleList(_Coupling(size, width) for _ in range(layers))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Transform x [B, T, D]; also return the log-determinant of every frame, [B, T]."""
        total = x.new_zeros(x.shape[:2])
        for layer in self._couplings():
            kept, moved = x[..., : layer.kept], x[..., layer.kept :]
            log_scale, move = layer.change(kept)
            total = total + log_scale.sum(-1)
            # Reverse the channels, so that the next layer changes the other half.
            x = torch.cat([kept, moved * log_scale.exp() + move], -1).flip(-1)
        return x, total

    def inverse(self, y: Tensor) -> Tensor:
        """Invert `forward`, for y [B, T, D]."""
        for layer in reversed(self._couplings()):
            y = y.flip(-1)
            kept, moved = y[..., : layer.kept], y[..., layer.kept :]
            log_scale, move = layer.change(kept)
            y = torch.cat([kept, (moved - move) * (-log_scale).exp()], -1)
        return y

    def _couplings(self) -> list[_Coupling]:
        return [layer for layer in self.layers if isinstance(layer, _Coupling)]
