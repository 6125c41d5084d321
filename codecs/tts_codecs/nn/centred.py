"""Networks that see both sides, run in pieces: what a piece needs of its neighbours is computed
again."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class WindowState:
    """The units [B, n, *] that later samples depend on; the first `done` of them were answered."""

    units: Tensor
    done: int
    batch: int
    finished: bool = False


def windowed(
    network: Callable[[Tensor], Tensor], units: Tensor, state: WindowState, reach: int, hop: int,
    last: bool,
) -> tuple[Tensor, WindowState]:  # fmt: skip
    """The next samples [B, n] of a stream.

    Args:
        network: units [B, T, *] to samples [B, T * hop], continued by silence on both sides.
        units: the next ones [B, t, *], t may be 0.
        reach: units on each side that the samples of one depend on.
        last: no unit follows.
    """
    seen = torch.cat([state.units, units], 1)
    ready = seen.shape[1] if last else max(state.done, seen.shape[1] - reach)
    if ready == state.done:
        wav = torch.zeros(state.batch, 0, device=seen.device)
    else:
        wav = network(seen)[:, state.done * hop : ready * hop]
    drop = max(0, ready - reach)
    return wav, WindowState(seen[:, drop:], ready - drop, state.batch, last)
