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
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from tts.audio.files import write_file, write_to
from tts.audio.formats import held_rate, output_format
from tts.audio.loudness import limited
from tts.audio.resample import resample
from tts.audio.writer import check_writable
from tts.editing.align import Piece, align_words
from tts.editing.heard import check_options, listen, probing
from tts.editing.join import Joiner, Kept, Run
from tts.editing.plan import Change, Plan, plan
from tts.editing.render import Rendered, level_of, render
from tts.errors import UsageError
from tts.synthesizer import Synthesizer
from tts.types import Audio, Options, Span, options_of
from tts.voice.sources import Recording

#: seconds of what is generated at once, and of context around a change
AT_ONCE, CONTEXT = 16.0, 5.0
#: seconds of new words at most, in all
MOST_NEW = 60.0
#: frames that a new phone takes, about
_PHONE = 6
#: formats of files that hold the very values of a recording
EXACT = ("wav", "flac")
#: options that a text has and an edit has not
_UNUSED = ("markup", "emoji", "takes")
#: what is made is brought down to a quiet recording, and not far up to a loud one
_GAINS = (1e-4, 4.0)


@dataclass(eq=False, repr=False)
class Edited(Audio):
    """An edited recording.

    Attributes:
        kept: stretches that are the recording, sample for sample; between them are cross-fades of
            12 ms and what was generated.
        changes: what was changed, in order.
        original: the recording [N] as it was read.
        warnings: what speaks against the recording, a line each.
    """

    kept: list[Kept] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    original: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    warnings: tuple[str, ...] = ()

    def save(self, path: str | os.PathLike[str] | BinaryIO, format: str | None = None) -> None:
        """As `Audio.save`; in WAV and FLAC what is kept has the values that were read (see
        `exact_bytes`).

        Raises:
            UsageError, OutputError: see tts.audio.writer.write_audio.
        """
        named = isinstance(path, (str, os.PathLike))
        name = os.fspath(path) if isinstance(path, (str, os.PathLike)) else _name(path)
        kind = _kind(format or Path(name).suffix or ("" if named else "wav"))
        if kind not in EXACT or name == "-":
            self._held(output_format(name, format or (None if named else kind))).save(path, format)
        elif isinstance(path, (str, os.PathLike)):
            check_writable(path, self.sample_rate, format=format)
            write_file(path, self.exact_bytes(kind))
        else:
            write_to(path, self.exact_bytes(kind), "the audio")

    def to_bytes(self, format: str = "wav") -> bytes:
        """As `Audio.to_bytes`; WAV and FLAC as of `exact_bytes`."""
        kind = _kind(format)
        return self.exact_bytes(kind) if kind in EXACT else self._held(format).to_bytes(format)

    def _held(self, format: str) -> Audio:
        """Its sound at a rate that a format holds: recordings have any, Opus knows five."""
        rate = held_rate(format, self.sample_rate)
        samples = self.samples
        if rate != self.sample_rate:
            samples = resample(samples, self.sample_rate, rate)
        return Audio(samples, rate)

    @property
    def bits(self) -> int:
        """Of a value in WAV and FLAC: 16 where the recording has no finer ones, else 24."""
        fine = self.original.astype(np.float64) * 2**15
        return 16 if (fine == np.rint(fine)).all() else 24

    def exact_bytes(self, format: str = "wav") -> bytes:
        """A WAV or FLAC file in which what is kept has the values that were read, of `bits` bits;
        finer ones, of floats and 32 bits, are rounded to 24."""
        import soundfile

        bits = self.bits
        full = 2 ** (bits - 1)
        values = np.clip(np.rint(self.samples.astype(np.float64) * full), -full, full - 1)
        buffer = io.BytesIO()
        soundfile.write(
            buffer,
            values.astype(np.int32) << (32 - bits),
            self.sample_rate,
            f"PCM_{bits}",
            format=format.upper(),
        )
        return buffer.getvalue()


