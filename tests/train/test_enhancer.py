"""Learning to take noise and rooms out of recordings."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.training import one_step

pytest.importorskip("accelerate", reason="needs the train extra")
pytest.importorskip("tensorboard", reason="needs the train extra")

from tts.data.corpus import Corpus
from tts.errors import DataError
from tts.registry import load_module
from tts.train import degradation
from tts.train.degradation import degrade
from tts.train.tasks.enhancer import EnhancerTask

TINY = {"bands": 16, "dim": 16, "blocks": 1, "kernel": 5}


def speech(rng: np.random.Generator) -> np.ndarray:
    """Half a second of a voice, as far as this is one."""
    time = np.arange(8000) / 16000
    return np.sin(2 * np.pi * rng.uniform(100, 300) * time) * (time * 8 % 1 < 0.6)


@pytest.mark.parametrize("kind", range(len(degradation._NOISES)))
def test_noises_are_as_long_as_they_should_and_finite(kind: int) -> None:
    rng = np.random.default_rng(kind)
    for count in (8000, 8001):
        draw = lambda rng, count=count: np.resize(speech(rng), count)  # noqa: E731
        noise = degradation._NOISES[kind](count, draw, rng)
        assert noise.shape == (count,) and np.isfinite(noise).all() and noise.std() > 0


def test_a_poor_recording_keeps_time_with_the_clean_one() -> None:
    """What was said is found in it at the same place, and with one seed twice the same."""
    for seed in range(12):
        said = speech(np.random.default_rng(seed))
        poor, clean = degrade(said, speech, np.random.default_rng(seed))
        again, _ = degrade(said, speech, np.random.default_rng(seed))
        assert np.array_equal(poor, again) and poor.shape == clean.shape == said.shape
        added = np.mean((poor - clean) ** 2) / np.mean(clean**2)
        if added < 0.1:
            products = np.fft.irfft(np.fft.rfft(poor) * np.fft.rfft(clean).conj())
            lag = int(products.argmax())
            assert min(lag, len(said) - lag) < 3


def test_it_learns_on_what_is_clean_alone(corpus: Corpus, tmp_path: Path) -> None:
    task = EnhancerTask(corpus, TINY, batch_size=2, seconds=0.5, clean_db=0.0)
    assert len(task.clean) == len(corpus.items)
    batch = task.batch(np.random.default_rng(0))
    again = task.batch(np.random.default_rng(0))
    assert batch["recorded"].shape == batch["clean"].shape == (2, 8000)
    assert all(torch.equal(batch[key], again[key]) for key in batch)
    assert "distance" in one_step(task)
    task.export(tmp_path, 3)
    assert not any(p.requires_grad for p in load_module(tmp_path, kind="enhancer").parameters())
    (cleanest,) = EnhancerTask(corpus, TINY, clean_db=200.0).clean
    assert cleanest in task.clean


def test_people_that_are_held_out_are_not_heard(corpus: Corpus) -> None:
    names = sorted({item.speaker for item in corpus.items})
    task = EnhancerTask(corpus, TINY, clean_db=0.0, held_out=(names[0],))
    assert {corpus.items[at].speaker for at in task.clean} == set(names[1:])
    with pytest.raises(DataError, match="no recordings"):
        EnhancerTask(corpus, TINY, held_out=tuple(names))
