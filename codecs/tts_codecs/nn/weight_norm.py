"""Folding of weight normalisation (Salimans and Kingma 2016), with which published weights are
stored."""

from collections.abc import Mapping

from torch import Tensor

_NORM, _DIRECTION = ".parametrizations.weight.original0", ".parametrizations.weight.original1"


def folded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with the weights themselves, in float32, in place of their norms and directions.

    These may have either of the names that torch uses, `weight_g` and `weight_v` or those of
    `torch.nn.utils.parametrizations`. Norms are of the first dimension.

    Raises:
        LookupError: a norm without a direction.
        RuntimeError: a norm and a direction whose shapes do not fit.
    """
    for end, newer in {".weight_g": _NORM, ".weight_v": _DIRECTION}.items():
        state = {
            name.removesuffix(end) + newer if name.endswith(end) else name: value
            for name, value in state.items()
        }
    out = {}
    for name, value in state.items():
        if name.endswith(_NORM):
            where = name.removesuffix(_NORM)
            way = state[where + _DIRECTION].float()
            length = way.flatten(1).norm(dim=1).view(-1, *[1] * (way.dim() - 1))
            out[f"{where}.weight"] = value.float() * way / length
        elif not name.endswith(_DIRECTION):
            out[name] = value.float()
    return out
