"""Splicing: clips of a recording and of generated speech are joined by cross-fades."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: seconds of a cross-fade, and seconds by which a joint may move so that the waveforms match
FADE, REACH = 0.012, 0.004

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Kept:
    """A stretch of the recording that is in the result sample for sample.

    Attributes:
        source: its first sample in the recording.
        end: its past-last sample in the recording.
        out: its first sample in the result.
    """

    source: int
    end: int
    out: int

    @property
    def length(self) -> int:
        """Number of samples."""
        return self.end - self.source


@dataclass(frozen=True)
class Clip:
    """A stretch of the recording, or of generated speech.

    Attributes:
        begin: first sample.
        end: past-last sample.
        made: [N], generated speech, which holds words of the recording around the new ones; None
            for a stretch of the recording.
    """

    begin: int
    end: int
    made: Samples | None = None


class Splicer:
    """Joins clips one after the other.

    Args:
        recording: [N], the recording.
        rate: sample rate in Hz.

    Attributes:
        length: samples so far.
    """

    def __init__(self, recording: Samples, rate: int):
        self.recording, self.rate = recording, rate
        self.length = 0
        self._fade, self._reach = max(1, round(FADE * rate)), max(1, round(REACH * rate))
        self._parts: list[Samples] = []
        self._kept: list[Kept] = []
        self._last: Clip | None = None

    def add(self, clip: Clip) -> None:
        """Add the next clip."""
        if clip.made is not None:
            self._add_generated(clip, clip.made)
        else:
            self._add_recorded(clip)
        self._last = clip

    def _add_generated(self, clip: Clip, made: Samples) -> None:
        begin = clip.begin
        if self._parts:
            begin = self._best_joint(made, begin)
            self._blend(made, begin)
        self._append(made[begin : clip.end])

    def _add_recorded(self, clip: Clip) -> None:
        begin = clip.begin
        if self._last is not None and self._last.made is not None:
            begin = self._fade_into_recording(self._last, self._last.made, clip)
        elif self._parts:
            self._blend(self.recording, begin)
        if begin < clip.end:  # nothing is kept of a clip as short as the fade
            self._kept.append(Kept(begin, clip.end, self.length))
        self._append(self.recording[begin : clip.end])

    def add_room_tone(self, room: int, count: int) -> None:
        """Add silence with the sound of the room. It ends the sentence: what follows is not faded
        into it as its continuation.

        Args:
            room: samples at the end so far that are the room alone. They are repeated forwards and
                backwards.
            count: samples to add; none if it is not positive.
        """
        whole = np.concatenate(self._parts)
        self._parts = [whole]
        tail = whole[-room:]
        if room > 0 and count > 0:
            self._append(np.pad(tail, (0, count), mode="symmetric")[len(tail) :])
        self._last = None

    def close(self) -> None:
        """Fade out generated speech at the end."""
        if self._parts and self._last is not None and self._last.made is not None:
            tail = self._tail()
            fading = np.linspace(1, 0, len(tail), dtype=np.float32)
            self._parts[-1] = np.concatenate([self._parts[-1][: -len(tail)], tail * fading])

    def result(self) -> tuple[Samples, list[Kept]]:
        """Return the samples [N] and the stretches of the recording in them."""
        return np.concatenate([np.zeros(0, np.float32), *self._parts]), self._kept

    def _fade_into_recording(self, generated: Clip, made: Samples, clip: Clip) -> int:
        """Fade generated speech, which continues with the same words, into a clip of the recording.
        Return the first sample of the recording after the fade."""
        ahead = self.recording[clip.begin : min(clip.end, clip.begin + self._fade)]
        size = len(ahead)
        best, end = -np.inf, generated.end
        for at in range(generated.end - self._reach, generated.end + self._reach + 1):
            near = made[at : at + size]
            if at <= generated.begin or len(near) < size:
                continue
            score = _match(ahead, near, abs(at - generated.end) / self._reach)
            if score > best:
                best, end = score, at
        near = made[end : end + size]
        if len(near) < size:
            return clip.begin
        if end < generated.end:
            surplus = generated.end - end
            self._parts = [np.concatenate(self._parts)[:-surplus]]
            self.length -= surplus
        else:
            self._append(made[generated.end : end])
        ramp = np.linspace(0, 1, size + 2, dtype=np.float32)[1:-1]
        self._append(near * (1 - ramp) + ahead * ramp)
        return clip.begin + size

    def _append(self, samples: Samples) -> None:
        self._parts.append(np.ascontiguousarray(samples, np.float32))
        self.length += len(samples)

    def _tail(self) -> Samples:
        """Return the last samples so far, as many as a fade has."""
        if len(self._parts[-1]) < self._fade:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[-1][-self._fade :]

    def _best_joint(self, source: Samples, begin: int) -> int:
        """Return the sample near `begin` from which `source` continues best what there is."""
        tail = self._tail()
        size = len(tail)
        best, found = -np.inf, begin
        for at in range(begin - self._reach, begin + self._reach + 1):
            if at - size < 0 or at > len(source):
                continue
            score = _match(tail, source[at - size : at], abs(at - begin) / self._reach)
            if score > best:
                best, found = score, at
        return found

    def _blend(self, source: Samples, begin: int) -> None:
        """Fade the last samples so far into those before `begin` of `source`."""
        size = min(len(self._tail()), begin)
        if size == 0:
            return
        ramp = (np.arange(size, dtype=np.float32) + 1) / (size + 1)
        last = self._parts[-1].copy()
        last[-size:] = last[-size:] * (1 - ramp) + source[begin - size : begin] * ramp
        self._parts[-1] = last
        if self._kept and self._kept[-1].out + self._kept[-1].length == self.length:
            kept = self._kept.pop()
            if kept.length > size:
                self._kept.append(Kept(kept.source, kept.end - size, kept.out))


def _match(wanted: Samples, near: Samples, distance: float) -> float:
    """Return how well two stretches [n] match, a little less the farther the joint has to move."""
    size = float(np.linalg.norm(wanted))
    return float(wanted @ near) / (float(np.linalg.norm(near)) + 1e-6) - 1e-3 * distance * size
