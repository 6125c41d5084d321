"""The transformer of streams: long pieces are the same, and cost no more than windows do."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tts_codecs.nn.streamed import Transformer


@pytest.mark.parametrize("window", [1, 5, 70])
@pytest.mark.parametrize("length", [0, 1, 64, 200, 300])
def test_a_long_piece_is_taken_in_windows(
    monkeypatch: pytest.MonkeyPatch, window: int, length: int
) -> None:
    torch.manual_seed(0)
    made = Transformer(8, 2, 16, window, 2).requires_grad_(False)
    x = torch.randn(2, 8, length + 9)
    _, state = made.train()(x[..., :9], made.initial(2, x))  # in one go, as it is trained
    wanted, last = made(x[..., 9:], state)
    attend, compared = F.scaled_dot_product_attention, [0]

    def counted(query: Any, key: Any, *rest: Any) -> Any:
        compared.append(query.shape[2] * key.shape[2])
        return attend(query, key, *rest)

    monkeypatch.setattr(F, "scaled_dot_product_attention", counted)
    found, end = made.eval()(x[..., 9:], state)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    assert end[0] == last[0] == length + 9
    for one, other in zip(end[1:], last[1:], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert max(compared) <= 2 * max(window, 64) ** 2
