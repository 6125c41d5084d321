"""Tokens in a batch, and the frames they are given."""

import pytest
import torch

from tts.text.tokens import collate_tokens, spread_evenly, token_index


@pytest.mark.parametrize(
    ("lengths", "frames"), [([4], [8]), ([3, 5], [10, 31]), ([6, 1], [4, 9]), ([7], [7])]
)
def test_tokens_spread_evenly_fill_their_frames(lengths: list[int], frames: list[int]) -> None:
    tokens = collate_tokens([([1] * length, [0] * length) for length in lengths])
    durations = spread_evenly(tokens, torch.tensor(frames))
    assert durations.shape == (len(lengths), max(lengths))
    assert durations.sum(1).tolist() == frames
    for row, length, count in zip(durations, lengths, frames, strict=True):
        assert row[:length].max() - row[:length].min() <= 1
        assert not row[length:].any()
        own = token_index(row[None, :length], count)[0]
        assert own.tolist() == sorted(own.tolist()), "in the order of the text"
