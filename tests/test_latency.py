"""What a model's YAML may say of its sampler; how early any strategy is heard; pointer times."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tts import TTS
from tts.config import load_model_config
from tts.errors import ConfigError
from tts.latency import latency
from tts.pipeline.render import Utterance
from tts.registry import build_generator, sampling_options
from tts.resources import model_config, model_names
from tts.types import Options, joined
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.spectral import SpectralAutoencoder

SIZES: dict[str, Any] = {
    "dim": 16,
    "conditioner": {
        "content_blocks": 1,
        "phone_dim": 16,
        "phone_blocks": 1,
        "voice_dim": 16,
        "global_dim": 16,
    },
    "backbone": {"heads": 2, "hidden": 16, "blocks": 1},
}
CODES = {"kind": "categorical", "num_codebooks": 2, "codebook_size": 20, "width": 4}


def made(
    home: Path,
    strategy: dict[str, Any],
    head: dict[str, Any],
    sampling: str = "{}",
    text: str = "expanded",
) -> Path:
    """The YAML of a tiny model of another family."""
    arguments = {**SIZES, "strategy": strategy, "head": head}
    arguments["conditioner"] = {**SIZES["conditioner"], "text": text}
    codec = "features"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = build_generator(**arguments)
        save_checkpoint(home / "checkpoints" / "other", generator, "generator", arguments)
        if head["kind"] in ("categorical", "depth"):
            codec, sizes = "spectral", {"dim": 16, "blocks": 1, "levels": (5, 4), "groups": 2}
            autoencoder = SpectralAutoencoder(**sizes)
            save_checkpoint(home / "checkpoints" / codec, autoencoder, "spectral", sizes)
    path = home / "configs" / "models" / "other.yaml"
    path.write_text(
        f"name: other\nfamily: other\ngenerator: other\ndurations: durations\ncodec: {codec}\n"
        f"vocoder: vocoder\nsampling: {sampling}\n"
    )
    return path


@pytest.mark.parametrize(
    ("strategy", "head", "sampling", "words"),
    [
        ("flow", {"kind": "linear"}, "{choice_temperature: 1.0}", "sampling.choice_temperature"),
        ("flow", {"kind": "linear"}, "{method: ddim}", "euler or midpoint"),
        ("diffusion", {"kind": "linear"}, "{sway: -1.0}", "sampling.sway"),
        ("diffusion", {"kind": "linear"}, "{method: euler}", "ddim or ddpm"),
        ("masked", CODES, "{sway: 0.0}", "sampling.sway"),
        ("masked", CODES, "{repetition_window: 3}", "sampling.repetition_window"),
        ("span_ar", CODES, "{choice_temperature: 1.0}", "sampling.choice_temperature"),
        ("autoregressive", CODES, "{steps: 4}", "sampling.steps"),
        ("autoregressive", CODES, "{duration_tolerance: 2.0}", "sampling.duration_tolerance"),
        ("autoregressive", {"kind": "gaussian"}, "{top_k: 4}", "sampling.top_k"),
        ("autoregressive", {"kind": "flow_mlp"}, "{method: euler}", "sampling.method"),
        ("autoregressive", {"kind": "flow_mlp"}, "{step: 4}", "did you mean 'steps'"),
    ],
)
def test_a_foreign_option_is_refused(
    tiny_home: Path, strategy: str, head: dict[str, Any], sampling: str, words: str
) -> None:
    path = made(tiny_home, {"kind": strategy}, head, sampling)
    with pytest.raises(ConfigError, match=words):
        load_model_config(path)


def test_shipped_configs_are_read() -> None:
    for name in model_names():
        assert load_model_config(model_config(name)).name == name


def test_options_of_a_pointer() -> None:
    strategy = {"kind": "autoregressive"}
    assert "duration_tolerance" in sampling_options(strategy, CODES, {"text": "pointer"})
    assert "duration_tolerance" not in sampling_options(strategy, CODES, {"text": "expanded"})


@pytest.mark.parametrize(
    ("strategy", "steps"),
    [
        ({"kind": "span_ar"}, None),
        ({"kind": "autoregressive", "pattern": {"name": "delay"}}, 10),
        ({"kind": "autoregressive", "pattern": {"name": "flat"}}, 18),
    ],
)
def test_latency_of_streamed_strategies(
    tiny_home: Path, strategy: dict[str, Any], steps: int | None
) -> None:
    found = latency(load_model_config(made(tiny_home, strategy, CODES)))
    assert found.first_audio_steps == steps
    # 13 frames for a chunk, 2 that the codec looks ahead, and a latent held back: 9 latents, to
    # which a delay of 1 adds a step, and which take 2 steps each where codes come one by one.
    assert found.first_audio_frames == 18


def test_times_are_those_of_the_pointer(tiny_home: Path) -> None:
    """Longer and shorter than the durations asked for: times and audio follow what was said."""
    path = made(
        tiny_home, {"kind": "autoregressive"}, CODES, "{duration_tolerance: 3.0}", "pointer"
    )
    model = TTS.load(path, "cpu")
    voice = model.voice("default")
    phones = next(model.sentences("A quick word, or two."))
    exact = model.acoustic.request([phones], [voice]).durations
    assert exact is not None
    lengths = set()
    for seed in range(4):
        options = Options(seed=seed)
        whole = joined(model.say(phones, voice, options), model.sample_rate)
        pause = len(model.pause(phones, options)) / model.sample_rate
        assert whole.phones[-1].end == pytest.approx(whole.seconds - pause, abs=1e-3)
        assert len(whole.words) == 5 and whole.words[-1].end <= whole.phones[-1].end
        together = model.renderer.render_batch([Utterance(phones, voice, options)] * 2)
        for chunk in together:
            assert len(chunk.samples) == len(whole.samples)
            assert chunk.phones == whole.phones
        lengths.add(whole.seconds)
    assert len(lengths) > 1 or whole.seconds - pause != pytest.approx(int(exact.sum()) * 0.02)
