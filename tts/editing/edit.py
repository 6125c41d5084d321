"""Edit a recording by its words: what stays is the recording itself, sample for sample.

The recording is aligned with its words, the words that are wanted are compared with them, and only
new words are generated: the whole sentence is said with the measured durations of the words that
stay, and the new ones are cut from it at their borders (as in VoiceCraft, Peng et al. 2024, and
SSR-Speech, Wang et al. 2024, which generate the span alone from an infilling model).
"""

import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tts.audio.files import atomic_output, write_all
from tts.audio.reference import load_reference
from tts.audio.resample import resample
from tts.audio.writer import check_writable
from tts.editing.align import Piece, align_words
from tts.editing.join import Joiner, Kept, Run
from tts.editing.plan import Change, Plan, plan
from tts.editing.render import Rendered, level_of, render
from tts.errors import AudioError, UsageError
from tts.synthesizer import Synthesizer
from tts.text.frontend import Frontend
from tts.types import Audio, Options, Span, options_of

if TYPE_CHECKING:
    from tts.voice.profile import VoiceShifts

Source: TypeAlias = "str | os.PathLike[str] | BinaryIO | NDArray[np.generic]"
#: seconds of a recording at most, of what is generated at once, and of context around a change
LONGEST, AT_ONCE, CONTEXT = 60.0, 16.0, 5.0
_GAINS = (0.25, 4.0)


@dataclass(eq=False, repr=False)
class Edited(Audio):
    """An edited recording.

    Attributes:
        kept: stretches that are the recording, sample for sample; between them are cross-fades of
            12 ms and what was generated.
        changes: what was changed, in order.
        original: the recording [N] as it was read.
    """

    kept: list[Kept] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    original: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))

    def save(self, path: str | os.PathLike[str] | BinaryIO, format: str | None = None) -> None:
        """As `Audio.save`; of files in WAV and FLAC what is kept has the 16-bit values that were
        read.

        Raises:
            UsageError, OutputError: see tts.audio.writer.write_audio.
        """
        if not isinstance(path, (str, os.PathLike)):
            super().save(path, format)
            return
        check_writable(path, self.sample_rate, format=format)
        kind = (format or Path(os.fspath(path)).suffix.lstrip(".")).lower()
        if kind not in ("wav", "flac") or os.fspath(path) == "-":
            super().save(path, format)
            return
        with atomic_output(path) as file:
            write_all(file, self.exact_bytes(kind))

    def exact_bytes(self, format: str = "wav") -> bytes:
        """A WAV or FLAC file in which what is kept has the 16-bit values that were read."""
        import soundfile

        values = np.clip(np.rint(self.samples.astype(np.float64) * 32768), -32768, 32767)
        buffer = io.BytesIO()
        soundfile.write(
            buffer, values.astype(np.int16), self.sample_rate, "PCM_16", format=format.upper()
        )
        return buffer.getvalue()


def probing(model: Synthesizer) -> "VoiceShifts":
    """What a model hears words with; UsageError where it has nothing."""
    if model.acoustic.latent_space.waveform_codec is not None:
        raise UsageError(
            f"{model.config.name!r} fills a codec of waveforms, and words are edited in features"
        )
    if model.acoustic.shifts is None:
        raise UsageError(f"{model.config.name!r} has no phone probe, which finds the words")
    return model.acoustic.shifts


def edit(
    model: Synthesizer,
    recording: Source,
    said: str,
    wanted: str,
    options: Options | None = None,
    sample_rate: int | None = None,
    **values: object,
) -> Edited:
    """Make a recording say other words; see `TTS.edit`."""
    chosen = options_of(options, values)
    shifts = probing(model)
    language = chosen.language or model.config.language
    old = Frontend(language, pauses="none").one(said)
    new = model.acoustic.frontend(chosen.language).one(wanted)
    samples, rate = read_recording(recording, sample_rate or model.config.sample_rate)
    reference = load_reference(samples, model.config.sample_rate, array_rate=rate, trim=False)
    features = model.acoustic.features(reference)
    recorded = align_words(shifts.probe, features, old, shifts.profile.phones, said)
    planned = plan(recorded, new)
    frame = model.acoustic.vocoder.hop / model.sample_rate
    if not planned.changes:
        words = spans(planned, [], frame)
        whole = [Kept(0, len(samples), 0)]
        return Edited(samples.copy(), rate, words, kept=whole, original=samples)
    rendered: list[_Made] = []
    if any(change.new for change in planned.changes):
        voice = model.voice(reference)
        rendered = [
            (first, render(model, voice, features, planned.pieces[first:last], chosen))
            for first, last in windows(planned.pieces, frame)
        ]
    joiner = Joiner(samples, rate)
    for run in runs(planned.pieces, rendered, frame, samples, rate, model):
        joiner.add(run)
    out, kept = joiner.result()
    words = spans(planned, rendered, frame)
    return Edited(out, rate, words, kept=kept, changes=planned.changes, original=samples)


