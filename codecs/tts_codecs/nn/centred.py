"""Streaming of non-causal networks: the context that a chunk shares with its neighbours is computed
again."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

#: duration of audio that `in_windows` computes at a time
SECONDS = 5.0


@dataclass(frozen=True)
class WindowState:
    """State of a stream.

    Attributes:
        encoded: frames [B, n, *] in the receptive field of later samples.
        batch: rows of the stream.
        done: how many of these frames are already decoded and only serve as left context.
        start: index of the first of them in the stream.
        finished: whether the stream has ended.
    """

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
    """Decode the next frames of a stream by a non-causal network.

    Args:
        network: maps frames [B, T, *] and the index of the first to samples [B, T * hop]. It treats
            both ends as the ends of the recording.
        encoded: the next frames [B, t, *]; t may be 0.
        state: of the stream.
        reach: receptive field of the network on each side, in frames.
        hop: samples per frame.
        last: whether these frames are the end of the stream.

    Returns:
        samples [B, n] and the new state.
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
    """Apply a non-causal network to frames [B, T, *] in windows of a few seconds, so that memory
    does not grow with the duration.

    Args:
        network: maps frames [B, t, *] and the index of the first to [B, t * hop, ...].
        frames: [B, T, *].
        reach: receptive field of the network on each side, in frames.
        hop: number of outputs per frame.
        rate: frames per second.

    Returns:
        [B, T * hop, ...], equal to the network's output for all frames at once.
    """
    total, size = frames.shape[1], max(4 * reach, round(SECONDS * rate))
    if total <= size + reach:
        return network(frames, 0)
    made = []
    for begin in range(0, total, size):
        end, start = min(total, begin + size), max(0, begin - reach)
        found = network(frames[:, start : end + reach], start)
        # The outputs near the edges of the window lack context and are cut off. The rest is copied,
        # since a view would keep the memory of the whole window.
        made.append(found[:, (begin - start) * hop : (end - start) * hop].clone())
    return torch.cat(made, 1)
