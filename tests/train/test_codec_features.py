"""Training of waveform codecs of features of all bands."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch

import tts_codecs
from tests.helpers.training import one_step
from tts.data.corpus import Corpus
from tts.errors import ConfigError
from tts.losses.phone import PhoneProbe
from tts.train.config import load_run
from tts.train.tasks.waveform_codec import CodecTask
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.neural import NeuralCodec, build_codec
from tts_codecs.quantizers import VectorQuantizer
from tts_codecs.spectral import SpectralAutoencoder
from tts_codecs.vocoder.feature_parts import FeatureDecoder, FeatureEncoder
from tts_codecs.vocoder.source_filter import SourceFilterVocoder

VOCODER: dict[str, Any] = {
    "dim": 16, "hidden": 24, "blocks": 1, "pitch_dim": 8, "pitch_blocks": 1
}  # fmt: skip
RVQ = {"kind": "rvq", "dim": 4, "num_codebooks": 2, "codebook_size": 8}
MODEL: dict[str, Any] = {
    "rate": 24000, "hop": 960, "dim": 6, "project": False,
    "encoder": {"kind": "features", "width": 16, "blocks": 1, "pitch_dim": 8, "pitch_blocks": 1},
    "quantizer": {**RVQ, "dim": 6, "num_codebooks": 3},
    "decoder": {"kind": "features", "width": 16, "blocks": 1, "vocoder": VOCODER},
}  # fmt: skip


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    """Options with a table at 24 kHz, and tiny checkpoints of all that a codec begins with."""
    torch.manual_seed(0)
    sizes = {**VOCODER, "sample_rate": 24000, "n_fft": 960}
    vocoder = SourceFilterVocoder(**sizes)
    save_checkpoint(tmp_path / "voc", vocoder, "source_filter_vocoder", sizes, half=False)
    narrow = {"dim": 16, "blocks": 1, "quantizer": RVQ}
    save_checkpoint(tmp_path / "rvq", SpectralAutoencoder(**narrow), "spectral", narrow, half=False)
    probe = {"dim": 8, "blocks": 1}
    save_checkpoint(tmp_path / "probe", PhoneProbe(**probe), "phone_probe", probe)
    sf.write(tmp_path / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(24000), 24000)
    (tmp_path / "wide.tsv").write_text("a.wav\n")
    return {
        "batch_size": 2, "frames": 10, "wide": str(tmp_path / "wide.tsv"),
        "vocoder": str(tmp_path / "voc"), "autoencoder": str(tmp_path / "rvq"),
        "auxiliaries": {"features": {}, "recognizer": {"recognizer": str(tmp_path / "probe")}},
    }  # fmt: skip


def test_a_codec_begins_with_shipped_parts_and_learns_its_features(
    corpus: Corpus, options: dict[str, Any], tmp_path: Path
) -> None:
    task = CodecTask(corpus, MODEL, **options)
    codec = task.codec
    assert isinstance(codec.encoder, FeatureEncoder) and isinstance(codec.decoder, FeatureDecoder)
    given = tts_codecs.registry.load_module(
        tmp_path / "voc", {"source_filter_vocoder": SourceFilterVocoder}
    )
    spoken = codec.decoder.vocoder.state_dict()
    assert all(torch.equal(spoken[name], value) for name, value in given.state_dict().items())
    assert torch.equal(codec.encoder.pitch.head.weight, given.pitch.head.weight)
    logs = one_step(task)
    assert {"features", "recognizer"} <= logs.keys()
    gradients = {name: each.grad for name, each in codec.named_parameters()}
    for name in ("decoder.to_features.weight", "decoder.stack.entry.conv.weight",
                 "encoder.to_code.weight", "decoder.upper.second.weight"):  # fmt: skip
        found = gradients[name]
        assert found is not None and float(found.abs().max()) > 0, name
    # Pitch and voicing have no gradient but that of the features.
    extra = gradients["decoder.to_features.bias"]
    assert extra is not None and float(extra.view(2, -1)[:, -2:].abs().min()) > 0
    assert all(each.grad is None for each in codec.encoder.pitch.parameters())
    task.export(tmp_path / "export", 1)
    loaded = tts_codecs.load(tmp_path / "export")
    assert isinstance(loaded, NeuralCodec) and loaded.info.sample_rate == 24000
    wav = torch.from_numpy(sf.read(tmp_path / "a.wav", dtype="float32")[0])[None, None]
    assert loaded.decode(loaded.encode(wav)).shape == (1, 1, 25 * 960)


def test_losses_of_features_share_them(
    corpus: Corpus, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = CodecTask(corpus, MODEL, **options)
    decoder, calls = task.codec.decoder, []
    assert isinstance(decoder, FeatureDecoder)
    whole = decoder.features
    monkeypatch.setattr(decoder, "features", lambda x: calls.append(1) or whole(x))
    one_step(task)
    assert len(calls) == 2  # one for each of its two steps


def test_the_recognizer_hears_the_known_bands_alone(
    corpus: Corpus, options: dict[str, Any]
) -> None:
    task = CodecTask(corpus, MODEL, **options)
    auxiliary = task.auxiliaries["recognizer"]
    torch.manual_seed(0)
    made, real = torch.randn(2, 1, 20, 92)
    losses = []
    for band in (None, 70, 85):
        changed = made.clone()
        if band is not None:
            changed[..., band] += 1
        auxiliary.both = lambda *_, changed=changed: (changed, real)  # type: ignore[attr-defined]
        losses.append(float(auxiliary(task.codec, _Pass())))  # type: ignore[arg-type]
    assert losses[0] == losses[2] != losses[1]


class _Pass:
    vectors = torch.zeros(1)


@pytest.mark.parametrize(
    ("change", "wrong", "message"),
    [
        ({}, {"autoencoder": "voc"}, "autoencoder"),
        ({"decoder": {**MODEL["decoder"], "width": 8}}, {}, "options.autoencoder: other sizes"),
        (
            {"decoder": {**MODEL["decoder"], "vocoder": {**VOCODER, "dim": 8}}},
            {},
            "options.vocoder",
        ),
        ({"encoder": {"kind": "spectrum", "width": 8, "blocks": 1}}, {}, "kind features"),
        (
            {"encoder": {"kind": "spectrum", "width": 8, "blocks": 1}},
            {"autoencoder": None},
            "kind features",
        ),
    ],
)
def test_parts_that_do_not_go_together_are_told(
    corpus: Corpus, options: dict[str, Any], tmp_path: Path, change: dict[str, Any],
    wrong: dict[str, Any], message: str,
) -> None:  # fmt: skip
    wrong = {key: value and str(tmp_path / value) for key, value in wrong.items()}
    with pytest.raises((ConfigError, tts_codecs.CheckpointError), match=message):
        CodecTask(corpus, {**MODEL, **change}, **{**options, **wrong})


def test_the_shipped_recipe_fits_the_shipped_parts() -> None:
    run = load_run("codec_24k", [])
    codec = build_codec(**run.model)
    frozen = {
        name
        for name, _ in codec.named_parameters()
        if any(name.startswith(prefix) for prefix in run.train.freeze)
    }
    assert "decoder.vocoder.head.weight" in frozen and codec.info.sample_rate == 24000
    learned = {name for name, _ in codec.named_parameters()} - frozen
    assert {"decoder.upper.first.weight", "decoder.to_features.weight"} <= learned
    assert codec.info.bitrate == pytest.approx(2250)
    assert any(isinstance(part, VectorQuantizer) for part in codec.modules())
