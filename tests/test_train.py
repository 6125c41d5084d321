"""The training loop: exact resume, averages, guards, signals; tasks on a tiny corpus."""

from __future__ import annotations

import json
import math
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_audio import talk
from torch import Tensor, nn

pytest.importorskip("accelerate", reason="needs the train extra")
pytest.importorskip("tensorboard", reason="needs the train extra")

from tts.builder import load_module  # noqa: E402
from tts.data.cache import Cache, Item  # noqa: E402
from tts.data.warp import WARPS  # noqa: E402
from tts.errors import CheckpointError, ConfigError, DataError, TTSError  # noqa: E402
from tts.train.loop import Batch, Ema, TrainConfig, Trainer, learning_rate  # noqa: E402
from tts_codecs.checkpoint import save_checkpoint  # noqa: E402


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


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    state = random.getstate()
    with torch.random.fork_rng(devices=[]):
        yield
    random.setstate(state)


def trainer(folder: Path, steps: int = 12, task: Toy | None = None) -> Trainer:
    random.seed(1)
    config = TrainConfig(steps=steps, lr=1e-2, warmup=3, log_every=1, ema=0.9)
    if task is None:
        torch.manual_seed(2)
        task = Toy()
    return Trainer(task, config, folder, quiet=True)


def everything(made: Trainer) -> dict[str, Tensor]:
    found = {f"ema/{k}": v for k, v in made.ema.shadow.items()}
    for name, module in made.plain.items():
        found |= {f"{name}/{k}": v for k, v in module.state_dict().items()}
    for name, optimizer in made.optimizers.items():
        for at, state in optimizer.state_dict()["state"].items():
            found |= {f"{name}/{at}/{k}": torch.as_tensor(v) for k, v in state.items()}
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path, number: signal.Signals) -> None:
    whole = trainer(tmp_path / "whole")
    whole.run()
    handlers = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    first = trainer(tmp_path / "parts")

    def stop(message: str) -> None:
        if message.startswith("step 5 "):
            signal.raise_signal(number)

    first.run(stop)
    assert first.step == 5 and first.state_path.exists()
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)] == handlers
    torch.manual_seed(77)  # the new process starts elsewhere
    second = trainer(tmp_path / "parts", task=Toy())
    random.seed(3)
    second.resume()
    assert second.step == 5
    second.run()
    expected, found = everything(whole), everything(second)
    assert second.step == 12 and expected.keys() == found.keys()
    for key, value in expected.items():
        assert torch.equal(found[key], value), key
    # A finished run is extended.
    third = trainer(tmp_path / "parts", steps=14)
    third.run()
    assert third.step == 14
    assert not list(tmp_path.rglob("*.part"))


def test_averaged_weights_are_exported(tmp_path: Path) -> None:
    made = trainer(tmp_path, 8)
    made.run()
    current = made.plain["first"].state_dict()
    for key, value in made.task.exported.items():  # type: ignore[attr-defined]
        assert torch.equal(value, made.ema.shadow[f"first.{key}"])
    assert not torch.equal(made.task.exported["0.weight"], current["0.weight"])  # type: ignore[attr-defined]


def test_the_average_follows_its_definition() -> None:
    module = nn.Linear(1, 1, bias=False)
    average = Ema({"m": module}, 0.5)
    expected = float(module.weight.detach())
    for step in range(20):
        with torch.no_grad():
            module.weight.fill_(float(step))
        average.update(step)
        rate = 1 - min(0.5, (1 + step) / (10 + step))
        expected += rate * (step - expected)
    assert average.shadow["m.weight"].item() == pytest.approx(expected, rel=1e-5)
    average.swap()
    assert module.weight.item() == pytest.approx(expected, rel=1e-5)
    average.swap()
    assert module.weight.item() == 19.0


