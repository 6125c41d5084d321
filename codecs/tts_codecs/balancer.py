"""Gradient balancer (Défossez et al. 2022, section 3.4): weights of losses that are shares.

Several losses of one output differ in the size of their gradients by orders of magnitude, and it
changes while training. Scaled by a moving average of that size, each contributes the share of the
whole that its weight says.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tts_codecs.errors import CodecError


class Balancer(nn.Module):
    """Losses of one output [B, ...] to the gradient by it that balances them.

    The gradient g_i of a loss by the output is scaled to `total * w_i / sum(w)` times
    g_i / average(|g_i|), the average of its norm being exponential. Averages are buffers and so a
    part of the state of a run.

    Args:
        weights: of the losses, by name; those that are given a step share among themselves.
        total: norm of the gradient they sum up to.
        decay: of the averages.
    """

    norms: Tensor
    counts: Tensor

    def __init__(self, weights: Mapping[str, float], total: float = 1.0, decay: float = 0.999):
        super().__init__()
        if not weights or min(weights.values()) <= 0 or total <= 0 or not 0 <= decay < 1:
            raise CodecError("balancer: weights and total are positive, decay lies in [0, 1)")
        self.weights, self.total, self.decay = dict(weights), total, decay
        # Sums of norms and of their weights: the average starts without a bias.
        self.register_buffer("norms", torch.zeros(len(weights)))
        self.register_buffer("counts", torch.zeros(len(weights)))

    def forward(
        self,
        losses: Mapping[str, Tensor],
        output: Tensor,
        fades: Mapping[str, float] | None = None,
    ) -> Tensor:
        """The balanced gradient by `output`, of its shape.

        Args:
            losses: scalars computed from `output`, which is a leaf that takes gradients.
            fades: factors on the weights of losses that come in by and by. A loss that is scaled
                itself would be measured against the average of when it was smaller, and so pushed.

        Raises:
            CodecError: a loss without a weight.
        """
        names = list(self.weights)
        if unknown := [name for name in losses if name not in self.weights]:
            raise CodecError(f"balancer: no weight for {', '.join(unknown)}")
        weights = {name: self.weights[name] * (fades or {}).get(name, 1.0) for name in losses}
        whole = sum(weights.values()) or 1.0
        gradient = torch.zeros_like(output)
        for name, loss in losses.items():
            # Not torch.autograd.grad, under which PyTorch cannot count what modules compute.
            output.grad = None
            torch.autograd.backward(loss, inputs=[output], retain_graph=True)
            part = output.grad
            assert part is not None
            # Of a row, averaged: a larger batch is not a larger gradient.
            norm = part.flatten(1).norm(dim=1).mean()
            place = names.index(name)
            # A bad gradient, whose step is skipped, must not stay in the averages.
            kept = norm.isfinite()
            for mean, new in ((self.norms, norm), (self.counts, torch.ones_like(norm))):
                mean[place] = torch.where(
                    kept, self.decay * mean[place] + (1 - self.decay) * new, mean[place]
                )
            average = self.norms[place] / self.counts[place]
            gradient += self.total * weights[name] / whole * part / (average + 1e-12)
        output.grad = None
        return gradient
