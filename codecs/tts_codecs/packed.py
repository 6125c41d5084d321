"""Packed weights: matrices as 8-bit integers with a scale for each row, half the size on disk.

Symmetric quantization for each output channel, as in LLM.int8() (Dettmers et al. 2022) for weights.
Loading makes floating-point weights of them again.
"""

import torch
from torch import Tensor

from tts_codecs.errors import CheckpointError

#: suffix of the name of the scales of a packed tensor
SCALE = ".row_scale"
#: tensors of fewer numbers are kept as they are: they are small, and often norms or embeddings
_LEAST = 4096


def pack(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Quantize floating-point tensors of two or more dimensions to 8 bits.

    Args:
        state: tensors [O, ...] by name.

    Returns:
        NAME, int8 [O, ...], and NAME.row_scale, float32 [O], for each tensor that is packed; the
        other tensors as they are.
    """
    packed: dict[str, Tensor] = {}
    for name, value in state.items():
        if not value.is_floating_point() or value.dim() < 2 or value.numel() < _LEAST:
            packed[name] = value
            continue
        rows = value.float().flatten(1)
        scale = rows.abs().amax(1) / 127
        whole = (rows / scale.clamp_min(1e-30).unsqueeze(1)).round().to(torch.int8)
        packed[name], packed[name + SCALE] = whole.view(value.shape), scale
    return packed


def unpack(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of `pack` with packed ones in half precision; other tensors stay as they are.

    Raises:
        CheckpointError: scales that do not fit a tensor.
    """
    made = {name: value for name, value in state.items() if not name.endswith(SCALE)}
    for name, scale in state.items():
        if not name.endswith(SCALE):
            continue
        name = name.removesuffix(SCALE)
        whole = made.get(name)
        if whole is None or whole.dtype != torch.int8 or scale.shape != whole.shape[:1]:
            raise CheckpointError(f"{name!r} is damaged: its scales are of another tensor")
        made[name] = (whole.flatten(1) * scale.unsqueeze(1)).view(whole.shape).half()
    return made
