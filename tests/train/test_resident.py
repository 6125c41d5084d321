"""Batches made on the device: the same segments, whole rows, and nothing that waits for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.helpers.training import FAMILIES, TINY, everything
from tts.data.batch import prompt_of, tokens_of
from tts.data.corpus import Corpus
from tts.data.segments import SegmentSampler
from tts.data.vtlp import VTLP_FACTORS, vtlp_features, vtlp_matrix
from tts.generators.base import Request
from tts.generators.heads import categorical
from tts.generators.latent_space import AutoencoderSpace
from tts.losses.phone import PhoneProbe
from tts.losses.speaker import SpeakerProbe
from tts.registry import build_generator
from tts.train.loop import Trainer
from tts.train.resident import ResidentSampler
from tts.train.task import TrainConfig
from tts.train.tasks.generator import GeneratorTask
from tts.voice.profile import PhoneProfile
from tts_codecs.base import trusted
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.spectral import SpectralAutoencoder

CPU = torch.device("cpu")
EXACT = "donot_use_mm_for_euclid_dist"


def sampler(corpus: Corpus, **options: Any) -> SegmentSampler:
    return SegmentSampler(corpus, 80, 30, (30, 60), **options)


def test_segments_are_those_of_the_other_sampler(corpus: Corpus) -> None:
    plain = sampler(corpus)
    resident = ResidentSampler(plain, CPU)
    for limit in (30, 44, 60, 80):
        for at, utterance in enumerate(plain.utterances):
            for first in {*utterance.cuts, *utterance.pauses} - {len(utterance.tokens.ids) - 1}:
                tokens, begin, stop = plain.cut(utterance, first, limit)
                ids, mods, durations, length, start, end = resident.cut(
                    torch.tensor([at]), torch.tensor([first]), limit
                )
                if stop - begin > limit:  # one long word: it loses its end here
                    assert end - start <= limit
                    continue
                count = int(length)
                assert ids[0, :count].tolist() == list(tokens.ids)
                assert mods[0, :count].tolist() == list(tokens.mods)
                assert durations[0, :count].tolist() == list(tokens.durations)
                assert not durations[0, count:].any()
                assert (int(start), int(end)) == (begin, stop)


def test_batches_hold_what_they_say(corpus: Corpus) -> None:
    plain = sampler(corpus, vtlp=0.0, band_limited=0.0)
    resident = ResidentSampler(plain, CPU)
    whole = resident.features.float()
    shapes = set()
    for seed in range(8):
        batch = resident.draw(torch.Generator().manual_seed(seed), np.random.default_rng(seed), 16)
        shapes.add(tuple(batch["features"].shape))
        assert torch.equal(batch["durations"].sum(1), batch["frames"])
        assert (batch["frames"] <= batch["features"].shape[1]).all()
        assert ((batch["durations"] > 0).sum(1) == batch["lengths"]).all()
        low, high = plain.prompt
        assert (batch["prompt_frames"] <= high).all() and (batch["prompt_frames"] >= 1).all()
        for row in range(16):
            for name, count in (("features", "frames"), ("prompt_features", "prompt_frames")):
                found = batch[name][row]
                size = int(batch[count][row])
                assert not found[size:].any()
                # Every frame is one of the corpus.
                assert torch.cdist(found[:size], whole, compute_mode=EXACT).amin(1).max() < 1e-2
            near = (batch["speaker"][row] - resident.voices[:, -1].float()).abs().amax(1)
            assert near.min() < 1e-6
    assert len(shapes) > 1 and {s[1] for s in shapes} <= set(resident.lengths)


def test_warps_are_those_of_numpy(corpus: Corpus) -> None:
    features = corpus.features(0)
    resident = ResidentSampler(sampler(corpus), CPU)
    for at, factor in enumerate(VTLP_FACTORS):
        expected = vtlp_features(features, factor)
        assert np.abs(features[:, :-2] @ vtlp_matrix(factor) - expected[:, :-2]).max() < 1e-5
        found = resident.augment(
            torch.from_numpy(features)[None],
            torch.tensor([at]),
            torch.tensor([False]),
            torch.zeros(1),
            torch.zeros(1),
        )
        assert np.abs(found[0].numpy() - expected).max() < 1e-5


def test_a_resumed_run_makes_the_same_batches(corpus: Corpus, tmp_path: Path) -> None:
    def run(folder: str, steps: int) -> Trainer:
        torch.manual_seed(1)
        task = GeneratorTask(
            corpus,
            {"strategy": {"kind": "flow"}, **TINY},
            batch_size=3,
            max_frames=60,
            prompt=(30, 40),
            resident=True,
        )
        made = Trainer(task, TrainConfig(steps=steps, accumulate=2), tmp_path / folder, quiet=True)
        assert made.resident
        made.run()
        return made

    whole = run("whole", 4)
    run("parts", 2)
    parts = run("parts", 4)
    expected, found = everything(whole), everything(parts)
    for key, value in expected.items():
        assert torch.equal(found[key], value), key


@pytest.mark.parametrize("family", FAMILIES)
def test_no_step_asks_the_device(
    corpus: Corpus,
    tmp_path: Path,
    family: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tensors without memory cannot be asked for a value: whoever tries gets an error. Nor does a
    second step send one there."""
    codec = "features"
    if "num_codebooks" in FAMILIES[family].get("head", {}):
        codec = str(tmp_path)
        sizes: dict[str, Any] = dict(dim=8, blocks=1, levels=[8, 5], groups=2)
        save_checkpoint(tmp_path, SpectralAutoencoder(**sizes), "spectral", sizes)
    task = GeneratorTask(
        corpus,
        {**FAMILIES[family], **TINY},
        batch_size=3,
        max_frames=60,
        prompt=(30, 40),
        codec=codec,
        resident=True,
    )
    task.perceptual.voice = SpeakerProbe(dim=8, blocks=1)
    task.perceptual.phones = task.phones = PhoneProbe(dim=8, blocks=1)
    task.profile = PhoneProfile(list(range(20, 60)))
    task.place(CPU)
    batch = task.resident_batch(torch.Generator().manual_seed(0), np.random.default_rng(0))
    meta = {k: v.to("meta") if isinstance(v, Tensor) else v for k, v in batch.items()}
    for module in (task.generator, task.perceptual.voice, task.perceptual.phones, task.profile):
        module.to("meta")
    if isinstance(task.latent_space, AutoencoderSpace):
        task.latent_space.autoencoder.to("meta")
    with trusted():
        meta = task._add_latents(meta)  # profile and codes
    sent: list[Any] = []
    plain = torch.tensor
    for step in range(2):
        monkeypatch.setattr(torch, "tensor", lambda *a, **k: sent.append(a) or plain(*a, **k))
        sent.clear()  # what is kept was made in the first step
        for name, loss, logs in task.losses(meta, step):
            assert name == "generator" and loss.device.type == "meta"
            loss.backward()
            assert all(isinstance(value, Tensor) for value in logs.values())
            assert {"speaker_loss", "phone_loss"} <= logs.keys()
    assert not sent


