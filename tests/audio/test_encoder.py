"""Encodings that are streamed while speech is made."""

import numpy as np
import pytest

from tests.helpers.audio import read
from tts.audio.encoder import STREAMED, StreamEncoder
from tts.audio.writer import encode_audio


@pytest.mark.parametrize("format", STREAMED)
def test_streamed_encodings_hold_the_sound(format: str) -> None:
    if format == "aac":
        pytest.importorskip("av")
    t = np.arange(48000) / 16000
    tone = (0.3 * np.sin(2 * np.pi * 220 * t) * np.sin(np.pi * t)).astype(np.float32)
    encoder = StreamEncoder(format, 16000)
    parts = [encoder.encode(tone[at : at + 4000]) for at in range(0, len(tone), 4000)]
    if format in ("wav", "pcm", "flac", "mp3"):
        assert all(parts), "bytes come with every chunk"
    whole = bytearray(b"".join([*parts, encoder.finish()]))
    heard = read(bytes(whole), format, len(tone))
    encoder.close()
    for offset, correct in encoder.corrections():
        whole[offset : offset + len(correct)] = correct
    if format in ("wav", "flac"):
        assert bytes(whole) == encode_audio(tone, 16000, format), "who keeps them has a whole file"
    else:
        assert not encoder.corrections()
    assert len(heard) >= len(tone)
    # The delay of MP3 and AAC coders is not told in a stream.
    delays = range(0, 2100) if format in ("mp3", "aac") else [0]
    errors = [np.abs(heard[d : d + 40000] - tone[:40000]).max() for d in delays]
    assert min(errors) < (1e-4 if format in ("wav", "pcm", "flac") else 0.05)
