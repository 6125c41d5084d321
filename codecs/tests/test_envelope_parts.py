"""The two parts of source-filter features."""

import numpy as np
import torch

from tts_codecs.envelope import CHANNELS, EXTRA, envelope_part, source_part


def test_the_parts_of_features_are_views_of_all_of_it() -> None:
    features = torch.randn(2, 5, CHANNELS)
    parts = envelope_part(features), source_part(features)
    assert parts[1].shape == (2, 5, EXTRA)
    assert torch.equal(torch.cat(parts, -1), features)
    array = features[0].numpy()
    envelope_part(array)[:] = 0.0
    assert not np.any(array[:, : CHANNELS - EXTRA]) and not envelope_part(features)[0].any()
