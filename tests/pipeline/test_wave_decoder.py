"""Latents of a codec of waveforms to sentences."""

import pytest
import torch

from tests.helpers.codecs import layered
from tests.helpers.generators import inputs
from tts.generators.conditioning import AlignmentResult
from tts.generators.wave_space import WaveSpace
from tts.pipeline.render import Fade
from tts.pipeline.wave_decoder import WaveDecoder


@pytest.fixture(scope="module")
def decoder() -> WaveDecoder:
    return WaveDecoder(WaveSpace(layered()))


@pytest.mark.parametrize("chunk", [3, 25])
def test_a_faded_sentence_is_the_same_in_pieces_and_whole(decoder: WaveDecoder, chunk: int) -> None:
    """Of any length: the last piece holds the whole of the closing fade."""
    ramp = round(decoder.fade * decoder.sample_rate)
    for frames in range(3, 64):
        request = inputs([frames], [min(frames, 10)])
        rng = torch.Generator().manual_seed(frames)
        count = -(-frames // decoder.space.patch)
        latents = torch.randint(16, (1, count, 3), generator=rng)
        alignment = AlignmentResult(request.durations)
        fade = Fade(ramp, latents.device)
        with torch.inference_mode():
            pieces = decoder.stream(iter(latents.split(2, 1)), request, alignment, 1.0, chunk)
            streamed = torch.cat([fade(wav.clone(), last) for wav, last in pieces])
            whole = decoder.rows(latents, request, alignment, 1.0)[0]
        whole = Fade(ramp, latents.device)(whole.clone(), True)
        torch.testing.assert_close(streamed, whole, atol=1e-4, rtol=1e-4)
