"""Tokens in a batch, and the frames they are given."""

from collections.abc import Callable

import pytest
import torch

from tts.text.lengths import spread_by_length, spread_evenly
from tts.text.tokens import TokenBatch, collate_tokens, moved, one_frame_each


@pytest.mark.parametrize("lay", [spread_evenly, spread_by_length, None])
def test_moved_durations_go_from_some_to_others_in_order(
    lay: Callable[[TokenBatch, torch.Tensor], torch.Tensor] | None,
) -> None:
    tokens = collate_tokens([([1] * length, [0] * length) for length in (5, 3)])
    said = torch.tensor([[9, 1, 1, 2, 7], [1, 12, 3, 0, 0]])
    frames = said.sum(1)
    laid = lay(tokens, frames) if lay else one_frame_each(tokens)
    assert laid.sum(1).tolist() == (frames if lay else tokens.lengths).tolist()
    assert torch.equal(moved(said, laid, 0.0), said)
    assert torch.equal(moved(said, laid, 1.0), laid)
    before = (said.cumsum(1) - laid.cumsum(1)).abs()
    for share in (0.25, 0.5, 0.75):
        found = moved(said, laid, share)
        assert (found >= 0).all() and not found[1, 3:].any()
        away = (found.cumsum(1) - laid.cumsum(1)).abs()
        assert (away <= before).all() and away.sum() < before.sum(), "nearer than before"
        before = away
