"""Snake activations (Liu et al. 2020, "Neural Networks Fail to Learn Periodic Functions and How to
Fix It")."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Snake(nn.Module):
    """Snake activation x + sin(alpha x)^2 / alpha with one alpha per channel."""

    def __init__(self, dim: int):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, dim, 1))

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, T] to the same shape."""
        return x + (self.alpha * x).sin().square() / (self.alpha + 1e-9)


class HalfSnake(Snake):
    """Snake activation of the first half of the channels, leaky ReLU of the others."""

    def __init__(self, dim: int):
        super().__init__(dim // 2)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, T] to the same shape."""
        half = self.alpha.shape[1]
        return torch.cat([super().forward(x[:, :half]), F.leaky_relu(x[:, half:])], 1)
