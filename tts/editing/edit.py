"""Editing of a recording by its words: what is not edited stays the recording, sample for sample.

The recording is aligned with its transcript, the wanted words are compared with that, and only new
words are generated: the whole sentence is synthesized with the measured durations of the words that
stay, and the new words are cut from it at their borders (as in VoiceCraft, Peng et al. 2024, and
SSR-Speech, Wang et al. 2024, which generate the span alone from an infilling model).
"""

from tts.editing.align import Segment, align_words
from tts.editing.clips import Timeline, Window, clips_of, word_times
from tts.editing.edited import Edited
from tts.editing.plan import plan_edit
from tts.editing.recording import AnalyzedRecording, analyze, check_options, phone_probe_of
from tts.editing.render import render
from tts.editing.splice import Kept, Splicer
from tts.errors import UsageError
from tts.synthesizer import Synthesizer
from tts.types import Options, options_of
from tts.voice.sources import Recording

#: most seconds of speech that are rendered at once
MAX_WINDOW = 16.0
#: seconds of context on each side of a change
CONTEXT = 5.0
#: most seconds of new words in one edit
MAX_NEW = 60.0
#: about how many frames a new phone takes
_PHONE_FRAMES = 6
#: options of a text that have no effect on an edit
_UNUSED_OPTIONS = ("markup", "emoji", "takes")


def edit(
    model: Synthesizer,
    recording: Recording,
    said: str,
    wanted: str,
    options: Options | None = None,
    sample_rate: int | None = None,
    **values: object,
) -> Edited:
    """Make a recording say other words; see `TTS.edit`."""
    chosen = options_of(options, values)
    check_options(chosen, "edited", _UNUSED_OPTIONS)
    shifts = phone_probe_of(model)
    old = model.acoustic.frontend(chosen.language, "none").one(said)
    new = model.acoustic.frontend(chosen.language).one(wanted)
    analyzed = analyze(model, recording, sample_rate, chosen.language)
    samples, rate = analyzed.samples, analyzed.rate
    aligned = align_words(shifts.probe, analyzed.features, old, shifts.profile.phones, said)
    plan = plan_edit(aligned, new)
    frame = model.acoustic.vocoder.hop / model.sample_rate
    if not plan.changes:
        out, kept, windows = samples.copy(), [Kept(0, len(samples), 0)], []
    else:
        _check_length(plan.segments, frame)
        has_new_words = any(change.new for change in plan.changes)
        windows = _render_windows(model, analyzed, plan.segments, chosen) if has_new_words else []
        splicer = Splicer(samples, rate)
        for clip in clips_of(plan.segments, windows, Timeline(samples, rate, frame), model):
            splicer.add(clip)
        splicer.close()
        out, kept = splicer.result()
    return Edited(
        out,
        rate,
        word_times(plan.segments, windows, frame),
        kept=kept,
        changes=plan.changes,
        original=samples,
        warnings=analyzed.warnings,
    )


def _check_length(segments: list[Segment], frame: float) -> None:
    """Raise UsageError if the new words are too long for one edit."""
    new = sum(_PHONE_FRAMES * len(each.ids) for each in segments if each.source is None)
    if new * frame > MAX_NEW:
        raise UsageError(
            f"the new words are about {new * frame:.0f} s of speech: an edit has at most "
            f"{MAX_NEW:.0f}"
        )


def _render_windows(
    model: Synthesizer, analyzed: AnalyzedRecording, segments: list[Segment], options: Options
) -> list[Window]:
    """Render the new words, window by window."""
    voice = model.acoustic.calibrate(analyzed.voice)
    frame = model.acoustic.vocoder.hop / model.sample_rate
    return [
        (first, render(model, voice, analyzed.features, segments[first:last], options))
        for first, last in split_windows(segments, frame)
    ]


def split_windows(segments: list[Segment], frame: float) -> list[tuple[int, int]]:
    """Return which segments are rendered at once: all of a short recording, otherwise each change
    with the context around it.

    Args:
        segments: all segments of the edited recording.
        frame: duration of a frame in seconds.

    Returns:
        The first and the past-last segment of each window.
    """

    def seconds(first: int, last: int) -> float:
        return sum(segment.length for segment in segments[first:last]) * frame

    total = sum(max(each.length, _PHONE_FRAMES * len(each.ids)) for each in segments) * frame
    if total <= MAX_WINDOW:
        return [(0, len(segments))]
    windows: list[tuple[int, int]] = []
    for at, segment in enumerate(segments):
        if segment.source is not None or not segment.word:
            continue
        first, last = at, at + 1
        while first and seconds(first, at) < CONTEXT:
            first -= 1
        while last < len(segments) and seconds(at, last) < CONTEXT:
            last += 1
        if windows and first < windows[-1][1] and at < windows[-1][1] - 1:
            windows[-1] = (windows[-1][0], max(last, windows[-1][1]))
        else:
            windows.append((first, last))
    return windows
