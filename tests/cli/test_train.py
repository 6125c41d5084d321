"""`tts data` and `tts train`: wrong configs are one line, and recordings become weights."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.cli import Captured, Recording, one_line
from tts.cli.main import run
from tts.data.corpus import Corpus


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["train.stesp=3"], ["'stesp'", "'steps'"]),
        (["model.dmi=3"], ["'dmi'", "'dim'"]),
        (["task=genrator"], ["'genrator'", "'generator'"]),
        (["model.strategy={kind: flaw}"], ["'flaw'", "'flow'"]),
        (["train.steps=many"], ["steps"]),
        (["train.steps=0"], ["steps"]),
        (["train.lr=.nan"], ["lr"]),
        (["nonsense"], ["key=value"]),
        (["data=nowhere"], ["nowhere"]),
    ],
)
def test_train_refuses_wrong_configs(
    overrides: list[str], words: list[str], tmp_path: Path, capfd: Captured
) -> None:
    config = Path(__file__).parents[2] / "configs" / "systems" / "default.yaml"
    sets = [part for item in overrides for part in ("--set", item)]
    assert run(["train", str(config), "--set", f"out={tmp_path / 'run'}", *sets]) != 0
    one_line(capfd, *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", ["distill", "regenerate", "overlap"])
@pytest.mark.parametrize("seed", ["-1", str(2**70)])
def test_seeds_out_of_range_are_refused(
    command: str, seed: str, tmp_path: Path, capfd: Captured
) -> None:
    out = tmp_path / "made"
    assert run(["data", command, "nowhere", "--out", str(out), "--seed", seed]) == 2
    one_line(capfd, "--seed")


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("distill", "--phone-probe"),
        ("profile", "--phone-probe"),
        ("overlap", "--phone-probe"),
        ("overlap", "--vocoder"),
        ("features", "--vocoder"),
    ],
)
def test_checkpoints_of_another_kind_are_refused(
    command: str, option: str, tiny_home: Path, corpus: Corpus, tmp_path: Path, capfd: Captured
) -> None:
    """Before any work."""
    out = tmp_path / "made"
    given = [] if command == "features" else ["--out", str(out)]
    assert run(["data", command, str(corpus.folder), *given, option, "speaker"]) == 1
    one_line(capfd, "of the kind speaker, not")
    assert not out.exists()


def test_shipped_training_configs_are_valid() -> None:
    from tts.train.config import KINDS, load_run

    folder = Path(__file__).parents[2] / "configs" / "train"
    runs = [load_run(path) for path in sorted(folder.glob("*.yaml"))]
    assert {r.task for r in runs} == set(KINDS) - {"generator"}
    for path in folder.glob("*.yaml"):
        assert f"tts train configs/train/{path.name}" in path.read_text()


def test_from_recordings_to_weights(
    tiny_home: Path, tmp_path: Path, capfd: Captured, recording: Recording
) -> None:
    """prepare, features and vtlp, train the aligner (which writes durations), resume, and align
    by hand."""
    pytest.importorskip("parselmouth")
    pytest.importorskip("accelerate")
    rows = ["path\tspeaker\ttext"]
    for number in range(9):
        recording(f"{number}.wav", seconds=2.0 + 0.1 * number)
        rows.append(f"{number}.wav\tspeaker{number % 3}\tseven words are said")
    (tmp_path / "broken.wav").write_text("not audio")
    (tmp_path / "list.tsv").write_text("\n".join([*rows, "broken.wav\tx\thello"]) + "\n")
    cache = tmp_path / "cache"
    source = [str(tmp_path / "list.tsv"), "-o", str(cache)]
    assert run(["data", "prepare", *source, "--workers", "1"]) == 0
    err = capfd.readouterr().err
    assert "9 utterances" in err and "3 speakers" in err and "broken.wav" in err

    from tts.data.corpus import Corpus
    from tts.data.vtlp import VTLP_FACTORS

    assert run(["data", "features", str(cache), "--vocoder", "speaker"]) == 1
    one_line(capfd, "of the kind speaker, not")
    assert not (cache / "features.f16").exists()
    assert run(["data", "features", str(cache), "-q"]) == 0
    assert run(["data", "vtlp", str(cache), "-q"]) == 0
    corpus = Corpus(cache)
    found = corpus.features(8)
    assert found.shape == (corpus.frames(8), 82) and np.isfinite(found).all() and found.std() > 0.1
    rows = [corpus.vtlp_speaker(8, n) for n in range(len(VTLP_FACTORS))]
    assert all(
        row is not None and np.linalg.norm(row) == pytest.approx(1, abs=1e-3) for row in rows
    )
    assert not np.allclose(rows[0], rows[-1]), "warping changes the voice"
    capfd.readouterr()

    config = tmp_path / "run.yaml"
    config.write_text(
        f"task: aligner\ndata: {cache}\nout: {tmp_path / 'run'}\n"
        "options: {batch_size: 2, pool: 2}\ntrain: {steps: 1}\n"
    )
    assert run(["train", str(config), "-q"]) == 0
    assert len(json.loads((cache / "durations.json").read_text())) == 9
    (cache / "durations.json").unlink()
    capfd.readouterr()
    assert run(["train", str(config), "--set", "train.steps=2"]) == 0
    assert "continuing" in capfd.readouterr().err
    (cache / "durations.json").unlink()
    assert run(["data", "align", str(cache), "--aligner", str(tmp_path / "run" / "export")]) == 0
    assert (cache / "durations.json").is_file()
