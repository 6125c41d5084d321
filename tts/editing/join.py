"""Pieces of a recording and of generated speech put together at word borders."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: seconds of a cross-fade; within how much a joint may move to meet the waveform
FADE, REACH = 0.012, 0.004

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Kept:
    """A stretch of the recording that is in the result sample for sample.

    Attributes:
        source, end: its samples in the recording; out: where it begins in the result.
    """

    source: int
    end: int
    out: int


@dataclass(frozen=True)
class Run:
    """What comes next: samples begin to end of the recording, or of speech generated for a stretch
    in which the recording's own words lie around the new ones.

    Attributes:
        made: the generated speech; None for the recording.
    """

    begin: int
    end: int
    made: Samples | None = None


class Joiner:
    """Adds runs one after the other, with cross-fades.

    Args:
        recording: [N]; rate: Hz.
    """

    def __init__(self, recording: Samples, rate: int):
        self.recording, self.rate = recording, rate
        self.fade, self.reach = max(1, round(FADE * rate)), max(1, round(REACH * rate))
        self.out: list[Samples] = []
        self.kept: list[Kept] = []
        self.length = 0
        self.last: Run | None = None

    def add(self, run: Run) -> None:
        """The next run."""
        if run.made is not None:
            begin = run.begin
            if self.out:
                begin = self._meeting(run.made, begin)
                self._blend(run.made, begin)
            self._append(run.made[begin : run.end])
        else:
            begin = run.begin
            if self.last is not None and self.last.made is not None:
                begin = self._into(self.last, run)
            elif self.out:
                self._blend(self.recording, begin)
            self.kept.append(Kept(begin, run.end, self.length))
            self._append(self.recording[begin : run.end])
        self.last = run

    def linger(self, room: int, count: int) -> None:
        """The last `room` samples, which are the sound of a room, to and fro for `count` more, and
        nothing that goes on after them."""
        whole = np.concatenate(self.out)
        self.out = [whole]
        tail = whole[-room:]
        if room > 0 and count > 0:
            self._append(np.pad(tail, (0, count), mode="symmetric")[len(tail) :])
        self.last = None

    def close(self) -> None:
        """Fade out what was generated, if that comes last."""
        if self.out and self.last is not None and self.last.made is not None:
            tail = self._tail()
            fading = np.linspace(1, 0, len(tail), dtype=np.float32)
            self.out[-1] = np.concatenate([self.out[-1][: -len(tail)], tail * fading])

    def _into(self, made: Run, run: Run) -> int:
        """Fade generated speech, which goes on with the same words, into the recording; returns
        the first sample of that which is kept."""
        assert made.made is not None
        ahead = self.recording[run.begin : min(run.end, run.begin + self.fade)]
        size = len(ahead)
        best, end = -np.inf, made.end
        for at in range(made.end - self.reach, made.end + self.reach + 1):
            near = made.made[at : at + size]
            if at <= made.begin or len(near) < size:
                continue
            score = _alike(ahead, near, abs(at - made.end) / self.reach)
            if score > best:
                best, end = score, at
        near = made.made[end : end + size]
        if len(near) < size:
            return run.begin
        if end < made.end:
            whole = np.concatenate(self.out)
            self.out, self.length = [whole[: end - made.end]], self.length - (made.end - end)
        else:
            self._append(made.made[made.end : end])
        ramp = np.linspace(0, 1, size + 2, dtype=np.float32)[1:-1]
        self._append(near * (1 - ramp) + ahead * ramp)
        return run.begin + size

    def result(self) -> tuple[Samples, list[Kept]]:
        """All of it [N], and what is kept."""
        return np.concatenate([np.zeros(0, np.float32), *self.out]), self.kept

    def _append(self, samples: Samples) -> None:
        self.out.append(np.ascontiguousarray(samples, np.float32))
        self.length += len(samples)

    def _tail(self) -> Samples:
        """The last samples so far, as many as a fade has."""
        if len(self.out[-1]) < self.fade:
            self.out = [np.concatenate(self.out)]
        return self.out[-1][-self.fade :]

    def _meeting(self, source: Samples, begin: int) -> int:
        """Where near `begin` the source goes on best from what there is."""
        tail = self._tail()
        size = len(tail)
        best, found = -np.inf, begin
        for at in range(begin - self.reach, begin + self.reach + 1):
            if at - size < 0 or at > len(source):
                continue
            near = source[at - size : at]
            score = _alike(tail, near, abs(at - begin) / self.reach)
            if score > best:
                best, found = score, at
        return found

    def _blend(self, source: Samples, begin: int) -> None:
        """Fade the last samples so far into those before `begin` of the source."""
        tail = self._tail()
        size = min(len(tail), begin)
        if size == 0:
            return
        ramp = (np.arange(size, dtype=np.float32) + 1) / (size + 1)
        last = self.out[-1].copy()
        last[-size:] = last[-size:] * (1 - ramp) + source[begin - size : begin] * ramp
        self.out[-1] = last
        if self.kept and self.kept[-1].out + self._size(self.kept[-1]) == self.length:
            end = self.kept.pop()
            shorter = Kept(end.source, end.end - size, end.out)
            if self._size(shorter) > 0:
                self.kept.append(shorter)

    @staticmethod
    def _size(kept: Kept) -> int:
        return kept.end - kept.source


def _alike(wanted: Samples, near: Samples, away: float) -> float:
    """How well two stretches [n] fit, a little less where the joint has to move."""
    size = float(np.linalg.norm(wanted))
    return float(wanted @ near) / (float(np.linalg.norm(near)) + 1e-6) - 1e-3 * away * size
