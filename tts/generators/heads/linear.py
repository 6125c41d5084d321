"""Continuous units as they are: for strategies that draw a whole canvas by integration."""

import torch
from torch import Tensor, nn


class LinearHead(nn.Module):
    """A linear map in and a linear map out.

    Args:
        size: D of a unit; dim: of the backbone.
    """

    def __init__(self, size: int = 164, dim: int = 256):
        super().__init__()
        self.entry = nn.Linear(size, dim)
        self.given = nn.Parameter(torch.zeros(dim))
        self.out = nn.Linear(dim, size)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)

    def embed(self, units: Tensor, given: Tensor | None = None) -> Tensor:
        """[B, U, size] to [B, U, dim]; `given` [B, U] bool marks clean units among noisy ones."""
        x = self.entry(units)
        return x if given is None else x + given.unsqueeze(-1) * self.given

    def forward(self, hidden: Tensor) -> Tensor:
        """[B, U, dim] to [B, U, size]."""
        return self.out(hidden)
