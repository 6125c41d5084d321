"""The metrics by themselves: speaker encoder, spelling and word errors."""

import math
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch

from tts.errors import AudioError, CheckpointError, MissingDependencyError, UsageError
from tts.eval import metrics as metrics_module
from tts.eval.cases import CaseList, save_cases
from tts.eval.command import EvalOptions, run_cli
from tts.eval.ecapa import EcapaTdnn, SpeakerEncoder, fbank
from tts.eval.metrics import Quality, WordError, load_metrics
from tts.eval.normalize import normalize

RATE = 16_000


def tone(hertz: float, seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    time = np.arange(int(seconds * rate)) / rate
    return (0.4 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random network saved under the names SpeechBrain uses."""
    torch.manual_seed(0)
    net = EcapaTdnn(16, size=12, scale=4, squeezed=8, attention=8)
    state = {}
    for key, value in net.state_dict().items():
        stem, leaf = key.rsplit(".", 1)
        if "running" in leaf:
            value = torch.rand_like(value) + 0.5
        norm = stem.endswith(("norm", "asp_bn"))
        state[f"{stem}.{'norm' if norm else 'conv'}.{leaf}"] = value
    path = tmp_path_factory.mktemp("ecapa") / "embedding_model.ckpt"
    torch.save(state, path)
    return path


def test_encoder_reads_sizes_from_weights_and_ignores_level(weights: Path) -> None:
    encoder = SpeakerEncoder(weights)
    wave = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    first, louder = encoder.embed(wave), encoder.embed(3 * wave)
    assert first.shape == (12,) and first.dtype == np.float32
    assert encoder.similarity(first, louder) == pytest.approx(1, abs=1e-4)
    other = encoder.embed(tone(300, 1.0))
    assert encoder.similarity(first, other) < 0.9999


def test_encoder_forgets_no_state(weights: Path) -> None:
    encoder = SpeakerEncoder(weights)
    before = encoder.embed(tone(200))
    encoder.embed(tone(900))
    assert np.array_equal(before, encoder.embed(tone(200)))


@pytest.mark.parametrize(
    "samples", [np.zeros(100, np.float32), np.zeros((2, RATE), np.float32), np.full(RATE, np.nan)]
)
def test_encoder_refuses_what_it_cannot_embed(weights: Path, samples: np.ndarray) -> None:
    with pytest.raises(AudioError):
        SpeakerEncoder(weights).embed(samples)


def test_encoder_names_bad_weights(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(CheckpointError, match="not found"):
        SpeakerEncoder(tmp_path / "none.ckpt")
    cut = tmp_path / "cut.ckpt"
    cut.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot be read"):
        SpeakerEncoder(cut)
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match="ECAPA"):
        SpeakerEncoder(tmp_path / "other.ckpt")


def test_fbank_follows_the_loudest_band_and_its_floor() -> None:
    features = fbank(torch.from_numpy(tone(1000))[None])
    assert features.shape == (1, 51, 80)
    mel = 2595 * math.log10(1 + 1000 / 700) / (2595 * math.log10(1 + 8000 / 700)) * 81 - 1
    assert abs(int(features[0, 25].argmax()) - mel) < 1
    assert float(features.max() - features.min()) == pytest.approx(80, abs=1e-3)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Mr. Quilter's, colour!", "mister quilters color"),
        ("eighteen sixty-three", "1863"),
        ("nineteen hundred and five", "1905"),
        ("two million three hundred thousand and one", "2,300,001"),
        ("the twenty-first of may", "the 21st of May"),
        ("a hundred men", "100 men"),
        ("one two three", "1 2 3"),
        ("$5 million", "five million dollars"),
        ("three point five per cent", "3.5%"),
        ("To-day, grey theatres", "today gray theaters"),
    ],
)
def test_normalize_gives_one_spelling(a: str, b: str) -> None:
    assert normalize(a) == normalize(b)
    assert normalize(normalize(a)) == normalize(a)


def test_normalize_keeps_different_numbers_apart() -> None:
    texts = ["fifty", "fifteen", "fifth", "one hundred", "one thousand", "105", "hundreds"]
    assert len({normalize(text) for text in texts}) == len(texts)
    assert normalize("?!") == ""


def counter() -> WordError:
    """The counting half of WordError, without a model."""
    jiwer = pytest.importorskip("jiwer")
    error = WordError.__new__(WordError)
    error._jiwer = jiwer
    return error


def test_word_errors_count_all_three_kinds() -> None:
    count = counter().count("the cat sat on twenty mats", "The bat sat on on 20.")
    assert (count.errors, count.words) == (3, 6)  # cat/bat, one "on" more, "mats" gone
    assert counter().count("one two men", "").rate == 1.0


def test_missing_packages_and_models_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(metrics_module, "import_module", absent)
    with pytest.raises(MissingDependencyError, match=r"pip install tts\[eval\]"):
        Quality()
    (tmp_path / "whisper-base").mkdir()
    (tmp_path / "whisper-base" / "model.bin").touch()
    found = load_metrics(tmp_path)
    assert found.words is None and found.similarity is None and found.quality is None
    assert set(found.missing) == {"wer", "similarity", "quality"}
    assert "embedding_model.ckpt" in found.missing["similarity"]


@pytest.mark.parametrize(
    ("named", "there", "words"),
    [
        ({"metrics_dir": "m"}, (), r"--metrics: no Whisper model .*m/whisper-base"),
        ({"metrics_dir": "m"}, ("m/whisper-base/model.bin",), r"--metrics: .*embedding_model.ckpt"),
        ({"whisper": "./w"}, (), r"--whisper: no Whisper model .*w"),
        ({"ecapa": "e.ckpt"}, (), r"--ecapa: ECAPA weights not found: .*e.ckpt"),
        ({"ecapa": "e.ckpt"}, ("e.ckpt",), r"--ecapa: .*cannot be read"),
    ],
)
def test_weights_that_are_named_have_to_be_there_before_anything_is_spoken(
    named: dict[str, Any],
    there: tuple[str, ...],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in there:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    # An empty file is no Whisper, but here it is the other file that is missing.
    monkeypatch.setattr(metrics_module, "_require", lambda *_: MagicMock())
    save_cases(CaseList(tmp_path, 0, ()), tmp_path / "cases.json")
    options = EvalOptions(Path("cases.json"), Path("out"), models=("default",), **named)
    spoken: list[str] = []

    def load(name: str) -> Any:
        spoken.append(name)

    with pytest.raises(UsageError, match=words) as error:
        run_cli(options, load)
    assert error.value.exit_code == 2 and "\n" not in str(error.value)
    assert not spoken and not Path("out").exists()


def test_what_is_not_named_may_be_missing() -> None:
    found = load_metrics(needed=True)
    assert found.words is None and found.missing["wer"] == "no model given"
