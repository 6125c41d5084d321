"""One thread that computes for many listeners, in short steps of which each gets its turn.

In every other step who has heard nothing yet goes first, the shortest first sentence before longer
ones; in the steps between, whose audio ends within a second, the shortest rest before longer ones,
so that newcomers without end stop nobody and what has begun goes on; every fourth step they come in
turn, so that short ones without end stop nobody either. Last come those who are ahead, the least so
first.

A step is one piece of a sentence, or, where a batch is quick enough that a newcomer can wait for
it, a sentence each of several requests (tts.pipeline.render). A request whose listener does not
take what was computed for it is parked: it holds no place until the listener goes on. One who left
is forgotten at once.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from tts.cancel import Cancelled
from tts.errors import TTSError
from tts.facade import TTS
from tts.pipeline.render import Utterance
from tts.serve.job import AHEAD, Job, Stalled
from tts.serve.memory import Tidy
from tts.types import Chunk

#: seconds that a batch may take: of those who wait for their first audio, and of the others
FIRST_STEP, STEP = 0.25, 0.5
#: seconds of audio that a listener should have left while others are computed for
MARGIN = 1.0
#: seconds a phone in a batch, until it is known better
_PACE = {"cpu": 0.004, "cuda": 0.0004}
#: phones by which a first sentence counts as shorter for each step that it has waited
_AGING = 8


class Full(TTSError):
    """The queue has no room."""


class Stopping(TTSError):
    """The server takes no new requests."""


class Scheduler:
    """The computing thread, and the queue of requests in front of it.

    Args:
        max_batch: requests of which sentences are computed together.
        max_queue: requests beyond those that wait. As many as both may be parked besides.
    """

    def __init__(self, max_batch: int = 8, max_queue: int = 32):
        self.max_batch, self.max_queue = max_batch, max_queue
        self._jobs: list[Job] = []
        self._pace: dict[int, float] = {}
        self._step = 0
        self._change = threading.Condition()
        self._stopping = False
        self._reading = 0
        self._tidy = Tidy()
        self._thread = threading.Thread(target=self._work, name="tts-scheduler", daemon=True)
        self._thread.start()

    @property
    def load(self) -> tuple[int, int]:
        """How many requests are being spoken, and how many wait for that."""
        with self._change:
            count = sum(job.parked is None for job in self._jobs)
        active = min(count, self.max_batch)
        return active, count - active

    @property
    def parked(self) -> int:
        """How many requests wait for their listeners."""
        with self._change:
            return sum(job.parked is not None for job in self._jobs)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Holds a place for a request while its text is read, so that of a crowd only those are
        read for which there is room.

        Raises:
            Full, Stopping: there is none.
        """
        with self._change:
            self._check()
            self._reading += 1
        try:
            yield
        finally:
            with self._change:
                self._reading -= 1

    def _check(self) -> None:
        if self._stopping:
            raise Stopping("the server is stopping")
        waiting = self._reading + sum(job.parked is None for job in self._jobs)
        if waiting >= self.max_batch + self.max_queue:
            raise Full(f"{waiting} requests are waiting: try again later")

    def submit(self, job: Job) -> None:
        """Queue a request. Where too many are parked, the one that is it for longest is cut off.

        Raises:
            Full, Stopping: it is not taken.
        """
        with self._change:
            self._check()
            parked = [job for job in self._jobs if job.parked is not None]
            if len(parked) > self.max_batch + self.max_queue:
                self._cut(min(parked, key=lambda job: job.parked or 0.0))
            job.served = self._step
            self._jobs.append(job)
            self._change.notify()

    def _cut(self, job: Job) -> None:
        job.cancelled.set()
        self._drop(job)
        job.deliver(Stalled("the client does not read"))
        job.cut()

    def taken(self, job: Job, chunk: Chunk) -> None:
        """The listener has taken a chunk."""
        with self._change:
            job.ahead -= len(chunk.samples) / chunk.sample_rate
            if job.parked is not None:
                job.parked = None if job.ahead < AHEAD else time.perf_counter()
            self._change.notify()

    def cancel(self, job: Job) -> None:
        """Forget a request; what is being computed for it alone stops. May be called often."""
        with self._change:
            job.cancelled.set()
            self._drop(job)
            self._change.notify()

    def stop(self, timeout: float | None = None) -> None:
        """Take no new requests, finish those that are here, end the thread; after `timeout`
        seconds forget what is left."""
        with self._change:
            self._stopping = True
            self._change.notify()
        self._thread.join(timeout)
        self.cut()
        self._thread.join(10)

    def cut(self) -> None:
        """Take no new requests and end those that are here: each is told by `Stopping`."""
        with self._change:
            self._stopping = True
            for job in list(self._jobs):
                job.cancelled.set()
                job.deliver(Stopping("the server is stopping"))
                self._drop(job)
            self._change.notify()

    def _drop(self, job: Job) -> None:
        if job in self._jobs:
            self._jobs.remove(job)

    def _ordered(self) -> list[Job]:
        """Requests whose listeners keep up, in the order in which they should be computed for."""
        ready = [job for job in self._jobs if job.parked is None]
        soon = time.perf_counter() + MARGIN

        def key(job: Job) -> tuple[float, ...]:
            if not job.heard:
                waited = self._step - job.served
                return 2 * (self._step % 2), job.cost - _AGING * waited, job.arrived
            if job.due < soon:
                return 1, job.served if self._step % 4 == 3 else job.left, job.due
            return 3, job.due, job.arrived

        return sorted(ready, key=key)

    def _next(self) -> list[Job] | None:
        """Requests to compute for, waiting for one; none where it is time to give memory back, and
        None at the end."""
        with self._change:
            while not (jobs := self._ordered()):
                if self._stopping and not self._jobs:
                    return None
                due = self._tidy.due()
                if due == 0:
                    return []
                self._change.wait(due)
            self._step += 1
            return jobs

    def _work(self) -> None:
        while (jobs := self._next()) is not None:
            if not jobs:
                self._tidy.now()
                continue
            self._tidy.worked()
            first = jobs[0]
            if first.speaking:
                self._say_piece(first)
                continue
            if not self._has_turn(first):
                continue
            together = self._batch(first, jobs)
            if len(together) == 1:
                self._say_piece(first)
            else:
                self._say_together(together)

    def _has_turn(self, job: Job) -> bool:
        """Whether there is a sentence left; else the request is over."""
        try:
            if job.next_utterance() is not None:
                return True
            self._end(job, None)
        except Exception as error:
            self._end(job, error)
        return False

    def _end(self, job: Job, item: Exception | None) -> None:
        with self._change:
            self._drop(job)
        job.deliver(item)

    def _deliver(self, job: Job, chunk: Chunk) -> None:
        if job.cancelled.is_set():
            return
        with self._change:
            job.ahead += len(chunk.samples) / chunk.sample_rate
            if job.ahead >= AHEAD and job.parked is None:
                job.parked = time.perf_counter()
        job.deliver(chunk)

    def _say_piece(self, job: Job) -> None:
        """A piece of a sentence of one request."""
        job.served = self._step
        try:
            with job.model.cancellation.watching(job.cancelled.is_set):
                chunk = job.next_chunk()
            if chunk is not None:
                self._deliver(job, chunk)
        except Cancelled:
            return
        except Exception as error:
            self._end(job, error)

    def _batch(self, first: Job, jobs: list[Job]) -> list[Job]:
        """Requests that begin a sentence with `first`, as many as a step has time for."""
        model = first.model
        if not model.capabilities.batching or first.pauses:
            return [first]
        limit = STEP if first.heard else FIRST_STEP
        pace = self._pace.get(id(model)) or _PACE.get(torch.device(model.device).type, _PACE["cpu"])
        mine: list[Job] = []
        utterances: list[Utterance] = []
        longest = 0
        for job in jobs:
            if len(mine) == self.max_batch:
                break
            if job.model is not model or job.speaking or job.heard != first.heard:
                continue
            if not self._has_turn(job) or job.pauses:
                continue
            assert job.waiting is not None
            longest = max(longest, len(job.waiting.phones))
            if mine and pace * longest * (len(mine) + 1) > limit:
                break
            mine.append(job)
            utterances.append(job.waiting)
        batches = model.renderer.batches(utterances)
        return [mine[at] for at in next(each for each in batches if 0 in each)]

    def _say_together(self, jobs: list[Job]) -> None:
        model = jobs[0].model
        known: list[Utterance] = [job.waiting for job in jobs if job.waiting is not None]
        begin = time.perf_counter()
        try:
            with model.cancellation.watching(lambda: all(j.cancelled.is_set() for j in jobs)):
                said = model.renderer.render_batch(known)
        except Cancelled:
            return
        except Exception:
            # One of them is at fault: alone it fails alone.
            for job in jobs:
                self._say_piece(job)
            return
        self._learn(model, known, time.perf_counter() - begin)
        for job, chunk in zip(jobs, said, strict=True):
            job.waiting, job.served = None, self._step
            self._deliver(job, chunk)

    def _learn(self, model: TTS, utterances: list[Utterance], seconds: float) -> None:
        """How long a batch takes, for the next one."""
        pace = seconds / (len(utterances) * max(len(each.phones) for each in utterances))
        self._pace[id(model)] = 0.7 * self._pace.get(id(model), pace) + 0.3 * pace
