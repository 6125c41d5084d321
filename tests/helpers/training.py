"""Tasks small enough to be trained in a test, and what a trainer holds."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tts.data.batch import Batch
from tts.data.corpus import Corpus
from tts.train.loop import Trainer
from tts.train.tasks.generator import GeneratorTask
from tts_codecs.checkpoint import save_checkpoint

TINY: dict[str, Any] = {
    "dim": 16,
    "conditioner": dict(
        content_blocks=1, phone_dim=16, phone_blocks=1, voice_dim=16, global_dim=16
    ),
    "backbone": dict(heads=2, hidden=16, blocks=1),
}


FAMILIES: dict[str, dict[str, Any]] = {
    "flow": {"strategy": {"kind": "flow", "inpaint": 0.2}},
    "diffusion": {"strategy": {"kind": "diffusion"}},
    "ar_latent": {
        "strategy": {"kind": "autoregressive", "noise": 0.3},
        "head": {"kind": "flow_mlp"},
    },
    "masked": {
        "strategy": {"kind": "masked"},
        "head": {"kind": "categorical", "num_codebooks": 2, "codebook_size": 40, "levels": [8, 5]},
    },
    "depth": {
        "strategy": {"kind": "autoregressive", "noise": 0.3},
        "head": {
            "kind": "depth",
            "num_codebooks": 2,
            "codebook_size": 40,
            "levels": [8, 5],
            "blocks": 1,
            "heads": 2,
            "hidden": 16,
        },
    },
    "soundstorm": {
        "strategy": {"kind": "soundstorm"},
        "head": {"kind": "categorical", "num_codebooks": 2, "codebook_size": 40, "levels": [8, 5]},
    },
    "ar": {
        "strategy": {"kind": "autoregressive", "pattern": {"name": "delay"}, "noise": 0.3},
        "head": {"kind": "categorical", "num_codebooks": 2, "codebook_size": 40, "levels": [8, 5]},
    },
}


class Toy:
    """Two modules with two optimizers, dropout, and draws from every random generator."""

    def __init__(self, bad: set[int] | None = None, inf_gradient: bool = False) -> None:
        self.first = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 2))
        self.second = nn.Linear(2, 1)
        self.modules: dict[str, nn.Module] = {"first": self.first, "second": self.second}
        self.groups = {"a": ["first"], "b": ["second"]}
        self.bad, self.inf_gradient = bad or set(), inf_gradient
        self.exported: dict[str, Tensor] = {}

    def batch(self, rng: np.random.Generator) -> Batch:
        return {"x": torch.from_numpy(rng.normal(size=(6, 4)).astype(np.float32)), "tag": "t"}

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, dict[str, float]]]:
        hidden = self.modules["first"](batch["x"] + 0.1 * torch.randn(6, 4))
        loss = (hidden - batch["x"][:, :2]).square().mean() * (1 + 0.01 * random.random())
        if step in self.bad:
            loss = (loss * 0).sqrt() if self.inf_gradient else loss * math.nan
        yield "a", loss, {"loss": loss.item()}
        second = self.modules["second"](hidden.detach()).square().mean()
        yield "b", second, {"second": second.item()}

    def export(self, folder: Path, step: int) -> None:
        self.exported = {k: v.clone() for k, v in self.first.state_dict().items()}

    def sample(self, writer: Any, step: int) -> None:
        """Nothing."""


class Writes(Toy):
    """One that writes its first module."""

    def export(self, folder: Path, step: int) -> None:
        save_checkpoint(folder, self.first, "toy", {}, step=step)


def everything(made: Trainer) -> dict[str, Tensor]:
    found = {f"ema/{k}": v for k, v in made.ema.shadow.items()}
    for name, module in made.modules.items():
        found |= {f"{name}/{k}": v for k, v in module.state_dict().items()}
    for name, optimizer in made.optimizers.items():
        for at, state in optimizer.state_dict()["state"].items():
            found |= {f"{name}/{at}/{k}": torch.as_tensor(v) for k, v in state.items()}
    return found


class Plain(Toy):
    """Without any chance but that of the batches."""

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Tensor, dict[str, float]]]:
        hidden = self.first[2](self.first[0](batch["x"]))
        yield "a", (hidden - batch["x"][:, :2]).square().mean(), {}


def one_step(task: Any) -> dict[str, float]:
    """Two steps of training by hand; every parameter of a used group gets a gradient."""
    logs: dict[str, float] = {}
    for step in range(2):
        batch = task.batch(np.random.default_rng(step))
        again = task.batch(np.random.default_rng(step))
        for key, value in batch.items():
            if isinstance(value, Tensor):
                assert torch.equal(value, again[key]), key  # pure in the generator
        for name, loss, values in task.losses(batch, step):
            assert torch.isfinite(loss)
            loss.backward()
            assert any(
                p.grad is not None and p.grad.abs().max() > 0
                for part in task.groups[name]
                for p in task.modules[part].parameters()
            )
            logs |= values
    return logs


def flow_task(corpus: Corpus) -> Any:
    model = {
        "strategy": {"kind": "flow"},
        "dim": 16,
        "conditioner": {
            "content_blocks": 1,
            "phone_dim": 16,
            "phone_blocks": 1,
            "voice_dim": 16,
            "global_dim": 16,
        },
        "backbone": {"heads": 2, "hidden": 16, "blocks": 1},
    }
    return GeneratorTask(corpus, model, batch_size=3, max_frames=60)
