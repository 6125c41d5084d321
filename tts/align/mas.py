"""Monotonic alignment search (Kim et al. 2020, Glow-TTS) with skippable tokens."""

import numpy as np

from tts.errors import AlignmentError


def monotonic_alignment(
    scores: np.ndarray,
    tokens: np.ndarray,
    frames: np.ndarray,
    optional: np.ndarray | None = None,
) -> np.ndarray:
    """Find the best monotonic path through each score matrix of a batch.

    Every token takes at least one frame, except optional ones (pauses between words), which may
    take none. Two optional tokens must not be neighbors; the first and last may be optional.

    Args:
        scores: [B, S, T] log-likelihood of frame t under token s.
        tokens: [B] number of valid tokens.
        frames: [B] number of valid frames.
        optional: [B, S] bool, tokens that may be skipped.

    Returns:
        int64 [B, S] frames per token; rows sum to `frames`.

    Raises:
        AlignmentError: a row has fewer frames than tokens that are not optional.
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
    # Whether token s may follow s - 2, so that s - 1 is skipped.
    can_skip = np.zeros((batch, size), dtype=bool)
    can_skip[:, 2:] = optional[:, 1:-1]
    moves = np.zeros((time, batch, size), dtype=np.int8)
    for t in range(1, time):
        from_one = np.full_like(best, -np.inf)
        from_one[:, 1:] = best[:, :-1]
        from_two = np.full_like(best, -np.inf)
        from_two[:, 2:] = best[:, :-2]
        from_two[~can_skip] = -np.inf
        move = np.where(from_one > best, 1, 0)
        value = np.maximum(best, from_one)
        move = np.where(from_two > value, 2, move)
        moves[t] = move
        best = np.where(
            t < frames[:, None], np.maximum(value, from_two) + masked[:, :, t], best
        )  # rows that have ended keep their final scores
    rows = np.arange(batch)
    state = tokens - 1
    previous = np.maximum(tokens - 2, 0)
    skip_last = (
        (tokens > 1) & optional[rows, tokens - 1] & (best[rows, previous] > best[rows, state])
    )
    state = np.where(skip_last, previous, state)
    durations = np.zeros((batch, size), dtype=np.int64)
    for t in range(time - 1, -1, -1):
        active = t < frames
        np.add.at(durations, (rows[active], state[active]), 1)
        state = np.where(active & (t > 0), state - moves[t, rows, state], state)
    return durations
