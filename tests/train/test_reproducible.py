"""A run depends on its seed and its data: not on the clock, on breaks, or on what fills a batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.helpers.systems import tiny_parts
from tests.helpers.training import TINY, everything, flow_task
from tts.data.batch import Batch, prompt_of, tokens_of
from tts.data.corpus import Corpus
from tts.errors import CheckpointError, ConfigError
from tts.generators.base import Request
from tts.train.loop import Trainer
from tts.train.task import Task, TrainConfig
from tts.train.tasks.generator import GeneratorTask
from tts.train.tasks.vocoder import VocoderTask
from tts.train.tasks.waveform_codec import CodecTask
from tts_codecs.balancer import Balancer
from tts_codecs.base import trusted

TINY_VOCODER = dict(dim=16, hidden=16, blocks=1, pitch_dim=16, pitch_blocks=1)


def _codec(corpus: Corpus) -> Task:
    """An autoencoder with a loss of what it says without gradients, whatever distorts the sound."""
    torch.manual_seed(0)
    spectrum = {"kind": "spectrum", "width": 8, "blocks": 1, "look_ahead": 1}
    model = {
        "hop": 320,
        "dim": 8,
        "output": "latents",
        "encoder": spectrum,
        "quantizer": {"kind": "none", "dim": 8},
        "decoder": {**spectrum, "patch": 2},
    }
    return CodecTask(
        corpus,
        model,
        batch_size=2,
        frames=20,
        adversaries={"spectra": {"channels": 2}},
        distort=0.7,
        auxiliaries={"invariance": {"weight": 1.0}},
    )


def _vocoder(corpus: Corpus, pitch: bool = True) -> Task:
    """A vocoder whose pitch network is trained, or that which goes on from it."""
    torch.manual_seed(0)
    return VocoderTask(
        corpus,
        TINY_VOCODER,
        batch_size=4,
        frames=30,
        train_pitch=pitch,
        own_pitch=float(not pitch),
        adversaries={"spectra": {"channels": 2}},
    )


@pytest.mark.parametrize("make", [_codec, _vocoder])
def test_a_run_that_was_stopped_goes_on_as_if_it_was_not(
    make: Callable[[Corpus], Task], corpus: Corpus, tmp_path: Path
) -> None:
    """Of losses that compute without gradients too, where what is derived of weights is kept."""

    def run(name: str, *until: int) -> dict[str, Tensor]:
        for steps in until:
            config = TrainConfig(steps=steps, lr=1e-2, warmup=1, final=1.0, ema=0.5)
            trainer = Trainer(make(corpus), config, tmp_path / name, quiet=True)
            if not trainer.step:
                torch.manual_seed(1)
            trainer.run()
        return everything(trainer)

    whole, broken = run("whole", 5), run("broken", 2, 5)
    for key, value in whole.items():
        torch.testing.assert_close(value, broken[key], rtol=0, atol=0, msg=key)


def test_a_look_does_not_change_the_run(
    profiled_home: Path, corpus: Corpus, tmp_path: Path
) -> None:
    def run(minutes: float) -> dict[str, Tensor]:
        torch.manual_seed(0)
        config = TrainConfig(steps=3, lr=1e-2, warmup=1, sample_minutes=minutes)
        trainer = Trainer(flow_task(corpus), config, tmp_path / f"{minutes}", quiet=True)
        torch.manual_seed(1)
        trainer.run()
        return everything(trainer)

    unseen, seen = run(1e9), run(1e-9)
    assert all(torch.equal(value, seen[key]) for key, value in unseen.items())


def test_a_look_that_fails_does_not_end_the_run(
    corpus: Corpus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as a measure that finds no speech in what an untrained codec makes."""
    task = _codec(corpus)

    def failing(writer: object, step: int) -> None:
        raise ValueError("no utterances detected")

    task.sample = failing  # type: ignore[method-assign]
    config = TrainConfig(steps=2, warmup=1, sample_minutes=1e-9)
    trainer = Trainer(task, config, tmp_path, quiet=True)
    trainer.run()
    assert trainer.finished and "no sample of step 1: ValueError: no utterances" in caplog.text


def test_waveforms_are_not_trained_in_half_precision(corpus: Corpus, tmp_path: Path) -> None:
    for task in (_codec(corpus), _vocoder(corpus)):
        with pytest.raises(ConfigError, match="precision.*fp32"):
            Trainer(task, TrainConfig(precision="bf16"), tmp_path, quiet=True)


def test_what_is_frozen_may_change_when_a_run_goes_on(corpus: Corpus, tmp_path: Path) -> None:
    """As from configs/train/pitch.yaml to vocoder.yaml, in one folder."""
    Trainer(_vocoder(corpus), TrainConfig(steps=1, warmup=1), tmp_path, quiet=True).run()
    trainer = Trainer(_vocoder(corpus, False), TrainConfig(steps=2, warmup=1), tmp_path, quiet=True)
    weights = trainer.modules["vocoder"].state_dict()
    pitch = {key: value.clone() for key, value in weights.items() if key.startswith("pitch.")}
    trainer.run()
    after = trainer.modules["vocoder"].state_dict()
    assert trainer.step == 2
    assert pitch and all(torch.equal(value, after[key]) for key, value in pitch.items())


