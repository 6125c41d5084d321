"""Waveform codecs of other rates than the corpus, those with the vocoder as decoder, and what is
logged of codecs."""

import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch

import tts_codecs
from tests.helpers.training import one_step
from tts.audio.resample import resample
from tts.data.corpus import Corpus
from tts.errors import ConfigError, DataError, UsageError
from tts.registry import load_module
from tts.train.auxiliaries import IGNORE_INDEX
from tts.train.codebook_usage import CodebookUsage, codebook_statistics
from tts.train.config import load_run
from tts.train.tasks import waveform_codec
from tts.train.tasks.waveform_codec import CodecTask
from tts.train.waveform_batches import WaveformBatches
from tts_codecs.checkpoint import save_checkpoint
from tts_codecs.neural import NeuralCodec
from tts_codecs.vocoder.decoder import SourceFilterDecoder
from tts_codecs.vocoder.source_filter import SourceFilterVocoder

PART = {"kind": "spectrum", "width": 8, "blocks": 1}
VOCODER = {"dim": 16, "hidden": 24, "blocks": 1, "pitch_dim": 8, "pitch_blocks": 1}
MODEL: dict[str, Any] = {
    "rate": 24000, "hop": 480, "dim": 80, "encoder": PART,
    "quantizer": {"kind": "rvq", "dim": 4, "num_codebooks": 2, "codebook_size": 8},
    "decoder": {**PART, "look_ahead": 1},
}  # fmt: skip
OPTIONS: dict[str, Any] = {
    "batch_size": 4, "frames": 20, "adversarial_from": 0,
    "adversaries": {"spectra": {"channels": 2}},
}  # fmt: skip