def test_drawing_asks_nothing(corpus: Corpus) -> None:
    resident = ResidentSampler(sampler(corpus), CPU)
    for name, value in vars(resident).items():
        if isinstance(value, Tensor):
            setattr(resident, name, value.to("meta"))
    resident.device = torch.device("meta")
    batch = resident.draw(None, np.random.default_rng(0), 4)  # type: ignore[arg-type]
    assert all(value.device.type == "meta" for value in batch.values())


@pytest.mark.parametrize("family", ["masked", "soundstorm", "ar", "depth"])
def test_what_counts_and_all_of_it_have_one_loss(
    corpus: Corpus,
    family: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Codes that do not count are left out before the logits on a CPU and after them elsewhere."""
    torch.manual_seed(0)
    net = build_generator(**{**FAMILIES[family], **TINY})
    task_batch = sampler(corpus).draw(np.random.default_rng(0), 4)
    latents = torch.randint(40, (4, -(-task_batch["features"].shape[1] // 2), 2))
    request = Request(tokens_of(task_batch), prompt_of(task_batch), task_batch["durations"])
    found = []
    for near in (("cpu",), ()):
        monkeypatch.setattr(categorical, "NEAR", near)
        net.zero_grad()
        torch.manual_seed(1)
        loss = net.loss(request, task_batch["features"], latents)["codes"]
        loss.backward()
        found.append([loss.detach(), *(p.grad for p in net.parameters() if p.grad is not None)])
    assert len(found[0]) == len(found[1]) and found[0][0] > 0
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_the_voice_does_not_depend_on_the_recordings_of_the_prompt(corpus: Corpus) -> None:
    """The recording whose speaker embedding is used is drawn independently of the others."""
    plain = SegmentSampler(corpus, 80, 30, (200, 200))
    resident = ResidentSampler(plain, CPU)
    speaker = max(plain.by_speaker.values(), key=len)
    row = max(speaker, key=lambda at: int(resident.frames[at]))
    count, own_frames = 1000, 45
    rows = torch.full((count,), row)
    begin, stop = torch.full_like(rows, own_frames), resident.frames[rows]
    generator = torch.Generator().manual_seed(0)
    prompts, _, voices = resident.prompts(rows, begin, stop, generator)
    own = plain.utterances[row].index
    begins_with_own = prompts[:, :own_frames] - torch.from_numpy(corpus.features(own))[:own_frames]
    has_own = begins_with_own.abs().amax((1, 2)) < 1e-2
    assert len(speaker) > 2 and has_own.any()
    # The recording that follows, by its place in the order of the speaker.
    others = [at for at in resident.order.tolist() if at in speaker and at != row]
    following = prompts[has_own, own_frames]
    distances = []
    for at in others:
        features = torch.from_numpy(corpus.features(plain.utterances[at].index))
        distances.append(torch.cdist(following, features, compute_mode=EXACT).amin(1))
    choice = torch.stack(distances, 1).argmin(1).float()
    is_own = voices[has_own] == row
    difference = choice[is_own].mean() - choice[~is_own].mean()
    assert abs(float(difference)) < 0.12 * len(others)
