"""Caches that wait for requests of their size."""

import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

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
