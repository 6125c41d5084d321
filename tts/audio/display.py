"""Speech in a notebook: a player with the words that are said."""

import base64
import html
from typing import TYPE_CHECKING

from tts.audio.writer import encode_audio

if TYPE_CHECKING:
    from tts.types import Audio

#: seconds from which on the page holds MP3: of a chapter as WAV it would be tens of megabytes
LONG = 60.0


def player(audio: "Audio") -> str:
    """HTML that plays an utterance without any other file, its words below it."""
    if not len(audio.samples):
        return "<em>no audio</em>"
    mp3 = audio.seconds > LONG and audio.sample_rate <= 48000
    kind = "mp3" if mp3 else "wav"
    data = base64.b64encode(encode_audio(audio.samples, audio.sample_rate, kind)).decode("ascii")
    media = "audio/mpeg" if mp3 else "audio/wav"
    words = html.escape(" ".join(word.text for word in audio.words))
    told = html.escape(f"{audio.seconds:.2f} s, {audio.sample_rate} Hz")
    return (
        f'<figure style="margin:0"><audio controls src="data:{media};base64,{data}"></audio>'
        f"<figcaption>{told}{'<br>' + words if words else ''}</figcaption></figure>"
    )
