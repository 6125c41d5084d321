"""Prosody markup applied: speed, pauses, pitch and volume of words, in frames and samples."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from tts.errors import UsageError
from tts.text.style import SILENT, Style
from tts.text.symbols import Phones
from tts.text.tokens import TokenBatch, token_index
from tts.types import Chunk
from tts_codecs.envelope import EXTRA, shift_pitch

__all__ = [
    "with_breaks",
    "with_pitch",
    "token_speeds",
    "with_volume_and_breaks",
    "silence",
    "sentence_speeds",
]

#: seconds of the longest pause that is generated; the rest of a longer one is silence inserted into
#: its middle
LONGEST = 0.6
_SMOOTH = 5  # frames over which a change of pitch is smoothed
_RAMP = 0.02  # seconds that a change of volume takes
_FADE = 0.01  # seconds of fade on both sides of inserted silence
_PIECE = 1.0  # seconds of silence in a chunk, so that a long pause takes little memory
_RATE = (0.25, 4.0)


def _token_styles(phones: Phones) -> list[Style]:
    """The style of each token: that of its word, or for a pause that of the word before it."""
    out = [phones.styles[0]] * len(phones.ids)
    for style, (_, first, _) in zip(phones.styles, phones.words, strict=True):
        out[first:] = [style] * (len(phones.ids) - first)
    return out


def token_speeds(
    sentences: Sequence[Phones], tokens: TokenBatch, speed: float | Tensor
) -> float | Tensor:
    """The speed of each token [B, S] if markup changes it; otherwise `speed`, unchanged."""
    if not any(phones.styles for phones in sentences):
        return speed
    given = torch.as_tensor(speed, device=tokens.ids.device, dtype=torch.float32)
    out = given.reshape(-1, 1).expand(tokens.ids.shape).clone()
    for row, phones in enumerate(sentences):
        if phones.styles:
            # The batch may lack the last pause tokens of a sentence, but no others.
            rates = [style.rate for style in _token_styles(phones)][: int(tokens.lengths[row])]
            out[row, : len(rates)] *= torch.tensor(rates, device=out.device)
    return out.clamp(*_RATE)


def sentence_speeds(sentences: Sequence[Phones], speed: Tensor) -> Tensor:
    """The speed of each sentence [B], for models without phone durations: `speed` times the rate
    that markup gives the whole sentence.

    Raises:
        UsageError: markup that needs the times of words: a pause, pitch or volume inside of a
            sentence, or a rate of a part of it.
    """
    rates = torch.ones_like(speed)
    for row, phones in enumerate(sentences):
        marked = {style.rate for style in phones.styles} or {1.0}
        inside = any(number < len(phones.words) for number in phones.breaks)
        if inside or len(marked) > 1 or any(s.pitch != 1 or s.gain for s in phones.styles):
            raise UsageError(
                "this model finds out by itself how long each phone is, and cannot place a pause, "
                "pitch, volume or a change of rate inside of a sentence: leave them out of the "
                "markup, or choose a model with durations, such as default"
            )
        rates[row] = marked.pop()
    return (speed * rates).clamp(*_RATE)


def with_breaks(durations: Tensor, sentences: Sequence[Phones], frame: float) -> Tensor:
    """Durations [B, S] with the pauses that markup sets, up to LONGEST each.

    Args:
        frame: seconds of a frame.
    """
    if not any(phones.breaks for phones in sentences):
        return durations
    durations = durations.clone()
    for row, phones in enumerate(sentences):
        for number, seconds in phones.breaks.items():
            if 0 < number < len(phones.words):
                begin, end = phones.words[number - 1][2], phones.words[number][1]
                frames = max(1, round(min(seconds, LONGEST) / frame))
                durations[row, begin:end] = 1
                if end > begin:
                    durations[row, begin] = max(1, frames - (end - begin - 1))
    return durations


def with_pitch(
    shift: Tensor | None, sentences: Sequence[Phones], durations: Tensor, channels: int
) -> Tensor | None:
    """The shift of generated features [B, T, C], with the changes of pitch that markup sets.

    Args:
        shift: the shift without them; None for zero.
        durations: [B, S] frames of each token.
        channels: C.

    Returns:
        None if there is nothing to add.
    """
    if all(style.pitch == 1 for phones in sentences for style in phones.styles):
        return shift
    frames = int(durations.sum(1).max())
    # Padding frames belong to the last token of their row.
    owner = token_index(durations, frames)
    place = torch.arange(durations.shape[1], device=durations.device)
    owner = torch.minimum(owner, (place * (durations > 0)).amax(1, keepdim=True))
    table = durations.new_zeros(durations.shape, dtype=torch.float32)
    for row, phones in enumerate(sentences):
        if phones.styles:
            steps = [float(shift_pitch(torch.zeros(()), s.pitch)) for s in _token_styles(phones)]
            count = min(len(steps), table.shape[1])
            table[row, :count] = torch.tensor(steps[:count], device=table.device)
    moved = F.pad(table.gather(1, owner).unsqueeze(1), (_SMOOTH // 2,) * 2, mode="replicate")
    moved = F.avg_pool1d(moved, _SMOOTH, 1).squeeze(1)
    out = durations.new_zeros(len(durations), frames, channels, dtype=torch.float32)
    if shift is not None:
        out = shift.clone()
    out[..., -EXTRA] += moved
    return out


def with_volume_and_breaks(chunks: Iterable[Chunk], phones: Phones) -> Iterator[Chunk]:
    """The chunks of one sentence with the volume that markup sets (`Chunk.gain`), and with silence
    inserted into pauses that are longer than LONGEST."""
    chunks = iter(chunks)
    first = next(chunks, None)
    if first is None or not (phones.styles or phones.breaks) or not first.words:
        # Without word times nothing can be placed.
        yield from chain([first] if first else [], chunks)
        return
    shape = _Shape(phones, first)
    for chunk in chain([first], chunks):
        yield from shape(chunk)


def silence(count: int, sample_rate: int) -> Iterator[Chunk]:
    """`count` samples of silence, as short chunks."""
    piece = max(1, round(_PIECE * sample_rate))
    for at in range(0, count, piece):
        yield Chunk(np.zeros(min(piece, count - at), np.float32), sample_rate)


class _Shape:
    """Where silence is inserted into the samples of a sentence, and the gain of each sample."""

    def __init__(self, phones: Phones, first: Chunk):
        rate, words = first.sample_rate, first.words
        self.rate = rate
        #: inserted silence as (sample before which it goes, how many samples), in order
        self.silences: list[tuple[int, int]] = []
        for number, seconds in sorted(phones.breaks.items()):
            if number >= len(words):
                continue
            at, more = 0.0, seconds
            if number:
                begin, end = words[number - 1].end, words[number].start
                at, more = (begin + end) / 2, seconds - LONGEST
            if round(more * rate) > 0:
                self.silences.append((round(at * rate), round(more * rate)))
        self.steps: list[tuple[int, float]] = []
        if any(style.gain for style in phones.styles):
            gains = [0.0 if s.gain <= SILENT else 10 ** (s.gain / 20) for s in phones.styles]
            starts = [0, *(round(word.start * rate) for word in words[1:])]
            self.steps = list(zip(starts, gains, strict=True))
        self.at = 0

    def __call__(self, chunk: Chunk) -> Iterator[Chunk]:
        """Yield the next chunk, split where silence is inserted; text and times of the chunk are in
        the first of the pieces."""
        begin, end = self.at, self.at + len(chunk.samples)
        self.at = end
        gain = self._gain(begin, end) if self.steps else None
        samples = self._faded(chunk.samples, begin)
        words = [span.later(self._moved(span.start)) for span in chunk.words]
        phones = [
            replace(
                span,
                start=span.start + self._moved(span.start),
                end=span.end + self._moved(span.end),
            )
            for span in chunk.phones
        ]
        told = replace(chunk, words=words, phones=phones)
        for piece in self._pieces(samples, gain, begin):
            yield replace(told, samples=piece.samples, gain=piece.gain)
            told = Chunk(piece.samples, self.rate)

    def _pieces(
        self, samples: NDArray[np.float32], gain: NDArray[np.float32] | None, begin: int
    ) -> Iterator[Chunk]:
        """Yield the samples, which start at `begin`, with their gain, and the inserted silence."""

        def part(first: int, last: int) -> Chunk:
            own = None if gain is None else gain[first:last]
            return Chunk(samples[first:last], self.rate, gain=own)

        last = 0
        for place, count in self.silences:
            if begin <= place < begin + len(samples):
                if place - begin > last:
                    yield part(last, place - begin)
                last = place - begin
                for each in silence(count, self.rate):
                    yield each if gain is None else replace(each, gain=each.samples)
        if last < len(samples) or not len(samples):
            yield part(last, len(samples))

    def _moved(self, seconds: float) -> float:
        """Seconds of silence that are inserted before a time."""
        at = round(seconds * self.rate)
        return sum(count for place, count in self.silences if place <= at) / self.rate

    def _faded(self, samples: NDArray[np.float32], begin: int) -> NDArray[np.float32]:
        """The samples, which start at `begin`, faded around inserted silence."""
        size = max(1, round(_FADE * self.rate))
        index = np.arange(begin, begin + len(samples))
        for place, _ in self.silences:
            if place and begin - size < place < begin + len(samples) + size:
                near = np.minimum(np.abs(index - place + 0.5) / size, 1).astype(np.float32)
                samples = samples * near
        return samples

    def _gain(self, begin: int, end: int) -> NDArray[np.float32]:
        """Gain of the samples from `begin` to `end`; each change ends at its word."""
        ramp = max(1, round(_RAMP * self.rate))
        places, values = [0], [self.steps[0][1]]
        for (_, before), (at, after) in zip(self.steps, self.steps[1:], strict=False):
            if before != after:
                places += [max(places[-1], at - ramp), max(places[-1], at)]
                values += [before, after]
        return np.interp(np.arange(begin, end), places, values).astype(np.float32)
