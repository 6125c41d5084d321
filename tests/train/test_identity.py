"""Learning to tell the speakers of a corpus apart."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.training import flow_task, one_step

pytest.importorskip("accelerate", reason="needs the train extra")
pytest.importorskip("tensorboard", reason="needs the train extra")

from tts.data.corpus import Corpus
from tts.data.vtlp import VTLP_FACTORS
from tts.errors import CheckpointError, DataError
from tts.registry import load_module
from tts.train.tasks.generator import GeneratorTask
from tts.train.tasks.identity import IdentityTask

TINY = {"dim": 16, "blocks": 1, "size": 8}


def test_it_learns_who_speaks_and_how_the_voice_was_turned(corpus: Corpus, tmp_path: Path) -> None:
    task = IdentityTask(corpus, TINY, batch_size=12, frames=(20, 30), margin_steps=0)
    speakers = {item.speaker for item in corpus.items}
    batch = task.batch(np.random.default_rng(0))
    assert int(batch["labels"].max()) < len(speakers) * (1 + len(VTLP_FACTORS))
    again = task.batch(np.random.default_rng(0))
    assert all(torch.equal(batch[key], again[key]) for key in batch)
    assert {"speakers", "right"} <= one_step(task).keys()
    optimizer = torch.optim.Adam([p for m in task.modules.values() for p in m.parameters()], 1e-2)
    losses = []
    for _ in range(40):
        (_, loss, _) = next(task.losses(batch, 1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    task.export(tmp_path, 3)
    assert not any(p.requires_grad for p in load_module(tmp_path, kind="identity").parameters())


def test_it_needs_two_speakers(corpus: Corpus) -> None:
    names = sorted({item.speaker for item in corpus.items})
    with pytest.raises(DataError, match="two"):
        IdentityTask(corpus, TINY, held_out=tuple(names[1:]))


def test_a_generator_learns_to_sound_like_the_recording(corpus: Corpus, tmp_path: Path) -> None:
    IdentityTask(corpus, TINY).export(tmp_path, 1)
    plain: GeneratorTask = flow_task(corpus)
    arguments = {"model": plain.arguments, "batch_size": 8, "vocoder": None, "speaker_loss": 0.0}
    task = GeneratorTask(corpus, identity=str(tmp_path), **arguments)  # type: ignore[arg-type]
    torch.manual_seed(0)  # rows that are to hear no voice are thrown, and have no such loss
    logs = one_step(task)
    assert logs["identity_loss"] > 0 and logs["style_loss"] > 0
    with pytest.raises(CheckpointError, match="options.identity"):
        GeneratorTask(corpus, identity=str(tmp_path / "none"), **arguments)  # type: ignore[arg-type]
