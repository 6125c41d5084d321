"""ConvNeXt blocks (Liu et al. 2022) over time: the variants of this project, side by side.

All are a depthwise convolution, a layer norm and two linear layers with GELU between them, added to
the input. They differ in what the convolution sees and in what is done in between:

    ConvNeXt         a whole padded sequence at once, with a mask; a condition may shift the norm
    ConvNeXtV2       the same without a mask, with global response normalisation (Woo et al. 2023)
    CausalConvNeXt   the present and the past, in pieces, with an explicit state
    CentredConvNeXt  as much future as past, in pieces whose context the caller keeps
    FastConvNeXt     the last two as inference computes them, on weights laid out once

Frames are [B, T, dim]. The names of the weights (`depthwise`, `norm`, `up`, `down`, `scale`) are
the same in all of them, and are part of the format of checkpoints.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tts_codecs.nn.conv import CausalConv, CentredConv
from tts_codecs.nn.inference import Norm, Product, Taps, linear


class _Block(nn.Module):
    """The layers that all variants have, and their shared part.

    Args:
        depthwise: the convolution over time.
        hidden: width between the two linear layers; eps: of the norm.
        layer_scale: initial weight of the branch per channel (Touvron et al. 2021), or None for
            none.
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
        """Normalised frames through the two linear layers, scaled."""
        return self.scale * linear(self.down, linear(self.up, y, gelu="none"))


class ConvNeXt(_Block):
    """Block over whole sequences with a mask; an optional condition vector shifts and scales the
    norm."""

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
    """Block with global response normalisation in the wide layer (Woo et al. 2023)."""

    def __init__(self, dim: int, hidden: int, kernel: int = 7):
        conv = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        super().__init__(conv, dim, hidden, None, 1e-6)
        self.gamma = nn.Parameter(torch.zeros(1, 1, hidden))
        self.beta = nn.Parameter(torch.zeros(1, 1, hidden))

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x [B, T, dim], valid [B, T, 1] float: frames of the row, filler included."""
        y = self.norm(self.depthwise(x.transpose(1, 2)).transpose(1, 2))
        y = linear(self.up, y, gelu="none")
        # Over the row's own frames: what a longer row pads must not matter.
        response = (y * valid).norm(dim=1, keepdim=True)
        response = response / (response.mean(-1, keepdim=True) + 1e-6)
        y = self.gamma * (y * response) + self.beta + y
        return x + linear(self.down, y)


class CausalConvNeXt(_Block):
    """Block that sees the present and `kernel - 1` past frames."""

    depthwise: CausalConv

    def __init__(self, dim: int, hidden: int, kernel: int = 7, layer_scale: float = 0.2):
        super().__init__(CausalConv(dim, dim, kernel, groups=dim), dim, hidden, layer_scale)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """[B, T, dim] to the same shape."""
        y, state = self.depthwise(x, state)
        return x + self.branch(self.norm(y)), state


class CentredConvNeXt(_Block):
    """Block that sees as many later frames as earlier ones."""

    depthwise: CentredConv

    def __init__(self, dim: int, hidden: int, kernel: int, layer_scale: float):
        conv = CentredConv(dim, dim, kernel, groups=dim)
        super().__init__(conv, dim, hidden, layer_scale, 1e-6)

    def forward(self, window: Tensor, x: Tensor) -> Tensor:
        """What the outputs see [B, u + kernel - 1, dim], their own inputs, to [B, u, dim]."""
        y = self.norm(self.depthwise(window))
        return x + self.scale * self.down(F.gelu(self.up(y)))


class FastConvNeXt:
    """A causal or centred block as inference computes it; `steady` as in `Product`."""

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
        """The convolution's input [B, T + kernel - 1, C] and what the branch is added to
        [B, T, C], which is also the shape of the result, and of `out` to write it to."""
        y = self.down(self.up(self.norm(self.taps(window)), gelu="none"))
        return torch.addcmul(x, y, self.scale, out=out)