def read_recording(recording: Source, rate: int) -> tuple[NDArray[np.float32], int]:
    """Samples [N] as they are recorded, channels averaged, and their rate."""
    own = rate if isinstance(recording, np.ndarray) else None
    found = load_reference(
        recording, own, max_seconds=LONGEST, target_dbfs=None, trim=False, entire=True
    )
    if found.seconds_in > LONGEST:  # an array; files are refused before they are decoded
        raise AudioError(
            f"the recording is {found.seconds_in:.0f} s long; {LONGEST:g} s are the most: cut it"
        )
    return found.samples, found.sample_rate


def windows(pieces: list[Piece], frame: float) -> list[tuple[int, int]]:
    """Pieces first to last that are said at once, with context around each change."""
    total = sum(max(piece.length, 6 * len(piece.ids)) for piece in pieces) * frame
    if total <= AT_ONCE:
        return [(0, len(pieces))]
    out: list[tuple[int, int]] = []
    for at, piece in enumerate(pieces):
        if piece.source is not None or not piece.word:
            continue
        first, last = at, at + 1
        while first and sum(p.length for p in pieces[first:at]) * frame < CONTEXT:
            first -= 1
        while last < len(pieces) and sum(p.length for p in pieces[at:last]) * frame < CONTEXT:
            last += 1
        if out and first < out[-1][1] and at < out[-1][1] - 1:
            out[-1] = (out[-1][0], max(last, out[-1][1]))
        else:
            out.append((first, last))
    return out


_Made = tuple[int, Rendered]


def _place(at: int, rendered: list[_Made]) -> tuple[Rendered, int]:
    """What was said for a piece, and its number there."""
    for first, each in rendered:
        if first <= at < first + each.count:
            return each, at - first + each.lead
    raise AssertionError("a new piece lies in no window")


def runs(
    pieces: list[Piece],
    rendered: list[_Made],
    frame: float,
    samples: NDArray[np.float32],
    rate: int,
    model: Synthesizer,
) -> list[Run]:
    """The stretches of the recording and of what was generated, in order."""

    def sample(count: int) -> int:
        return min(len(samples), round(count * frame * rate))

    made = {id(each): _at_rate(each, pieces, samples, frame, rate, model) for _, each in rendered}
    runs: list[Run] = []
    final = len(pieces) - 1
    new: list[int] = []

    def close() -> None:
        if new:
            each, first = _place(new[0], rendered)
            last = _place(new[-1], rendered)[1]
            begin, end = (round(each.begins[n] * frame * rate) for n in (first, last + 1))
            runs.append(Run(begin, end, made[id(each)]))
            new.clear()

    for at, piece in enumerate(pieces):
        if piece.source is None:
            if piece.word or 0 < at < final:
                new.append(at)
            continue
        close()
        begin = 0 if at == 0 else sample(piece.source)
        end = len(samples) if at == final else sample(piece.end)
        if runs and runs[-1].made is None and runs[-1].end == begin:
            runs[-1] = Run(runs[-1].begin, end)
        else:
            runs.append(Run(begin, end))
    close()
    return runs


def _at_rate(
    each: Rendered,
    pieces: list[Piece],
    samples: NDArray[np.float32],
    frame: float,
    rate: int,
    model: Synthesizer,
) -> NDArray[np.float32]:
    """Rendered speech at the rate and level of the recording."""
    heard = level_of(each.samples, each.begins, each.pieces, model.acoustic.vocoder.hop)
    parts = [
        samples[round(p.source * frame * rate) : round(p.end * frame * rate)]
        for p in each.pieces
        if p.word and p.source is not None
    ]
    if not parts:
        parts = [samples]
        heard = float(each.samples.square().mean().sqrt())
    wanted = float(np.sqrt(np.mean(np.square(np.concatenate(parts), dtype=np.float64))))
    gain = min(max(wanted / max(heard, 1e-6), _GAINS[0]), _GAINS[1])
    return resample(each.samples.numpy() * np.float32(gain), model.sample_rate, rate)


def spans(planned: Plan, rendered: list[_Made], frame: float) -> list[Span]:
    """When each word of the result is said."""
    out: list[Span] = []
    now = 0
    for at, piece in enumerate(planned.pieces):
        length = piece.length
        if piece.source is None and piece.word:
            each, number = _place(at, rendered)
            length = each.pieces[number].length
        if piece.word:
            out.append(Span(piece.word, now * frame, (now + length) * frame))
        if piece.source is not None or 0 < at < len(planned.pieces) - 1:
            now += length
    return out
