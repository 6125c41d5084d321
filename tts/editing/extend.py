"""Continuation of a recording: its last words are the context in which new ones are rendered."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tts.editing.align import Segment, align_words
from tts.editing.clips import Timeline, clips_of
from tts.editing.edit import CONTEXT
from tts.editing.edited import Edited
from tts.editing.plan import Change, new_segments
from tts.editing.recording import AnalyzedRecording, analyze, check_options, phone_probe_of
from tts.editing.render import Rendered, render
from tts.editing.splice import Clip, Splicer
from tts.synthesizer import Synthesizer
from tts.text.pauses import PERIOD, is_pause
from tts.text.symbols import SIL, Phones
from tts.types import Options, Span, options_of
from tts.voice.reading import align_recording
from tts.voice.sources import Recording

#: most frames of silence that are kept after a recording, and frames of a pause for one without
_MAX_SILENCE, _NEW_PAUSE = 25, 12
#: frames of silence after each new sentence, and how many of them are the room alone, without the
#: end of the last sound
_CLOSING_SILENCE, _ROOM = 12, 6


def extend(
    model: Synthesizer,
    recording: Recording,
    text: str,
    said: str | None = None,
    options: Options | None = None,
    sample_rate: int | None = None,
    **values: object,
) -> Edited:
    """Continue a recording with a text; see `TTS.extend`."""
    chosen = options_of(options, values)
    check_options(chosen, "continued", ("markup",))
    phone_probe_of(model)
    sentences = list(model.sentences(text, chosen.language, chosen.markup, chosen.emoji))
    chosen.check_takes(len(sentences))
    analyzed = analyze(model, recording, sample_rate, chosen.language)
    segments, end = _with_final_pause(_segments_of(model, analyzed, said, chosen.language))
    timeline = Timeline(
        analyzed.samples, analyzed.rate, model.acoustic.vocoder.hop / model.sample_rate
    )
    if end is not None:
        timeline = replace(timeline, samples=timeline.samples[: timeline.sample(end)])
    voice = model.acoustic.calibrate(analyzed.voice)
    analyzed = replace(analyzed, voice=voice)
    continuation = _Continuation(model, analyzed, timeline, segments)
    for number, phones in enumerate(sentences):
        pause = sentences[number - 1].pause_after if number else None
        continuation.add(phones, replace(chosen, seed=chosen.seed_of(number)), pause)
    continuation.splicer.close()
    out, kept = continuation.splicer.result()
    words = tuple(word for phones in sentences for word, _, _ in phones.words)
    return Edited(
        out,
        timeline.rate,
        continuation.spans,
        kept=kept,
        changes=[Change((), words)],
        original=np.ascontiguousarray(timeline.samples),
        warnings=analyzed.warnings,
    )


class _Continuation:
    """The recording and the sentences that were added to it.

    Args:
        model: the model.
        analyzed: the recording, with the calibrated voice.
        timeline: the samples of the recording that are heard.
        segments: its segments, with a pause at the end.

    Attributes:
        splicer: joins the sentences.
        spans: when each new word is said.
    """

    def __init__(
        self,
        model: Synthesizer,
        analyzed: AnalyzedRecording,
        timeline: Timeline,
        segments: list[Segment],
    ):
        self.model, self.timeline, self.segments = model, timeline, segments
        self.features, self.voice = analyzed.features, analyzed.voice
        self.splicer = Splicer(timeline.samples, timeline.rate)
        self.spans: list[Span] = []
        self._said_until = 0  # samples so far, without the silence at the end
        self._first_context = _first_context(segments, timeline.frame)

    def add(self, phones: Phones, options: Options, pause: float | None) -> None:
        """Add a sentence.

        Args:
            phones: the sentence.
            options: options of synthesis, with its seed.
            pause: seconds of the pause before it that the text asks for; None for the first.
        """
        new = new_segments(phones)
        first = self._first_context
        context = [*self.segments[first:], *new, Segment((SIL,), (0,), (_CLOSING_SILENCE,))]
        rendered = render(self.model, self.voice, self.features, context, options)
        first_word = self.timeline.sample(rendered.begins[-len(new) - 2])
        clips = clips_of(
            [*self.segments[:first], *context], [(first, rendered)], self.timeline, self.model
        )
        if pause is not None:
            # The pause that was made after the recording belongs to the first sentence alone.
            clips = [replace(each, begin=first_word) for each in clips if each.made is not None]
            self._add_pause(pause)
        for clip in clips:
            self.splicer.add(clip)
        self._add_spans(rendered, len(new), clips[-1], first_word)

    def _add_pause(self, pause: float) -> None:
        """Add silence up to the length of a pause in seconds."""
        timeline = self.timeline
        seconds = pause + _MAX_SILENCE / 2 * timeline.frame
        there = self.splicer.length - self._said_until
        self.splicer.add_room_tone(timeline.sample(_ROOM), round(seconds * timeline.rate) - there)

    def _add_spans(self, rendered: Rendered, count: int, clip: Clip, first_word: int) -> None:
        """Note when the words of the last sentence are said.

        Args:
            rendered: the sentence in its context.
            count: its segments.
            clip: its clip, which is at the end of what there is so far.
            first_word: first sample of its first word in the rendered speech.
        """
        timeline, begin = self.timeline, self.splicer.length - clip.end
        now = (begin + first_word) / timeline.rate
        self._said_until = begin + timeline.sample(rendered.begins[-2])
        for segment in rendered.segments[-count - 1 : -1]:
            seconds = segment.length * timeline.frame
            if segment.word:
                self.spans.append(Span(segment.word, now, now + seconds))
            now += seconds


def _segments_of(
    model: Synthesizer, analyzed: AnalyzedRecording, said: str | None, language: str | None
) -> list[Segment]:
    """Return the words and pauses of a recording.

    Args:
        model: the model.
        analyzed: the recording.
        said: its transcript; None to recognize its phones, which make one word between two pauses.
        language: language of the transcript.

    Raises:
        AlignmentError: the recording does not say the transcript.
    """
    shifts = phone_probe_of(model)
    known = shifts.profile.phones
    if said is None:
        tokens = align_recording(shifts.recognizer, analyzed.features, known).tokens
        return _recognized(tokens.ids, tokens.mods, tokens.durations)
    phones = model.acoustic.frontend(language, "none").one(said)
    aligned = align_words(shifts.probe, analyzed.features, phones, known, said)
    pairs = zip(aligned.pauses, [*aligned.words, None], strict=True)
    return [each for pair in pairs for each in pair if each is not None]


def _recognized(ids: Sequence[int], mods: Sequence[int], frames: Sequence[int]) -> list[Segment]:
    """Return recognized phones as segments: what is between two pauses is one word."""
    segments: list[Segment] = []
    first = frame = 0
    for last in range(1, len(ids) + 1):
        if last < len(ids) and is_pause(ids[last]) == is_pause(ids[first]):
            continue
        part = slice(first, last)
        word = "" if is_pause(ids[first]) else "(heard)"
        segment = Segment(tuple(ids[part]), tuple(mods[part]), tuple(frames[part]), word, frame)
        segments.append(segment)
        frame, first = frame + segment.length, last
    return segments


def _with_final_pause(segments: list[Segment]) -> tuple[list[Segment], int | None]:
    """Return segments that end in a pause, and the frame at which the recording is cut; None if it
    is not cut, but the pause is new."""
    last = segments[-1]
    if last.word:
        return [*segments, Segment((PERIOD,), (0,), (_NEW_PAUSE,))], None
    frames = min(last.length, _MAX_SILENCE)
    assert last.source is not None
    pause = Segment((PERIOD,), (0,), (frames,), source=last.source)
    return [*segments[:-1], pause], pause.end


def _first_context(segments: list[Segment], frame: float) -> int:
    """Return the first segment of the context: the last seconds of the recording, at least one
    segment."""
    first = len(segments)
    while first > 1 and sum(each.length for each in segments[first - 1 :]) * frame < CONTEXT:
        first -= 1
    return first