@pytest.fixture
def wide(tmp_path: Path) -> str:
    """A table of two people at 24 kHz, who are not in the corpus."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        sf.write(tmp_path / f"{name}.wav", 0.1 * rng.standard_normal(24000), 24000)
    table = tmp_path / "wide.tsv"
    table.write_text("path\tspeaker\na.wav\tann\nb.wav\tbob\n")
    return str(table)


class Writer:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.audio: list[tuple[int, int]] = []
        self.scalars: dict[str, float] = {}

    def add_audio(self, name: str, wav: torch.Tensor, step: int, rate: int) -> None:
        self.audio.append((len(wav), rate))

    def add_image(self, name: str, picture: torch.Tensor, step: int) -> None:
        assert bool(picture.isfinite().all())

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars[name] = value


def test_a_codec_of_a_higher_rate_learns_from_a_table(
    corpus: Corpus, wide: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    task = CodecTask(corpus, MODEL, **OPTIONS, wide=wide, auxiliaries={"phones": {}})
    batch = task.batch(np.random.default_rng(0))
    assert batch["wav"].shape == (4, 20 * 480) and batch["labels"].shape == (4, 20)
    power = torch.fft.rfft(batch["wav"]).abs().square()
    above = power[:, int(0.68 * power.shape[1]) :].mean(1) / power.mean(1)  # of 8.2 kHz
    # The table is white noise; the corpus has nothing there, and its phones are known.
    assert ((above > 0.5) == torch.tensor([False, True, False, True])).all()
    assert above[::2].max() < 1e-3
    assert (batch["labels"][1::2] == IGNORE_INDEX).all() and (
        batch["phone_counts"][1::2] == 0
    ).all()
    assert (batch["labels"][::2] != IGNORE_INDEX).any()
    logs = one_step(task)
    assert all(np.isfinite(float(value)) for value in logs.values()) and "spot" in logs
    task.sample(writer := Writer(), 1)
    assert writer.audio == [(24000, 24000)]
    task.export(tmp_path / "export", 1)
    assert tts_codecs.load(tmp_path / "export").info.sample_rate == 24000

    # Who is held out is so in the table too, and need not be in the corpus.
    task = CodecTask(corpus, MODEL, **OPTIONS, wide=wide, wide_share=1.0, held_out=("ann",))
    assert task.batches.wide is not None and len(task.batches.wide.audio) == 1
    assert task.batch(np.random.default_rng(0))["wav"].shape == (4, 20 * 480)
    with pytest.raises(UsageError, match="nobody"):
        CodecTask(corpus, MODEL, **OPTIONS, wide=wide, held_out=("nobody",))
    with pytest.raises(ConfigError, match=r"24000 Hz.*options\.wide"):
        CodecTask(corpus, MODEL, **OPTIONS)
    with pytest.raises(DataError, match=r"options\.wide.*24000 Hz, and 32000 Hz are learned"):
        CodecTask(corpus, {**MODEL, "rate": 32000}, **OPTIONS, wide=wide)


def test_a_codec_of_a_lower_rate_hears_the_corpus_resampled(corpus: Corpus) -> None:
    slow = WaveformBatches(corpus, 2, 20 * 160, 160, labelled=True, rate=8000)
    plain = WaveformBatches(corpus, 2, 20 * 320, 320, labelled=True)
    one, other = (each.draw(np.random.default_rng(3)) for each in (slow, plain))
    assert one["wav"].shape == (2, 20 * 160)
    assert torch.equal(one["labels"], other["labels"])
    wanted = np.stack([resample(row, 16000, 8000) for row in other["wav"].numpy()])
    np.testing.assert_allclose(one["wav"].numpy(), wanted, rtol=0, atol=1e-4)


def test_a_decoder_begins_with_the_weights_of_a_vocoder(corpus: Corpus, tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_checkpoint(
        tmp_path / "voc", SourceFilterVocoder(**VOCODER), "source_filter_vocoder", VOCODER
    )
    decoder = {"kind": "source_filter", "vocoder": VOCODER}
    model = {**MODEL, "rate": 16000, "hop": 320, "decoder": decoder}
    task = CodecTask(corpus, model, **OPTIONS, vocoder=str(tmp_path / "voc"))
    mine = task.codec.decoder
    assert isinstance(mine, SourceFilterDecoder)
    given = load_module(str(tmp_path / "voc"), kind="source_filter_vocoder").state_dict()
    assert all(torch.equal(value, given[key]) for key, value in mine.vocoder.state_dict().items())
    one_step(task)
    gradients = {name: each.grad for name, each in task.codec.named_parameters()}
    for name in ("decoder.vocoder.head.weight", "from_code.weight", "encoder.exit.weight"):
        found = gradients[name]
        assert found is not None and float(found.abs().max()) > 0, name
    assert all(each.grad is None for each in mine.vocoder.pitch.parameters())
    task.export(tmp_path / "export", 1)
    loaded = tts_codecs.load(tmp_path / "export")
    assert isinstance(loaded, NeuralCodec) and isinstance(loaded.decoder, SourceFilterDecoder)
    other = {**decoder, "vocoder": {**VOCODER, "dim": 8}}
    for wrong, message in [
        ({"decoder": other}, "other sizes"),
        ({"decoder": PART}, "source_filter"),
    ]:
        with pytest.raises(ConfigError, match=rf"options\.vocoder.*{message}"):
            CodecTask(corpus, {**model, **wrong}, **OPTIONS, vocoder=str(tmp_path / "voc"))


def test_the_commands_of_the_documentation_are_runs() -> None:
    """Of every example that changes a codec, all keys and sizes go together."""
    text = (Path(__file__).parents[2] / "docs/codecs.md").read_text().replace("\\\n", "")
    lines = re.findall(r"^tts train configs/train/(codec_\w+)\.yaml (.*)$", text, re.MULTILINE)
    found = []
    for name, rest in lines:
        words = shlex.split(rest, comments=True)
        assert words[::2] == ["--set"] * (len(words) // 2)
        model = load_run(name, words[1::2]).model
        found.append((model.get("rate", 16000), model["decoder"]["kind"]))
    assert (24000, "spectrum") in found and (16000, "source_filter") in found


def test_invariance_without_distortion_is_told_before_training(corpus: Corpus) -> None:
    model = {**MODEL, "rate": 16000, "hop": 320}
    with pytest.raises(ConfigError, match="distort"):
        CodecTask(corpus, model, **OPTIONS, auxiliaries={"invariance": {}})
    CodecTask(corpus, model, **OPTIONS, auxiliaries={"invariance": {}}, distort=0.5)


def test_scores_that_cannot_be_had_do_not_end_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def pesq(rate: int, real: np.ndarray, fake: np.ndarray, mode: str) -> float:
        seen.append((rate, len(real), mode))
        if not fake.any():
            raise RuntimeError("no utterance")  # as the package's NoUtterancesError
        return 3.5

    packages = {
        "pesq": SimpleNamespace(pesq=pesq),
        "pystoi": SimpleNamespace(stoi=lambda real, fake, rate: float(rate)),
    }
    monkeypatch.setattr(waveform_codec, "import_module", packages.__getitem__)
    sound = np.random.default_rng(0).normal(size=24000).astype(np.float32)
    found = waveform_codec._pesq_stoi(sound, sound, 24000)
    assert found == {"stoi": 24000.0, "pesq": 3.5} and seen == [(16000, 16000, "wb")]
    assert waveform_codec._pesq_stoi(sound, 0 * sound, 16000) == {"stoi": 16000.0}

    def absent(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(waveform_codec, "import_module", absent)
    assert waveform_codec._pesq_stoi(sound, sound, 16000) == {}


def test_use_of_large_codebooks_is_not_counted_entry_by_entry() -> None:
    """Counts of 2**31 entries, as FSQ and LFQ may have, would take 17 GB a codebook and batch."""
    size = 1 << 17
    usage, huge = CodebookUsage(size), CodebookUsage(1 << 31)
    rng = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 300, (60, 2, 5, 3), generator=rng) * 400
    for batch in codes:
        told, of_huge = usage.add(batch), huge.add(batch * 15_000)
    wanted = codebook_statistics(codes[-50:].flatten(0, 2), size)
    assert {name: float(value) for name, value in told.items()} == pytest.approx(wanted, rel=1e-4)
    assert float(of_huge["bits"]) == pytest.approx(wanted["bits"], rel=1e-4)
    assert float(of_huge["use"]) == pytest.approx(wanted["use"] * size / 2**31, rel=1e-4)
