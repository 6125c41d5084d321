"""Classifier-free guidance, one convention: guided = s * cond + (1 - s) * uncond.

s = 1 is no guidance. Papers that write cond + w * (cond - uncond) mean s = 1 + w. Works on logits,
velocities, predictions or hidden states alike; set logits to -inf after guiding, not before.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from tts.errors import ConfigError, UsageError
from tts.generators.conditioning import Condition


def needs_guidance(scale: float) -> bool:
    """Whether the unconditional branch has to be evaluated at all."""
    return scale != 1.0


def anneal(first: float, last: float, masked: float) -> float:
    """`first` at masked fraction 1 to `last` at 0, linearly (MAGNeT, Ziv et al. 2024). For flow and
    diffusion the fraction is that of the noise."""
    return masked * first + (1 - masked) * last


@dataclass(frozen=True)
class Guidance:
    """How strongly to guide, and when.

    Attributes:
        scale: s while everything is still masked or noise, or throughout.
        final: s when nothing is any more; None keeps `scale`.
        rescale: phi, how far the guided values are brought back to the spread of the conditional
            ones (0 not at all, 1 fully).
        stride: guide every so many steps only (SSR-Speech), the first included.
    """

    scale: float = 1.0
    final: float | None = None
    rescale: float = 0.0
    stride: int = 1

    def __post_init__(self) -> None:
        for value in (self.scale, self.scale if self.final is None else self.final):
            if not 0 <= value <= 100:
                raise ConfigError(f"guidance must be from 0 to 100, not {value}")
        if not 0 <= self.rescale <= 1:
            raise ConfigError(f"rescale must be from 0 to 1, not {self.rescale}")
        if self.stride < 1:
            raise ConfigError(f"the stride of guidance must be at least 1, not {self.stride}")

    def at(self, step: int = 0, masked: float = 1.0) -> float:
        """s in a step; `masked` is the fraction of positions still masked, or of noise."""
        if step % self.stride:
            return 1.0
        return anneal(self.scale, self.scale if self.final is None else self.final, masked)


def guide(
    cond: Tensor,
    uncond: Tensor | None,
    scale: float | Tensor,
    rescale: float = 0.0,
    mask: Tensor | None = None,
) -> Tensor:
    """Combine the conditional and the unconditional output of a network.

    Args:
        cond: [B, ..., D].
        uncond: the same shape; None only with scale 1.
        scale: s, one for all or [B]. Rows with s = 1 are `cond` to the last bit.
        rescale: phi of Lin et al. 2023 (MaskGCT: 0.75), which brings the standard deviation of the
            result back to that of `cond`. It is taken at each position, so that neither padding nor
            later positions matter, unless `mask` is given.
        mask: [B, T] bool; the standard deviation is then taken over all positions of a row at which
            it is True.

    Raises:
        UsageError: `uncond` is missing.
    """
    if not isinstance(scale, Tensor) and not needs_guidance(scale):
        return cond
    if uncond is None:
        raise UsageError("guidance other than 1 needs an unconditional branch")
    s = scale
    if isinstance(s, Tensor):
        s = s.to(cond).reshape(s.shape + (1,) * (cond.ndim - s.ndim))
    guided = s * cond + (1 - s) * uncond
    if rescale:
        ratio = _spread(cond, mask) / _spread(guided, mask).clamp_min(1e-8)
        guided = guided * (rescale * ratio + 1 - rescale)
    return torch.where(s == 1, cond, guided) if isinstance(s, Tensor) else guided


def _spread(x: Tensor, mask: Tensor | None) -> Tensor:
    """Standard deviation over D of each position of x [B, T, D], [B, T, 1], or over all positions
    of a row where `mask` [B, T], [B, 1, 1]."""
    if mask is None:
        return x.std(-1, correction=0, keepdim=True)
    weight = mask.unsqueeze(-1).to(x.dtype)
    count = (weight.sum((1, 2), keepdim=True) * x.shape[-1]).clamp_min(1)
    mean = (x * weight).sum((1, 2), keepdim=True) / count
    return (((x - mean) * weight).square().sum((1, 2), keepdim=True) / count).sqrt()


def guide_rows(out: Tensor, rows: int, scale: float, rescale: float = 0.0) -> Tensor:
    """Apply `guide` to an output of the network for both branches.

    Args:
        out: [2 B, ...], the conditional rows and then the unconditional ones, or [B, ...] without
            guidance, which is returned as it is.
        rows: B.

    Returns:
        [B, ...].
    """
    if len(out) == rows:
        return out
    return guide(out[:rows], out[rows:], scale, rescale)


def both(x: Tensor, condition: Condition) -> Tensor:
    """Repeat x [B, ...] for the unconditional rows of guidance, [2 B, ...]; x itself if the
    condition has no such rows."""
    return torch.cat([x, x]) if len(condition.mask) > len(x) else x
