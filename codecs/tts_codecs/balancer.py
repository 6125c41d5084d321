"""Loss balancer of EnCodec (Défossez et al. 2022, section 3.4).

The gradients of several losses by the same output differ by orders of magnitude, and their sizes
change during training. The balancer divides each gradient by a moving average of its norm, so that
the weight of a loss is its share of the total gradient.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tts_codecs.errors import CodecError


class Balancer(nn.Module):
    """Computes the balanced gradient of several losses by a common output [B, ...].

    The gradient g_i of a loss is scaled to `total * w_i / sum(w) * g_i / average(|g_i|)`, with an
    exponential moving average of its norm. The averages are buffers, and so saved with the state of
    a training run.

    Args:
        weights: weights of the losses by name. The sum is over the losses that a step computes.
        total: norm of the balanced gradient.
        decay: decay of the moving averages.

    Raises:
        CodecError: no losses, or numbers out of range.
    """

    norms: Tensor
    counts: Tensor

    def __init__(self, weights: Mapping[str, float], total: float = 1.0, decay: float = 0.999):
        super().__init__()
        if not weights or min(weights.values()) <= 0 or total <= 0 or not 0 <= decay < 1:
            raise CodecError("balancer: weights and total are positive, decay lies in [0, 1)")
        self.weights, self.total, self.decay = dict(weights), total, decay
        # Decayed sums of norms and of ones; their quotient is an average without initial bias.
        self.register_buffer("norms", torch.zeros(len(weights)))
        self.register_buffer("counts", torch.zeros(len(weights)))

    def forward(
        self,
        losses: Mapping[str, Tensor],
        output: Tensor,
        fades: Mapping[str, float] | None = None,
    ) -> Tensor:
        """The balanced gradient, in the shape of `output`.

        Args:
            losses: scalars by name, computed from `output`, a leaf tensor that requires gradients.
            fades: factors on the weights of losses that are faded in. Scaling the loss itself would
                have the opposite effect: its gradient would be larger than its moving average.

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
            # Not torch.autograd.grad, with which PyTorch cannot count the operations of modules.
            output.grad = None
            torch.autograd.backward(loss, inputs=[output], retain_graph=True)
            part = output.grad
            assert part is not None
            # The mean norm over rows, which does not depend on the batch size.
            norm = part.flatten(1).norm(dim=1).mean()
            place = names.index(name)
            # A non-finite gradient, whose training step is skipped, must not enter the averages.
            kept = norm.isfinite()
            for mean, new in ((self.norms, norm), (self.counts, torch.ones_like(norm))):
                mean[place] = torch.where(
                    kept, self.decay * mean[place] + (1 - self.decay) * new, mean[place]
                )
            average = self.norms[place] / self.counts[place]
            gradient += self.total * weights[name] / whole * part / (average + 1e-12)
        output.grad = None
        return gradient
