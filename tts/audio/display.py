"""A player for notebooks, with the spoken words."""

import base64
import html
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tts.audio.writer import encode_audio

#: seconds above which the player has MP3, as WAV of a chapter takes tens of megabytes
LONG = 60.0


def player(samples: NDArray[np.float32], sample_rate: int, words: Sequence[str]) -> str:
    """Make HTML that plays samples [N] without other files, and shows words below the player."""
    if not len(samples):
        return "<em>no audio</em>"
    seconds = len(samples) / sample_rate
    mp3 = seconds > LONG and sample_rate <= 48000
    kind = "mp3" if mp3 else "wav"
    data = base64.b64encode(encode_audio(samples, sample_rate, kind)).decode("ascii")
    media = "audio/mpeg" if mp3 else "audio/wav"
    text = html.escape(" ".join(words))
    caption = html.escape(f"{seconds:.2f} s, {sample_rate} Hz")
    return (
        f'<figure style="margin:0"><audio controls src="data:{media};base64,{data}"></audio>'
        f"<figcaption>{caption}{'<br>' + text if text else ''}</figcaption></figure>"
    )
