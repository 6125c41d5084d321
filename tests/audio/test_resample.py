"""Sample-rate conversion of streams."""

import numpy as np
import pytest

from tts.audio.resample import StreamResampler, resample


@pytest.mark.parametrize(
    ("rate", "target"),
    [(24000, 16000), (24000, 48000), (24000, 44100), (16000, 8000), (8000, 8000)],
)
def test_stream_equals_whole(rate: int, target: int) -> None:
    rng = np.random.default_rng(0)
    samples = rng.standard_normal(9137).astype(np.float32)
    whole = resample(samples, rate, target)
    for sizes in (rng.integers(1, 2000, 40), [9137], [1] * 400 + [8737]):
        stream, out, at = StreamResampler(rate, target), [], 0
        for size in sizes:
            out.append(stream.push(samples[at : at + size]))
            at += size
            # Nothing waits longer than the filters reach.
            given = sum(each.size for each in out) * rate / target
            assert min(at, 9137) - given <= 0.03 * rate
        out.append(stream.finish())
        joined = np.concatenate(out)
        assert joined.shape == whole.shape
        np.testing.assert_allclose(joined, whole, atol=2e-6)


def test_nothing_comes_of_nothing() -> None:
    stream = StreamResampler(24000, 16000)
    assert stream.finish().size == 0
