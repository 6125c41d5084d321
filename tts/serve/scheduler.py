"""Scheduler: one thread that computes for all requests, in short steps that they share.

In every other step requests without any audio yet come first, the one with the shortest first
sentence before the others. In the steps between, requests whose audio will have been played within
a second come first, the one with the least left to say before the others, so that newcomers without
end do not stop what has begun; every fourth step these take turns, so that short requests without
end do not stop long ones either. Requests whose clients have audio for longer come last, the one
with the least audio first.

A step computes one chunk of a sentence. Where a batch is quick enough for a newcomer to wait, it
computes one sentence each of several requests (tts.pipeline.render). A request whose client does
not read its audio is parked: it takes no part, and no place in the queue, until the client reads
on. A request whose client has left is removed at once.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from tts.cancel import Cancelled
from tts.facade import TTS
from tts.pipeline.render import Utterance
from tts.serve.errors import ClientStalled, QueueFull, ServerStopping
from tts.serve.job import Job
from tts.serve.memory_trim import MemoryTrimmer
from tts.types import Chunk

#: seconds that a batch may take, of requests without audio yet and of the others
FIRST_BATCH_SECONDS, BATCH_SECONDS = 0.25, 0.5
#: seconds of audio that a client may have in store before its request is parked
MAX_BUFFERED_SECONDS = 8.0
#: seconds of audio that a client should have in store while others are computed for
_MARGIN = 1.0
#: first guess of the seconds for each phone of a batch, until they are measured
_SECONDS_PER_PHONE = {"cpu": 0.004, "cuda": 0.0004}
#: phones by which a first sentence counts as shorter for each step that it has waited
_AGING = 8


class Scheduler:
    """The computing thread and the queue of requests in front of it. All methods are thread-safe.

    Args:
        max_batch: requests of which sentences are computed together.
        max_queue: requests that may wait beyond those. As many as both may be parked besides.
    """

    def __init__(self, max_batch: int = 8, max_queue: int = 32):
        self.max_batch, self.max_queue = max_batch, max_queue
        self._jobs: list[Job] = []
        self._seconds_per_phone: dict[int, float] = {}
        self._step = 0
        self._condition = threading.Condition()
        self._is_stopping = False
        self._reserved = 0
        self._trimmer = MemoryTrimmer()
        self._thread = threading.Thread(target=self._work, name="tts-scheduler", daemon=True)
        self._thread.start()

    @property
    def load(self) -> tuple[int, int]:
        """How many requests are being spoken, and how many wait for that."""
        with self._condition:
            count = sum(job.parked_since is None for job in self._jobs)
        active = min(count, self.max_batch)
        return active, count - active

    @property
    def parked_count(self) -> int:
        """How many requests are parked until their clients read."""
        with self._condition:
            return sum(job.parked_since is not None for job in self._jobs)

    @contextmanager
    def reserve(self) -> Iterator[None]:
        """Hold a place in the queue during the block, in which the text of a request is converted.

        Raises:
            QueueFull, ServerStopping: there is no place.
        """
        with self._condition:
            self._check_room()
            self._reserved += 1
        try:
            yield
        finally:
            with self._condition:
                self._reserved -= 1

    def _check_room(self) -> None:
        if self._is_stopping:
            raise ServerStopping("the server is stopping")
        waiting = self._reserved + sum(job.parked_since is None for job in self._jobs)
        if waiting >= self.max_batch + self.max_queue:
            raise QueueFull(f"{waiting} requests are waiting: try again later")

    def submit(self, job: Job) -> None:
        """Add a request to the queue. If too many are parked, the one parked for longest is ended
        by `ClientStalled`.

        Raises:
            QueueFull, ServerStopping: there is no place.
        """
        with self._condition:
            self._check_room()
            parked = [each for each in self._jobs if each.parked_since is not None]
            if len(parked) > self.max_batch + self.max_queue:
                self._evict(min(parked, key=lambda each: each.parked_since or 0.0))
            job.last_step = self._step
            self._jobs.append(job)
            self._condition.notify()

    def _evict(self, job: Job) -> None:
        self._abort(job, ClientStalled("the client does not read"))
        job.disconnect()

    def acknowledge(self, job: Job, chunk: Chunk) -> None:
        """Note that the client has read a chunk of a request."""
        with self._condition:
            job.buffered_seconds -= len(chunk.samples) / chunk.sample_rate
            if job.parked_since is not None:
                is_behind = job.buffered_seconds >= MAX_BUFFERED_SECONDS
                job.parked_since = time.perf_counter() if is_behind else None
            self._condition.notify()

    def cancel(self, job: Job) -> None:
        """Remove a request, and stop what is being computed for it alone. A request that is not in
        the queue any more may be cancelled too."""
        with self._condition:
            job.cancelled.set()
            self._remove(job)
            self._condition.notify()

    def stop(self, timeout: float | None = None) -> None:
        """Take no new requests, finish the others, and end the thread.

        Args:
            timeout: seconds after which the requests that are left are aborted; None waits.
        """
        with self._condition:
            self._is_stopping = True
            self._condition.notify()
        self._thread.join(timeout)
        self.abort_all()
        self._thread.join(10)

    def abort_all(self) -> None:
        """Take no new requests, and end the others by the error `ServerStopping`."""
        with self._condition:
            self._is_stopping = True
            for job in list(self._jobs):
                self._abort(job, ServerStopping("the server is stopping"))
            self._condition.notify()

    def _abort(self, job: Job, error: Exception) -> None:
        job.cancelled.set()
        self._remove(job)
        job.deliver(error)

    def _remove(self, job: Job) -> None:
        if job in self._jobs:
            self._jobs.remove(job)

    def _by_priority(self) -> list[Job]:
        """Return the requests that are not parked, in the order in which to compute for them."""
        soon = time.perf_counter() + _MARGIN

        def key(job: Job) -> tuple[float, ...]:
            if not job.has_audio:
                waited = self._step - job.last_step
                return 2 * (self._step % 2), job.next_phones - _AGING * waited, job.arrived
            if job.playback_end < soon:
                takes_turn = self._step % 4 == 3
                return 1, job.last_step if takes_turn else job.remaining_phones, job.playback_end
            return 3, job.playback_end, job.arrived

        return sorted((job for job in self._jobs if job.parked_since is None), key=key)

    def _next_jobs(self) -> list[Job] | None:
        """Wait for requests and return them by priority. An empty list means that it is time to
        trim memory, and None that the scheduler has stopped."""
        with self._condition:
            while not (jobs := self._by_priority()):
                if self._is_stopping and not self._jobs:
                    return None
                seconds = self._trimmer.seconds_until_due()
                if seconds == 0:
                    return []
                self._condition.wait(seconds)
            self._step += 1
            return jobs

    def _work(self) -> None:
        """Compute step after step; runs in the thread."""
        while (jobs := self._next_jobs()) is not None:
            if jobs:
                self._trimmer.before_work()
                self._compute_step(jobs)
            else:
                self._trimmer.trim()

    def _compute_step(self, jobs: list[Job]) -> None:
        """Compute one step for the first of some requests, and for those that share its batch."""
        first = jobs[0]
        if first.rendering:
            self._render_chunk(first)
        elif self._has_sentence(first):
            batch = self._batch(first, jobs)
            if len(batch) == 1:
                self._render_chunk(first)
            else:
                self._render_batch(batch)

    def _has_sentence(self, job: Job) -> bool:
        """Return whether a sentence of a request is left; if not, the request ends."""
        try:
            if job.next_utterance() is not None:
                return True
            self._end(job, None)
        except Exception as error:
            self._end(job, error)
        return False

    def _end(self, job: Job, error: Exception | None) -> None:
        with self._condition:
            self._remove(job)
        job.deliver(error)

    def _deliver(self, job: Job, chunk: Chunk) -> None:
        """Deliver a chunk, and park the request if its client is too far behind."""
        if job.cancelled.is_set():
            return
        with self._condition:
            job.buffered_seconds += len(chunk.samples) / chunk.sample_rate
            if job.buffered_seconds >= MAX_BUFFERED_SECONDS and job.parked_since is None:
                job.parked_since = time.perf_counter()
        job.deliver(chunk)

    def _render_chunk(self, job: Job) -> None:
        """Compute the next chunk of a sentence of one request."""
        job.last_step = self._step
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
        """Return the requests whose next sentences are computed together with that of `first`: as
        many as the time of a step allows."""
        model = first.model
        if not model.capabilities.batching or first.has_long_pauses:
            return [first]
        max_seconds = BATCH_SECONDS if first.has_audio else FIRST_BATCH_SECONDS
        batch: list[Job] = []
        utterances: list[Utterance] = []
        longest = 0
        for job in jobs:
            if len(batch) == self.max_batch:
                break
            if job.model is not model or job.rendering or job.has_audio != first.has_audio:
                continue
            if not self._has_sentence(job) or job.has_long_pauses:
                continue
            assert job.upcoming is not None
            longest = max(longest, len(job.upcoming.phones))
            # Rows of a batch are padded to the longest.
            seconds = self._pace(model) * longest * (len(batch) + 1)
            if batch and seconds > max_seconds:
                break
            batch.append(job)
            utterances.append(job.upcoming)
        of_one_length = next(each for each in model.renderer.batches(utterances) if 0 in each)
        return [batch[index] for index in of_one_length]

    def _render_batch(self, jobs: list[Job]) -> None:
        """Compute the next sentence of each of some requests."""
        model = jobs[0].model
        utterances = [job.upcoming for job in jobs if job.upcoming is not None]
        begin = time.perf_counter()
        try:
            with model.cancellation.watching(lambda: all(job.cancelled.is_set() for job in jobs)):
                chunks = model.renderer.render_batch(utterances)
        except Cancelled:
            return
        except Exception:
            # One of them is at fault: computed alone, it fails alone.
            for job in jobs:
                self._render_chunk(job)
            return
        self._measure_pace(model, utterances, time.perf_counter() - begin)
        for job, chunk in zip(jobs, chunks, strict=True):
            job.upcoming, job.last_step = None, self._step
            try:
                self._deliver(job, chunk)
            except Exception as error:
                self._end(job, error)

    def _pace(self, model: TTS) -> float:
        """Return about how many seconds a model takes for each phone of a batch."""
        guess = _SECONDS_PER_PHONE.get(torch.device(model.device).type, _SECONDS_PER_PHONE["cpu"])
        return self._seconds_per_phone.get(id(model)) or guess

    def _measure_pace(self, model: TTS, utterances: list[Utterance], seconds: float) -> None:
        """Update the pace of a model by the time that a batch took."""
        pace = seconds / (len(utterances) * max(len(each.phones) for each in utterances))
        before = self._seconds_per_phone.get(id(model), pace)
        self._seconds_per_phone[id(model)] = 0.7 * before + 0.3 * pace
