"""Where groups of rows are computed: in this process, in several, on a Ray cluster.

An engine takes the settings and groups of rows and yields the results of each group as it is done,
in any order.
"""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from tts.batch.rows import Row
from tts.batch.worker import Result, RowSynthesizer, Settings
from tts.errors import MissingDependencyError, TTSError, UsageError
from tts.orphans import end_with_parent
from tts.synthesizer import Synthesizer

Groups = Sequence[Sequence[Row]]
Engine = Callable[[Settings, Groups, int], Iterator[list[Result]]]
_TRIES = 2  # of a group whose process died
_DIED = "its process died twice"
_RESTARTS = 16  # of a Ray worker


def run_here(
    settings: Settings, groups: Groups, model: Synthesizer | None = None
) -> Iterator[list[Result]]:
    """One group after the other, with a loaded model if there is one."""
    speaker = RowSynthesizer(settings, model)
    for rows in groups:
        yield speaker.say(rows)


def _serve(connection: Connection, settings: Settings) -> None:
    """A worker: groups in, results out, until the other end is gone."""
    # Ctrl-C is the business of the first process, whose end of the pipe then closes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if settings.threads:
        import torch

        torch.set_num_threads(settings.threads)
    try:
        speaker = RowSynthesizer(settings)
        while True:
            rows = connection.recv()
            try:
                connection.send(speaker.say(rows))
            except TTSError as error:
                connection.send(error)
    except (EOFError, OSError):
        return
    except TTSError as error:
        connection.send(error)


def _lost(rows: Sequence[Row], why: str) -> list[Result]:
    return [Result(row.id, error=why) for row in rows if not row.mate]


class _Process:
    """A worker process and the group it has."""

    def __init__(self, settings: Settings):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, settings), daemon=True)
        self.process.start()
        theirs.close()
        self.job: tuple[Sequence[Row], int] | None = None
        self.answered = False

    def give(self, rows: Sequence[Row], tries: int) -> bool:
        """Whether it is there to take them."""
        try:
            self.connection.send(list(rows))
        except OSError:
            return False
        self.job = (rows, tries)
        return True

    def end(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.join()


def run_processes(settings: Settings, groups: Groups, workers: int) -> Iterator[list[Result]]:
    """In processes of their own. One that dies is replaced and its group tried again; rows of a
    group that kills a second one get an error. One that dies between two groups costs no try."""
    waiting = deque((rows, 1) for rows in groups)
    running: list[_Process] = []
    try:
        while waiting or any(each.job for each in running):
            while waiting:
                idle = next((each for each in running if each.job is None), None)
                if idle is None:
                    if len(running) == workers:
                        break
                    idle = _Process(settings)
                    running.append(idle)
                rows, tries = waiting.popleft()
                if idle.give(rows, tries):
                    continue
                running.remove(idle)
                idle.end()
                # One that never lived to answer would be replaced for ever.
                tries += not idle.answered
                if tries <= _TRIES:
                    waiting.appendleft((rows, tries))
                else:
                    yield _lost(rows, _DIED)
            busy = [each.connection for each in running if each.job]
            ready = wait(busy) if busy else []  # waiting for nothing would not end
            for each in [each for each in running if each.connection in ready]:
                assert each.job is not None
                rows, tries = each.job
                try:
                    answer: Any = each.connection.recv()
                except (EOFError, OSError):
                    running.remove(each)
                    each.end()
                    if tries < _TRIES:
                        waiting.append((rows, tries + 1))
                    else:
                        yield _lost(rows, _DIED)
                    continue
                each.job, each.answered = None, True
                if isinstance(answer, Exception):
                    raise answer
                yield answer
    finally:
        for each in running:
            each.end()


def run_ray(settings: Settings, groups: Groups, workers: int) -> Iterator[list[Result]]:
    """On a Ray cluster: the one of RAY_ADDRESS, else one started here. Its machines must see the
    same files. A worker that is lost is started again and its group said again."""
    try:
        import ray
        from ray.exceptions import RayError, RayTaskError
    except ImportError as error:
        raise MissingDependencyError("--engine ray needs Ray: pip install 'tts[ray]'") from error
    mine = not ray.is_initialized()
    if mine:
        ray.init(log_to_driver=False, include_dashboard=False)
    remote = ray.remote(num_cpus=1, max_restarts=_RESTARTS, max_task_retries=_TRIES)(RowSynthesizer)
    waiting = deque(groups)
    running: dict[Any, tuple[Any, Sequence[Row]]] = {}
    actors = [remote.remote(settings) for _ in range(min(workers, len(groups)))]
    try:
        idle = list(actors)
        while waiting or running:
            while waiting and idle:
                actor, rows = idle.pop(), waiting.popleft()
                running[actor.say.remote(list(rows))] = (actor, rows)
            ready, _ = ray.wait(list(running), num_returns=1)
            for reference in ready:
                actor, rows = running.pop(reference)
                idle.append(actor)
                try:
                    yield ray.get(reference)
                except RayTaskError as error:
                    raise error.as_instanceof_cause() from None
                except RayError:
                    yield _lost(rows, "its worker was lost")
    finally:
        for actor in actors:
            ray.kill(actor)
        if mine:
            ray.shutdown()


ENGINES: dict[str, Engine] = {"processes": run_processes, "ray": run_ray}


def engine(name: str) -> Engine:
    """An engine by name; UsageError lists them."""
    if name not in ENGINES:
        raise UsageError(f"unknown engine {name!r}; there is: {', '.join(ENGINES)}")
    return ENGINES[name]
