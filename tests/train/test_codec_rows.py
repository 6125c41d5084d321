"""Codecs of configs/train/codec_*.yaml, made small: each trains, is loaded and streams."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import tts_codecs
from tests.helpers.training import one_step
from tts.align.aligner import with_optional_pauses
from tts.data.corpus import Corpus
from tts.errors import ConfigError
from tts.resources import configs
from tts.text.pauses import is_pause
from tts.text.symbols import SIL
from tts.train.auxiliaries import (
    IGNORE_INDEX,
    CodecPass,
    CtcLoss,
    InvarianceLoss,
    decode_leading,
)
from tts.train.config import check_run
from tts.train.distortions import distort
from tts.train.loop import Trainer
from tts.train.task import TrainConfig
from tts.train.tasks.waveform_codec import CodecTask
from tts.train.waveform_batches import WaveformBatches
from tts_codecs.neural import NeuralCodec, build_codec
from tts_codecs.quantizers import QuantizerOutput

# That of 24 kHz begins with other checkpoints: test_codec_features.py.
ROWS = sorted({*(configs() / "train").glob("codec_*.yaml")} - {configs() / "train/codec_24k.yaml"})
SMALLER = {
    "width": 8, "blocks": 1, "phase_blocks": 1, "channels": 2, "codebook_size": 16, "frames": 7,
    "num_codebooks": 4, "batch_size": 2, "adversarial_from": 1, "adversarial_batch": 1,
    "quantize_from": 1, "fit_batches": 2,
}  # fmt: skip


def smaller(values: Any) -> Any:
    """A YAML with the sizes of SMALLER wherever it says one."""
    if not isinstance(values, dict):
        return values
    return {
        key: SMALLER[key] if key in SMALLER and isinstance(value, int) else smaller(value)
        for key, value in values.items()
    }


def small_task(path: Path, corpus: Corpus, **options: Any) -> CodecTask:
    torch.manual_seed(0)
    run = smaller(yaml.safe_load(path.read_text()))
    run["options"] |= {"adversarial_batch": 1, **options}
    for given in run["options"].get("adversaries", {}).values():
        given["channels"] = 2
    checked = check_run({**run, "train": {}}, path.name)
    return CodecTask(corpus, checked.model, **checked.options)


@pytest.mark.parametrize("path", ROWS, ids=lambda path: path.stem)
def test_trains_is_loaded_and_streams(path: Path, corpus: Corpus, tmp_path: Path) -> None:
    trainer = Trainer(
        small_task(path, corpus),
        TrainConfig(steps=2, lr=1e-3, warmup=1, ema=0.5),
        tmp_path,
        quiet=True,
    )
    before = {k: v.clone() for k, v in trainer.modules["codec"].state_dict().items()}
    trainer.run()
    changed = [
        k for k, v in trainer.modules["codec"].state_dict().items() if not v.equal(before[k])
    ]
    assert any(name.startswith("decoder") for name in changed)

    codec = tts_codecs.load(tmp_path / "export")
    assert isinstance(codec, NeuralCodec) and codec.info.kind == codec.output
    info = codec.info
    wav = torch.from_numpy(corpus.audio(0))[
        None,
        None,
        :,
    ][..., : 9 * info.hop + 5]
    encoded = codec.encode(wav)
    assert encoded.data.shape[:2] == (1, 10)
    whole = codec.decode(encoded)
    assert whole.shape == (1, 1, 10 * info.hop) and torch.isfinite(whole).all()
    state, heard = codec.init_state(1), []
    for count in range(10):
        piece, state = codec.decode_chunk(
            encoded.data[:, count : count + 1], state, last=count == 9
        )
        heard.append(piece)
        come = sum(each.shape[2] for each in heard)
        assert come >= (count + 1 - info.look_ahead) * info.hop
    torch.testing.assert_close(torch.cat(heard, 2), whole, rtol=0, atol=1e-4)

    encoding, found = codec.init_encoding(1), []
    for piece in wav.split(3 * info.hop + 1, 2):
        part, encoding = codec.encode_chunk(piece, encoding)
        found.append(part)
    part, _ = codec.encode_chunk(wav[..., :0], encoding, last=True)
    streamed = torch.cat([*found, part], 1)
    if info.kind == "codes":
        assert (streamed == encoded.data).float().mean() > 0.99
    else:
        torch.testing.assert_close(streamed, encoded.data, rtol=0, atol=1e-4)


def test_labels_are_the_phones_of_the_middle_of_units(corpus: Corpus) -> None:
    batches = WaveformBatches(corpus, 3, 40 * 640, 640, labelled=True)
    batch = batches.draw(np.random.default_rng(0))
    assert batch["labels"].shape == (3, 40)
    item, durations = corpus.items[0], corpus.durations()
    tokens = with_optional_pauses(item.phones, item.mods, item.words)[0]
    whole = np.repeat([SIL if is_pause(token) else token for token in tokens], durations[item.id])
    found = batches._frame_labels(0, 5)[:, 0]
    wanted = [whole[k] if k < len(whole) else IGNORE_INDEX for k in 5 + 2 * np.arange(40) + 1]
    assert found.tolist() == wanted
    for labels, phones, count in zip(
        batch["labels"], batch["phones"], batch["phone_counts"], strict=True
    ):
        kept, order = labels[labels != IGNORE_INDEX].tolist(), phones[:count].tolist()
        # Each phone of the order follows in the labels; neighbours that are alike are two.
        assert set(order) == set(kept) and count <= len(kept)
        assert order[0] == kept[0] and order[-1] == kept[-1]


def test_the_first_codebook_alone_is_read() -> None:
    torch.manual_seed(0)
    row = smaller(yaml.safe_load((configs() / "train/codec_past.yaml").read_text()))
    codec = build_codec(**row["model"]).eval()  # training skips the transformer at random
    wav = torch.randn(1, 320 * 8)
    made, out, vectors = codec(wav)
    seen = CodecPass({"wav": wav}, made, vectors, out)
    first = decode_leading(codec, seen, 1)
    torch.testing.assert_close(first, codec.quantizer.decode(out.codes[..., :1]))
    (gradient,) = torch.autograd.grad(first.sum(), vectors)
    assert (gradient == 1).all()
    # The same sound heard clean has no distance to itself.
    heard = CodecPass({"wav": wav, "heard": wav}, made, vectors, out)
    assert InvarianceLoss(codec)(codec, heard).item() == pytest.approx(0, abs=1e-6)
    with pytest.raises(ConfigError, match="distort"):
        InvarianceLoss(codec)(codec, seen)


def test_distortions_keep_the_level_and_change_the_sound() -> None:
    rng = np.random.default_rng(0)
    wav = 0.1 * np.sin(np.arange(16000) / 9).astype(np.float32)
    for _ in range(20):
        heard = distort(wav, rng)
        assert heard.shape == wav.shape and np.isfinite(heard).all()
        assert np.mean(heard**2) == pytest.approx(np.mean(wav**2), rel=1e-3)
        assert np.abs(heard - wav).max() > 1e-3


def test_the_balancer_trains_as_well(corpus: Corpus) -> None:
    path = next(path for path in ROWS if path.stem == "codec_encodec")
    task = small_task(path, corpus, adversarial_from=0, quantize_from=0)
    logs = one_step(task)
    assert {"mel", "fool", "match", "spot", "use"} <= logs.keys()
    batch = task.batch(np.random.default_rng(0))
    loss = next(iter(task.losses(batch, 1)))[1] - 0.0
    loss.backward()
    gradients = [each.grad for each in task.codec.decoder.parameters()]
    assert all(each is not None and each.abs().sum() > 0 for each in gradients)


def test_what_a_balanced_codec_computes_is_counted_without_a_trace(
    corpus: Corpus, tmp_path: Path
) -> None:
    path = next(path for path in ROWS if path.stem == "codec_encodec")
    task = small_task(path, corpus, adversarial_from=0)
    trainer = Trainer(task, TrainConfig(steps=2, budget=60.0), tmp_path / "run", quiet=True)
    before = {
        (name, key): value.clone()
        for name, module in task.modules.items()
        for key, value in module.state_dict().items()
    }
    trainer.engine.measure([task.batch(np.random.default_rng(0))])
    assert trainer.engine.step_flops > 0
    for name, module in task.modules.items():
        for key, value in module.state_dict().items():
            assert torch.equal(value, before[name, key]), (name, key)
    trainer.run()
    assert trainer.step >= 1


def test_wrong_names_of_losses_are_told(corpus: Corpus) -> None:
    path = next(path for path in ROWS if path.stem == "codec_vqvae")
    for options, message in [
        ({"auxiliaries": {"phone": {}}}, "did you mean 'phones'"),
        ({"adversaries": {"spectras": {}}}, "did you mean 'spectra'"),
        ({"weights": {"mell": 1.0}}, "known are mel"),
        ({"auxiliaries": {"ctc": {"codebooks": 3}}}, "cannot be decoded by themselves"),
        ({"auxiliaries": {"phones": {"codebooks": -1}}}, "at least 0, not -1"),
        ({"auxiliaries": {"phones": {"kernel": 2}}}, "kernel: 2 has no middle"),
        ({"auxiliaries": {"ctc": {"kernel": 4}}}, "kernel: 4 has no middle"),
        ({"adversaries": {"spectra": {"n_ffts": [8192]}}}, "8192 samples are longer .* heard"),
        ({"adversaries": {"bands": {"n_ffts": [8192]}}}, "8192 samples are longer .* heard"),
        ({"adversaries": {"spectra": {"n_ffts": [1]}}}, "n_ffts are 4 to 65536"),
        ({"balance": True, "weights": dict.fromkeys(CodecTask.WEIGHTS, 0)}, "weights: balancer"),
        ({"adversaries": {"periods": {"periods": []}}}, "a list of whole numbers of at least 1"),
    ]:
        with pytest.raises(ConfigError, match=message):
            small_task(path, corpus, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["phones", "ctc"])
def test_phones_are_read_off_all_codebooks(corpus: Corpus, kind: str) -> None:
    path = next(path for path in ROWS if path.stem == "codec_encodec")
    task = small_task(path, corpus, auxiliaries={kind: {"codebooks": 0}})
    assert torch.isfinite(torch.as_tensor(one_step(task)[kind]))


def test_rows_that_are_not_aligned_say_nothing_of_phones() -> None:
    """They are speech all the same, which is not to be read as silence."""
    torch.manual_seed(0)
    row = smaller(yaml.safe_load((configs() / "train/codec_encodec.yaml").read_text()))
    codec = build_codec(**row["model"]).eval()
    loss = CtcLoss(codec, codebooks=0)
    made, out, vectors = codec(torch.randn(2, codec.hop * 12))
    batch = {"phones": torch.tensor([[5, 6, 7], [0, 0, 0]]), "phone_counts": torch.tensor([3, 0])}
    both = loss(codec, CodecPass(batch, made, vectors, out))
    part = {key: value[:1] for key, value in batch.items()}
    first = QuantizerOutput(out.quantized[:1], out.codes[:1], out.loss)
    alone = loss(codec, CodecPass(part, made[:1], vectors[:1], first))
    torch.testing.assert_close(both, alone)


def test_codebooks_begin_where_the_vectors_are(corpus: Corpus) -> None:
    path = next(path for path in ROWS if path.stem == "codec_qdac")
    task = small_task(path, corpus, quantize_from=2, fit_batches=20)
    batch = task.batch(np.random.default_rng(0))
    before = [each.clone() for each in task.codec.quantizer.codebooks]

    def heard(step: int) -> dict[str, float | torch.Tensor]:
        _, loss, logs = next(iter(task.losses(batch, step)))
        assert torch.isfinite(loss)
        return logs

    assert "use" not in heard(1) and heard(1)["commit"] == 0
    assert all(map(torch.equal, before, task.codec.quantizer.codebooks)), "nothing is quantized yet"
    assert heard(2)["commit"] > 0
    found = task.codec.vectors(batch["wav"]).flatten(0, 1)
    apart = [
        torch.cdist(found, each).amin(1).mean()
        for each in (before[0], task.codec.quantizer.codebooks[0])
    ]
    assert apart[1] < 0.5 * apart[0]
    path = next(path for path in ROWS if path.stem == "codec_nanocodec")
    with pytest.raises(ConfigError, match="fit_batches"):
        one_step(small_task(path, corpus, fit_batches=1))
