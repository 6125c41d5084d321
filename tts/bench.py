"""How fast a model speaks on this machine, measured in a few seconds."""

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tts.errors import UsageError

if TYPE_CHECKING:
    from tts.facade import TTS
    from tts.types import Audio, Stream
    from tts.voice.voice import Voice

#: sentences of different lengths, said in turn
SENTENCES = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background, and wait until it is dry.",
    "Rice is often served in round bowls.",
    "Four hours of steady work faced us, so nobody spoke before the sun was up.",
)
SECONDS = (1.0, 600.0)
MOST_STREAMS = 64
_ALONE = 0.4  # share of the time for one request after the other


@dataclass(frozen=True)
class Speed:
    """What was measured.

    Attributes:
        rtf: seconds of computing per second of audio, one request at a time.
        first_audio: median of the seconds until a request is first heard.
        streams: listeners at once to whom no chunk came late; each is served in turn, as a server
            does, by one process.
        requests: said one at a time; audio: their seconds.
        elapsed: seconds that all of it took.
    """

    rtf: float
    first_audio: float
    streams: int
    requests: int
    audio: float
    elapsed: float


def measure(model: "TTS", voice: "Voice", seconds: float = 10.0) -> Speed:
    """The speed of a model in a voice, in about so many seconds.

    Raises:
        UsageError: not 1 to 600 s.
    """
    low, high = SECONDS
    if not low <= seconds <= high:
        raise UsageError(f"seconds {seconds:g} is out of range: {low:g} to {high:g}")
    begin = time.perf_counter()
    model.warmup(voice)
    alone: list[Audio] = []
    while not alone or time.perf_counter() - begin < _ALONE * seconds:
        alone.append(model.synthesize(SENTENCES[len(alone) % len(SENTENCES)], voice))
    audio = sum(each.seconds for each in alone)
    rtf = sum(each.elapsed for each in alone) / max(audio, 1e-9)
    count = min(MOST_STREAMS, int(1 / rtf))
    while count > 1:
        left = seconds - (time.perf_counter() - begin)
        if keeps_up(model, voice, count, max(left / 2, 0.5)):
            break
        # Nearly right: chunks of several cost a little more than one after the other.
        count = min(count - 1, int(0.85 * count))
    first = statistics.median(each.first_audio for each in alone)
    elapsed = time.perf_counter() - begin
    return Speed(rtf, first, count, len(alone), audio, elapsed)


def keeps_up(model: "TTS", voice: "Voice", count: int, seconds: float) -> bool:
    """Whether so many listeners hear speech without a gap for some seconds: whoever has least in
    hand is served next, and speaks on with another sentence at the end of one."""

    def open_stream(number: int) -> "Stream":
        return model.stream(SENTENCES[number % len(SENTENCES)], voice, seed=number)

    streams = [open_stream(number) for number in range(count)]
    heard = [0.0] * count  # seconds of audio made
    begun = [0.0] * count  # when each began to play
    end = time.perf_counter() + seconds
    try:
        while (now := time.perf_counter()) < end:
            # Not begun yet: their first audio is awaited, but nobody hears a gap.
            ahead = [heard[n] - (now - begun[n]) if begun[n] else 0.0 for n in range(count)]
            if min(ahead) < 0:
                return False
            number = min(range(count), key=ahead.__getitem__)
            if not begun[number] and any(0 < each < 0.1 for each in ahead):
                number = min(
                    (n for n in range(count) if begun[n]), key=ahead.__getitem__
                )  # a newcomer waits for those who would hear a gap
            chunk = next(streams[number], None)
            if chunk is None:
                streams[number] = open_stream(number + int(heard[number]))
                continue
            heard[number] += len(chunk.samples) / chunk.sample_rate
            begun[number] = begun[number] or time.perf_counter()
    finally:
        for stream in streams:
            stream.close()
    return all(begun)
