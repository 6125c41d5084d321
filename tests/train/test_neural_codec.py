"""Training of waveform codecs: it learns, logs how codebooks are used, resumes and is loaded."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import tts_codecs
from tests.helpers.training import one_step
from tts.data.corpus import Corpus
from tts.errors import ConfigError
from tts.resources import configs
from tts.train.codebook_usage import CodebookUsage, codebook_statistics
from tts.train.config import check_run, load_run
from tts.train.loop import Trainer
from tts.train.task import TrainConfig
from tts.train.tasks.waveform_codec import CodecTask

MODEL: dict[str, Any] = {
    "hop": 320,
    "dim": 8,
    "encoder": {"kind": "spectrum", "width": 8, "blocks": 1},
    "quantizer": {
        "kind": "rvq", "dim": 4, "num_codebooks": 2, "codebook_size": 8, "dropout": 0.5,
        "kmeans_init": True,
    },
    "decoder": {"kind": "spectrum", "width": 8, "blocks": 1, "look_ahead": 1},
}  # fmt: skip


def task(corpus: Corpus, **options: Any) -> CodecTask:
    torch.manual_seed(0)
    chosen = {"batch_size": 2, "frames": 20, "adversaries": {"spectra": {"channels": 2}}} | options
    return CodecTask(corpus, MODEL, **chosen)


def test_statistics_of_codebooks() -> None:
    even = torch.stack([torch.arange(8), torch.zeros(8, dtype=torch.long)], 1)
    found = codebook_statistics(even, 8)
    assert found["use"] == (1 + 1 / 8) / 2
    assert found["perplexity"] == pytest.approx((8 + 1) / 2, rel=1e-4)
    assert found["bits"] == pytest.approx(3, rel=1e-4)


def test_a_step_with_and_without_discriminators(corpus: Corpus) -> None:
    logs = one_step(task(corpus, adversarial_from=1))
    assert {"mel", "commit", "use", "perplexity", "bits", "fool", "spot"} <= logs.keys()
    assert 0 < logs["use"] <= 1 and 1 <= logs["perplexity"] <= 8 and 0 <= logs["bits"] <= 6


@pytest.mark.usefixtures("on_the_cpu")
def test_trains_resumes_and_is_loaded(corpus: Corpus, tmp_path: Path) -> None:
    pytest.importorskip("accelerate")

    def run(folder: Path, *until: int) -> Trainer:
        for steps in until:
            settings = TrainConfig(steps=steps, lr=5e-3, warmup=1, final=1.0, ema=0.5)
            trainer = Trainer(task(corpus), settings, folder, quiet=True)
            torch.manual_seed(1) if not trainer.step else None
            trainer.run()
        return trainer

    def mel(trainer: Trainer) -> float:
        batch = trainer.task.batch(np.random.default_rng(9))
        return next(trainer.task.losses(batch, 0))[2]["mel"]

    whole, cut = run(tmp_path / "whole", 8), run(tmp_path / "cut", 3, 8)
    a, b = whole.modules["codec"].state_dict(), cut.modules["codec"].state_dict()
    assert all(torch.equal(a[key], b[key]) for key in a)
    before = mel(Trainer(task(corpus), TrainConfig(), tmp_path / "none", quiet=True))
    assert mel(run(tmp_path / "whole", 40)) < 0.9 * before
    codec = tts_codecs.load(tmp_path / "whole" / "export", bandwidth=0.15)
    assert codec.info.num_codebooks == 1 and codec.info.bitrate == 150
    wav = torch.from_numpy(corpus.audio(0))[None, None]
    assert torch.isfinite(codec.decode(codec.encode(wav))).all()


def test_another_rate_is_refused(corpus: Corpus) -> None:
    with pytest.raises(ConfigError, match="24000 Hz"):
        CodecTask(corpus, {**MODEL, "rate": 24000})


def test_wrong_parts_are_told_before_training() -> None:
    run = {"task": "codec", "data": "d", "out": "o", "model": MODEL}
    assert check_run(run, "x.yaml").model["dim"] == 8
    bad = {**run, "model": {**MODEL, "quantizer": {"kind": "rvqq"}}}
    with pytest.raises(ConfigError, match="x.yaml: model: unknown kind of quantizer, 'rvqq'"):
        check_run(bad, "x.yaml")


def test_shipped_rows_are_what_they_say() -> None:
    rates = {}
    for path in sorted((configs() / "train").glob("codec_*.yaml")):
        load_run(path)
        codec = tts_codecs.build_codec(**yaml.safe_load(path.read_text())["model"])
        rates[path.stem] = (codec.info.frame_rate, round(codec.info.bitrate or 0))
    assert rates == {
        "codec_24k": (25.0, 2250), "codec_dmel": (40.0, 12800),
        "codec_encodec": (50.0, 6000), "codec_freev": (50.0, 0),
        "codec_nanocodec": (12.5, 1946), "codec_past": (50.0, 4000), "codec_qdac": (25.0, 3000),
        "codec_sar": (50.0, 0), "codec_spectral_groups": (25.0, 1993), "codec_sq": (50.0, 0),
        "codec_vqvae": (25.0, 300),
    }  # fmt: skip


def test_usage_of_codebooks_stays_on_the_device() -> None:
    """A training step must not wait for the device to log how codebooks are used."""
    usage = CodebookUsage(4)
    codes = torch.tensor([[[0, 1], [0, 3]]])
    first = usage.add(codes)
    assert all(isinstance(value, torch.Tensor) for value in first.values())
    assert {name: float(value) for name, value in first.items()} == pytest.approx(
        codebook_statistics(codes[0], 4)
    )
    # The statistics are over the last batches together.
    second = usage.add(torch.tensor([[[2, 1], [2, 3]]]))
    both = torch.tensor([[0, 1], [0, 3], [2, 1], [2, 3]])
    assert {name: float(value) for name, value in second.items()} == pytest.approx(
        codebook_statistics(both, 4)
    )


def test_usage_of_codebooks_forgets_all_but_the_last_fifty_batches() -> None:
    usage = CodebookUsage(8)
    codes = torch.randint(0, 8, (120, 1, 2, 3), generator=torch.Generator().manual_seed(0))
    for batch in codes:
        told = usage.add(batch)
    assert {name: float(value) for name, value in told.items()} == pytest.approx(
        codebook_statistics(codes[-50:].flatten(0, 2), 8)
    )
