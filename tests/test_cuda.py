"""What only a GPU can show: a step that never waits, graphs that give what kernels give.

Skipped without one; benchmarks/gpu.sh runs it before it trains.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("accelerate", reason="needs the train extra")
pytest.importorskip("tensorboard", reason="needs the train extra")
from tests.helpers.training import FAMILIES, TINY  # noqa: E402
from tts.data.corpus import Corpus  # noqa: E402
from tts.train.loop import Trainer
from tts.train.task import TrainConfig  # noqa: E402
from tts.train.tasks.generator import GeneratorTask  # noqa: E402

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
CONTINUOUS = ("flow", "diffusion", "ar_latent")


def trainer(corpus: Corpus, folder: Path, family: str, **settings: Any) -> Trainer:
    torch.manual_seed(1)
    task = GeneratorTask(
        corpus, {**FAMILIES[family], **TINY}, batch_size=4, max_frames=60, prompt=(30, 40)
    )
    config = TrainConfig(device="cuda", lr=1e-3, warmup=1, log_every=10**6, **settings)
    return Trainer(task, config, folder, quiet=True)


@pytest.mark.parametrize("family", CONTINUOUS)
def test_a_step_never_waits(corpus: Corpus, tmp_path: Path, family: str) -> None:
    from tts.train.batches import Batches

    made = trainer(corpus, tmp_path, family, steps=4)
    assert made.resident and made.precision == torch.bfloat16
    with Batches(made) as batches:
        made.engine.step([next(batches)])  # measures, makes what is kept
        made.step += 1
        torch.cuda.set_sync_debug_mode("error")
        try:
            for _ in range(2):
                logs = made.engine.step([next(batches)])
                made.ema.update(made.step)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert all(torch.isfinite(torch.as_tensor(v)) for v in logs.values())


def test_graphs_learn_what_kernels_learn(corpus: Corpus, tmp_path: Path) -> None:
    runs = [
        trainer(corpus, tmp_path / str(graphs), "flow", steps=20, graphs=graphs, precision="fp32")
        for graphs in (False, True)
    ]
    for made in runs:
        made.run()
    assert runs[1].engine.graphs
    for key, value in runs[0].modules["generator"].state_dict().items():
        # Not the same random numbers: the weights have moved alike.
        other = runs[1].modules["generator"].state_dict()[key]
        assert torch.isfinite(other).all(), key
        assert (other - value).abs().max() < 0.1, key


def test_weights_trained_there_speak_here(corpus: Corpus, tmp_path: Path) -> None:
    from tts.registry import load_module

    made = trainer(corpus, tmp_path / "run", "flow", steps=3)
    made.run()
    net = load_module(tmp_path / "run" / "export")
    assert all(torch.isfinite(p).all() for p in net.parameters())
    assert all(p.device.type == "cpu" for p in net.parameters())
