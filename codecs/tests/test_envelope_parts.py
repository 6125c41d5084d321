"""Source-filter features: their two parts, and the smoothing of the envelope."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tts_codecs import envelope
from tts_codecs.envelope import CHANNELS, EXTRA, envelope_part, source_part
from tts_codecs.mel import MelConfig


def test_the_parts_of_features_are_views_of_all_of_it() -> None:
    features = torch.randn(2, 5, CHANNELS)
    parts = envelope_part(features), source_part(features)
    assert parts[1].shape == (2, 5, EXTRA)
    assert torch.equal(torch.cat(parts, -1), features)
    array = features[0].numpy()
    envelope_part(array)[:] = 0.0
    assert not np.any(array[:, : CHANNELS - EXTRA]) and not envelope_part(features)[0].any()


def test_an_envelope_is_smoothed_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the memory of smoothing does not grow with a recording, here one of 41 s."""
    frames, smoothed = [], envelope._smoothed

    def watched(power: Tensor, width: Tensor, config: MelConfig) -> Tensor:
        frames.append(power.shape[1])
        return smoothed(power, width, config)

    monkeypatch.setattr(envelope, "_smoothed", watched)
    generator = torch.Generator().manual_seed(0)
    wav = 0.1 * torch.randn(2, 320 * 2050, generator=generator)
    f0 = 200 * torch.rand(2, 2050, generator=generator) - 50
    found = envelope.mel_envelope(wav, f0.clamp_min(0))
    assert found.shape == (2, 2050, 80) and frames == [1000, 1000, 50]
    monkeypatch.setattr(envelope, "_BLOCK", 10**6)
    torch.testing.assert_close(found, envelope.mel_envelope(wav, f0.clamp_min(0)))
