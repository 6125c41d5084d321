"""Generators over codecs of waveforms: each kind trains over tokens or latents and speaks by that
codec, in pieces as in one go; frame rates follow from what the codec declares."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.helpers.audio import talk
from tests.helpers.systems import HEADS, NETWORK, tiny, tiny_parts
from tts import TTS
from tts.audio.resample import resample
from tts.data.coded import CodedCorpus
from tts.data.corpus import Corpus
from tts.data.distillation import distill_rows
from tts.data.segments import SegmentSampler
from tts.errors import CodecError, ConfigError, UsageError
from tts.generators.wave_space import WaveSpace
from tts.pipeline.render import Utterance
from tts.pipeline.wave_decoder import WaveDecoder
from tts.provenance import weights_sha256
from tts.registry import load_latent_space
from tts.systems import merged
from tts.train.config import check_run
from tts.train.loop import Trainer
from tts.types import Options
from tts.voice.profile import PhoneProfile
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.neural import build_codec

PART = {"kind": "spectrum", "width": 8, "blocks": 1}
RVQ = {"kind": "rvq", "dim": 4, "num_codebooks": 3, "codebook_size": 12}
SQ = {"kind": "scalar", "dim": 6, "scale": 4}
#: kind of generator: strategy, kind of head, and whether it is of codes
KINDS: dict[str, tuple[dict[str, Any], str, bool]] = {
    "delay": ({"kind": "autoregressive"}, "categorical", True),
    "depth": ({"kind": "autoregressive"}, "depth", True),
    "masked": ({"kind": "masked"}, "categorical", True),
    "coarse_first": ({"kind": "coarse_first"}, "categorical", True),
    "flow": ({"kind": "flow"}, "linear", False),
    "diffusion": ({"kind": "diffusion"}, "linear", False),
    "ar_latent": ({"kind": "autoregressive"}, "flow_mlp", False),
}


def codec(folder: Path, codes: bool, hop: int = 640, rate: int = 16000) -> str:
    arguments: dict[str, Any] = {
        "encoder": PART,
        "quantizer": RVQ if codes else SQ,
        "decoder": {**PART, "patch": 2, "look_ahead": 1},
        "rate": rate,
        "hop": hop,
        "dim": 8,
        "name": "tiny",
        "output": "codes" if codes else "latents",
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = build_codec(**arguments)
    save_checkpoint(folder, made, "neural", arguments, half=False)
    return str(folder)


def system(kind: str, name: str, corpus: Corpus, out: Path) -> dict[str, Any]:
    strategy, head, _ = KINDS[kind]
    return {
        "task": "generator", "name": "mine", "family": "x", "data": str(corpus.folder),
        "out": str(out), "codec": name, "durations": "durations", "vocoder": "vocoder",
        "model": {**NETWORK, "strategy": strategy, "head": {"kind": head, **HEADS[head]}},
        "options": {"batch_size": 2, "max_frames": 60, "prompt": [30, 40]},
        "train": {"steps": 2, "warmup": 1, "device": "cpu", "sample_minutes": 1e9},
        # Of codes without digits it changes nothing.
        "sampling": {"fsq_decode": "expected"} if head == "categorical" else {},
    }  # fmt: skip


@pytest.mark.parametrize("kind", list(KINDS))
def test_trains_and_speaks(kind: str, corpus: Corpus, tiny_home: Path, tmp_path: Path) -> None:
    name = codec(tmp_path / "codec", KINDS[kind][2])
    run = check_run(system(kind, name, corpus, tmp_path / "run"), "test")
    torch.manual_seed(0)
    trainer = Trainer(run.build(corpus), run.train, run.out, quiet=True)
    trainer.run()
    model = TTS.load(str(run.out / "export"), device="cpu")
    space = model.acoustic.latent_space
    assert isinstance(space, WaveSpace) and isinstance(model.pipeline.decoder, WaveDecoder)
    assert space.patch == model.acoustic.generator.patch == 2
    calls: list[int] = []
    model.acoustic.vocoder.forward = lambda *_: calls.append(1)  # type: ignore[method-assign]
    model.acoustic.vocoder.chunk = lambda *_: calls.append(1)  # type: ignore[method-assign]
    audio = model.synthesize("Hello there.", "default", seed=1)
    pieces = list(model.stream("Hello there.", "default", seed=1, chunk_frames=4))
    assert len(pieces) > 2 and not calls
    assert audio.sample_rate == 16000 and np.abs(audio.samples).max() > 0
    whole = np.concatenate([each.samples for each in pieces])
    np.testing.assert_allclose(whole, audio.samples, rtol=0, atol=1e-4)
    # Words are where the durations put them, and all of the last one is heard.
    assert 0 < audio.words[-1].end <= audio.seconds + 1e-6
    voice = model.voice("default")
    sentences = model.phonemize("Hi. Oh.")
    spoken = [Utterance(each, voice, Options(seed=1)) for each in sentences]
    both = model.renderer.render_batch(spoken)
    alone = [model.renderer.render(each) for each in spoken]
    for one, other in zip(both, alone, strict=True):
        np.testing.assert_allclose(one.samples, other.samples, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("rate", "hop", "patch", "frames"),
    [
        (16000, 320, 1, 50.0),
        (16000, 1280, 4, 50.0),
        (16000, 400, 1, 40.0),
        (24000, 320, 1, 75.0),
        (24000, 2048, 4, 46.875),
    ],
)
def test_time_follows_from_the_rate_of_the_codec(
    rate: int, hop: int, patch: int, frames: float, corpus: Corpus, tmp_path: Path
) -> None:
    space = load_latent_space(codec(tmp_path / "codec", True, hop, rate))
    assert isinstance(space, WaveSpace)
    assert (space.patch, space.frame_rate) == (patch, frames)
    coded = CodedCorpus(corpus, space, str(hop))
    wav = torch.from_numpy(resample(corpus.audio(2), 16000, rate))
    whole = space.codec.encode(wav[None, None]).data[0]
    features = torch.arange(40.0)[:, None]
    durations, moved, latents = coded.cut(2, 33, [10, 1, 1, 28], features)
    # The latents are those of the same time, the features those at the same places.
    first = int(33 * frames / 50 / patch)
    assert torch.equal(latents, whole[first : first + len(latents)])
    assert len(moved) == int(durations.sum()) and len(latents) == -(-len(moved) // patch)
    assert int(durations.min()) >= 1
    assert abs(first * patch + len(moved) - (33 + 40) * frames / 50) <= 1
    middle = len(moved) // 2
    place = (first * patch + middle + 0.5) * 50 / frames - 33
    assert moved[middle, 0] == min(39, int(place))
    # Lengths that are predicted fill whole latents of as much time.
    valid = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    asked = torch.tensor([[9, 2, 1, 28], [30, 10, 0, 0]])
    made = space.retimed(asked, valid)
    assert bool((made[valid > 0] >= 1).all()) and bool((made[valid == 0] == 0).all())
    assert bool((made.sum(1) % patch == 0).all())
    assert bool(((made.sum(1) / frames - asked.sum(1) / 50).abs() * frames <= patch).all())


@pytest.mark.parametrize("changed", ["audio.i16", "speaker.f32"])
def test_codes_of_another_corpus_are_not_taken(
    corpus: Corpus, tmp_path: Path, changed: str
) -> None:
    """As long as this one, and in the same folder."""
    folder = tmp_path / "corpus"
    shutil.copytree(corpus.folder, folder, ignore=shutil.ignore_patterns("coded"))
    space = load_latent_space(codec(tmp_path / "codec", True, 320, 16000))
    assert isinstance(space, WaveSpace)
    CodedCorpus(Corpus(folder), space, "w")
    (path,) = (folder / "coded").iterdir()
    written = path.stat().st_mtime_ns
    CodedCorpus(Corpus(folder), space, "w")
    assert [path] == list((folder / "coded").iterdir()) and path.stat().st_mtime_ns == written
    table = np.fromfile(folder / changed, "<i2")
    (table[::-1] // 2).tofile(folder / changed)
    CodedCorpus(Corpus(folder), space, "w")
    assert len(list((folder / "coded").iterdir())) == 2


def test_other_rates_speak_as_long(corpus: Corpus, tiny_home: Path, tmp_path: Path) -> None:
    seconds = []
    for number, (rate, hop) in enumerate([(16000, 640), (24000, 2048)]):
        name = codec(tmp_path / f"codec{number}", True, hop, rate)
        run = check_run(system("masked", name, corpus, tmp_path / f"run{number}"), "test")
        torch.manual_seed(0)
        task = run.build(corpus)
        task.export(run.out / "export", 0)
        model = TTS.load(str(run.out / "export"), device="cpu")
        audio = model.synthesize("Hello there.", "default", seed=1)
        assert audio.sample_rate == rate
        seconds.append(audio.seconds)
        assert audio.words[-1].end <= audio.seconds + 1e-6
    assert abs(seconds[0] - seconds[1]) < 0.1


def test_a_built_in_codec_by_its_name(corpus: Corpus, tiny_home: Path, tmp_path: Path) -> None:
    run = check_run(system("masked", "dmel", corpus, tmp_path / "run"), "test")
    task = run.build(corpus)
    assert task.batch(np.random.default_rng(0))["latents"].shape[2] == 80
    task.export(run.out / "export", 0)
    model = TTS.load(str(run.out / "export"), device="cpu")
    assert model.synthesize("Oh.", "default", seed=1).seconds > 0.1
    assert len(weights_sha256(model.config)) == 64


@pytest.mark.parametrize("kind", ["features", "waveforms"])
def test_a_system_speaks_at_a_lower_bandwidth(
    kind: str, corpus: Corpus, tiny_home: Path, tmp_path: Path
) -> None:
    tiny_parts(tiny_home)
    # Three codebooks at 25 frames/s, of 20 and of 12 entries.
    name = f"{codec(tmp_path / 'codec', True)}@0.18" if kind == "waveforms" else "rvq@0.22"
    run = check_run(system("delay", name, corpus, tmp_path / "run"), "test")
    task = run.build(corpus)
    assert task.batch(np.random.default_rng(0))["latents"].shape[2] == 2
    task.export(run.out / "export", 0)
    model = TTS.load(str(run.out / "export"), device="cpu")
    assert model.config.codec == name and model.acoustic.generator.head.num_codebooks == 2
    audio = model.synthesize("Oh.", "default", seed=1)
    assert audio.seconds > 0.1 and len(weights_sha256(model.config)) == 64
    with pytest.raises(CodecError, match="5 kbit/s is not one of 0.[019]"):
        load_latent_space(name.split("@")[0] + "@5")
    for one in ("spectral@1", "latent@1", "vqvae@1", "features@1", "dmel@16"):
        with pytest.raises(UsageError, match="one bandwidth only"):
            load_latent_space(one)


def test_latents_are_given_a_variance_of_one(
    corpus: Corpus, tiny_home: Path, tmp_path: Path
) -> None:
    name = codec(tmp_path / "codec", False)
    run = check_run(system("flow", name, corpus, tmp_path / "run"), "test")
    task = run.build(corpus)
    drawn = task.batch(np.random.default_rng(0))
    counts = -(-drawn["frames"] // 2)
    spread = torch.cat([a[:n] for a, n in zip(drawn["latents"], counts, strict=True)])
    assert 0.5 < float(spread.std()) < 2 and task.generator.latent_scale > 1.5
    task.export(run.out / "export", 0)
    space = TTS.load(str(run.out / "export"), device="cpu").acoustic.latent_space
    assert isinstance(space, WaveSpace)
    # What comes back is what the codec has: multiples of a quarter.
    back = space.frames(spread[None]) * 4
    torch.testing.assert_close(back, back.round(), rtol=0, atol=2e-2)
    # A second run finds the corpus coded.
    files = list((corpus.folder / "coded").glob("tiny-*.f16"))
    before = [each.stat().st_mtime_ns for each in files]
    run.build(corpus)
    assert before == [each.stat().st_mtime_ns for each in files] and files


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"options": {"distill_data": ["x"]}}, "distill_data"),
        ({"options": {"resident": True}}, "resident"),
        ({"model": {"head": {"num_codebooks": 2}}}, "num_codebooks: 2.*3 and 12"),
        ({"model": {"head": {"kind": "linear"}, "strategy": {"kind": "flow"}}}, "not codes"),
    ],
)
def test_what_does_not_go_together(
    change: dict[str, Any], words: str, corpus: Corpus, tiny_home: Path, tmp_path: Path
) -> None:
    name = codec(tmp_path / "codec", True)
    values = {**system("masked", name, corpus, tmp_path / "run"), "sampling": {}}
    run = check_run(merged(values, change), "test")
    with pytest.raises(ConfigError, match=words):
        run.build(corpus)


def test_what_needs_features_is_refused(corpus: Corpus, tiny_home: Path, tmp_path: Path) -> None:
    run = check_run(system("masked", codec(tmp_path / "c", True), corpus, tmp_path / "run"), "test")
    run.build(corpus).export(run.out / "export", 0)
    model = TTS.load(str(run.out / "export"), device="cpu")
    with pytest.raises(UsageError, match="pitch"):
        model.synthesize("Hello.", "default", pitch=1.1)
    with pytest.raises(UsageError, match="pitch"):
        text = '<speak><prosody pitch="high">Hello.</prosody></speak>'
        model.synthesize(text, "default", markup="ssml")
    with pytest.raises(UsageError, match="edited in features"):
        model.edit(talk(2.0), "hello", "goodbye")
    with pytest.raises(UsageError, match="cannot be adapted"):
        model.voice(talk(3.0), adapt=True)
    with pytest.raises(UsageError, match="codec of waveforms"):
        distill_rows(model, SegmentSampler(corpus).draw(np.random.default_rng(0), 2), 0)


def test_a_system_takes_it_by_one_key(corpus: Corpus, tiny_home: Path, tmp_path: Path) -> None:
    tiny_parts(tiny_home)
    path = tiny_home / "configs/systems/default.yaml"
    name = codec(tmp_path / "codec", False)
    values = tiny(path, corpus.folder, tmp_path / "run")
    values |= {"profile": "profile", "normalised": True, "phone_probe": "phone_probe"}
    values["options"]["phone_probe"] = "phone_probe"
    values["codec"] = name
    arguments = {"phones": [2, 3]}
    save_checkpoint(tiny_home / "checkpoints/profile", PhoneProfile([2, 3]), "profile", arguments)
    run = check_run(values, str(path))
    task = run.build(corpus)
    assert task.profile is None and not task.perceptual
    task.export(run.out / "export", 0)
    model = TTS.load(str(run.out / "export"), device="cpu")
    assert not model.capabilities.adaptation and not model.capabilities.pitch
    assert model.synthesize("Oh.", "default", seed=1).seconds > 0.1
