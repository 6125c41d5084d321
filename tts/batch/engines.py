"""Engines, which compute groups of rows: in this process, in several, or on a Ray cluster.

An engine takes settings, groups of rows and a number of workers. It yields the results of each
group when that is done, in any order.
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
#: how often a group is tried whose process dies
_TRIES = 2
_DIED = "its process died twice"
#: how often a worker of Ray is restarted
_RESTARTS = 16


def run_here(
    settings: Settings, groups: Groups, model: Synthesizer | None = None
) -> Iterator[list[Result]]:
    """Compute one group after the other in this process.

    Args:
        settings: settings of the run.
        groups: groups of rows.
        model: the model of the settings, if it is loaded.
    """
    synthesizer = RowSynthesizer(settings, model)
    for rows in groups:
        yield synthesizer.synthesize(rows)


def _serve(connection: Connection, settings: Settings) -> None:
    """Receive groups and send their results until the other end is closed; the main function of a
    worker process."""
    # Ctrl-C is handled by the main process, whose end of the pipe then closes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if settings.threads:
        import torch

        torch.set_num_threads(settings.threads)
    try:
        synthesizer = RowSynthesizer(settings)
        while True:
            rows = connection.recv()
            try:
                connection.send(synthesizer.synthesize(rows))
            except TTSError as error:
                connection.send(error)
    except (EOFError, OSError):
        return
    except TTSError as error:
        connection.send(error)


def _failed(rows: Sequence[Row], error: str) -> list[Result]:
    """Return an error for each row of a group."""
    return [Result(row.id, error=error) for row in rows if not row.is_done]


class WorkerProcess:
    """A worker process.

    Args:
        settings: settings of the run.

    Attributes:
        connection: this end of the pipe to it.
        job: the group that it computes and the number of the try, or None.
        has_answered: whether it has computed a group.
    """

    def __init__(self, settings: Settings):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, settings), daemon=True)
        self.process.start()
        theirs.close()
        self.job: tuple[Sequence[Row], int] | None = None
        self.has_answered = False

    def give(self, rows: Sequence[Row], tries: int) -> bool:
        """Send it a group. Return whether it was alive to take it."""
        try:
            self.connection.send(list(rows))
        except OSError:
            return False
        self.job = (rows, tries)
        return True

    def end(self) -> None:
        """End it."""
        self.connection.close()
        self.process.terminate()
        self.process.join()


def run_processes(settings: Settings, groups: Groups, workers: int) -> Iterator[list[Result]]:
    """Compute groups in several processes. A process that dies is replaced, and its group is tried
    again; rows of a group of which a second process dies get an error. A process that dies between
    two groups costs no try.

    Args:
        settings: settings of the run.
        groups: groups of rows.
        workers: most processes.
    """
    waiting = deque((rows, 1) for rows in groups)
    running: list[WorkerProcess] = []
    try:
        while waiting or any(each.job for each in running):
            while waiting:
                idle = next((each for each in running if each.job is None), None)
                if idle is None:
                    if len(running) == workers:
                        break
                    idle = WorkerProcess(settings)
                    running.append(idle)
                rows, tries = waiting.popleft()
                if idle.give(rows, tries):
                    continue
                running.remove(idle)
                idle.end()
                # A process that never lived to answer would be replaced for ever.
                tries += not idle.has_answered
                if tries <= _TRIES:
                    waiting.appendleft((rows, tries))
                else:
                    yield _failed(rows, _DIED)
            busy = [each.connection for each in running if each.job]
            ready = wait(busy) if busy else []  # a wait for nothing would not end
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
                        yield _failed(rows, _DIED)
                    continue
                each.job, each.has_answered = None, True
                if isinstance(answer, Exception):
                    raise answer
                yield answer
    finally:
        for each in running:
            each.end()


def run_ray(settings: Settings, groups: Groups, workers: int) -> Iterator[list[Result]]:
    """Compute groups on a Ray cluster: the one of RAY_ADDRESS, or one that is started here. Its
    machines must see the same files. A worker that is lost is restarted, and its group is tried
    again.

    Args:
        settings: settings of the run.
        groups: groups of rows.
        workers: most workers.

    Raises:
        MissingDependencyError: Ray is not installed.
    """
    try:
        import ray
        from ray.exceptions import RayError, RayTaskError
    except ImportError as error:
        raise MissingDependencyError("--engine ray needs Ray: pip install 'tts[ray]'") from error
    is_own = not ray.is_initialized()
    if is_own:
        ray.init(log_to_driver=False, include_dashboard=False)
    waiting = deque(groups)
    running: dict[Any, tuple[Any, Sequence[Row]]] = {}
    actors: list[Any] = []
    try:
        remote = ray.remote(num_cpus=1, max_restarts=_RESTARTS, max_task_retries=_TRIES)
        actors += [
            remote(RowSynthesizer).remote(settings) for _ in range(min(workers, len(groups)))
        ]
        idle = list(actors)
        while waiting or running:
            while waiting and idle:
                actor, rows = idle.pop(), waiting.popleft()
                running[actor.synthesize.remote(list(rows))] = (actor, rows)
            ready, _ = ray.wait(list(running), num_returns=1)
            for reference in ready:
                actor, rows = running.pop(reference)
                idle.append(actor)
                try:
                    yield ray.get(reference)
                except RayTaskError as error:
                    raise error.as_instanceof_cause() from None
                except RayError:
                    yield _failed(rows, "its worker was lost")
    finally:
        for actor in actors:
            ray.kill(actor)
        if is_own:
            ray.shutdown()


ENGINES: dict[str, Engine] = {"processes": run_processes, "ray": run_ray}


def engine(name: str) -> Engine:
    """Return an engine by its name.

    Raises:
        UsageError: there is no such engine; the message lists them.
    """
    if name not in ENGINES:
        raise UsageError(f"unknown engine {name!r}; there is: {', '.join(ENGINES)}")
    return ENGINES[name]
