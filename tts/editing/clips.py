"""Clips of an edited recording: which samples of the recording and of the rendered speech are
heard, and when its words are said."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tts.audio.loudness import limited
from tts.audio.resample import resample
from tts.editing.align import Segment
from tts.editing.render import Rendered, level_of
from tts.editing.splice import Clip
from tts.synthesizer import Synthesizer
from tts.types import Span

#: limits of the gain that brings generated speech to the level of the recording: far down for a
#: quiet recording, and not far up for a loud one
_GAINS = (1e-4, 4.0)

#: a rendered window of segments: the number of its first segment, and its speech
Window = tuple[int, Rendered]


@dataclass(frozen=True)
class Timeline:
    """A recording, its samples and the frames of the model.

    Attributes:
        samples: [N], the recording.
        rate: sample rate in Hz.
        frame: duration of a frame in seconds.
    """

    samples: NDArray[np.float32]
    rate: int
    frame: float

    def sample(self, frames: int) -> int:
        """Return the sample at a number of frames."""
        return round(frames * self.frame * self.rate)


def clips_of(
    segments: list[Segment], windows: list[Window], timeline: Timeline, model: Synthesizer
) -> list[Clip]:
    """Return the clips of the recording and of the generated speech, in order.

    Args:
        segments: all segments of the edited recording.
        windows: rendered windows, in which all new segments are.
        timeline: the recording.
        model: the model that rendered the windows.
    """
    speech = {id(rendered): _at_level(rendered, timeline, model) for _, rendered in windows}
    clips: list[Clip] = []
    final, length = len(segments) - 1, len(timeline.samples)
    new: list[int] = []

    def add_new() -> None:
        """Add a clip of the new segments since the last one of the recording."""
        if new:
            rendered, first, last = find_window(new[0], new[-1] + 1, windows)
            begin, end = (timeline.sample(rendered.begins[at]) for at in (first, last))
            clips.append(Clip(begin, end, speech[id(rendered)]))
            new.clear()

    for at, segment in enumerate(segments):
        if segment.source is None:
            # The silence after the last word is heard if that word is new; before the first word
            # none is.
            if segment.word or 0 < at < final or (new and at == final):
                new.append(at)
            continue
        add_new()
        begin = 0 if at == 0 else min(length, timeline.sample(segment.source))
        end = length if at == final else min(length, timeline.sample(segment.end))
        if clips and clips[-1].made is None and clips[-1].end == begin:
            clips[-1] = Clip(clips[-1].begin, end)
        else:
            clips.append(Clip(begin, end))
    add_new()
    return clips


def find_window(begin: int, end: int, windows: list[Window]) -> tuple[Rendered, int, int]:
    """Return the window that holds all of some segments, and the numbers of the first and the
    past-last of them in it. Where windows overlap, only one of them may hold them all.

    Args:
        begin: number of the first segment.
        end: number of the past-last segment.
        windows: rendered windows.
    """
    for first, rendered in windows:
        if first <= begin and end <= first + rendered.count:
            shift = rendered.lead - first
            return rendered, begin + shift, end + shift
    raise AssertionError("new segments lie in no window")


def _at_level(rendered: Rendered, timeline: Timeline, model: Synthesizer) -> NDArray[np.float32]:
    """Return rendered speech at the sample rate and the level of the recording, with peaks beyond
    full scale limited as in all speech."""
    level = level_of(
        rendered.samples, rendered.begins, rendered.segments, model.acoustic.vocoder.hop
    )
    words = [
        timeline.samples[timeline.sample(segment.source) : timeline.sample(segment.end)]
        for segment in rendered.segments
        if segment.word and segment.source is not None
    ]
    if not words:
        words = [timeline.samples]
        level = float(rendered.samples.square().mean().sqrt())
    target = float(np.sqrt(np.mean(np.square(np.concatenate(words), dtype=np.float64))))
    gain = min(max(target / max(level, 1e-6), _GAINS[0]), _GAINS[1])
    samples = rendered.samples.numpy() * np.float32(gain)
    return limited(resample(samples, model.sample_rate, timeline.rate))


def word_times(segments: list[Segment], windows: list[Window], frame: float) -> list[Span]:
    """Return when each word of an edited recording is said.

    Args:
        segments: all segments of the edited recording.
        windows: rendered windows, in which all new words are.
        frame: duration of a frame in seconds.
    """
    spans: list[Span] = []
    now = 0
    for at, segment in enumerate(segments):
        length = segment.length
        if segment.source is None and segment.word:
            rendered, number, _ = find_window(at, at + 1, windows)
            length = rendered.segments[number].length
        if segment.word:
            spans.append(Span(segment.word, now * frame, (now + length) * frame))
        if segment.source is not None or 0 < at < len(segments) - 1:
            now += length
    return spans
