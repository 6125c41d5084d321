"""Tiny random models in a folder of their own, so that no test needs shipped weights."""

import gc
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile as sf

if TYPE_CHECKING:
    from tts.data.corpus import Corpus

# As the command does: spinning threads starve each other on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Tiny models gain nothing from threads, and a process forked from one that has them deadlocks.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Of the processes that tests start each would compile the whole package again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_collection_finish() -> None:
    """Modules and thousands of tests stay to the end: the collector need not visit them again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def tiny_home_master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """configs/ and checkpoints/ of a random model of a few thousand weights; do not change it."""
    import torch

    from tts.align.aligner import Aligner
    from tts.facade import TTS
    from tts.prosody.durations import DurationModel
    from tts.registry import build_generator
    from tts.voice.speaker import SpeakerEncoder
    from tts_codecs.checkpoint import save_checkpoint
    from tts_codecs.vocoder.source_filter import SourceFilterVocoder

    root = tmp_path_factory.mktemp("tiny_home")
    made: dict[str, tuple[Any, dict[str, Any]]] = {
        "generator": (
            build_generator,
            dict(
                strategy={"kind": "flow"},
                dim=16,
                conditioner=dict(content_blocks=1, phone_dim=16, phone_blocks=1, voice_dim=16,
                                 global_dim=16),
                backbone=dict(heads=2, hidden=16, blocks=1),
            ),
        ),
        # At most 3 frames a phone: short audio, quick tests.
        "durations": (DurationModel, dict(dim=16, blocks=1, classes=3, style=16)),
        "source_filter_vocoder": (
            SourceFilterVocoder,
            dict(dim=16, hidden=16, blocks=1, pitch_dim=16, pitch_blocks=1),
        ),
        "speaker": (SpeakerEncoder, dict(hidden=8)),
        "aligner": (Aligner, {}),
    }  # fmt: skip
    names = {"source_filter_vocoder": "vocoder", "generator": "flow"}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        modules = {kind: cls(**arguments) for kind, (cls, arguments) in made.items()}
    for kind, module in modules.items():
        save_checkpoint(root / "checkpoints" / names.get(kind, kind), module, kind, made[kind][1])
    # Codecs of features speak through that of 24 kHz.
    shutil.copytree(root / "checkpoints/vocoder", root / "checkpoints/vocoder_24k")
    models = root / "configs" / "models"
    models.mkdir(parents=True)
    (models / "default.yaml").write_text(
        "name: default\nfamily: flow\ngenerator: flow\ndurations: durations\nvocoder: vocoder\n"
        "sampling: {steps: 2}\n"
    )
    voices = root / "checkpoints" / "voices"
    voices.mkdir()
    noise = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TTS_HOME", str(root))
        voice = TTS.load("default", "cpu").voice(noise)
    voice.save(voices / "default.safetensors")
    return root


@pytest.fixture
def tiny_home(tiny_home_master: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tiny models that this process takes for the shipped ones."""
    home = tmp_path / "home"
    shutil.copytree(tiny_home_master, home)
    monkeypatch.setenv("TTS_HOME", str(home))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return home


@pytest.fixture
def profiled_home(tiny_home: Path) -> Path:
    """The tiny model with a phone profile and a phone probe, whose voices can be adapted."""
    import torch

    from tts.losses.phone import PhoneProbe
    from tts.text.symbols import phones_to_ids
    from tts.voice.profile import PhoneProfile
    from tts_codecs.checkpoint import save_checkpoint

    phones = phones_to_ids("aeiouptkbdmnslh")
    arguments: dict[str, Any] = {"dim": 16, "blocks": 1}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        profile = PhoneProfile(phones)
        profile.mean.normal_(0, 0.1)
        rows = torch.nn.functional.normalize(torch.randn(len(phones), 8), dim=-1)
        profile.kernel.copy_(torch.exp(3 * (rows @ rows.T - 1)))
        probe = PhoneProbe(**arguments)
    # Of random scores it would read a phone in every frame; it reads one, in all of them.
    torch.nn.init.zeros_(probe.head.weight)
    torch.nn.init.zeros_(probe.head.bias)
    with torch.no_grad():
        probe.head.bias[phones[0]] = 5
    save_checkpoint(tiny_home / "checkpoints/profile", profile, "profile", {"phones": phones})
    save_checkpoint(tiny_home / "checkpoints/phone_probe", probe, "phone_probe", arguments)
    path = tiny_home / "configs/models/default.yaml"
    path.write_text(path.read_text() + "profile: profile\nphone_probe: phone_probe\n")
    return tiny_home


@pytest.fixture
def recording(tmp_path: Path) -> Callable[..., Path]:
    """Writes a recording of a buzzing sound in syllables and returns its path."""

    def write(
        name: str = "ref.wav",
        seconds: float = 3.0,
        rate: int = 16000,
        channels: int = 1,
        gain: float = 0.3,
        subtype: str | None = None,
    ) -> Path:
        t = np.arange(int(seconds * rate)) / rate
        tone = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 12))
        wave = gain * tone * (np.sin(2 * np.pi * 1.5 * t) > -0.5)
        path = tmp_path / name
        sf.write(path, np.repeat(wave[:, None], channels, 1), rate, subtype=subtype)
        return path

    return write


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> "Corpus":
    """Five utterances of two speakers with made-up alignments."""
    from tests.helpers.audio import talk
    from tts.data.corpus import Corpus, Item
    from tts.data.vtlp import VTLP_FACTORS

    folder = tmp_path_factory.mktemp("cache")
    rng = np.random.default_rng(0)
    lines, durations, offset = [], {}, 0
    with (
        (folder / "audio.i16").open("wb") as audio,
        (folder / "f0.f32").open("wb") as f0,
        (folder / "speaker.f32").open("wb") as speaker,
    ):
        for n in range(5):
            frames = 105 + 25 * n
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
    warped = np.abs(rng.normal(size=(5, len(VTLP_FACTORS), 256)))
    warped /= np.linalg.norm(warped, axis=-1, keepdims=True)
    (folder / "speaker_warped.f32").write_bytes(warped.astype("<f4").tobytes())
    (folder / "items.jsonl").write_text("\n".join(lines))
    (folder / "durations.json").write_text(json.dumps(durations))
    (folder / "cache.json").write_text(json.dumps({"sample_rate": 16000, "hop": 320}))
    return Corpus(folder)