def test_one_call_averages_as_tensor_by_tensor() -> None:
    """Of all types, to the last bit; a buffer may be replaced by another tensor."""
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2).double())
    module.register_buffer("count", torch.zeros(2, dtype=torch.int64))
    module.register_buffer("mean", torch.zeros(3))
    module.register_buffer("left out", torch.zeros(3), persistent=False)
    average = Ema({"m": module, "n": nn.Linear(1, 1)}, 0.9)
    plain = {key: value.clone() for key, value in average.shadow.items()}
    for step in range(5):
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter))
        module.count += 1  # type: ignore[operator]
        module.mean = torch.randn(3)
        average.update(step)
        for key, value in module.state_dict().items():
            if value.is_floating_point():
                plain[f"m.{key}"].lerp_(value, 1 - min(0.9, (1 + step) / (10 + step)))
            else:
                plain[f"m.{key}"].copy_(value)
    assert list(average.shadow) == list(plain) and len(plain) == 13
    for key, value in plain.items():
        assert torch.equal(average.shadow[key], value), key
    now = {key: value.clone() for key, value in module.state_dict().items()}
    average.swap()
    for key, value in module.state_dict().items():
        assert torch.equal(value, plain[f"m.{key}"]), key
    average.swap()
    for key, value in module.state_dict().items():
        assert torch.equal(value, now[key]), key


@pytest.mark.parametrize("inf_gradient", [False, True])
def test_bad_steps_are_skipped(tmp_path: Path, inf_gradient: bool) -> None:
    made = trainer(tmp_path, 8, Toy({3, 4}, inf_gradient))
    seen: dict[int, Tensor] = {}
    made.run(lambda _: seen.__setitem__(made.step, made.plain["first"][0].weight.clone()))  # type: ignore[index]
    for before, after in ((1, 2), (5, 6), (7, 8)):
        assert not torch.equal(seen[before], seen[after])
    assert torch.equal(seen[3], seen[4]) and torch.equal(seen[4], seen[5])
    assert all(torch.isfinite(v).all() for v in everything(made).values())


def test_divergence_is_an_error(tmp_path: Path) -> None:
    made = trainer(tmp_path, 100, Toy(set(range(10, 100))))
    with pytest.raises(TTSError, match="diverged"):
        made.run()
    assert 29 <= made.step <= 31
    assert all(torch.isfinite(v).all() for v in everything(made).values())


def test_damaged_or_foreign_states_are_refused(tmp_path: Path) -> None:
    made = trainer(tmp_path, 2)
    made.run()
    content = made.state_path.read_bytes()
    made.state_path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="damaged"):
        trainer(tmp_path)
    made.state_path.write_bytes(content)
    other = Toy()
    other.modules["first"] = other.first = nn.Sequential(nn.Linear(4, 9), nn.Linear(9, 2))
    with pytest.raises(CheckpointError, match="another shape"):
        trainer(tmp_path, task=other)


