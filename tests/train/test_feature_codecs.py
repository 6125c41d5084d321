"""Training of the codecs of features (tts.train.tasks.feature_codec)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tts.data.corpus import Corpus
from tts.errors import ConfigError
from tts.losses.phone import PhoneProbe
from tts.train.tasks.feature_codec import SpectralTask
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.spectral import SpectralAutoencoder


def test_codebooks_are_fitted_before_training(corpus: Corpus) -> None:
    torch.manual_seed(0)
    quantizer = {"kind": "rvq", "dim": 6, "num_codebooks": 2, "codebook_size": 8, "dropout": 0.5}
    model = {"dim": 16, "blocks": 1, "quantizer": quantizer}
    task = SpectralTask(corpus, model, batch_size=2, frames=40, adversarial_from=9, fit_batches=4)
    batch = task.batch(np.random.default_rng(5))
    auto = task.autoencoder
    assert isinstance(auto, SpectralAutoencoder)
    vectors, learned = auto.vectors(batch["features"]).detach(), auto.quantizer

    def error() -> float:
        return float((learned.decode(learned.encode(vectors)) - vectors).square().mean())

    before = error()
    next(task.losses(batch, 0))
    fitted = error()
    assert fitted < 0.5 * before, (fitted, before)
    fsq = SpectralTask(
        corpus, {"dim": 16, "blocks": 1, "levels": (5, 4)}, batch_size=2, frames=40, fit_batches=2
    )
    with pytest.raises(ConfigError, match="no codebooks to fit"):
        next(fsq.losses(batch, 0))


def test_coded_features_are_read_by_the_probe_and_the_recognizer(
    corpus: Corpus, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    net = PhoneProbe(dim=8, blocks=2)
    save_checkpoint(tmp_path / "reader", net, "phone_probe", {"dim": 8, "blocks": 2})
    reader, model = str(tmp_path / "reader"), {"dim": 16, "blocks": 1, "levels": (5, 4)}
    task = SpectralTask(
        corpus, model, batch_size=2, frames=40, phone_probe=reader, recognizer=reader
    )
    batch = task.batch(np.random.default_rng(3))

    def losses() -> dict[str, float]:
        torch.manual_seed(1)  # noise of the quantizer
        _, loss, logs = next(task.losses(batch, 0))
        return {"loss": loss.item(), **{k: float(v) for k, v in logs.items() if "_loss" in k}}

    both = losses()
    assert both["phone_loss"] > 0 and both["recognizer_loss"] > 0
    task.recognizer_loss *= 2
    assert losses()["recognizer_loss"] == pytest.approx(2 * both["recognizer_loss"], rel=1e-5)
    task.probe = task.recognizer = None
    alone = losses()
    assert set(alone) == {"loss"}
    told = alone["loss"] + both["phone_loss"] + both["recognizer_loss"]
    assert both["loss"] == pytest.approx(told, rel=1e-5)


def test_nothing_is_quantized_before_its_step(corpus: Corpus) -> None:
    torch.manual_seed(0)
    quantizer = {"kind": "vq", "dim": 6, "codebook_size": 8}
    model = {"dim": 16, "blocks": 1, "quantizer": quantizer, "patch": 1}
    task = SpectralTask(
        corpus, model, batch_size=2, frames=40, adversarial_from=9, quantize_from=2, fit_batches=4
    )
    auto = task.autoencoder
    assert isinstance(auto, SpectralAutoencoder)
    batch = task.batch(np.random.default_rng(5))
    before = auto.quantizer.codebooks[0].clone()
    _, loss, logs = next(task.losses(batch, 1))
    loss.backward()
    assert "commit" not in logs and torch.equal(auto.quantizer.codebooks[0], before)
    assert auto.to_code.weight.grad is not None and auto.to_code.weight.grad.abs().sum() > 0
    _, _, logs = next(task.losses(batch, 2))
    assert "commit" in logs and not torch.equal(auto.quantizer.codebooks[0], before)


def test_rows_in_other_voices_are_relative_to_the_mean_of_that_voice(corpus: Corpus) -> None:
    model = {"dim": 16, "blocks": 1, "levels": (5, 4)}

    def draw(**options: float) -> tuple[torch.Tensor, torch.Tensor]:
        task = SpectralTask(corpus, model, batch_size=64, frames=40, **options)  # type: ignore[arg-type]
        batch = task.batch(np.random.default_rng(4))
        return batch["features"], batch["voice_mean"]

    plain, _ = draw(relative=0.0)
    for options in ({"warped": 1.0}, {"colored": 1.0}):
        other, _ = draw(relative=0.0, **options)
        assert other.shape == plain.shape and torch.isfinite(other).all()
        mean, own = plain[..., :-2].mean((0, 1)), other[..., :-2].mean(1)
        assert float((own - mean).abs().mean()) > 0.02, options
    # What a voice adds to all of its frames is taken away again with its mean.
    relative, means = draw(relative=1.0, colored=1.0)
    spread = relative[..., :-2].mean(1).std(0).mean()
    assert float(spread) < float((relative + means)[..., :-2].mean(1).std(0).mean())
