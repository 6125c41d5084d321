"""The codec contract, as one function that every codec's tests call."""

from __future__ import annotations

import pytest
import torch

from codec_helpers import check_codec_contract, small_codec
from tts_codecs.base import check_wav
from tts_codecs.errors import CodecError

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")


@pytest.mark.parametrize("ratios", [(5, 4, 2), (2, 2)])
def test_encodec_keeps_the_contract(ratios: tuple[int, ...]) -> None:
    codec = small_codec(ratios=ratios)
    check_codec_contract(codec, 30.5 * codec.info.hop / codec.info.sample_rate)


@pytest.mark.parametrize("loud", [1.1e6, 1e30, -1e30, 3e38])
def test_samples_that_are_no_sound(loud: float) -> None:
    wav = torch.zeros(1, 1, 10)
    assert check_wav(wav + 1e4) is not None
    wav[0, 0, 3] = loud
    with pytest.raises(CodecError, match=r"samples beyond 1e\+06"):
        check_wav(wav)
    for value in ("nan", "inf", "-inf"):
        wav[0, 0, 4] = float(value)
        with pytest.raises(CodecError, match="NaN or infinite"):
            check_wav(wav)


def test_contract_check_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = small_codec()
    forward = type(codec).decode_chunk

    def forgets(self, encoded, state, last=False):  # type: ignore[no-untyped-def]
        wav, _ = forward(self, encoded, self.init_state(encoded.shape[0]), True)
        return wav, state

    monkeypatch.setattr(type(codec), "decode_chunk", forgets)
    with pytest.raises(AssertionError, match="off by"):
        check_codec_contract(codec, 30 * codec.info.hop / codec.info.sample_rate)