def _kind(format: object) -> str:
    """The name of an audio format as it is told; what is wrong with it is told where it is used."""
    return format.lower().lstrip(".") if isinstance(format, str) else ""


def _name(file: object) -> str:
    """The name of an open file; empty where it has none."""
    name = getattr(file, "name", "")
    return name if isinstance(name, str) else ""


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
    check_options(chosen, "edited", _UNUSED)
    shifts = probing(model)
    old = model.acoustic.frontend(chosen.language, "none").one(said)
    new = model.acoustic.frontend(chosen.language).one(wanted)
    heard = listen(model, recording, sample_rate, chosen.language)
    samples, rate, told = heard.samples, heard.rate, heard.warnings
    recorded = align_words(shifts.probe, heard.features, old, shifts.profile.phones, said)
    planned = plan(recorded, new)
    frame = model.acoustic.vocoder.hop / model.sample_rate
    if not planned.changes:
        words = spans(planned, [], frame)
        whole = [Kept(0, len(samples), 0)]
        return Edited(samples.copy(), rate, words, kept=whole, original=samples, warnings=told)
    new_frames = sum(_PHONE * len(p.ids) for p in planned.pieces if p.source is None)
    if new_frames * frame > MOST_NEW:
        raise UsageError(
            f"the new words are about {new_frames * frame:.0f} s of speech: an edit has at most "
            f"{MOST_NEW:.0f}"
        )
    rendered: list[_Made] = []
    if any(change.new for change in planned.changes):
        voice = model.acoustic.calibrate(heard.voice)
        rendered = [
            (first, render(model, voice, heard.features, planned.pieces[first:last], chosen))
            for first, last in windows(planned.pieces, frame)
        ]
    joiner = Joiner(samples, rate)
    for run in runs(planned.pieces, rendered, frame, samples, rate, model):
        joiner.add(run)
    joiner.close()
    out, kept = joiner.result()
    words = spans(planned, rendered, frame)
    return Edited(
        out,
        rate,
        words,
        kept=kept,
        changes=planned.changes,
        original=samples,
        warnings=told,
    )


def windows(pieces: list[Piece], frame: float) -> list[tuple[int, int]]:
    """Pieces first to last that are said at once, with context around each change."""
    total = sum(max(piece.length, _PHONE * len(piece.ids)) for piece in pieces) * frame
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


def _place(begin: int, end: int, rendered: list[_Made]) -> tuple[Rendered, int, int]:
    """What was said for pieces begin to end, which one window holds, and their numbers there: where
    windows overlap the first may hold some of them alone."""
    for first, each in rendered:
        if first <= begin and end <= first + each.count:
            shift = each.lead - first
            return each, begin + shift, end + shift
    raise AssertionError("new pieces lie in no window")


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
            each, first, last = _place(new[0], new[-1] + 1, rendered)
            begin, end = (round(each.begins[n] * frame * rate) for n in (first, last))
            runs.append(Run(begin, end, made[id(each)]))
            new.clear()

    for at, piece in enumerate(pieces):
        if piece.source is None:
            # The silence after the last word is heard where that is new; before the first none is.
            if piece.word or 0 < at < final or (new and at == final):
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
    """Rendered speech at the rate and level of the recording; peaks that would be beyond full scale
    are bent, as those of all that is said."""
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
    return limited(resample(each.samples.numpy() * np.float32(gain), model.sample_rate, rate))


def spans(planned: Plan, rendered: list[_Made], frame: float) -> list[Span]:
    """When each word of the result is said."""
    out: list[Span] = []
    now = 0
    for at, piece in enumerate(planned.pieces):
        length = piece.length
        if piece.source is None and piece.word:
            each, number, _ = _place(at, at + 1, rendered)
            length = each.pieces[number].length
        if piece.word:
            out.append(Span(piece.word, now * frame, (now + length) * frame))
        if piece.source is not None or 0 < at < len(planned.pieces) - 1:
            now += length
    return out
