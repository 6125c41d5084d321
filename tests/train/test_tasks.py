"""Training tasks on a tiny corpus: they learn, export and start from other weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.helpers.training import flow_task, one_step

pytest.importorskip("accelerate", reason="needs the train extra")
pytest.importorskip("tensorboard", reason="needs the train extra")

from tts.data.corpus import Corpus  # noqa: E402
from tts.errors import ConfigError, DataError, UsageError  # noqa: E402
from tts.registry import load_module  # noqa: E402
from tts.train.loop import Trainer
from tts.train.task import TrainConfig  # noqa: E402


def exported(task: Any, folder: Path) -> nn.Module:
    task.export(folder, 3)
    return load_module(folder)


def test_aligner_task(corpus: Corpus, tmp_path: Path) -> None:
    from tts.train.tasks.aligner import AlignerTask, align_corpus

    task = AlignerTask(corpus, {"dim": 16, "blocks": 1}, batch_size=2)
    assert "mse" in one_step(task)
    aligner = exported(task, tmp_path)
    found = align_corpus(corpus, aligner, batch_size=2)  # type: ignore[arg-type]
    assert found.keys() == {item.id for item in corpus.items}
    for index, item in enumerate(corpus.items):
        assert sum(found[item.id]) == corpus.frames(index)
        assert len(found[item.id]) == len(item.phones) + 2
    # A corpus smaller than the usual pool is drawn from all the same.
    assert len(AlignerTask(corpus, {"dim": 8, "blocks": 1}).batch(np.random.default_rng(0))["ids"])


def test_vocoder_task(corpus: Corpus, tmp_path: Path) -> None:
    from tts.train.tasks.vocoder import VocoderTask

    model = {"dim": 16, "hidden": 24, "blocks": 1, "pitch_dim": 8, "pitch_blocks": 1}
    task = VocoderTask(
        corpus,
        model,
        batch_size=2,
        adversarial_batch=1,
        adversarial_from=1,
        adversaries={"spectra": {"channels": 4}},
    )
    assert {"mel", "fool", "spot"} <= one_step(task).keys()
    exported(task, tmp_path)
    with pytest.raises(DataError, match="no utterance"):
        VocoderTask(corpus, model, frames=1000)
    with pytest.raises(ConfigError, match="4096 samples are longer .* heard"):
        VocoderTask(corpus, model, frames=12, margin=2, adversaries={"spectra": {"n_ffts": [4096]}})


def test_vocoder_learns_its_upper_band_from_wide_recordings(corpus: Corpus, tmp_path: Path) -> None:
    import soundfile

    from tts.train.tasks.vocoder import VocoderTask
    from tts_codecs.checkpoint import save_checkpoint
    from tts_codecs.vocoder.source_filter import SourceFilterVocoder

    torch.manual_seed(0)  # some random pitches are all unvoiced: pulses then learn nothing
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * rng.standard_normal(24000), 24000)
    table = tmp_path / "wide.tsv"
    table.write_text("a.wav\tann\nb.wav\tbob\n")
    sizes = {"dim": 16, "hidden": 24, "blocks": 1, "pitch_dim": 8, "pitch_blocks": 1}
    save_checkpoint(
        tmp_path / "narrow", SourceFilterVocoder(**sizes), "source_filter_vocoder", sizes
    )
    wide = sizes | {"sample_rate": 24000, "n_fft": 960}
    options: dict[str, Any] = {
        "batch_size": 4, "adversarial_batch": 2, "adversarial_from": 1,
        "adversaries": {
            "spectra": {"channels": 4}, "periods": {"periods": [2], "channels": 2},
        },
        "objective": "squares", "balance": True,
        "frames": 30, "train_pitch": False, "own_pitch": 1.0,
        "narrow": str(tmp_path / "narrow"),
    }  # fmt: skip
    task = VocoderTask(corpus, wide, wide=str(table), **options)
    batch = task.batch(np.random.default_rng(0))
    assert batch["wav"].shape == (2, 30 * 320) and batch["wide"].shape == (2, 30 * 480)
    (_, loss, _), *_ = task.losses(batch, 0)
    (gradient,) = torch.autograd.grad(loss, task.vocoder.head.weight)
    assert gradient.view(2, 3, 481, -1)[:, 0, 330:].abs().max() > 0
    assert {"mel", "fool", "spot"} <= one_step(task).keys()
    exported(task, tmp_path)
    # Without wide recordings nothing says what is above the corpus' band.
    alone = VocoderTask(corpus, wide, **options)
    (_, loss, _), *_ = alone.losses(alone.batch(np.random.default_rng(0)), 0)
    weight = alone.vocoder.head.weight
    (gradient,) = torch.autograd.grad(loss, weight)
    by_bin = gradient.view(2, 3, 481, -1).abs().amax((0, 1, 3))
    assert by_bin[380:].max() < 0.02 * by_bin[:300].max()
    table.write_text("a.wav\tann\nmissing.wav\tbob\n")
    with pytest.raises(DataError, match=r"missing\.wav"):
        VocoderTask(corpus, wide, wide=str(table), **options)


@pytest.mark.parametrize(("narrow", "wide"), [(4, 4), (2, 6), (3, 5), (6, 2)])
def test_discriminators_hear_mel_and_envelope_of_narrow_and_wide_rows(
    narrow: int, wide: int
) -> None:
    from tts.train.tasks.vocoder import mixed_order

    order = mixed_order(narrow, wide)
    assert sorted(order.tolist()) == list(range(narrow + wide))
    kinds = {(int(row) % 2, int(row) >= narrow) for row in order[:4]}
    assert len(kinds) == 4


def duration_task(corpus: Corpus) -> Any:
    from tts.train.tasks.durations import DurationTask

    return DurationTask(corpus, {"dim": 16, "blocks": 1, "style": 16}, batch_size=3)


def spectral_task(corpus: Corpus) -> Any:
    from tts.train.tasks.feature_codec import SpectralTask

    model = {"dim": 16, "blocks": 1, "levels": (5, 4), "groups": 2}
    return SpectralTask(corpus, model, batch_size=2, frames=40, adversarial_from=1)


def rvq_task(corpus: Corpus) -> Any:
    from tts.train.tasks.feature_codec import SpectralTask

    quantizer = {"kind": "rvq", "dim": 6, "num_codebooks": 2, "codebook_size": 8, "dropout": 0.5}
    model = {"dim": 16, "blocks": 1, "quantizer": quantizer}
    return SpectralTask(corpus, model, batch_size=2, frames=40, adversarial_from=9, fit_batches=4)


def latent_task(corpus: Corpus) -> Any:
    from tts.train.tasks.feature_codec import LatentTask

    model = {"dim": 16, "blocks": 1, "latents": 6}
    return LatentTask(corpus, model, batch_size=2, frames=40, adversarial_from=1)


def vocoder_task(corpus: Corpus) -> Any:
    from tts.train.tasks.vocoder import VocoderTask

    model = {"dim": 16, "hidden": 16, "blocks": 1, "pitch_dim": 8, "pitch_blocks": 1}
    return VocoderTask(
        corpus,
        model,
        batch_size=2,
        frames=30,
        adversarial_from=100,
        own_pitch=1.0,
        train_pitch=False,
    )


@pytest.mark.parametrize(
    "make", [flow_task, duration_task, spectral_task, rvq_task, latent_task, vocoder_task]
)
def test_tasks_train_and_export(make: Any, corpus: Corpus, tmp_path: Path) -> None:
    torch.manual_seed(0)
    task = make(corpus)
    assert one_step(task)
    name = next(iter(task.modules))
    before = {k: v.clone() for k, v in task.modules[name].state_dict().items()}
    made = Trainer(task, TrainConfig(steps=3, lr=1e-2, warmup=0, ema=0.5), tmp_path, quiet=True)
    made.run()
    loaded = load_module(tmp_path / "export")
    moved = 0
    for key, value in loaded.state_dict().items():
        average = made.ema.shadow[f"{name}.{key}"]
        torch.testing.assert_close(value, average, rtol=1e-3, atol=1e-4)
        moved += int(not torch.equal(average, before[key]))
        if "pitch." in key:  # train_pitch=False: the features of the corpus depend on it
            assert torch.equal(average, before[key]), key
    assert moved > 0


@pytest.mark.parametrize("name", ["durations", "probe", "phone_probe", "generator"])
def test_speakers_that_are_held_out_are_not_heard(name: str, corpus: Corpus) -> None:
    from tests.helpers.training import FAMILIES, TINY
    from tts.train.config import check_run

    model = {"generator": {**TINY, **FAMILIES["flow"]}}.get(name, {"dim": 16, "blocks": 1})
    options = {"batch_size": 2, "held_out": ["s1"]}
    values = {"task": name, "out": "o", "model": model, "options": options}
    task: Any = check_run(values, "mine").build(corpus)
    assert {corpus.items[u.index].speaker for u in task.sampler.utterances} == {"s0"}
    if name == "probe":
        kept = [corpus.speaker(at) for at, item in enumerate(corpus.items) if item.speaker == "s0"]
        np.testing.assert_allclose(task.probe.centre, np.mean(kept, 0), atol=1e-6)
    wrong = {**values, "options": {**options, "held_out": ["s2"]}}
    with pytest.raises(UsageError, match="no speaker 's2' to leave out"):
        check_run(wrong, "mine").build(corpus)


def test_frozen_tensors_stay(corpus: Corpus, tmp_path: Path) -> None:
    task = flow_task(corpus)
    before = {k: v.clone() for k, v in task.generator.state_dict().items()}
    config = TrainConfig(steps=2, warmup=0, lr=0.01, freeze=("conditioner",))
    trainer = Trainer(task, config, tmp_path / "run", True)
    trainer.run()
    moved = {k for k, v in task.generator.state_dict().items() if not torch.equal(v, before[k])}
    assert moved and not any(name.startswith("conditioner") for name in moved)
    with pytest.raises(ConfigError, match="conditoner"):
        Trainer(flow_task(corpus), TrainConfig(freeze=("conditoner",)), tmp_path / "other", True)


def test_a_run_starts_from_another_family(corpus: Corpus, tmp_path: Path) -> None:
    from tts.train.tasks.generator import GeneratorTask

    flow = flow_task(corpus)
    flow.export(tmp_path / "flow", 1)
    spectral_task(corpus).export(tmp_path / "spectral", 1)
    head = {"kind": "categorical", "num_codebooks": 2, "codebook_size": 20}
    model = {**flow.arguments, "strategy": {"kind": "masked"}, "head": head}
    other = GeneratorTask(corpus, model, batch_size=2, codec=str(tmp_path / "spectral"))
    config = TrainConfig(steps=1, init=str(tmp_path / "flow"))
    trainer = Trainer(other, config, tmp_path / "run", True)
    assert trainer.new_tensors and all(name.startswith("head") for name in trainer.new_tensors)
    for name, value in other.generator.backbone.state_dict().items():
        wanted = flow.generator.backbone.state_dict()[name]
        torch.testing.assert_close(value, wanted, rtol=1e-3, atol=1e-3)  # fp16 on disk


def test_units_of_latents_are_what_the_head_is_fitted_to(corpus: Corpus, tmp_path: Path) -> None:
    from tts.train.tasks.generator import GeneratorTask

    latent_task(corpus).export(tmp_path, 1)
    parts = flow_task(corpus).arguments
    for kind, head, size in (
        ("autoregressive", {"kind": "kl", "size": 12}, 12),
        ("autoregressive", {"kind": "flow_mlp", "size": 6}, 6),
        ("flow", {"kind": "linear", "size": 6}, 6),
        # The size follows from the codec.
        ("flow", {"kind": "linear"}, 6),
        ("autoregressive", {"kind": "kl"}, 12),
        ("diffusion", {"kind": "linear", "size": 6}, 6),
    ):
        model = {**parts, "strategy": {"kind": kind}, "head": head}
        task = GeneratorTask(corpus, model, batch_size=2, codec=str(tmp_path))
        assert task.batch(np.random.default_rng(0))["latents"].shape[-1] == size
        assert one_step(task)
        task.vocoder, written = None, Written()
        task.sample(written, 1)
        assert set(written.shapes) == {"features"}


class Written:
    """A writer of TensorBoard that keeps the shapes of what it is given."""

    def __init__(self) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}

    def add_image(self, name: str, picture: torch.Tensor, step: int) -> None:
        assert 0 <= picture.min() and picture.max() <= 1
        self.shapes[name] = tuple(picture.shape)

    def add_audio(self, name: str, wav: torch.Tensor, step: int, rate: int) -> None:
        assert rate == 16000 and bool(wav.isfinite().all())
        self.shapes[name] = tuple(wav.shape)


def test_a_picture_of_coded_features_is_of_one_recording(corpus: Corpus) -> None:
    """Shorter than the picture usually is, and not a whole number of latents."""

    class Picture:
        def add_image(self, name: str, image: torch.Tensor, step: int) -> None:
            assert image.shape[2] == 104  # of 105 frames, in latents of two

    task = latent_task(corpus)
    task.sample(Picture(), 1)


def test_what_a_generator_says_can_be_seen_and_heard(corpus: Corpus, tmp_path: Path) -> None:
    vocoder_task(corpus).export(tmp_path, 1)
    task = flow_task(corpus)
    task.vocoder = str(tmp_path)
    written = Written()
    task.sample(written, 1)
    task.sample(written, 2)
    assert task.generator.training
    _, channels, frames = written.shapes["features"]
    assert channels == 2 * 82 and written.shapes["generated"] == (frames * 320,)


@pytest.mark.parametrize(
    ("strategy", "head", "words"),
    [
        ("flow", {"kind": "linear", "size": 7}, "size: 7, one step of latents 6"),
        ("autoregressive", {"kind": "gaussian", "size": 12}, "size: 12"),
        ("autoregressive", {"kind": "kl", "size": 6}, "one step of distributions 12"),
        ("masked", {"kind": "categorical"}, "draws codes"),
    ],
)
def test_a_head_for_other_units_is_refused(
    corpus: Corpus, tmp_path: Path, strategy: str, head: dict[str, Any], words: str
) -> None:
    from tts.train.tasks.generator import GeneratorTask

    latent_task(corpus).export(tmp_path, 1)
    model = {**flow_task(corpus).arguments, "strategy": {"kind": strategy}, "head": head}
    with pytest.raises(ConfigError, match=words):
        GeneratorTask(corpus, model, codec=str(tmp_path))


def test_refined_durations_follow_what_is_read(corpus: Corpus) -> None:
    """A probe that reads the true phones moves a wrong alignment to where they are."""
    from tts.align.aligner import with_optional_pauses
    from tts.text.symbols import N_SYMBOLS
    from tts.train.tasks.aligner import refine_corpus, voicing_agreement

    rng = np.random.default_rng(0)
    truth, rough = {}, {}
    for index, item in enumerate(corpus.items):
        ids, _, optional = with_optional_pauses(item.phones, item.mods, item.words)
        needed = np.array([0 if o else 1 for o in optional])
        for folder in (truth, rough):
            extra = rng.multinomial(
                corpus.frames(index) - needed.sum(), needed / max(1, needed.sum())
            )
            folder[item.id] = (needed + extra).tolist()

    class Reader(nn.Module):
        """Knows the labels of the features it is shown."""

        def forward(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            logits = torch.zeros(*features.shape[:2], N_SYMBOLS)
            for row, frames in enumerate(mask[..., 0].sum(1).long().tolist()):
                for index, item in enumerate(corpus.items):
                    heard = torch.from_numpy(np.array(corpus.features(index), np.float32))
                    if len(heard) == frames and torch.equal(heard, features[row, :frames]):
                        ids, _, _ = with_optional_pauses(item.phones, item.mods, item.words)
                        labels = torch.tensor(np.repeat(ids, truth[item.id]))
                        logits[row, torch.arange(frames), labels] = 20.0
            return logits

    found = refine_corpus(corpus, Reader(), rough, batch_size=2)  # type: ignore[arg-type]
    for item in corpus.items:
        assert sum(found[item.id]) == sum(truth[item.id])
        ids, _, _ = with_optional_pauses(item.phones, item.mods, item.words)
        # Equal neighbours leave their common boundary open.
        assert np.repeat(ids, found[item.id]).tolist() == np.repeat(ids, truth[item.id]).tolist()
    for share in voicing_agreement(corpus, truth):
        assert 0 <= share <= 1
