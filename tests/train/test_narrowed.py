"""Codecs of a higher rate than the corpus that learn to add the band that it lacks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch
from torch import Tensor

from tests.helpers.training import one_step
from tts.data.corpus import Corpus
from tts.errors import ConfigError
from tts.train.tasks.waveform_codec import CodecTask

FEATURES = {"kind": "features", "width": 16, "blocks": 1}
VOCODER = {"dim": 16, "hidden": 24, "blocks": 1, "pitch_dim": 8, "pitch_blocks": 1}
MODEL: dict[str, Any] = {
    "rate": 24000, "hop": 960, "dim": 6, "project": False,
    "encoder": {**FEATURES, "pitch_dim": 8, "pitch_blocks": 1},
    "quantizer": {"kind": "rvq", "dim": 6, "num_codebooks": 2, "codebook_size": 8},
    "decoder": {**FEATURES, "vocoder": VOCODER},
}  # fmt: skip


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    """Options of batches of two rows of the corpus and two of white noise at 24 kHz."""
    sf.write(tmp_path / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(24000), 24000)
    (tmp_path / "wide.tsv").write_text("a.wav\n")
    return {"batch_size": 4, "frames": 10, "wide": str(tmp_path / "wide.tsv")}


def above(wav: Tensor) -> Tensor:
    """Share [B] of the power above 8.2 kHz in waveforms [B, N] at 24 kHz."""
    power = torch.fft.rfft(wav).abs().square()
    return power[:, int(0.684 * power.shape[1]) :].sum(1) / power.sum(1)


def test_wide_rows_are_heard_without_the_band_of_the_corpus(
    corpus: Corpus, options: dict[str, Any]
) -> None:
    plain = CodecTask(corpus, MODEL, **options).batch(np.random.default_rng(0))
    assert "heard" not in plain and (plain["band"] == 12000).all()
    task = CodecTask(corpus, MODEL, **options, narrowed=1.0)
    batch = task.batch(np.random.default_rng(0))
    assert torch.equal(batch["wav"][::2], plain["wav"][::2])
    assert batch["band"].tolist() == [8000, 12000, 8000, 12000]
    assert (above(batch["wav"])[1::2] > 0.2).all() and (above(batch["heard"])[1::2] < 1e-4).all()
    assert torch.equal(batch["heard"][::2], batch["wav"][::2])
    # What is heard below is what was there, up to the edge of the filter.
    heard, real = (torch.fft.rfft(batch[name])[1::2, :2800] for name in ("heard", "wav"))
    assert float((heard - real).abs().mean() / real.abs().mean()) < 0.05


def test_rows_of_the_corpus_are_compared_in_their_band(
    corpus: Corpus, options: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    auxiliaries = {"features": {}}
    task = CodecTask(corpus, MODEL, **options, narrowed=0.5, auxiliaries=auxiliaries)
    batch = task.batch(np.random.default_rng(0))
    made = torch.randn(4, 9600, requires_grad=True)
    limited = task._in_band(made, batch["band"])
    assert (above(limited)[::2] < 1e-4).all() and torch.equal(limited[1::2], made[1::2])
    limited.square().sum().backward()
    assert made.grad is not None and (made.grad.abs().amax(1) > 0).all()

    # So are their features: of the 90 bands 80 reach up to 8 kHz.
    loss = task.auxiliaries["features"]
    real, errors = torch.randn(4, 20, 92), {}
    for row in (0, 1):
        for band in (40, 85, 90):
            changed = real.clone()
            changed[row, :, band] += 1
            loss.both = lambda *_, changed=changed: (changed, real)  # type: ignore[attr-defined]
            errors[row, band] = float(loss(task.codec, _Pass(batch)))  # type: ignore[arg-type]
    assert errors.pop((0, 85)) == 0
    assert set(errors) == {(0, 40), (0, 90), (1, 40), (1, 85), (1, 90)}
    assert all(error > 0 for error in errors.values())
    assert all(np.isfinite(float(value)) for value in one_step(task).values())


class _Pass:
    def __init__(self, batch: dict[str, Any]) -> None:
        self.batch = batch


@pytest.mark.parametrize("change", [{"wide": None}, {}])
def test_a_codec_of_the_rate_of_the_corpus_has_nothing_to_add(
    corpus: Corpus, options: dict[str, Any], change: dict[str, Any], tmp_path: Path
) -> None:
    model = {**MODEL, "rate": 16000, "hop": 640}
    sf.write(tmp_path / "a.wav", np.zeros(16000), 16000)
    with pytest.raises(ConfigError, match=r"options\.narrowed needs options\.wide"):
        CodecTask(corpus, model, **{**options, **change}, narrowed=0.5)