def test_a_state_of_other_optimizers_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    trainer = Trainer(_vocoder(corpus), TrainConfig(steps=1, warmup=1), tmp_path, quiet=True)
    trainer.run()
    state = torch.load(trainer.state_path, weights_only=True)
    for each in state["optimizers"].values():
        each["param_groups"][0]["params"] = each["param_groups"][0]["params"][:-1]
    torch.save(state, trainer.state_path)
    with pytest.raises(CheckpointError, match="frozen"):
        Trainer(_vocoder(corpus), TrainConfig(steps=2, warmup=1), tmp_path, quiet=True)


@pytest.mark.parametrize("codec", ["features", "spectral"])
def test_a_row_learns_the_same_whatever_fills_the_batch(
    codec: str, profiled_home: Path, corpus: Corpus
) -> None:
    tiny_parts(profiled_home)
    model = {"strategy": {"kind": "flow"}, **TINY}
    if codec == "spectral":
        model = {
            "strategy": {"kind": "masked"},
            "head": {"kind": "categorical", "width": 8},
            **TINY,
        }
    task = GeneratorTask(corpus, model, batch_size=2, max_frames=60, codec=codec)
    rng = np.random.default_rng(0)
    for _ in range(6):
        batch = task.sampler.draw(rng, 4)
        whole = task._add_latents(dict(batch))
        for row, frames in enumerate(batch["frames"].tolist()):
            alone = task._add_latents(_row(batch, row, frames))
            count = alone["latents"].shape[1]
            torch.testing.assert_close(whole["latents"][row, :count], alone["latents"][0])
            features = torch.nn.functional.pad(alone["features"][0], (0, 0, 0, 1))
            assert not (whole["features"][row, :frames] - features[:frames]).any()


def _row(batch: Batch, row: int, frames: int) -> Batch:
    """A row of a batch as it is drawn alone."""
    one = {k: v[row : row + 1] for k, v in batch.items() if isinstance(v, Tensor)}
    one["features"] = one["features"][:, :frames]
    return one


def test_losses_do_not_hear_the_padding(corpus: Corpus) -> None:
    """Of rows with an odd number of frames, whose last latent ends in it."""
    model = {"strategy": {"kind": "one_shot"}, **TINY}
    task = GeneratorTask(corpus, model, batch_size=1, max_frames=60)
    batch = task.sampler.draw(np.random.default_rng(0), 1)
    frames = int(batch["frames"]) // 2 * 2 - 1
    batch["durations"][0, -1] -= int(batch["frames"]) - frames
    batch |= {"features": batch["features"][:, :frames], "frames": torch.tensor([frames])}
    wider = {**batch, "features": torch.nn.functional.pad(batch["features"], (0, 0, 0, 5))}
    found = []
    for each in (batch, wider):
        made = task._add_latents(dict(each))
        request = Request(tokens_of(made), prompt_of(made), made["durations"])
        request.longest = made["features"].shape[1]
        torch.manual_seed(5)
        losses = task.generator.eval().loss(request, made["features"], made["latents"])
        found.append({name: float(value.detach()) for name, value in losses.items()})
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_batches_are_made_on_the_cpu_while_losses_are_computed_elsewhere(
    profiled_home: Path, corpus: Corpus
) -> None:
    """The meta device stands for a GPU."""
    tiny_parts(profiled_home)
    task = GeneratorTask(
        corpus,
        {"strategy": {"kind": "masked"}, "head": {"kind": "categorical", "width": 8}, **TINY},
        batch_size=2,
        max_frames=60,
        codec="spectral",
        phone_probe="phone_probe",
        profile="profile",
        resident=False,
    )
    assert not task.place(torch.device("meta"))
    assert task.batch(np.random.default_rng(0))["latents"].device.type == "cpu"
    for network in task.frozen:
        assert {p.device.type for p in network.parameters()} == {"meta"}
    space = task.perceptual.latent_space
    codebooks = task.latent_space.autoencoder.quantizer.codebook_size  # type: ignore[attr-defined]
    count = task.latent_space.num_codebooks  # type: ignore[attr-defined]
    with trusted():  # codes are not looked at, as in training
        made = space.to_features(torch.empty(2, 10, count, codebooks, device="meta"))
    assert made.device.type == "meta"


def test_a_bad_gradient_is_not_kept_by_the_balancer() -> None:
    balancer = Balancer({"a": 1.0, "b": 1.0})
    output = torch.ones(2, 3, requires_grad=True)
    good = balancer({"a": output.sum(), "b": (2 * output).sum()}, output)
    bad = balancer({"a": output.sum() * torch.nan, "b": (2 * output).sum()}, output)
    after = balancer({"a": output.sum(), "b": (2 * output).sum()}, output)
    assert not bad.isfinite().all()
    torch.testing.assert_close(after, good)
