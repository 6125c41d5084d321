"""Markup of models that find the lengths of phones by themselves."""

import pytest
import torch

from tts.errors import UsageError
from tts.prosody.style import sentence_speeds, with_pitch
from tts.text.style import Style
from tts.text.symbols import Phones


def phones(**more: object) -> Phones:
    return Phones([1, 2, 3], [0, 0, 0], [("a", 0, 1), ("b", 1, 3)], **more)  # type: ignore[arg-type]


def test_a_rate_of_the_whole_sentence_is_honoured() -> None:
    rows = [phones(), phones(styles=[Style(2.0)] * 2), phones(breaks={2: 1.0})]
    assert sentence_speeds(rows, torch.tensor([1.0, 0.5, 2.0])).tolist() == [1.0, 1.0, 2.0]
    assert sentence_speeds([phones(styles=[Style(3.0)] * 2)], torch.tensor([2.0])).tolist() == [4.0]


@pytest.mark.parametrize(
    "marked",
    [
        {"breaks": {1: 0.5}},
        {"breaks": {0: 0.5}},
        {"styles": [Style(2.0), Style()]},
        {"styles": [Style(pitch=1.2)] * 2},
        {"styles": [Style(), Style(gain=-6.0)]},
    ],
)
def test_what_needs_durations_is_refused(marked: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="inside of a sentence"):
        sentence_speeds([phones(), phones(**marked)], torch.ones(2))


def test_the_pitch_of_a_row_does_not_depend_on_its_batch() -> None:
    raised = Phones([20] * 2, [0] * 2, [("w", 0, 2)], styles=[Style(1.0, 1.5, 0.0)])
    plain = Phones([20] * 4, [0] * 4, [("w", 0, 4)])
    alone = with_pitch(None, [raised], torch.tensor([[3, 3]]), 82)
    both = with_pitch(None, [raised, plain], torch.tensor([[3, 3, 0, 0], [3, 3, 3, 3]]), 82)
    assert alone is not None and both is not None
    torch.testing.assert_close(both[0, :6], alone[0])
    assert not both[1].any()
