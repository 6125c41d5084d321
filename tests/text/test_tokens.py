"""Tokens in a batch, and the frames they are given."""

import pytest
import torch

from tts.text.tokens import collate_tokens, moved, one_frame_each, spread_evenly, token_index


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


@pytest.mark.parametrize("even", [True, False])
def test_moved_durations_go_from_some_to_others_in_order(even: bool) -> None:
    tokens = collate_tokens([([1] * length, [0] * length) for length in (5, 3)])
    said = torch.tensor([[9, 1, 1, 2, 7], [1, 12, 3, 0, 0]])
    frames = said.sum(1)
    laid = spread_evenly(tokens, frames) if even else one_frame_each(tokens)
    assert laid.sum(1).tolist() == (frames if even else tokens.lengths).tolist()
    assert torch.equal(moved(said, laid, 0.0), said)
    assert torch.equal(moved(said, laid, 1.0), laid)
    before = (said.cumsum(1) - laid.cumsum(1)).abs()
    for share in (0.25, 0.5, 0.75):
        found = moved(said, laid, share)
        assert (found >= 0).all() and not found[1, 3:].any()
        away = (found.cumsum(1) - laid.cumsum(1)).abs()
        assert (away <= before).all() and away.sum() < before.sum(), "nearer than before"
        before = away
