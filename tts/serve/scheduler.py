"""One thread that computes for many listeners: their sentences share batches.

Requests wait in a bounded queue. A listener who is alone gets each sentence in pieces as it is
made; where several listen, a sentence of each is computed in one batch (tts.batch.speak), so that
none waits for another's text to end. One who left is forgotten at once.
"""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from tts.audio.loudness import Leveler
from tts.batch.speak import Turn, batches, say_together
from tts.cancel import Cancelled
from tts.errors import TTSError
from tts.speech import Chunk, Options
from tts.synthesizer import TTS
from tts.voice.voice import Voice

#: chunks that may wait for a slow listener before no more are computed for it
AHEAD = 12


class Full(TTSError):
    """The queue has no room."""


class Stopping(TTSError):
    """The server takes no new requests."""


@dataclass(eq=False)
class Job:
    """One request: what it says, and chunks on their way to who listens.

    Attributes:
        chunks: of the listener's event loop: Chunk, an error, or None at the end.
    """

    model: TTS
    text: str
    voice: Voice
    options: Options
    loop: asyncio.AbstractEventLoop
    chunks: "asyncio.Queue[Chunk | Exception | None]" = field(default_factory=asyncio.Queue)
    arrived: float = field(default_factory=time.perf_counter)
    cancelled: threading.Event = field(default_factory=threading.Event)
    ahead: int = 0
    samples: int = 0
    level: Leveler | None = None
    turns: Iterator[Turn] | None = None
    waiting: Turn | None = None

    def next_turn(self) -> Turn | None:
        """The next sentence, None after the last; TextError when there is nothing to say."""
        if self.turns is None:
            self.turns = self._turns()
        if self.waiting is None:
            self.waiting = next(self.turns, None)
        return self.waiting

    def _turns(self) -> Iterator[Turn]:
        language, markup = self.options.language, self.options.markup
        for number, phones in enumerate(self.model.sentences(self.text, language, markup)):
            phones = self.model.phrased(phones, self.voice, language)
            yield Turn(phones, self.voice, self.options, number)

    def deliver(self, item: Chunk | Exception | None) -> None:
        """Hand something to the listener, from any thread."""
        if isinstance(item, Chunk):
            item = item.later(self.samples / item.sample_rate)
            if self.level is None:
                self.level = Leveler(item.sample_rate)
            item.samples, item.gain = item.levelled(self.level), None
            self.samples += len(item.samples)
            self.ahead += 1
        # A loop that is closed has no listener any more.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.chunks.put_nowait, item)


class Scheduler:
    """See the module.

    Args:
        max_batch: sentences computed together; max_queue: requests beyond those that wait.
    """

    def __init__(self, max_batch: int = 8, max_queue: int = 32):
        self.max_batch, self.max_queue = max_batch, max_queue
        self._jobs: list[Job] = []
        self._change = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="tts-scheduler", daemon=True)
        self._thread.start()

    @property
    def load(self) -> tuple[int, int]:
        """How many requests are being spoken, and how many wait for that."""
        with self._change:
            active = min(len(self._jobs), self.max_batch)
            return active, len(self._jobs) - active

    def submit(self, job: Job) -> None:
        """Queue a request.

        Raises:
            Full, Stopping: it is not taken.
        """
        with self._change:
            if self._stopping:
                raise Stopping("the server is stopping")
            if len(self._jobs) >= self.max_batch + self.max_queue:
                raise Full(f"{len(self._jobs)} requests are waiting: try again later")
            self._jobs.append(job)
            self._change.notify()

    def taken(self, job: Job) -> None:
        """The listener has taken a chunk."""
        with self._change:
            job.ahead -= 1
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
        with self._change:
            for job in list(self._jobs):
                job.cancelled.set()
                job.deliver(Stopping("the server is stopping"))
                self._drop(job)
            self._change.notify()
        self._thread.join(10)

    def _drop(self, job: Job) -> None:
        if job in self._jobs:
            self._jobs.remove(job)

    def _runnable(self) -> list[Job]:
        """Requests among the first `max_batch` whose listeners keep up."""
        return [job for job in self._jobs[: self.max_batch] if job.ahead < AHEAD]

    def _work(self) -> None:
        while True:
            with self._change:
                while not (jobs := self._runnable()):
                    if self._stopping and not self._jobs:
                        return
                    self._change.wait()
            ready = [job for job in jobs if self._has_turn(job)]
            if len(ready) == 1:
                self._say_alone(ready[0])
            elif ready:
                self._say_together(ready)

    def _has_turn(self, job: Job) -> bool:
        """Whether there is a sentence left; else the request is over."""
        try:
            if job.next_turn() is not None:
                return True
            self._end(job, None)
        except Exception as error:
            self._end(job, error)
        return False

    def _end(self, job: Job, item: Exception | None) -> None:
        with self._change:
            self._drop(job)
        job.deliver(item)

    def _say_alone(self, job: Job) -> None:
        turn, job.waiting = job.waiting, None
        assert turn is not None
        try:
            with job.model.cancellation.watching(job.cancelled.is_set):
                for chunk in job.model.say(turn.phones, turn.voice, turn.options, turn.number):
                    if job.cancelled.is_set():
                        return
                    job.deliver(chunk)
        except Cancelled:
            return
        except Exception as error:
            self._end(job, error)

    def _say_together(self, ready: list[Job]) -> None:
        """The batch of the request that waits longest, with those that fit to it."""
        first = ready[0]
        if not first.model.batched:
            self._say_alone(first)
            self._served([first])
            return
        mine = [job for job in ready if job.model is first.model]
        turns = [job.waiting for job in mine]
        known = [turn for turn in turns if turn is not None]
        batch = next(each for each in batches(first.model, known) if 0 in each)
        jobs = [mine[at] for at in batch]
        said: list[Chunk] | Exception
        try:
            with first.model.cancellation.watching(lambda: all(j.cancelled.is_set() for j in jobs)):
                said = say_together(first.model, [known[at] for at in batch])
        except Cancelled:
            return
        except Exception as error:
            if len(jobs) > 1:
                # One of them is at fault: alone it fails alone.
                for job in jobs:
                    self._say_alone(job)
            else:
                self._end(jobs[0], error)
            return
        for job, chunk in zip(jobs, said, strict=True):
            job.waiting = None
            if not job.cancelled.is_set():
                job.deliver(chunk)
        self._served(jobs)

    def _served(self, jobs: list[Job]) -> None:
        """Who was served goes behind who was not, so that every kind gets its turn."""
        with self._change:
            for job in jobs:
                if job in self._jobs:
                    at = min(len(self._jobs), self.max_batch) - 1
                    self._jobs.remove(job)
                    self._jobs.insert(at, job)
