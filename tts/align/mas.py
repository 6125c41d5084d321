"""Monotonic alignment search (Kim et al. 2020, Glow-TTS) with skippable tokens."""

import numpy as np

from tts.errors import AlignmentError


def monotonic_alignment(
    scores: np.ndarray,
    tokens: np.ndarray,
    frames: np.ndarray,
    optional: np.ndarray | None = None,
) -> np.ndarray:
    """Durations of the best monotonic path through a batch of score matrices.

    Every token takes at least one frame, except optional ones (pauses between words), which may
    take none; no two optional tokens may be neighbours. The first and last token may be optional.

    Args:
        scores: [B, S, T] log-likelihood of frame t under token s.
        tokens: [B] number of valid tokens.
        frames: [B] number of valid frames.
        optional: [B, S] bool, tokens that may be skipped.

    Returns:
        int64 [B, S] frames per token; rows sum to `frames`.

    Raises:
        AlignmentError: a row with fewer frames than tokens that need one.
    """
    batch, size, time = scores.shape
    if optional is None:
        optional = np.zeros((batch, size), dtype=bool)
    valid = np.arange(size)[None] < tokens[:, None]
    needed = (valid & ~optional).sum(1)
    for row in np.flatnonzero(needed > frames):
        raise AlignmentError(f"{needed[row]} phones do not fit into {frames[row]} frames")
    masked = np.where(valid[:, :, None], scores, -np.inf).astype(np.float32)
    best = np.full((batch, size), -np.inf, dtype=np.float32)
    best[:, 0] = masked[:, 0, 0]
    if size > 1:
        best[:, 1] = np.where(optional[:, 0], masked[:, 1, 0], -np.inf)
    # May state s be entered from s - 2, skipping s - 1?
    jump = np.zeros((batch, size), dtype=bool)
    jump[:, 2:] = optional[:, 1:-1]
    moves = np.zeros((time, batch, size), dtype=np.int8)
    for t in range(1, time):
        one = np.full_like(best, -np.inf)
        one[:, 1:] = best[:, :-1]
        two = np.full_like(best, -np.inf)
        two[:, 2:] = best[:, :-2]
        two[~jump] = -np.inf
        move = np.where(one > best, 1, 0)
        value = np.maximum(best, one)
        move = np.where(two > value, 2, move)
        moves[t] = move
        best = np.where(
            t < frames[:, None], np.maximum(value, two) + masked[:, :, t], best
        )  # rows that have ended keep their final scores
    rows = np.arange(batch)
    state = tokens - 1
    before = np.maximum(tokens - 2, 0)
    skip_last = (tokens > 1) & optional[rows, tokens - 1] & (best[rows, before] > best[rows, state])
    state = np.where(skip_last, before, state)
    durations = np.zeros((batch, size), dtype=np.int64)
    for t in range(time - 1, -1, -1):
        live = t < frames
        np.add.at(durations, (rows[live], state[live]), 1)
        state = np.where(live & (t > 0), state - moves[t, rows, state], state)
    return durations
