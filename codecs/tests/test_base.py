"""The codec contract, as one function that every codec's tests call."""

from __future__ import annotations

import pytest

from codec_helpers import check_codec_contract, small_codec

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")


@pytest.mark.parametrize("ratios", [(5, 4, 2), (2, 2)])
def test_encodec_keeps_the_contract(ratios: tuple[int, ...]) -> None:
    codec = small_codec(ratios=ratios)
    check_codec_contract(codec, 30.5 * codec.info.hop / codec.info.sample_rate)


def test_contract_check_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = small_codec()
    forward = type(codec).decode_chunk

    def forgets(self, encoded, state, last=False):  # type: ignore[no-untyped-def]
        wav, _ = forward(self, encoded, self.init_state(encoded.shape[0]), True)
        return wav, state

    monkeypatch.setattr(type(codec), "decode_chunk", forgets)
    with pytest.raises(AssertionError, match="off by"):
        check_codec_contract(codec, 30 * codec.info.hop / codec.info.sample_rate)
