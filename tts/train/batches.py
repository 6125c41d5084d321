"""Batches of a run: drawn ahead in threads and copied to the device, or made on the device."""

from __future__ import annotations

import itertools
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from tts.data.batch import Batch
from tts.train.task import ResidentTask, TrainingRun


class Batches:
    """Iterator over the batches of a run from its current step on, and context manager.

    Threads draw them ahead, and they are copied to the device; if the task can, they are made on
    the device instead.
    """

    def __init__(self, run: TrainingRun):
        self.run, self.device = run, run.device
        self.numbers = itertools.count(run.step * run.config.accumulate)
        self.pool: ThreadPoolExecutor | None = None
        self.queue: deque[Future[Batch]] = deque()

    def __enter__(self) -> Batches:
        if not self.run.resident:
            workers = 8 if self.device.type == "cuda" else 1
            self.pool = ThreadPoolExecutor(workers)
            for _ in range(workers * 2):
                self._submit()
        return self

    def _submit(self) -> None:
        assert self.pool is not None
        self.queue.append(self.pool.submit(self.run.draw, next(self.numbers)))

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Batch:
        if self.pool is None:
            return resident_batch(self.run, next(self.numbers))
        batch = self.queue.popleft().result()
        self._submit()
        pinned = self.device.type == "cuda"
        return {
            k: (v.pin_memory() if pinned else v).to(self.device, non_blocking=True)
            if isinstance(v, Tensor)
            else v
            for k, v in batch.items()
        }

    def __exit__(self, *_: object) -> None:
        for future in self.queue:
            future.cancel()
        if self.pool is not None:
            self.pool.shutdown()


def resident_batch(run: TrainingRun, number: int) -> Batch:
    """Make batch `number` of a run on its device.

    It is seeded by its number, so that a resumed run sees the same batches as an uninterrupted one.
    """
    seed = (run.config.seed, run.rank, number)
    state = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> 1)
    rng = torch.Generator(run.device).manual_seed(state)
    assert isinstance(run.task, ResidentTask)
    return run.task.resident_batch(rng, np.random.default_rng(seed))
