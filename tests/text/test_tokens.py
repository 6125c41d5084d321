"""Tokens in a batch, and the frames they are given."""

from collections.abc import Callable

import pytest
import torch

from tts.text.lengths import spread_by_length, spread_evenly
from tts.text.tokens import TokenBatch, collate_tokens, one_frame_each


@pytest.mark.parametrize("lay", [spread_evenly, spread_by_length, None])
def test_text_is_laid_over_its_sentence_or_over_a_frame_each(
    lay: Callable[[TokenBatch, torch.Tensor], torch.Tensor] | None,
) -> None:
    tokens = collate_tokens([([1] * length, [0] * length) for length in (5, 3)])
    frames = torch.tensor([20, 16])
    laid = lay(tokens, frames) if lay else one_frame_each(tokens)
    assert laid.sum(1).tolist() == (frames if lay else tokens.lengths).tolist()
    assert (laid[0] > 0).all() and not laid[1, 3:].any()
