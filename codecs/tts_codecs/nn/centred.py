"""Networks that see both sides, run in pieces: what a piece needs of its neighbours is computed
again."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

#: of sound that `in_windows` takes at a time
SECONDS = 5.0


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


def in_windows(
    network: Callable[[Tensor, int], Tensor], frames: Tensor, reach: int, hop: int, rate: float
) -> Tensor:
    """What a network makes of frames [B, T, *], [B, T * hop, ...], a few seconds at a time, so that
    an hour takes no more memory than they do.

    Args:
        network: frames [B, t, *], and the number of the first, to [B, t * hop, ...].
        reach: frames on each side that what is made of one depends on.
        hop: what is made of a frame; rate: frames per second.
    """
    total, size = frames.shape[1], max(4 * reach, round(SECONDS * rate))
    if total <= size + reach:
        return network(frames, 0)
    made = []
    for begin in range(0, total, size):
        end, start = min(total, begin + size), max(0, begin - reach)
        found = network(frames[:, start : end + reach], start)
        # Beyond what is kept the network took the edges of the window for those of the sound. A
        # copy, as a part of it would keep all of it.
        made.append(found[:, (begin - start) * hop : (end - start) * hop].clone())
    return torch.cat(made, 1)
