"""Caches that wait for requests of their size."""

import contextlib
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from tests.helpers.generators import FREE, autoregressive, inputs, seeds
from tts.generators import cuda_graph


class _Light:
    """What the pool sees of a cache, without its tensors."""

    def __init__(self, backbone: Any, like: torch.Tensor, length: int):
        self.backbone, self.length = backbone, length
        self.blocks = [SimpleNamespace(keys=like)]

    def begin(self, *_: object) -> None:
        """Nothing to fill."""


def test_threads_that_take_at_once_get_caches_of_their_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cuda_graph, "StaticKVCache", _Light)
    pool, wrong = cuda_graph.StaticPool(), list[str]()
    network: Any = SimpleNamespace(modulation=nn.Linear(2, 2))

    def work(length: int, rows: int) -> None:
        like, mask = torch.zeros(rows, 1, 1, 1), torch.ones(rows, 3)
        for _ in range(2000):
            try:
                cache = pool.take(network, [(like, like)], mask, length)
            except IndexError as error:
                wrong.append(str(error))
                return
            if cache.length < length or len(cache.blocks[0].keys) != rows:
                wrong.append("of another size")
            pool.give(cache)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        asked = [(10, 1), (300, 1), (600, 1), (10, 2)]
        threads = [threading.Thread(target=work, args=each) for each in asked]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not wrong


@pytest.mark.parametrize("fails_at", [1, 3])  # while it is tried out, while it is recorded
def test_a_recording_that_is_broken_off_is_forgotten(
    fails_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = autoregressive("delay")
    net.backbone.graphs = True
    request, aside = inputs([20], [9]), SimpleNamespace(wait_stream=lambda other: None)
    wanted = net.generate(request, seeds(1), FREE)
    (_, cache), *others = net.backbone._pool._free
    assert not others
    modes, runs = list[object](), list[int]()

    @contextlib.contextmanager
    def graph(made: object, **how: object) -> Any:
        modes.append(how.get("capture_error_mode"))
        yield

    run = cache._run

    def broken() -> None:
        runs.append(1)
        if len(runs) == fails_at:
            raise InterruptedError
        run()

    for name, fake in {
        "Stream": lambda: aside,
        "current_stream": lambda: aside,
        "stream": lambda stream: contextlib.nullcontext(),
        "CUDAGraph": SimpleNamespace,
        "graph": graph,
    }.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    monkeypatch.setattr(cache, "_run", broken)
    net.backbone._pool._free.clear()
    with torch.inference_mode(), pytest.raises(InterruptedError):
        cache._record()
    assert cache._graph is None and set(modes) <= {"thread_local"}
    net.backbone.done(cache)
    assert len(net.backbone._pool._free) == (fails_at == 1)
    monkeypatch.setattr(cache, "_run", run)
    assert torch.equal(net.generate(request, seeds(1), FREE), wanted)
    with torch.inference_mode():
        cache._record()
    assert cache.sound and cache._graph is not None and modes
