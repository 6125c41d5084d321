"""ConvNeXt blocks (Liu et al. 2022) over time, in several variants.

Each is a depthwise convolution, a layer norm and two linear layers with a GELU between them, added
to the input. The variants:

    ConvNeXt         for whole padded sequences with a mask; a condition can modulate the norm
    ConvNeXtV2       the same without a mask, with global response normalisation (Woo et al. 2023)
    CausalConvNeXt   causal, for streams, with an explicit state
    CentredConvNeXt  sees as many later as earlier frames, for streams; the caller keeps the state
    FastConvNeXt     the latter two for inference, with prepared weights

Frames are [B, T, dim]. The names of the weights (`depthwise`, `norm`, `up`, `down`, `scale`) are
the same in all of them, and are part of the format of checkpoints.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.nn.conv import CausalConv, CentredConv
from tts_codecs.nn.inference import Norm, Product, Taps, linear


class _Block(nn.Module):
    """Common base of the variants, with the layers that all of them have.

    Args:
        depthwise: the convolution over time.
        dim: channels.
        hidden: width between the two linear layers.
        layer_scale: initial value of the LayerScale weights, which scale the residual branch per
            channel (Touvron et al. 2021); None for no LayerScale.
        eps: of the norm.
    """

    def __init__(
        self,
        depthwise: nn.Module,
        dim: int,
        hidden: int,
        layer_scale: float | None = 0.2,
        eps: float = 1e-5,
    ):
        super().__init__()
        self.depthwise = depthwise
        self.norm = nn.LayerNorm(dim, eps=eps)
        self.up = nn.Linear(dim, hidden)
        self.down = nn.Linear(hidden, dim)
        if layer_scale is not None:
            self.scale = nn.Parameter(torch.full((dim,), layer_scale))

    def branch(self, y: Tensor) -> Tensor:
        """The rest of the residual branch, for normalised frames y [B, T, dim]."""
        return self.scale * linear(self.down, linear(self.up, y, gelu="none"))


class ConvNeXt(_Block):
    """ConvNeXt block for whole sequences with a mask; a condition vector can shift and scale the
    norm. `cond` is the width of the condition, 0 for none."""

    def __init__(self, dim: int, hidden: int, kernel: int = 7, cond: int = 0, dropout: float = 0.0):
        super().__init__(nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim), dim, hidden)
        self.cond = nn.Linear(cond, 2 * dim) if cond else None
        self.dropout = nn.Dropout(dropout)
        if self.cond is not None:
            nn.init.zeros_(self.cond.weight)
            nn.init.zeros_(self.cond.bias)

    def forward(self, x: Tensor, mask: Tensor, cond: Tensor | None = None) -> Tensor:
        """x [B, T, dim], mask [B, T, 1] (1 valid), cond [B, C] to [B, T, dim]."""
        y = self.norm(self.depthwise((x * mask).transpose(1, 2)).transpose(1, 2))
        if self.cond is not None and cond is not None:
            gain, shift = self.cond(cond).unsqueeze(1).chunk(2, -1)
            y = y * (1 + gain) + shift
        y = linear(self.down, self.dropout(linear(self.up, y, gelu="none")))
        return x + self.scale * y


class ConvNeXtV2(_Block):
    """ConvNeXt V2 block, with global response normalisation of the wide layer (Woo et al. 2023)."""

    def __init__(self, dim: int, hidden: int, kernel: int = 7):
        conv = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        super().__init__(conv, dim, hidden, None, 1e-6)
        self.gamma = nn.Parameter(torch.zeros(1, 1, hidden))
        self.beta = nn.Parameter(torch.zeros(1, 1, hidden))

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x [B, T, dim] to the same shape. `valid` [B, T, 1] float is 1 for the frames of a row,
        those of filler tokens included, and 0 for padding."""
        y = self.norm(self.depthwise(x.transpose(1, 2)).transpose(1, 2))
        y = linear(self.up, y, gelu="none")
        # Only over the frames of the row, so that the padding of a batch has no influence.
        response = (y * valid).norm(dim=1, keepdim=True)
        response = response / (response.mean(-1, keepdim=True) + 1e-6)
        y = self.gamma * (y * response) + self.beta + y
        return x + linear(self.down, y)


class CausalConvNeXt(_Block):
    """Causal ConvNeXt block: it sees the present and `kernel - 1` past frames."""

    depthwise: CausalConv

    def __init__(self, dim: int, hidden: int, kernel: int = 7, layer_scale: float = 0.2):
        super().__init__(CausalConv(dim, dim, kernel, groups=dim), dim, hidden, layer_scale)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, T, dim] and state to an output of the same shape and the new state."""
        y, state = self.depthwise(x, state)
        return x + self.branch(self.norm(y)), state


class CentredConvNeXt(_Block):
    """Centred ConvNeXt block: it sees as many later as earlier frames."""

    depthwise: CentredConv

    def __init__(self, dim: int, hidden: int, kernel: int, layer_scale: float):
        conv = CentredConv(dim, dim, kernel, groups=dim)
        super().__init__(conv, dim, hidden, layer_scale, 1e-6)

    def forward(self, window: Tensor, x: Tensor) -> Tensor:
        """Outputs [B, u, dim], given the inputs in their receptive field [B, u + kernel - 1, dim],
        and the inputs at their positions x [B, u, dim]."""
        y = self.norm(self.depthwise(window))
        return x + self.scale * self.down(F.gelu(self.up(y)))


class FastConvNeXt:
    """A causal or centred block for inference in a dtype; `steady` as in Product."""

    def __init__(
        self, block: CausalConvNeXt | CentredConvNeXt, dtype: torch.dtype, steady: bool = False
    ):
        def product(layer: nn.Linear) -> Product:
            weight, bias = layer.weight.to(dtype), layer.bias.to(dtype)
            return Product(weight, bias, pieces=True, steady=steady)

        self.taps = Taps(block.depthwise.conv, dtype, steady)
        self.norm = Norm(block.norm, dtype)
        self.up, self.down = product(block.up), product(block.down)
        self.scale = block.scale.detach().to(dtype)

    def __call__(self, window: Tensor, x: Tensor, out: Tensor | None = None) -> Tensor:
        """Outputs [B, T, C], written to `out` if given, of the convolution's input
        [B, T + kernel - 1, C] and the input x [B, T, C] of the residual connection."""
        y = self.down(self.up(self.norm(self.taps(window)), gelu="none"))
        return torch.addcmul(x, y, self.scale, out=out)
