"""Networks that see both sides, run in pieces: what a piece needs of its neighbours is computed
again."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class WindowState:
    """The frames [B, n, *] that later samples depend on, the first of them number `start`, of which
    the first `done` were answered."""

    encoded: Tensor
    batch: int
    done: int = 0
    start: int = 0
    finished: bool = False


def windowed(
    network: Callable[[Tensor, int], Tensor],
    encoded: Tensor,
    state: WindowState,
    reach: int,
    hop: int,
    last: bool,
) -> tuple[Tensor, WindowState]:
    """The next samples [B, n] of a stream.

    Args:
        network: frames [B, T, *], and the number of the first, to samples [B, T * hop]; beyond them
            is silence.
        encoded: the next ones [B, t, *], t may be 0.
        reach: frames on each side that the samples of one depend on.
        last: no frame follows.
    """
    seen = torch.cat([state.encoded, encoded], 1)
    ready = seen.shape[1] if last else max(state.done, seen.shape[1] - reach)
    if ready == state.done:
        wav = torch.zeros(state.batch, 0, device=seen.device)
    else:
        wav = network(seen, state.start)[:, state.done * hop : ready * hop]
    drop = max(0, ready - reach)
    return wav, WindowState(seen[:, drop:], state.batch, ready - drop, state.start + drop, last)