def test_the_learning_rate_warms_up_and_falls() -> None:
    config = TrainConfig(steps=100, lr=1.0, warmup=10, final=0.1)
    rates = [learning_rate(step, config) for step in range(101)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == pytest.approx(1.0)
    assert all(a <= b for a, b in zip(rates[:10], rates[1:10], strict=False))
    assert all(a >= b for a, b in zip(rates[10:], rates[11:], strict=False))
    assert rates[100] == pytest.approx(0.1)


# ---- the tasks -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """Five utterances of two speakers with made-up alignments."""
    folder = tmp_path_factory.mktemp("cache")
    rng = np.random.default_rng(0)
    lines, durations, offset = [], {}, 0
    with (
        (folder / "audio.i16").open("wb") as audio,
        (folder / "f0.f32").open("wb") as f0,
        (folder / "speaker.f32").open("wb") as speaker,
    ):
        for n in range(5):
            frames = 90 + 25 * n
            wav = talk(frames * 320 / 16000)[: frames * 320] + 0.003 * rng.normal(size=frames * 320)
            audio.write((wav * 32767).astype("<i2").tobytes())
            f0.write(np.where(np.arange(frames + 1) % 25 < 17, 150, 0).astype("<f4").tobytes())
            voice = np.abs(rng.normal(size=256))
            speaker.write((voice / np.linalg.norm(voice)).astype("<f4").tobytes())
            phones = [2, *rng.integers(20, 60, 9).tolist(), 2]
            item = Item(
                f"u{n}", f"s{n % 2}", "made up", offset, len(wav), 0, phones, [0] * 11, [1, 4, 7]
            )
            fields = {k: v for k, v in vars(item).items() if k != "frame_offset"}
            lines.append(json.dumps(fields))
            # Tokens with optional pauses: 2 more, one of them skipped.
            rest = [8] * 12
            rest[7] = 20
            rest[-1] = frames - sum(rest[:-1]) if frames - sum(rest[:-1]) > 0 else 1
            lengths = [*rest[:4], 0, *rest[4:]]
            lengths[5] += frames - sum(lengths)
            durations[f"u{n}"] = lengths
            offset += len(wav)
    # Slow waves around the level of speech; pitch and voicing as in f0.
    total = offset // 320
    waves = np.sin(np.arange(total)[:, None] / rng.uniform(3, 30, 82)) - 0.5
    waves[:, 80] = 0.1
    waves[:, 81] = np.where(np.arange(total) % 25 < 17, 1, -1)
    (folder / "features.f16").write_bytes(waves.astype("<f2").tobytes())
    warped = np.abs(rng.normal(size=(5, len(WARPS), 256)))
    warped /= np.linalg.norm(warped, axis=-1, keepdims=True)
    (folder / "speaker_warped.f32").write_bytes(warped.astype("<f4").tobytes())
    (folder / "items.jsonl").write_text("\n".join(lines))
    (folder / "durations.json").write_text(json.dumps(durations))
    (folder / "cache.json").write_text(json.dumps({"sample_rate": 16000, "hop": 320}))
    return Cache(folder)


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


def exported(task: Any, folder: Path) -> nn.Module:
    task.export(folder, 3)
    return load_module(folder)


def test_aligner_task(cache: Cache, tmp_path: Path) -> None:
    from tts.train.aligner import AlignerTask, align_corpus

    task = AlignerTask(cache, {"dim": 16, "blocks": 1}, batch_size=2)
    assert "mse" in one_step(task)
    aligner = exported(task, tmp_path)
    found = align_corpus(cache, aligner, batch_size=2)  # type: ignore[arg-type]
    assert found.keys() == {item.id for item in cache.items}
    for index, item in enumerate(cache.items):
        assert sum(found[item.id]) == cache.frames(index)
        assert len(found[item.id]) == len(item.phones) + 2
    # A corpus smaller than the usual pool is drawn from all the same.
    assert len(AlignerTask(cache, {"dim": 8, "blocks": 1}).batch(np.random.default_rng(0))["ids"])


def test_vocoder_task(cache: Cache, tmp_path: Path) -> None:
    from tts.train.vocoder import VocoderTask

    model = {"dim": 16, "hidden": 24, "blocks": 1, "pitch_dim": 8, "pitch_blocks": 1}
    task = VocoderTask(
        cache, model, batch_size=2, adversarial_batch=1, adversarial_from=1, channels=4
    )
    assert {"mel", "fool", "spot"} <= one_step(task).keys()
    exported(task, tmp_path)
    with pytest.raises(DataError, match="no utterance"):
        VocoderTask(cache, model, frames=1000)


def test_segments_join_tokens_and_frames(cache: Cache) -> None:
    from tts.train.segments import load_utterances

    found = load_utterances(cache)
    assert found
    for utterance in found:
        assert utterance.starts[-1] == cache.frames(utterance.index)
        assert all(0 <= cut < len(utterance.tokens.ids) for cut in utterance.cuts)


def flow_task(cache: Cache) -> Any:
    from tts.train.generator import GeneratorTask

    model = {
        "strategy": {"kind": "flow"},
        "dim": 16,
        "conditioner": {
            "content_blocks": 1, "phone_dim": 16, "phone_blocks": 1, "voice_dim": 16, "glob": 16,
        },
        "backbone": {"heads": 2, "hidden": 16, "blocks": 1},
    }  # fmt: skip
    return GeneratorTask(cache, model, batch_size=3, max_frames=60)


def duration_task(cache: Cache) -> Any:
    from tts.train.generator import DurationTask

    return DurationTask(cache, {"dim": 16, "blocks": 1, "style": 16}, batch_size=3)


def spectral_task(cache: Cache) -> Any:
    from tts.train.codec import SpectralTask

    model = {"dim": 16, "blocks": 1, "levels": (5, 4), "groups": 2}
    return SpectralTask(cache, model, batch_size=2, frames=40, adversarial_from=1)


def latent_task(cache: Cache) -> Any:
    from tts.train.codec import LatentTask

    model = {"dim": 16, "blocks": 1, "latents": 6}
    return LatentTask(cache, model, batch_size=2, frames=40, adversarial_from=1)


def vocoder_task(cache: Cache) -> Any:
    from tts.train.vocoder import VocoderTask

    model = {"dim": 16, "hidden": 16, "blocks": 1, "pitch_dim": 8, "pitch_blocks": 1}
    return VocoderTask(
        cache, model, batch_size=2, frames=30, adversarial_from=100, own_pitch=1.0,
        train_pitch=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "make", [flow_task, duration_task, spectral_task, latent_task, vocoder_task]
)
def test_tasks_train_and_export(make: Any, cache: Cache, tmp_path: Path) -> None:
    torch.manual_seed(0)
    task = make(cache)
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


def test_warped_segments_have_warped_speakers(cache: Cache) -> None:
    from tts.train.segments import SegmentSampler

    def draw(warped: float) -> Batch:
        sampler = SegmentSampler(cache, 60, warped=warped)
        return sampler.draw(np.random.default_rng(0), 6)

    stored = [cache.warped_speaker(n, w) for n in range(5) for w in range(len(WARPS))]
    plain = [cache.speaker(n) for n in range(5)]
    for share, table in ((0.0, plain), (1.0, stored)):
        batch = draw(share)
        heights = {round(float(v), 2) for v in batch["features"][..., 80].unique() if v != 0}
        if share:
            assert heights <= {round(0.1 + 2 * math.log2(w), 2) for w in WARPS} and heights
        else:
            assert heights == {0.1}
        for row in batch["speaker"].numpy():
            assert any(np.array_equal(row, known) for known in table)


def test_features_are_refused_until_made(cache: Cache, tmp_path: Path) -> None:
    shutil.copytree(cache.folder, tmp_path / "c")
    (tmp_path / "c" / "features.f16").unlink()
    (tmp_path / "c" / "speaker_warped.f32").unlink()
    bare = Cache(tmp_path / "c")
    assert bare.warped_speaker(0, 0) is None
    with pytest.raises(DataError, match="tts data features"):
        flow_task(bare).batch(np.random.default_rng(0))


def test_a_fresh_run_starts_from_given_weights(tmp_path: Path) -> None:
    source = Toy()
    save_checkpoint(tmp_path / "weights", source.first, "toy", {}, half=False)
    config = TrainConfig(steps=1, init=str(tmp_path / "weights"))
    started = Trainer(Toy(), config, tmp_path / "run", quiet=True)
    for key, value in source.first.state_dict().items():
        assert torch.equal(started.plain["first"].state_dict()[key], value)
        assert torch.equal(started.ema.shadow[f"first.{key}"], value)
    # Of several the later ones count, as far as they go.
    part = nn.Sequential(nn.Linear(4, 8))
    save_checkpoint(tmp_path / "part", part, "toy", {}, half=False)
    both = TrainConfig(steps=1, init=(str(tmp_path / "weights"), str(tmp_path / "part")))
    mixed = Trainer(Toy(), both, tmp_path / "mixed", quiet=True)
    assert not mixed.fresh
    found = mixed.plain["first"].state_dict()
    assert torch.equal(found["0.weight"], part.state_dict()["0.weight"])
    assert torch.equal(found["2.weight"], source.first.state_dict()["2.weight"])
    with pytest.raises(CheckpointError):
        missing = TrainConfig(init=str(tmp_path / "nothing"))
        Trainer(Toy(), missing, tmp_path / "other", quiet=True)


def test_frozen_tensors_stay(cache: Cache, tmp_path: Path) -> None:
    task = flow_task(cache)
    before = {k: v.clone() for k, v in task.generator.state_dict().items()}
    config = TrainConfig(steps=2, warmup=0, lr=0.01, freeze=("conditioner",))
    trainer = Trainer(task, config, tmp_path / "run", True)
    trainer.run()
    moved = {k for k, v in task.generator.state_dict().items() if not torch.equal(v, before[k])}
    assert moved and not any(name.startswith("conditioner") for name in moved)
    with pytest.raises(ConfigError, match="conditoner"):
        Trainer(flow_task(cache), TrainConfig(freeze=("conditoner",)), tmp_path / "other", True)


def test_a_run_starts_from_another_family(cache: Cache, tmp_path: Path) -> None:
    from tts.train.generator import GeneratorTask

    flow = flow_task(cache)
    flow.export(tmp_path / "flow", 1)
    model = {**flow.arguments, "strategy": {"kind": "masked"}, "head": {"kind": "categorical"}}
    other = GeneratorTask(cache, model, batch_size=2)
    config = TrainConfig(steps=1, init=str(tmp_path / "flow"))
    trainer = Trainer(other, config, tmp_path / "run", True)
    assert trainer.fresh and all(name.startswith("head") for name in trainer.fresh)
    for name, value in other.generator.backbone.state_dict().items():
        wanted = flow.generator.backbone.state_dict()[name]
        torch.testing.assert_close(value, wanted, rtol=1e-3, atol=1e-3)  # fp16 on disk


def test_units_of_latents_are_what_the_head_is_fitted_to(cache: Cache, tmp_path: Path) -> None:
    from tts.train.generator import GeneratorTask

    latent_task(cache).export(tmp_path, 1)
    parts = flow_task(cache).arguments
    for head, size in (({"kind": "kl", "size": 12}, 12), ({"kind": "flow_mlp", "size": 6}, 6)):
        model = {**parts, "strategy": {"kind": "autoregressive"}, "head": head}
        task = GeneratorTask(cache, model, batch_size=2, codec=str(tmp_path))
        assert task.batch(np.random.default_rng(0))["units"].shape[-1] == size
        assert one_step(task)


def test_refined_durations_follow_what_is_read(cache: Cache) -> None:
    """A probe that reads the true phones moves a wrong alignment to where they are."""
    from tts.align.aligner import with_optional_pauses
    from tts.text.symbols import N_SYMBOLS
    from tts.train.aligner import refine_corpus, voicing_agreement

    rng = np.random.default_rng(0)
    truth, rough = {}, {}
    for index, item in enumerate(cache.items):
        ids, _, optional = with_optional_pauses(item.phones, item.mods, item.words)
        needed = np.array([0 if o else 1 for o in optional])
        for folder in (truth, rough):
            extra = rng.multinomial(
                cache.frames(index) - needed.sum(), needed / max(1, needed.sum())
            )
            folder[item.id] = (needed + extra).tolist()

    class Reader(nn.Module):
        """Knows the labels of the features it is shown."""

        def forward(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            logits = torch.zeros(*features.shape[:2], N_SYMBOLS)
            for row, frames in enumerate(mask[..., 0].sum(1).long().tolist()):
                for index, item in enumerate(cache.items):
                    heard = torch.from_numpy(np.array(cache.features(index), np.float32))
                    if len(heard) == frames and torch.equal(heard, features[row, :frames]):
                        ids, _, _ = with_optional_pauses(item.phones, item.mods, item.words)
                        labels = torch.tensor(np.repeat(ids, truth[item.id]))
                        logits[row, torch.arange(frames), labels] = 20.0
            return logits

    found = refine_corpus(cache, Reader(), rough, batch_size=2)  # type: ignore[arg-type]
    for item in cache.items:
        assert sum(found[item.id]) == sum(truth[item.id])
        ids, _, _ = with_optional_pauses(item.phones, item.mods, item.words)
        # Equal neighbours leave their common boundary open.
        assert np.repeat(ids, found[item.id]).tolist() == np.repeat(ids, truth[item.id]).tolist()
    for share in voicing_agreement(cache, truth):
        assert 0 <= share <= 1
